"""Builds the shard set from the ledger and its spools: canonical order, clusters, records, shards, and
moving it into place safely.

The set is first built in another folder (`.harvest/packing`), renamed when it is complete
(`.harvest/packed`), then moved into place file by file, `shardset.json` last. A process killed
in between is resumed: an unfinished build is thrown away and built again from the ledger, a
finished one is moved into place.
"""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from data_prep.config_groups import Storing
from data_prep.harvest.previous_set import PreviousSet
from data_prep.harvest.recording import Recorder, rights_of, rights_refusal, why_invalid
from data_prep.ledger.holdings import Holding, holding, looks, num_held, perceptual_hashes
from data_prep.ledger.jobs import CANDIDATE, FACTS, ImageFacts
from data_prep.ledger.ledger import Ledger
from data_prep.ledger.walk import SourcePosition, Visit, places, shared_identifiers
from data_prep.near_duplicates import Clusters
from iconoclip.files import write_json
from iconoclip.progress import progress
from iconoclip.record import Record
from iconoclip.replacing import hand_over
from iconoclip.shardset import MANIFEST_NAME, ShardSet, ShardSetWriter, Tombstone, with_tombstones
from iconoclip.shardset_manifest import WITHDRAWN

NUM_SHOWN = 20


class LostBytes(Exception):
    """Stored images do not match the ledger; they are marked to be downloaded again."""


@dataclass
class Packed:
    """The results for the items that were downloaded."""

    num_samples: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    """Source and reason of items that were downloaded, but not stored."""
    num_clusters: int = 0
    num_smaller: int = 0
    """Images that are smaller than requested."""
    num_merged: int = 0
    """How often a document offered an image that another one had offered under the same identifier."""
    merged: list[tuple[str, str]] = field(default_factory=list)
    """The first of these: sample key, and address of the later document."""
    num_told_apart: int = 0
    """Identifiers that show more than one image, so that the image was added to the identifier."""
    num_held: int = 0
    """Samples kept from an earlier harvest, because their images could not be downloaded this time."""


@dataclass(frozen=True)
class _SampleRow:
    place: SourcePosition
    held: Holding
    facts: ImageFacts


def pack(
    ledger: Ledger, storing: Storing, recorder: Recorder, out: Path, name: str, *, confirm_withdrawals: bool
) -> Packed:
    """Build the shard set of everything fetched, and put it into `out`.

    Args:
        ledger: what was fetched; in a folder, which takes the set while it is built.
        storing: what is stored, and the limits of shards.
        recorder: makes the records.
        out: the folder of the set.
        name: the name of the set.
        confirm_withdrawals: whether a refresh may withdraw a large part of the set.

    Raises:
        TooManyWithdrawals: more than a tenth of a set of more than a hundred, without confirmation.
        BadInput: there is nothing usable.
        LostBytes: a spool was damaged; its items are pending again.
        TryAgainLater: the disk is full.
    """
    assert ledger.folder is not None
    staging = ledger.folder / "packing"
    shutil.rmtree(staging, ignore_errors=True)
    previous = PreviousSet(ledger, out)
    clusters = _clusters(ledger, storing.split.near_duplicate_bits)
    shared = shared_identifiers(ledger)
    packed = Packed(num_clusters=clusters.num_joined, num_told_apart=len(shared))
    with (
        progress("pack", total=num_held(ledger), unit="samples") as meter,
        ShardSetWriter(
            staging,
            name=name,
            policy=recorder.policy,
            created_at=recorder.created_at,
            created_by=recorder.created_by,
            max_shard_bytes=storing.storage.max_shard_bytes,
        ) as writer,
        previous,
        _Bytes(ledger, previous) as stored,
    ):
        recording = _Recording(recorder, storing, clusters, shared, packed)
        packing = _Packing(writer, recording, previous, stored, packed)
        for row in _rows(ledger, packed):
            meter.advance()
            packing.add(row)
        if stored.num_lost:
            raise LostBytes(stored.num_lost)
        tombstones = previous.tombstones(recorder.created_at)
        if not confirm_withdrawals:
            previous.ask_before_withdrawing(ledger.folder)
    _complete(staging, tombstones)
    hand_over(ledger.folder, out)
    return packed


def planned(
    ledger: Ledger,
    storing: Storing,
    recorder: Recorder,
    packed: Packed,
    withdrawn: frozenset[str] = frozenset(),
) -> Iterator[Record]:
    """The records that `pack` would write of everything fetched, without their images and an earlier set.

    Args:
        packed: receives the counts and refusals, as in `pack`.
        withdrawn: keys that may not come into the set.
    """
    clusters = _clusters(ledger, storing.split.near_duplicate_bits)
    packed.num_clusters = clusters.num_joined
    recording = _Recording(recorder, storing, clusters, shared_identifiers(ledger), packed)
    for row in _rows(ledger, packed):
        record = recording.record_of(row)
        if record is None:
            continue
        if not withdrawn.isdisjoint((record.key, row.held.base, row.place.key)):
            packed.refused.append((record.key, WITHDRAWN))
        elif not recording.is_repeated(record, row):
            packed.num_samples += 1
            yield record


