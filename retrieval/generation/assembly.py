"""Writing a generation: vectors, approximate index, catalogue, columns, clusters, statistics, and what vouches for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from iconoclip.files import atomic_write, disk_full_is_an_answer
from iconoclip.progress import Meter
from iconoclip.record import Record
from retrieval import iconography
from retrieval.config import IndexConfig
from retrieval.generation.calibration import (
    BACKGROUND_SHARE,
    BACKGROUND_TEXTS,
    Scores,
    Statistics,
    fit_curve,
    joined,
    scores_of,
    shortened,
)
from retrieval.generation.captions import Captions, write_captions
from retrieval.generation.catalog import CatalogWriter, Place
from retrieval.generation.columns import ColumnsBuilder
from retrieval.generation.duplicates import cluster
from retrieval.generation.manifest import (
    ANN_NAME,
    CATALOG_NAME,
    CLUSTERS_NAME,
    COLUMNS_NAME,
    STATISTICS_NAME,
    VECTORS_NAME,
    Calibration,
    CaptionPart,
    IndexManifest,
    Settings,
    ShardSetReference,
    checksums,
    draft_folder,
    next_name,
    seal,
)
from retrieval.index import Segment, build, choose, map_vectors, measure_effort, write_flat

Vectors = npt.NDArray[np.float32]
EncodeTexts = Callable[[Sequence[str]], Vectors]

NUM_SAMPLED_ITEMS = 200
# A score in the upper tenth of a normal spread.
MIN_Z_OF_OWN_IMAGE, MIN_MATCHING = 1.28, 10
COPY_ROWS = 65_536


class Source(Protocol):
    """Where a generation's items come from: a build from stores, or a compaction."""

    num_items: int
    dimension: int

    def blocks(self) -> Iterator[npt.NDArray[np.float16]]:
        """The vectors in row order, in blocks."""
        ...

    def items(self) -> Iterator[tuple[Record, Place]]:
        """Each row's record and the place of its image, in row order."""
        ...

    def captions(self) -> Captions | None:
        """The vectors of captions, where there are any."""
        ...


@dataclass(frozen=True)
class Facts:
    """What a manifest says beside what was measured."""

    model: str
    model_digest: str
    shardsets: tuple[ShardSetReference, ...]
    inputs_digest: str
    compacted_through: int = 0
    calibration: Calibration | None = None


@dataclass(frozen=True)
class _Catalogued:
    groups: npt.NDArray[np.int32]
    phashes: list[str | None]
    checksums: list[str]
    sampled: list[tuple[int, str]]


