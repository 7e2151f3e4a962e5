"""`shardset.json`: the contents of a shard set with checksums (docs/schemas/shardset.schema.json)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from iconoclip.record import Sha256

MANIFEST_NAME = "shardset.json"
RECORDS_NAME = "records.parquet"
# A detached signature of shardset.json, and a report with pictures of samples. They describe the set before a
# change; `unseal` explains why they are removed with the manifest.
SIGNATURE_NAME = "shardset.json.sig"
QUALITY_NAME = "quality.html"
# The samples as Parquet with their pictures inside, for the libraries of others (`iconoclip card`).
EMBEDDED_FOLDER = "data"
MAX_SHARD_BYTES = 1_000_000_000
MAX_MANIFEST_BYTES = 256_000_000


class _ManifestModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Shard(_ManifestModel):
    """One tar of a shard set."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*-[0-9]{6}\.tar$")
    sha256: Sha256
    num_bytes: int = Field(gt=0)
    num_samples: int = Field(gt=0)


class Totals(_ManifestModel):
    """Counts of samples, in total and by institution."""

    num_samples: int = 0
    num_trainable: int = Field(
        0, description="samples whose rights say a plain yes to training, without opt-out"
    )
    by_institution: dict[str, int] = Field(default_factory=dict)
    by_language: dict[str, int] = Field(default_factory=dict, description="captions, by BCP 47 tag")
    by_rights: dict[str, int] = Field(
        default_factory=dict, description="by canonical URI; 'none' where there is none"
    )
    by_split: dict[str, int] = Field(default_factory=dict)


class Tombstone(_ManifestModel):
    """A withdrawn sample: its bytes may still be in a tar, but no reader may return it."""

    key: str
    reason: str
    at: str = Field(description="ISO 8601 time, UTC")


class Parent(_ManifestModel):
    """A shard set this one was merged from."""

    name: str
    digest: Sha256


class ShardSetManifest(_ManifestModel):
    """The contents of `shardset.json`."""

    schema_version: Literal[1, 2] = Field(2, description="2: records may be of version 2")
    name: str
    records_sha256: Sha256 = Field(description="of records.parquet")
    shards: tuple[Shard, ...]
    totals: Totals
    policy: str = Field(description="the rights policy of the verdicts, as name@version")
    created_at: str
    created_by: str
    parents: tuple[Parent, ...] = ()
    tombstones: tuple[Tombstone, ...] = ()


def unseal(folder: Path) -> None:
    """Remove the manifest of a set before its files change, so that no reader sees half a set. Also remove
    the signature, the report and the Parquet files, which describe the old set: the latter two would still
    show a withdrawn picture.
    """
    for name in (MANIFEST_NAME, SIGNATURE_NAME, QUALITY_NAME):
        (folder / name).unlink(missing_ok=True)
    remove_embedded(folder)


def remove_embedded(folder: Path) -> bool:
    """Remove the Parquet files with pictures; whether there were any."""
    paths = [*(folder / EMBEDDED_FOLDER).glob("*.parquet")]
    for path in paths:
        path.unlink()
    if paths and not any((folder / EMBEDDED_FOLDER).iterdir()):
        (folder / EMBEDDED_FOLDER).rmdir()
    return bool(paths)


def with_tombstones(manifest: ShardSetManifest, tombstones: Iterable[Tombstone]) -> ShardSetManifest:
    """The manifest with more samples withdrawn. A key that was withdrawn before keeps its first tombstone."""
    known = {tombstone.key for tombstone in manifest.tombstones}
    added = tuple(tombstone for tombstone in tombstones if tombstone.key not in known)
    return manifest.model_copy(update={"tombstones": manifest.tombstones + added})
