"""The index folder: generations that never change, and one small file that names the current one.

CURRENT                       the name of the generation to serve, replaced by one rename
gen-000001/manifest.json      the sources of the generation, and a checksum of each file below
gen-000001/vectors.faiss      float16 [N, D], unit length; a row is an item
gen-000001/ann.faiss          approximate index, unless the kind is exact
gen-000001/catalog.sqlite     records and full text
gen-000001/columns.npz        the columns that items are filtered and counted by
gen-000001/clusters.npy       int32 [N]: near-duplicates share a number
gen-000001/statistics.npz     mean [D] and covariance [D, D] of the vectors, for calibration
gen-000001/captions*          captions searched by meaning, if any (retrieval.generation.captions)
live.sqlite                   the mutable segment: additions and withdrawals since (retrieval.live.log)

A generation is written under a name that starts with a dot and renamed when it is complete. So a process
that is killed at any moment leaves the last complete one. Images stay in the shard sets, which the manifest
names by path and checksum.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from iconoclip.errors import DamagedData, MissingRequirement
from iconoclip.files import atomic_write, sha256_of, write_json
from iconoclip.record import Sha256

CURRENT_NAME, MANIFEST_NAME = "CURRENT", "manifest.json"
VECTORS_NAME, ANN_NAME, CATALOG_NAME = "vectors.faiss", "ann.faiss", "catalog.sqlite"
COLUMNS_NAME, CLUSTERS_NAME, STATISTICS_NAME = "columns.npz", "clusters.npy", "statistics.npz"
CAPTION_VECTORS_NAME, CAPTION_ANN_NAME = "captions.faiss", "captions-ann.faiss"
CAPTION_ROWS_NAME = "captions-rows.npy"
FILE_NAMES = (
    *(VECTORS_NAME, ANN_NAME, CATALOG_NAME, COLUMNS_NAME, CLUSTERS_NAME, STATISTICS_NAME),
    *(CAPTION_VECTORS_NAME, CAPTION_ANN_NAME, CAPTION_ROWS_NAME),
)
GENERATION_PATTERN = r"^gen-[0-9]{6}$"
NUM_GENERATIONS_KEPT = 2

REBUILD = "run `iconoclip index` again"


class _ManifestModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class ShardSetReference(_ManifestModel):
    """A shard set that images are read from."""

    path: str
    name: str
    records_sha256: Sha256 = Field(
        description="of its records.parquet: which set it is, whatever is withdrawn"
    )


class Curve(_ManifestModel):
    """A logistic curve: probability = 1 / (1 + exp(-(cosine * c + z * s +
    intercept))). All zero means unknown.
    """

    cosine: float = Field(ge=0)
    z: float = Field(ge=0)
    intercept: float

    @property
    def is_flat(self) -> bool:
        """Whether it gives every score the same probability."""
        return self.cosine == 0 and self.z == 0


class Calibration(_ManifestModel):
    """The calibration of scores for this model and this collection (retrieval.generation.calibration)."""

    text: Curve = Field(description="for queries with a text")
    image: Curve = Field(description="for queries of images and items alone")
    num_matching: int = Field(description="queries known to match that it was fitted on")
    num_background: int = Field(description="queries known not to")


class Relevance(_ManifestModel):
    """The weights that join words and picture to one likelihood (retrieval.generation.relevance).

    The features are, in this order: coverage, information, fullness and closeness of the words, and the log
    odds of the picture.
    """

    hybrid: tuple[float, ...] = Field(min_length=5, max_length=5)
    hybrid_intercept: float
    words: tuple[float, ...] = Field(min_length=4, max_length=4, description="without the picture")
    words_intercept: float
    pictures_of: Literal["all", "with words"] = Field(
        "all",
        description="of which items the picture counts in a query with known words: of all, or only of those"
        " with a word of it",
    )
    num_matching: int = Field(description="pairs of query and item known to match that it was fitted on")
    num_background: int = Field(description="pairs known not to")


class CaptionPart(_ManifestModel):
    """The segment of caption vectors."""

    kind: Literal["exact", "hnsw", "ivf-sq8", "ivf-pq"]
    num_lists: int = Field(ge=0)
    effort: int = Field(ge=0)
    recall_at_10: float = Field(description="against exact search over sampled captions")
    num_vectors: int = Field(gt=0)


class Settings(_ManifestModel):
    """The settings that the index was built with; a compaction uses them again."""

    kind: Literal["auto", "exact", "hnsw", "ivf-sq8", "ivf-pq"] = "auto"
    memory_budget_mb: int = 800
    num_probes: int = 0
    target_recall: float = 0.95


class IndexManifest(_ManifestModel):
    """The contents of a generation's `manifest.json`."""

    schema_version: Literal[1] = 1
    generation: str = Field(pattern=GENERATION_PATTERN)
    kind: Literal["exact", "hnsw", "ivf-sq8", "ivf-pq"]
    why: str = Field(description="why this kind")
    num_lists: int = Field(ge=0)
    effort: int = Field(ge=0, description="lists looked into, or candidates kept open, to reach the recall")
    recall_at_10: float | None = Field(description="against exact search over sampled queries")
    num_vectors: int = Field(ge=0)
    dimension: int = Field(gt=0)
    model: str = Field(description="path of the model directory")
    model_digest: Sha256
    shardsets: tuple[ShardSetReference, ...]
    settings: Settings = Settings()
    inputs_digest: Sha256 = Field(description="of everything the generation was built from")
    compacted_through: int = Field(0, ge=0, description="changes of the mutable segment that are inside")
    calibration: Calibration | None
    relevance: Relevance | None = Field(None, description="null in indexes built before it was measured")
    captions: CaptionPart | None = Field(None, description="captions searched by meaning, if any")
    backend: Literal["faiss", "milvus"] = "faiss"
    milvus_uri: str | None = None
    milvus_collection: str | None = None
    files: dict[str, Sha256] = Field(description="checksum of each file in the manifest's folder")
    built_at: str
    built_by: str