def write_generation(
    index: Path,
    source: Source,
    facts: Facts,
    config: IndexConfig,
    encode_texts: EncodeTexts | None,
    meter: Meter,
) -> Path:
    """Write the next generation of an index and make it the one that is served.

    Args:
        index: the index folder.
        source: the items.
        facts: what to say of their origin.
        config: kind, memory budget, recall to reach.
        encode_texts: the model's text side, for calibration and realistic queries; None keeps the calibration of `facts`.
        meter: counts items; three passes over each.

    Returns:
        The generation's folder.

    Raises:
        TryAgainLater: the disk is full.
    """
    index.mkdir(parents=True, exist_ok=True)
    name = next_name(index)
    with disk_full_is_an_answer(index):
        draft = draft_folder(index, name)
        vectors_ND = _write_vectors(draft, source, meter)
        statistics = Statistics.of(vectors_ND)
        statistics.save(draft / STATISTICS_NAME)
        captions = source.captions()
        # Images and captions share the memory evenly.
        budget_mb = config.memory_budget_mb // (1 if captions is None else 2)
        choice = choose(len(vectors_ND), source.dimension, budget_mb, config.kind)
        meter.note(choice.kind)
        # faiss lets go of Python's lock while it computes: one core writes the catalogue meanwhile.
        with ThreadPoolExecutor(1, thread_name_prefix="catalogue") as pool:
            cataloguing = pool.submit(_write_catalog, draft, source, meter)
            build(
                vectors_ND,
                choice,
                draft / ANN_NAME,
                num_threads=config.num_threads,
                on_progress=meter.advance,
            )
            catalogued = cataloguing.result()
        clusters = cluster(vectors_ND, catalogued.groups, catalogued.phashes, catalogued.checksums)
        _save_array(draft / CLUSTERS_NAME, clusters)
        segment = Segment(draft / VECTORS_NAME, vectors_ND.shape, choice, draft / ANN_NAME)
        measured = _measure(segment, statistics, catalogued.sampled, config, encode_texts)
        caption_part = None if captions is None else _write_captions(draft, captions, budget_mb, config)
        collection = None
        if config.backend == "milvus":
            collection = _fill_milvus(index, name, vectors_ND, config)
        manifest = IndexManifest(
            generation=name,
            kind=choice.kind,
            why=choice.why,
            num_lists=choice.num_lists,
            effort=segment.effort,
            recall_at_10=round(measured.recall, 4),
            num_vectors=len(segment),
            dimension=source.dimension,
            model=facts.model,
            model_digest=facts.model_digest,
            shardsets=facts.shardsets,
            settings=Settings(
                kind=config.kind,
                memory_budget_mb=config.memory_budget_mb,
                num_probes=config.num_probes,
                target_recall=config.target_recall,
            ),
            inputs_digest=facts.inputs_digest,
            compacted_through=facts.compacted_through,
            calibration=measured.calibration or facts.calibration,
            captions=caption_part,
            backend=config.backend,
            milvus_uri=config.milvus_uri,
            milvus_collection=collection,
            files=checksums(draft),
            built_at=datetime.now(UTC).isoformat(timespec="seconds"),
            built_by=f"iconoclip {version('iconoclip')}",
        )
        return seal(index, draft, manifest)


@dataclass(frozen=True)
class _Measured:
    recall: float
    calibration: Calibration | None


def _measure(
    segment: Segment,
    statistics: Statistics,
    sampled: list[tuple[int, str]],
    config: IndexConfig,
    encode_texts: EncodeTexts | None,
) -> _Measured:
    """Set the segment's effort by queries like the real ones, and learn what scores mean."""
    captions_QD = encode_texts([text for _, text in sampled]) if encode_texts else None
    queries_QD = _queries(segment.vectors_ND, captions_QD)
    recall = measure_effort(
        segment, queries_QD, target_recall=config.target_recall, fixed_effort=config.num_probes
    )
    if encode_texts is None or captions_QD is None:
        return _Measured(recall, None)
    return _Measured(recall, _calibration(segment, statistics, sampled, captions_QD, encode_texts))


def _write_captions(draft: Path, captions: Captions, budget_mb: int, config: IndexConfig) -> CaptionPart:
    return write_captions(
        draft,
        captions,
        choose(len(captions.vectors), captions.vectors.shape[1], budget_mb, config.kind),
        _queries(captions.vectors, None),
        target_recall=config.target_recall,
        num_threads=config.num_threads,
    )


def _write_vectors(draft: Path, source: Source, meter: Meter) -> npt.NDArray[np.float16]:
    write_flat(_counted(source.blocks(), meter), source.dimension, draft / VECTORS_NAME)
    return map_vectors(draft / VECTORS_NAME, source.num_items, source.dimension)


def _counted(blocks: Iterator[npt.NDArray[np.float16]], meter: Meter) -> Iterator[npt.NDArray[np.float16]]:
    for block in blocks:
        yield block
        meter.advance(len(block))


