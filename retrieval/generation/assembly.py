"""Writes a generation: vectors, approximate index, catalogue, columns, clusters,
statistics, and the manifest.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from iconoclip import clock
from iconoclip.disk_full import disk_full_is_an_answer
from iconoclip.files import atomic_write
from iconoclip.progress import Meter
from iconoclip.record import Record
from retrieval import iconography
from retrieval.config import IndexConfig
from retrieval.faiss_index import IndexChoice, Segment, build, choose, map_vectors, write_flat
from retrieval.generation.calibration import Statistics
from retrieval.generation.captions import Captions, write_captions
from retrieval.generation.catalog import Catalog, CatalogWriter, ImageLocation
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
    Relevance,
    Settings,
    ShardSetReference,
    checksums,
    draft_folder,
    next_name,
    seal,
)
from retrieval.generation.measured import (
    NUM_SAMPLED_ITEMS,
    EncodeTexts,
    Measurements,
    measure,
    sampled_queries,
)


class Source(Protocol):
    """The source of a generation's items: a build from stores, or a compaction."""

    num_items: int
    dimension: int

    def blocks(self) -> Iterator[npt.NDArray[np.float16]]:
        """The vectors in row order, in blocks."""
        ...

    def items(self) -> Iterator[tuple[Record, ImageLocation]]:
        """Each row's record and the location of its image, in row order."""
        ...

    def captions(self) -> Captions | None:
        """The vectors of captions, if there are any."""
        ...


@dataclass(frozen=True)
class IndexDescription:
    """The fields of a manifest that are not measured."""

    model: str
    model_digest: str
    shardsets: tuple[ShardSetReference, ...]
    inputs_digest: str
    compacted_through: int = 0
    calibration: Calibration | None = None
    relevance: Relevance | None = None


@dataclass(frozen=True)
class _Catalogued:
    groups: npt.NDArray[np.int32]
    phashes: list[str | None]
    checksums: list[str]
    sampled: list[tuple[int, str]]


def write_generation(
    index: Path,
    source: Source,
    facts: IndexDescription,
    config: IndexConfig,
    encode_texts: EncodeTexts | None,
    meter: Meter,
) -> Path:
    """Write the next generation of an index and make it current.

    Args:
        index: the index folder.
        source: the items.
        facts: the description of the items' origin.
        config: the kind, the memory budget and the recall to reach.
        encode_texts: the model's text tower, for calibration and realistic queries; None keeps
            the calibration of `facts`.
        meter: counts items; there are three passes over each.

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
        # Images and captions each get half of the memory.
        budget_mb = config.memory_budget_mb // (1 if captions is None else 2)
        choice = choose(len(vectors_ND), source.dimension, budget_mb, config.kind)
        catalogued = _write_index_and_catalog(draft, source, vectors_ND, choice, config, meter)
        _write_clusters(draft, vectors_ND, catalogued)
        segment = Segment(draft / VECTORS_NAME, vectors_ND.shape, choice, draft / ANN_NAME)
        with contextlib.closing(Catalog(draft / CATALOG_NAME)) as catalog:
            measured = measure(segment, statistics, catalogued.sampled, config, encode_texts, catalog.words)
        part = None if captions is None else _write_captions(draft, captions, budget_mb, config)
        collection = _fill_milvus(index, name, vectors_ND, config) if config.backend == "milvus" else None
        manifest = _manifest(name, segment, measured, part, facts, config).model_copy(
            update={"milvus_collection": collection, "files": checksums(draft)}
        )
        return seal(index, draft, manifest)


def _manifest(
    name: str,
    segment: Segment,
    measured: Measurements,
    captions: CaptionPart | None,
    facts: IndexDescription,
    config: IndexConfig,
) -> IndexManifest:
    """The manifest of the generation, still without its files."""
    return IndexManifest(
        generation=name,
        kind=segment.choice.kind,
        why=segment.choice.why,
        num_lists=segment.choice.num_lists,
        effort=segment.effort,
        recall_at_10=round(measured.recall, 4),
        num_vectors=len(segment),
        dimension=segment.vectors_ND.shape[1],
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
        relevance=measured.relevance or facts.relevance,
        captions=captions,
        backend=config.backend,
        milvus_uri=config.milvus_uri,
        files={},
        built_at=clock.now(),
        built_by=f"iconoclip {version('iconoclip')}",
    )


def _write_index_and_catalog(
    draft: Path,
    source: Source,
    vectors_ND: npt.NDArray[np.float16],
    choice: IndexChoice,
    config: IndexConfig,
    meter: Meter,
) -> _Catalogued:
    """Write both at the same time: faiss releases Python's lock while it computes, and one
    core writes the catalogue.
    """
    meter.note(choice.kind)
    with ThreadPoolExecutor(1, thread_name_prefix="catalogue") as pool:
        cataloguing = pool.submit(_write_catalog, draft, source, meter)
        build(vectors_ND, choice, draft / ANN_NAME, num_threads=config.num_threads, on_progress=meter.advance)
        return cataloguing.result()


def _write_clusters(draft: Path, vectors_ND: npt.NDArray[np.float16], catalogued: _Catalogued) -> None:
    clusters = cluster(vectors_ND, catalogued.groups, catalogued.phashes, catalogued.checksums)
    with atomic_write(draft / CLUSTERS_NAME) as file:
        np.save(file, clusters, allow_pickle=False)


def _write_captions(draft: Path, captions: Captions, budget_mb: int, config: IndexConfig) -> CaptionPart:
    return write_captions(
        draft,
        captions,
        choose(len(captions.vectors), captions.vectors.shape[1], budget_mb, config.kind),
        sampled_queries(captions.vectors, None),
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


def _fill_milvus(index: Path, name: str, vectors_ND: npt.NDArray[np.float16], config: IndexConfig) -> str:
    """Copy the vectors into a new collection; one Milvus contains several generations."""
    # Imported here: pymilvus is an optional dependency.
    from retrieval.backends.milvus import collection_name, create, default_uri

    collection = collection_name(index, name)
    create(config.milvus_uri or default_uri(index), collection, [vectors_ND], vectors_ND.shape[1])
    return collection
