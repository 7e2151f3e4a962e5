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


def _is_absent(value: object) -> bool:
    """Whether a field is left out of the JSON: sets that do not use it stay readable by older versions."""
    return value is None or value == ()


class Shard(_ManifestModel):
    """One tar of a shard set."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*-[0-9]{6}\.tar$")
    sha256: Sha256
    num_bytes: int = Field(gt=0)
    num_samples: int = Field(gt=0)
    at: str | None = Field(
        None,
        description=(
            "where the file is, if not in this folder under its name: a path relative to the set, or an"
            " address. Its records keep their own group, split and rights; those of records.parquet count"
        ),
        max_length=2_000,
        pattern=r"^[^\x00-\x1f]+\.tar$",
        exclude_if=_is_absent,
    )
    formerly: tuple[Sha256, ...] = Field(
        (),
        description="its checksums before samples were purged: all others are still where they were",
        exclude_if=_is_absent,
    )
    weight: float | None = Field(
        None,
        description="training draws its samples so many times as often as others; absent: once",
        gt=0,
        le=1_000,
        exclude_if=_is_absent,
    )


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
    reason: str = Field(
        description="why, in general terms: `withdrawn`, or that its source no longer offers it"
    )
    at: str = Field(description="ISO 8601 time, UTC")


class Parent(_ManifestModel):
    """A shard set this one was merged from."""

    name: str
    digest: Sha256
    address: str | None = Field(
        None,
        description=(
            "where it is: a path relative to the set, or an address. What is withdrawn there is"
            " withdrawn here"
        ),
        max_length=2_000,
        pattern=r"^[^\x00-\x1f]+$",
        exclude_if=_is_absent,
    )
    weight: float | None = Field(
        None, description="see `weight` of a shard", gt=0, le=1_000, exclude_if=_is_absent
    )


class ShardSetManifest(_ManifestModel):
    """The contents of `shardset.json`."""

    schema_version: Literal[1, 2, 3] = Field(
        2,
        description=(
            "2: records may be of version 2; 3: shards or parents have addresses or weights, or lists of"
            " withdrawals are named"
        ),
    )
    name: str
    records_sha256: Sha256 = Field(description="of records.parquet")
    shards: tuple[Shard, ...]
    totals: Totals
    policy: str = Field(description="the rights policy of the verdicts, as name@version")
    created_at: str
    created_by: str
    parents: tuple[Parent, ...] = ()
    tombstones: tuple[Tombstone, ...] = ()
    withdrawals: tuple[str, ...] = Field(
        (),
        description=(
            "lists of withdrawn keys (Parquet, column `key`) that apply to this set, by path or address"
        ),
        exclude_if=_is_absent,
    )

    formerly: tuple[Sha256, ...] = Field(
        (),
        description=("records_sha256 before samples were purged: every other sample is still where it was"),
        exclude_if=_is_absent,
    )

    @property
    def is_by_reference(self) -> bool:
        """Whether the set has shards that are elsewhere."""
        return any(shard.at is not None for shard in self.shards)


def version_of(
    shards: Iterable[Shard], parents: Iterable[Parent], withdrawals: Iterable[str]
) -> Literal[2, 3]:
    """The oldest version of the format that has what a manifest uses."""
    facts = [*(one.at or one.weight for one in shards), *(one.address or one.weight for one in parents)]
    return 3 if any(fact is not None for fact in facts) or any(withdrawals) else 2


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


# The name of the members of a tar that fill the places of purged samples with zeros: the places of all others
# stay as they were. Readers of WebDataset pass over names of this form.
FILLER_NAME = "__withdrawn__"
# What a tombstone says of an item that a person withdrew. The true reason is nobody else's business.
WITHDRAWN = "withdrawn"
# What it says of an item that its source no longer offers. Such an item may come back; others may not.
GONE = "no longer offered by its source"


def is_final(tombstone: Tombstone) -> bool:
    """Whether the item may never come back."""
    return tombstone.reason != GONE


def with_tombstones(manifest: ShardSetManifest, tombstones: Iterable[Tombstone]) -> ShardSetManifest:
    """The manifest with more samples withdrawn. A key that was withdrawn before keeps its first tombstone."""
    known = {tombstone.key for tombstone in manifest.tombstones}
    added = tuple(tombstone for tombstone in tombstones if tombstone.key not in known)
    return manifest.model_copy(update={"tombstones": manifest.tombstones + added})