def _write_catalog(draft: Path, source: Source, meter: Meter) -> _Catalogued:
    writer, columns = CatalogWriter(draft / CATALOG_NAME), ColumnsBuilder()
    phashes: list[str | None] = []
    stored_checksums: list[str] = []
    sampled: list[tuple[int, str]] = []
    step = max(1, source.num_items // NUM_SAMPLED_ITEMS)
    for row, (record, place) in enumerate(source.items()):
        writer.add(row, record, place, iconography.words(record.iconclass))
        columns.add(record)
        phashes.append(record.image.phash)
        stored_checksums.append(record.image.sha256)
        if row % step == 0 and record.captions:
            sampled.append((row, record.captions[row // step % len(record.captions)].text))
        meter.advance()
    writer.close()
    finished = columns.finish()
    finished.save(draft / COLUMNS_NAME)
    return _Catalogued(finished.values["group"].codes, phashes, stored_checksums, sampled)


def _save_array(path: Path, array: npt.NDArray[np.int32]) -> None:
    with atomic_write(path) as file:
        np.save(file, array, allow_pickle=False)


def _queries(vectors_ND: npt.NDArray[np.float16], captions_QD: Vectors | None) -> Vectors:
    """Queries like the real ones: captions, and images that are near an item without being it."""
    generator = np.random.default_rng(0)
    rows = generator.choice(len(vectors_ND), min(len(vectors_ND), NUM_SAMPLED_ITEMS // 2), replace=False)
    images_QD = vectors_ND[np.sort(rows)].astype(np.float32)
    noise_QD = generator.normal(size=images_QD.shape).astype(np.float32)
    images_QD = images_QD + 0.2 * noise_QD / np.linalg.norm(noise_QD, axis=1, keepdims=True)
    images_QD /= np.linalg.norm(images_QD, axis=1, keepdims=True)
    return images_QD if captions_QD is None else np.concatenate([images_QD, captions_QD])


def _calibration(
    segment: Segment,
    statistics: Statistics,
    sampled: list[tuple[int, str]],
    captions_QD: Vectors,
    encode_texts: EncodeTexts,
) -> Calibration | None:
    if len(sampled) < 2 or len(segment) < 3:
        return None
    rows = np.array([row for row, _ in sampled], np.int64)
    images_QD = segment.vectors(rows)
    short_QD = encode_texts([shortened(text) for _, text in sampled])
    pairs = [pair for texts in (captions_QD, short_QD) for pair in zip(texts, images_QD, strict=True)]
    # A shelfmark or "page 7" says nothing that can be seen: a caption counts when it is about its own image.
    seen = [
        text_D for text_D, image_D in pairs if _pair(statistics, text_D, image_D).z[0] >= MIN_Z_OF_OWN_IMAGE
    ]
    if len(seen) < MIN_MATCHING:
        return None
    matching = joined([_best(statistics, text_D, segment) for text_D in seen])
    background = joined([_best(statistics, text_D, segment) for text_D in encode_texts(BACKGROUND_TEXTS)])
    neighbours = joined([_best(statistics, image_D, segment, skip=1) for image_D in images_QD])
    others_QD = np.roll(images_QD, 1, axis=0)
    strangers = joined([_pair(statistics, *pair) for pair in zip(images_QD, others_QD, strict=True)])
    return Calibration(
        text=fit_curve(matching, background, BACKGROUND_SHARE),
        image=fit_curve(neighbours, strangers),
        num_matching=len(seen),
        num_background=len(BACKGROUND_TEXTS),
    )


def _pair(statistics: Statistics, query_D: Vectors, item_D: Vectors) -> Scores:
    return scores_of(statistics, query_D, np.array([query_D @ item_D], np.float32))


def _best(statistics: Statistics, query_D: Vectors, segment: Segment, *, skip: int = 0) -> Scores:
    _, cosines = segment.exact(query_D, 1 + skip)
    return scores_of(statistics, query_D, cosines[-1:])


def _fill_milvus(index: Path, name: str, vectors_ND: npt.NDArray[np.float16], config: IndexConfig) -> str:
    """Copy the vectors into a collection of their own; generations stand side by side in one Milvus."""
    # Imported here: pymilvus is an extra.
    from retrieval.backends.milvus import collection_name, create, default_uri

    collection = collection_name(index, name)
    starts = range(0, len(vectors_ND), COPY_ROWS)
    blocks = (vectors_ND[start : start + COPY_ROWS] for start in starts)
    create(config.milvus_uri or default_uri(index), collection, blocks, vectors_ND.shape[1])
    return collection