@dataclass(frozen=True)
class _Recording:
    """Makes the records of items one by one, and counts the results in `packed`."""

    recorder: Recorder
    storing: Storing
    clusters: Clusters
    shared: frozenset[str]
    packed: Packed
    _written: set[str] = field(default_factory=set)

    def is_repeated(self, record: Record, row: _SampleRow) -> bool:
        """Whether the record was made before. Two parts of a canvas may be the same part of an image."""
        if record.key in self._written:
            self.packed.num_merged += 1
            return True
        if row.facts.region is not None:
            self._written.add(record.key)
        return False

    def record_of(self, row: _SampleRow) -> Record | None:
        """The record of an item; None if it is refused. The refusal is added to `packed`."""
        candidate = CANDIDATE.validate_json(row.held.candidate_json)
        rights = rights_of(candidate, self.storing.policy, (*row.facts.opt_out, *row.place.opt_out))
        reason = rights_refusal(rights, self.storing.keep)
        if reason is None:
            try:
                record = self.recorder.record(
                    candidate,
                    row.facts,
                    group=self.clusters.name(candidate.group),
                    opt_out=row.place.opt_out,
                    is_shared=row.held.base in self.shared,
                )
            except ValidationError as error:
                reason = why_invalid(error)
        if reason is not None:
            self.packed.refused.append((candidate.source.id, reason))
            return None
        wanted = row.facts.requested
        self.packed.num_smaller += wanted is not None and max(row.facts.received) < max(wanted) - 1
        return record


@dataclass(frozen=True)
class _Packing:
    """Adds items to a set one by one, and counts the results in `packed`."""

    writer: ShardSetWriter
    recording: _Recording
    previous: PreviousSet
    stored: _Bytes
    packed: Packed

    def add(self, row: _SampleRow) -> None:
        """Write the sample of an item, unless it is refused, withdrawn, repeated or lost."""
        record = self.recording.record_of(row)
        if record is None:
            return
        names = (record.key, row.held.base, row.place.key)
        if self._is_withdrawn(record, names) or self.recording.is_repeated(record, row):
            return
        image = self.stored.read(row, names)
        if image is None:
            return
        self.writer.add(record, image)
        self.previous.kept(record.key)
        self.packed.num_samples += 1
        self.packed.num_held += row.held.state != "fetched"

    def _is_withdrawn(self, record: Record, names: Sequence[str]) -> bool:
        """Whether a person withdrew a sample, under any of its keys. If so, the refusal is added."""
        if self.previous.withdrawn.isdisjoint(names):
            return False
        self.packed.refused.append((record.key, WITHDRAWN))
        return True


def _complete(staging: Path, tombstones: list[Tombstone]) -> None:
    """Add the tombstones to a set that is built, and mark it as complete by its name."""
    manifest = with_tombstones(ShardSet(staging).manifest, tombstones)
    write_json(staging / MANIFEST_NAME, manifest.model_dump(mode="json"))
    staging.rename(staging.with_name("packed"))


def _rows(ledger: Ledger, packed: Packed) -> Iterator[_SampleRow]:
    """The stored items, in canonical order."""

    def note_merged(key: str, visit: Visit) -> None:
        packed.num_merged += 1
        if len(packed.merged) < NUM_SHOWN:
            packed.merged.append((key, visit.uri))

    for place in places(ledger, note_merged):
        held = holding(ledger, place.key)
        if held is not None:
            yield _SampleRow(place, held, FACTS.validate_json(held.facts_json))


def _clusters(ledger: Ledger, near_duplicate_bits: int) -> Clusters:
    clusters = Clusters(near_duplicate_bits)
    if near_duplicate_bits >= 0:
        # If only equal hashes count, only repeated ones are fully stored in memory.
        shared = None if near_duplicate_bits else _come_twice(perceptual_hashes(ledger))
        for group, phash, colours, sha256 in looks(ledger):
            if shared is None or phash in shared:
                clusters.add(group, phash, tuple(json.loads(colours)), sha256)
    clusters.join()
    return clusters


def _come_twice(hashes: Iterable[str]) -> set[str]:
    numbers = np.fromiter((int(phash, 16) for phash in hashes), np.uint64)
    distinct, counts = np.unique(numbers, return_counts=True)
    return {f"{number:016x}" for number in distinct[counts > 1].tolist()}


class _Bytes:
    """Reads the JPEG of a row, from its spool or from the shard set of the previous round."""

    def __init__(self, ledger: Ledger, previous: PreviousSet) -> None:
        self._ledger, self._previous = ledger, previous
        self._files: dict[int, object] = {}
        self.num_lost = 0

    def __enter__(self) -> _Bytes:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()  # type: ignore[attr-defined]

    def read(self, row: _SampleRow, names: Sequence[str]) -> bytes | None:
        """The bytes; or None if they do not match the checksum. Then the item is marked to be downloaded
        again.

        Args:
            names: the keys under which the sample may have been published before.
        """
        # The spools of a round are removed when it is packed; unchanged images are in the shards.
        sources: list[Callable[[], bytes | None]] = [functools.partial(self._from_spool, row)]
        sources += [functools.partial(self._previous.image, key) for key in names]
        for source in sources:
            data = source()
            if data is not None and hashlib.sha256(data).hexdigest() == row.facts.sha256:
                return data
        self._ledger.forget(row.place.key)
        self.num_lost += 1
        return None

    def _from_spool(self, row: _SampleRow) -> bytes | None:
        if row.held.spool is None:
            return None
        assert self._ledger.spool is not None
        path = self._ledger.spool.path(row.held.spool)
        if row.held.spool not in self._files:
            if not path.exists():
                return None
            self._files[row.held.spool] = path.open("rb")
        file = self._files[row.held.spool]
        file.seek(row.held.offset)  # type: ignore[attr-defined]
        return bytes(file.read(row.held.size))  # type: ignore[attr-defined]
