"""Finds the keys that names mean, over several sets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_prep.contribute.withdrawing.names import Names
from iconoclip.errors import IconoclipError
from iconoclip.progress import progress
from iconoclip.record import Record
from iconoclip.shardset import ShardSet

_COLUMNS = ("key", "institution", "group", "shard", "record_offset", "record_size")


@dataclass
class FoundItem:
    """What names mean.

    Attributes:
        keys: of all samples that they mean, in the order of the sets.
        held: of each set, those of these keys that it holds, withdrawn or not.
        unknown: the names that mean nothing.
        num_details: how many of the keys are pictures cut out of a page that is meant.
    """

    keys: dict[str, None] = field(default_factory=dict)
    held: dict[Path, list[str]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    num_details: int = 0


def find(sets: dict[Path, ShardSet], names: Names) -> FoundItem:
    """Look for names in the sets, samples that are withdrawn already included.

    A picture that was cut out of a page is meant as well if its whole page is: both are of one group.

    Raises:
        DamagedData: an index or a record cannot be read.
    """
    found, used = FoundItem(), set[str]()
    pages: set[tuple[str, str]] = set()
    groups: set[str] = set()
    with progress("look", total=sum(one.manifest.totals.num_samples for one in sets.values())) as meter:
        for shardset in sets.values():
            for row in shardset.all_rows(_COLUMNS):
                meter.advance()
                means = set(names.of_row(row["key"], row["institution"]))
                record = None
                if names.needs_records and (record := _record_if_held(shardset, row)) is not None:
                    means.update(names.of_record(record))
                if not means:
                    continue
                used |= means
                found.keys[row["key"]] = None
                record = record or _readable(shardset, row)
                if record is not None and record.source.region is None:
                    pages.add((row["institution"], record.source.id))
                    groups.add(row["group"])
    # What is withdrawn already and no longer in an index is known all the same.
    used |= {key for key in names.keys if any(key in one.withdrawn for one in sets.values())}
    found.keys |= dict.fromkeys(sorted(names.keys & used))
    for key in _details(sets, pages, groups):
        found.num_details += key not in found.keys
        found.keys[key] = None
    for folder, shardset in sets.items():
        held = [row["key"] for row in shardset.all_rows(("key",)) if row["key"] in found.keys]
        found.held[folder] = held
    found.unknown = sorted(names.all - used)
    return found


def _details(sets: dict[Path, ShardSet], pages: set[tuple[str, str]], groups: set[str]) -> Iterator[str]:
    """The keys of pictures that were cut out of these pages."""
    for shardset in sets.values() if pages else ():
        for row in shardset.all_rows(_COLUMNS):
            if row["group"] not in groups:
                continue
            record = _record_if_held(shardset, row)
            if record is None or record.source.region is None:
                continue
            if (row["institution"], record.source.id) in pages:
                yield row["key"]


def _readable(shardset: ShardSet, row: dict[str, Any]) -> Record | None:
    """The record of a row; None if its shard is damaged or not there: the row is withdrawn all the same."""
    try:
        return _record(shardset, row)
    except IconoclipError:
        return None


def _record_if_held(shardset: ShardSet, row: dict[str, Any]) -> Record | None:
    """The record of a row; None if the row is withdrawn and its record is purged: a purge that was killed, or
    that removed it from the set that this one refers to.
    """
    try:
        return _record(shardset, row)
    except IconoclipError:
        if row["key"] in shardset.withdrawn:
            return None
        raise


def _record(shardset: ShardSet, row: dict[str, Any]) -> Record:
    return shardset.read_record(row["shard"], row["record_offset"], row["record_size"])
