"""From the ledger and its spools to the shard set: canonical order, clusters, records, shards, and a safe handover.

The set is first built beside (`.harvest/packing`), renamed when it is whole (`.harvest/packed`), then moved over file
by file, `shardset.json` last. A process killed in between is taken up where it stood: an unfinished build is thrown
away and built anew from the ledger, a finished one is moved over.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from data_prep.clusters import Clusters
from data_prep.config import HarvestConfig
from data_prep.jobs import CANDIDATE, FACTS, Facts
from data_prep.ledger import Ledger
from data_prep.recording import Recorder, rights_of, rights_refusal, why_invalid
from data_prep.walk import Place, places
from iconoclip.errors import IconoclipError
from iconoclip.files import write_json
from iconoclip.progress import progress
from iconoclip.record import Record
from iconoclip.shardset import (
    MANIFEST_NAME,
    SIGNATURE_NAME,
    ShardSet,
    ShardSetWriter,
    Tombstone,
    with_tombstones,
)

GONE = "no longer offered by its source"


class LostBytes(Exception):
    """Stored images are no longer what the ledger says; they are marked to be fetched again."""


@dataclass
class Packed:
    """What became of the items that were fetched."""

    num_samples: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    """Source and reason of what was fetched and yet not stored."""
    num_clusters: int = 0
    num_smaller: int = 0
    """Images that came smaller than they were asked for."""


@dataclass(frozen=True)
class _Row:
    place: Place
    candidate_json: str
    facts: Facts
    spool: int | None
    offset: int
    size: int


def pack(ledger: Ledger, config: HarvestConfig, recorder: Recorder, out: Path, name: str) -> Packed:
    """Build the shard set of everything fetched, and put it into `out`.

    Raises:
        BadInput: nothing usable.
        LostBytes: a spool was damaged; what it held is pending again.
        TryAgainLater: the disk is full.
    """
    assert ledger.folder is not None
    staging = ledger.folder / "packing"
    shutil.rmtree(staging, ignore_errors=True)
    packed = Packed()
    published = _published(out)
    withdrawn = _withdrawn(published)
    clusters = _clusters(ledger, config)
    packed.num_clusters = clusters.num_joined
    keys: set[str] = set()
    with (
        progress("pack", total=_num_fetched(ledger), unit="samples") as meter,
        ShardSetWriter(
            staging,
            name=name,
            policy=recorder.policy,
            created_at=recorder.created_at,
            created_by=recorder.created_by,
            max_shard_bytes=config.max_shard_bytes,
        ) as writer,
        _Bytes(ledger, published) as stored,
    ):
        for row in _rows(ledger):
            meter.advance()
            if row.place.key in withdrawn:
                packed.refused.append((row.place.key, f"withdrawn: {withdrawn[row.place.key].reason}"))
                continue
            record = _record(row, recorder, clusters, config, packed)
            if record is None:
                continue
            image = stored.read(row)
            if image is None:
                continue
            writer.add(record, image)
            keys.add(record.key)
            packed.num_samples += 1
        if stored.num_lost:
            raise LostBytes(stored.num_lost)
    manifest = with_tombstones(
        ShardSet(staging).manifest, _tombstones(published, withdrawn, keys, recorder.created_at)
    )
    write_json(staging / MANIFEST_NAME, manifest.model_dump(mode="json"))
    staging.rename(ledger.folder / "packed")
    hand_over(ledger.folder, out)
    return packed


def hand_over(folder: Path, out: Path) -> bool:
    """Move a finished build into place. Returns False when there is none. Safe to repeat after a crash."""
    staging = folder / "packed"
    if not (staging / MANIFEST_NAME).exists():
        shutil.rmtree(staging, ignore_errors=True)
        return False
    names = sorted(path.name for path in staging.iterdir() if path.name != MANIFEST_NAME)
    for name in (MANIFEST_NAME, SIGNATURE_NAME):
        (out / name).unlink(missing_ok=True)
    for name in names:
        (staging / name).replace(out / name)
    (staging / MANIFEST_NAME).replace(out / MANIFEST_NAME)
    ours = {shard.name for shard in ShardSet(out).manifest.shards}
    for path in out.glob("*-[0-9][0-9][0-9][0-9][0-9][0-9].tar"):
        if path.name not in ours:
            path.unlink()
    staging.rmdir()
    return True


def _num_fetched(ledger: Ledger) -> int:
    (count,) = ledger.database.execute("SELECT count(*) FROM items WHERE state = 'fetched'").fetchone()
    return int(count)


def _rows(ledger: Ledger) -> Iterator[_Row]:
    for place in places(ledger):
        row = ledger.database.execute(
            "SELECT candidate, facts, spool, offset, size FROM items WHERE key = ? AND state = 'fetched'",
            (place.key,),
        ).fetchone()
        if row:
            yield _Row(place, row[0], FACTS.validate_json(row[1]), *row[2:])


def _clusters(ledger: Ledger, config: HarvestConfig) -> Clusters:
    clusters = Clusters(config.near_duplicate_bits)
    if config.near_duplicate_bits >= 0:
        rows = ledger.database.execute(
            "SELECT json_extract(candidate, '$.group'), json_extract(facts, '$.phash'), json_extract(facts, '$.colours') "
            "FROM items WHERE state = 'fetched'"
        )
        for group, phash, colours in rows:
            clusters.add(group, phash, tuple(json.loads(colours)))
    clusters.join()
    return clusters


def _record(
    row: _Row, recorder: Recorder, clusters: Clusters, config: HarvestConfig, packed: Packed
) -> Record | None:
    candidate = CANDIDATE.validate_json(row.candidate_json)
    rights = rights_of(candidate, config.policy, (*row.facts.opt_out, *row.place.opt_out))
    reason = rights_refusal(rights, config.keep)
    if reason is None:
        try:
            record = recorder.record(
                candidate, row.facts, group=clusters.name(candidate.group), opt_out=row.place.opt_out
            )
        except ValidationError as error:
            reason = why_invalid(error)
    if reason is not None:
        packed.refused.append((candidate.source.id, reason))
        return None
    wanted = row.facts.requested
    packed.num_smaller += wanted is not None and max(row.facts.received) < max(wanted) - 1
    return record


class _Bytes:
    """Reads the JPEG of a row: from its spool, or from the shard set of the round before."""

    def __init__(self, ledger: Ledger, published: ShardSet | None) -> None:
        self._ledger, self._published = ledger, published
        self._files: dict[int, object] = {}
        self._index: dict[str, tuple[str, int, int]] | None = None
        self.num_lost = 0

    def __enter__(self) -> _Bytes:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()  # type: ignore[attr-defined]

    def read(self, row: _Row) -> bytes | None:
        """The bytes, or None (and the item marked to be fetched again) when they are not what was committed."""
        # After a round is packed its spools are gone; what has not changed since stands in the shards.
        for source in (self._from_spool, self._from_shards):
            data = source(row)
            if data is not None and hashlib.sha256(data).hexdigest() == row.facts.sha256:
                return data
        self._ledger.forget(row.place.key)
        self.num_lost += 1
        return None

    def _from_spool(self, row: _Row) -> bytes | None:
        if row.spool is None:
            return None
        assert self._ledger.spool is not None
        path = self._ledger.spool.path(row.spool)
        if row.spool not in self._files:
            if not path.exists():
                return None
            self._files[row.spool] = path.open("rb")
        file = self._files[row.spool]
        file.seek(row.offset)  # type: ignore[attr-defined]
        return bytes(file.read(row.size))  # type: ignore[attr-defined]

    def _from_shards(self, row: _Row) -> bytes | None:
        if self._published is None:
            return None
        if self._index is None:
            table = self._published.table(["key", "shard", "image_offset", "image_size"]).to_pydict()
            places = zip(table["shard"], table["image_offset"], table["image_size"], strict=True)
            self._index = dict(zip(table["key"], places, strict=True))
        place = self._index.get(row.place.key)
        try:
            return self._published.read_bytes(*place) if place else None
        except IconoclipError:
            return None


def _published(out: Path) -> ShardSet | None:
    try:
        return ShardSet(out)
    except IconoclipError:
        return None


def _withdrawn(published: ShardSet | None) -> dict[str, Tombstone]:
    """What people withdrew. What its source had dropped may come back; what a person withdrew may not."""
    tombstones = published.manifest.tombstones if published else ()
    return {tombstone.key: tombstone for tombstone in tombstones if tombstone.reason != GONE}


def _tombstones(
    published: ShardSet | None, withdrawn: dict[str, Tombstone], keys: set[str], at: str
) -> list[Tombstone]:
    """Withdrawals carried over, and one for every sample that was in the set before and is not now."""
    if published is None:
        return []
    carried = [tombstone for tombstone in published.manifest.tombstones if tombstone.key not in keys]
    known = {tombstone.key for tombstone in carried}
    gone = [
        key for key in published.table(["key"])["key"].to_pylist() if key not in keys and key not in known
    ]
    return [*carried, *(Tombstone(key=key, reason=GONE, at=at) for key in gone)]