def current_generation(index: Path) -> Path:
    """The folder of the generation to serve.

    Raises:
        MissingRequirement: there is no index in the folder.
        DamagedData: CURRENT does not name a generation.
    """
    try:
        name = (index / CURRENT_NAME).read_text(encoding="ascii", errors="replace")[:64].strip()
    except (FileNotFoundError, NotADirectoryError):
        raise MissingRequirement(
            "no index here", where=index, remedy="`iconoclip index` builds one"
        ) from None
    if not re.match(GENERATION_PATTERN, name) or not (index / name).is_dir():
        raise DamagedData(
            f"CURRENT names '{name}', which is no generation", where=index / CURRENT_NAME, remedy=REBUILD
        )
    return index / name


def read_manifest(generation: Path) -> IndexManifest:
    """The manifest of a generation.

    Raises:
        DamagedData: there is no manifest, or it is not valid.
    """
    path = generation / MANIFEST_NAME
    try:
        return IndexManifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise DamagedData("the generation has no manifest", where=path, remedy=REBUILD) from None
    except ValidationError as error:
        if (made_by := _made_by_another_version(path)) is not None:
            why = f"its manifest has another form: {error.errors()[0]['msg']}"
            raise too_old(generation, made_by, why) from error
        raise DamagedData(
            f"not an index manifest: {error.errors()[0]['msg']}", where=path, remedy=REBUILD
        ) from error


def _made_by_another_version(path: Path) -> str | None:
    """The version that a manifest of another form names, if it is a manifest and not damaged."""
    with contextlib.suppress(ValueError, OSError):
        manifest = json.loads(path.read_bytes())
        if isinstance(manifest, dict) and {"generation", "built_by", "files"} <= manifest.keys():
            return str(manifest["built_by"])[:100]
    return None


def too_old(generation: Path, made_by: str, why: str) -> MissingRequirement:
    """The error for an index that another version made, and that this one would answer wrongly from."""
    return MissingRequirement(
        f"this index was made by {made_by}, and iconoclip {version('iconoclip')} cannot search it: {why}",
        where=generation.parent,
        remedy="build it again from its embedding stores, which are still valid:"
        f" `iconoclip index STORE ... --out {generation.parent}`",
    )


def verify_files(generation: Path, manifest: IndexManifest) -> None:
    """Compare every file of a generation with its checksum.

    Raises:
        DamagedData: a file is missing, differs, or has an unknown name.
    """
    for name, checksum in manifest.files.items():
        path = generation / name
        if name not in FILE_NAMES or not path.is_file() or sha256_of(path) != checksum:
            raise DamagedData("a file of the index differs from its manifest", where=path, remedy=REBUILD)


def next_name(index: Path) -> str:
    """The name of the next generation."""
    numbers = [int(path.name[4:]) for path in index.glob("gen-*") if re.match(GENERATION_PATTERN, path.name)]
    return f"gen-{max(numbers, default=0) + 1:06d}"


def draft_folder(index: Path, name: str) -> Path:
    """Make an empty folder to write generation `name` into; leftovers of killed builds are removed."""
    for leftover in index.glob(".gen-*.partial"):
        shutil.rmtree(leftover)
    draft = index / f".{name}.partial"
    draft.mkdir(parents=True)
    return draft


def seal(index: Path, draft: Path, manifest: IndexManifest) -> Path:
    """Make a draft generation current, and remove old generations that are no longer read.

    The checksums in the manifest must be those of the files in the draft.
    """
    write_json(draft / MANIFEST_NAME, manifest.model_dump(mode="json"))
    for name in manifest.files:
        _flush(draft / name)
    folder = index / manifest.generation
    draft.rename(folder)
    with atomic_write(index / CURRENT_NAME) as file:
        file.write(f"{manifest.generation}\n".encode())
    _remove_old(index)
    return folder


def checksums(draft: Path) -> dict[str, str]:
    """The checksum of each file in a draft generation."""
    return {name: sha256_of(draft / name) for name in FILE_NAMES if (draft / name).is_file()}


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _remove_old(index: Path) -> None:
    """Keep the newest two, because a reader may still be opening the previous one. Files that are already
    open stay readable after their removal.
    """
    names = sorted(path.name for path in index.glob("gen-*") if re.match(GENERATION_PATTERN, path.name))
    for name in names[:-NUM_GENERATIONS_KEPT]:
        shutil.rmtree(index / name)
