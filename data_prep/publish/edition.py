"""What is published of a shard set: a set without what was withdrawn, and without what may not be passed on.

Withdrawn samples are still in the shards of the set itself, where its readers leave them out. What is
published is read by programs that do not, so these samples are not in it: shards that hold any are written
again without them, the others are the same files. The result is a shard set like any other, made in the
same way every time. Reasons of withdrawals stay at home.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from iconoclip.address_cache import is_remote
from iconoclip.errors import RightsForbid
from iconoclip.files import sha256_of, write_json
from iconoclip.progress import progress
from iconoclip.record import Redistribute
from iconoclip.rights import may_pass_on
from iconoclip.shard_copy import PlaceInShard, copy_samples
from iconoclip.shardset import (
    MANIFEST_NAME,
    RECORDS_NAME,
    RECORDS_SCHEMA,
    Shard,
    ShardSet,
    ShardSetManifest,
    ShardSetWriter,
    Totals,
)
from iconoclip.shardset_index import Counts, as_of_today
from iconoclip.shardset_manifest import WITHDRAWN
from iconoclip.withdrawals import LIST_NAME, add_to_list, final_keys

# The samples that each choice publishes, by what their statement says about passing them on.
PASSED_ON: Final[dict[str, frozenset[Redistribute]]] = {
    "open": frozenset({"yes", "share-alike"}),
    "noncommercial": frozenset({"yes", "share-alike", "noncommercial"}),
}
_ROWS_AT_ONCE: Final = 10_000
_PLACE: Final = ["key", "image_offset", "image_size", "record_offset", "record_size"]


@dataclass(frozen=True)
class Edition:
    """A set as it is published.

    `num_kept_back` counts the samples that may not be passed on.
    """

    shardset: ShardSet
    num_withdrawn: int
    num_kept_back: int


def make_edition(
    shardset: ShardSet, folder: Path, pass_on: str, is_published: Callable[[], bool] = lambda: False
) -> Edition:
    """Write what is published of a set into an empty folder.

    Args:
        pass_on: a key of `PASSED_ON`, or "agreed": all samples that are not withdrawn.
        is_published: whether something of the set is published already. Then an edition without samples is
            made of a set whose last samples were withdrawn, so that they disappear there too.

    Raises:
        DamagedData: a file of the set differs from its checksum.
        RightsForbid: no sample is left, and none is published.
    """
    making = _Making(shardset, folder, PASSED_ON.get(pass_on))
    making.choose()
    add_to_list(folder / LIST_NAME, _withdrawn_keys(shardset))
    is_empty = not making.num_kept.total()
    if is_empty and not (making.num_withdrawn and is_published()):
        raise RightsForbid(
            "nothing of this set may be published",
            where=shardset.folder,
            remedy="its rights do not allow it; --pass_on agreed is for partners with an agreement"
            if making.num_kept_back
            else "everything in it is withdrawn",
        )
    if shardset.manifest.is_by_reference and not is_empty:
        making.copy()
    else:
        making.write()
    return Edition(ShardSet(folder), making.num_withdrawn, making.num_kept_back)


class _Making:
    """The steps of an edition; `allowed` None means all rights."""

    def __init__(self, shardset: ShardSet, folder: Path, allowed: frozenset[Redistribute] | None) -> None:
        self._set, self._folder, self._allowed = shardset, folder, allowed
        self.num_kept: Counter[str] = Counter()
        self.num_withdrawn = self.num_kept_back = 0
        self._moved: dict[str, PlaceInShard] = {}

    def choose(self) -> None:
        """Count what is kept of each shard."""
        num_samples = 0
        for batch in self._batches(["key", "shard", "rights_raw", "rights_uri"]):
            num_samples += batch.num_rows
            for key, shard, kept in zip(
                batch["key"].to_pylist(), batch["shard"].to_pylist(), self._kept(batch), strict=True
            ):
                self.num_kept[shard] += kept
                self.num_withdrawn += key in self._set.withdrawn
        self.num_kept_back = num_samples - self.num_withdrawn - self.num_kept.total()

    def write(self) -> None:
        """Write shards, index and manifest, the manifest last."""
        shards = self._shards()
        is_whole = shards == self._set.manifest.shards
        manifest = self._set.manifest
        if is_whole:
            _link(self._set.folder / RECORDS_NAME, self._folder / RECORDS_NAME)
        else:
            totals = self._write_index()
            manifest = manifest.model_copy(update={"shards": shards, "totals": totals})
        update = {**_public_facts(manifest), "records_sha256": sha256_of(self._folder / RECORDS_NAME)}
        write_json(self._folder / MANIFEST_NAME, manifest.model_copy(update=update).model_dump(mode="json"))

    def copy(self) -> None:
        """Write a set by reference as a set of its own: its shards are in the folders of others, and their
        records state the groups, splits and rights that they have there.
        """
        facts = self._set.manifest
        public = _public_facts(facts)
        with ShardSetWriter(
            self._folder,
            name=facts.name,
            policy=facts.policy,
            created_at=facts.created_at,
            created_by=facts.created_by,
            parents=public["parents"],
            tombstones=public["tombstones"],
            withdrawals=public["withdrawals"],
        ) as writer:
            weights = {shard.name: shard.weight for shard in facts.shards}
            for shard, record, image in self._set.placed_samples():
                rights = record.rights
                if self._allowed is None or may_pass_on(rights.raw, rights.uri, self._allowed):
                    writer.weigh(weights[shard])
                    writer.add(record, image)

    def _batches(self, columns: list[str]) -> Iterator[pa.Table]:
        with pq.ParquetFile(self._set.folder / RECORDS_NAME) as file:
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=columns):
                yield pa.Table.from_batches([batch])

    def _kept(self, rows: pa.Table) -> list[bool]:
        return [
            row["key"] not in self._set.withdrawn
            and (self._allowed is None or may_pass_on(row["rights_raw"], row["rights_uri"], self._allowed))
            for row in rows.select(["key", "rights_raw", "rights_uri"]).to_pylist()
        ]

    def _shards(self) -> tuple[Shard, ...]:
        """The shards of the edition, each checked against its checksum first."""
        shards: list[Shard] = []
        with progress("prepare", total=len(self._set.manifest.shards), unit="shards") as meter:
            for shard in self._set.manifest.shards:
                self._set.verify_shard(shard)
                if self.num_kept[shard.name] == shard.num_samples:
                    _link(self._set.folder / shard.name, self._folder / shard.name)
                    shards.append(shard)
                elif self.num_kept[shard.name]:
                    shards.append(self._without_some(shard))
                meter.advance()
        return tuple(shards)

    def _without_some(self, shard: Shard) -> Shard:
        places = self._places(shard.name)
        entry, moved = copy_samples(self._set.folder / shard.name, places, self._folder / shard.name)
        self._moved |= {place.key: place for place in moved}
        return entry

    def _places(self, shard: str) -> Iterator[PlaceInShard]:
        for batch in self._batches([*_PLACE, "shard", "rights_raw", "rights_uri"]):
            rows = batch.filter(pc.equal(batch["shard"], shard))
            if rows.num_rows:
                rows = rows.filter(pa.array(self._kept(rows)))
                yield from (PlaceInShard(**row) for row in rows.select(_PLACE).to_pylist())

    def _write_index(self) -> Totals:
        counts = Counts()
        with pq.ParquetWriter(self._folder / RECORDS_NAME, RECORDS_SCHEMA, compression="zstd") as writer:
            for batch in self._all_columns():
                rows = batch.filter(pa.array(self._kept(batch)))
                for row in rows.drop_columns(["raw"]).to_pylist():
                    counts.add(row)
                writer.write_table(self._with_places(rows))
        return counts.totals()

    def _all_columns(self) -> Iterator[pa.Table]:
        names = RECORDS_SCHEMA.names
        with pq.ParquetFile(self._set.folder / RECORDS_NAME) as file:
            for batch in file.iter_batches(_ROWS_AT_ONCE):
                table = as_of_today(pa.Table.from_batches([batch]), names).select(names)
                yield table.cast(RECORDS_SCHEMA)

    def _with_places(self, rows: pa.Table) -> pa.Table:
        keys = rows["key"].to_pylist()
        for name in ("image_offset", "record_offset"):
            old = rows[name].to_pylist()
            new = [
                getattr(self._moved[key], name) if key in self._moved else offset
                for key, offset in zip(keys, old, strict=True)
            ]
            field = RECORDS_SCHEMA.field(name)
            rows = rows.set_column(rows.column_names.index(name), field, pa.array(new, field.type))
        return rows


def _public_facts(manifest: ShardSetManifest) -> dict[str, Any]:
    """What a published manifest states of where the set comes from: no reasons, no paths of this machine."""
    tombstones = (one.model_copy(update={"reason": WITHDRAWN}) for one in manifest.tombstones)
    return {
        "tombstones": tuple(tombstones),
        "parents": tuple(
            one if one.address is None or is_remote(one.address) else one.model_copy(update={"address": None})
            for one in manifest.parents
        ),
        "withdrawals": tuple(filter(is_remote, manifest.withdrawals)),
    }


def _withdrawn_keys(shardset: ShardSet) -> frozenset[str]:
    """The keys for the published list: those of its own tombstones, and of samples that others withdrew."""
    held = {row["key"] for row in shardset.all_rows(("key",))}
    return final_keys(shardset.manifest) | (shardset.withdrawn & held)


def _link(source: Path, target: Path) -> None:
    """The same file under another name; where the file system has no hard links, a symbolic one."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        target.symlink_to(source.resolve())
