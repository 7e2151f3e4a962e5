"""The rows of large training sets, selected once and then shared by all processes of a machine.

Ten million rows take minutes to select, and gigabytes to hold. So the first process writes them as plain
columns into `CACHE/rows/IDENTITY/`, where CACHE is $ICONOCLIP_CACHE, and every process, this one included,
maps the files into memory: ranks, loader workers and later runs share one copy in the page cache.

The identity is a checksum over all that the selection depends on: the digests of the sets, everything
withdrawn from them, the split and the policy. `rows.json` is the last file of the folder, and has the
checksums of the others. What the code would judge differently today, and what is damaged, is made again;
where nothing can be written, each process selects the rows in its own memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from iconoclip import locks
from iconoclip.address_cache import ROWS_NAME, rows_folder
from iconoclip.disk_full import disk_full_is_an_answer
from iconoclip.errors import DamagedData, IconoclipError, MissingRequirement, TryAgainLater
from iconoclip.files import write_json
from iconoclip.leftovers import locked_folder, remove_unused
from iconoclip.rights import POLICY_VERSION
from iconoclip.shardset import ShardSet
from iconoclip.vocabulary import PolicyName
from training.data.columns import Columns, Facts, FileSink, MemorySink, checksums, mapped
from training.data.selection import allows, select

# Changed whenever the same sets would give other columns.
VERSION: Final = 2
# Fewer rows are selected in less time than it takes to import torch, and fit into a few megabytes.
CACHED_FROM: Final = 50_000
# How long a process waits for another one that selects the same rows.
SECONDS_TO_WAIT: Final = 1800.0
# Longer than a job of any cluster runs: the files of a running job are not removed.


class _NotWritable(IconoclipError):
    """The cache cannot be written; what says why is the message."""


def identity_of(sets: Sequence[ShardSet], split: str, policy: PolicyName) -> str:
    """A checksum over everything that decides which rows are selected, but for the code."""
    withdrawn = sorted(frozenset[str]().union(*(one.withdrawn for one in sets)))
    return _checksum([VERSION, POLICY_VERSION, split, policy, [one.digest for one in sets], withdrawn])


def rows_of(sets: Sequence[ShardSet], *, split: str, policy: PolicyName) -> Columns:
    """The rows of `split` that `policy` allows to train on, from the cache if there is one.

    Raises:
        RightsForbid: the policy allows no sample.
        BadInput: the split has no sample, or none with a caption.
        DamagedData: an index is damaged.
    """
    if sum(one.manifest.totals.num_samples for one in sets) < CACHED_FROM:
        return _in_memory(sets, split, policy)
    folder = rows_folder() / identity_of(sets, split, policy)
    try:
        found = _opened(folder, policy)
        return _made(folder, sets, split, policy) if found is None else found
    except _NotWritable as error:
        _say(
            f"{error.what}; each process selects the rows in its own memory: set $ICONOCLIP_CACHE to a folder"
        )
        return _in_memory(sets, split, policy)


def _in_memory(sets: Sequence[ShardSet], split: str, policy: PolicyName) -> Columns:
    sink = MemorySink()
    return sink.columns(select(sets, split=split, policy=policy, sink=sink))


def _made(folder: Path, sets: Sequence[ShardSet], split: str, policy: PolicyName) -> Columns:
    """Select the rows and write them, unless another process did so while this one waited for its lock."""

    def busy(holder: str) -> IconoclipError:
        return _NotWritable(f"the rows are being selected by {holder}")

    try:
        lock = locks.hold(folder.with_name(".lock"), busy, timeout_seconds=SECONDS_TO_WAIT)
    except (MissingRequirement, TryAgainLater) as error:
        raise _NotWritable(f"the cache of rows cannot be written: {error.what}") from error
    with lock:
        found = _opened(folder, policy)
        if found is not None:
            return found
        _write(folder, sets, split, policy)
        remove_unused(folder, ROWS_NAME)
    found = _opened(folder, policy)
    if found is None:
        raise _NotWritable(f"the cache of rows in {folder} does not keep what is written")
    return found


def _write(folder: Path, sets: Sequence[ShardSet], split: str, policy: PolicyName) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with disk_full_is_an_answer(folder), locked_folder(folder) as partial:
            sink = FileSink(partial)
            with sink.opened():
                facts = select(sets, split=split, policy=policy, sink=sink)
            values = {
                "version": VERSION,
                "records": [one.manifest.records_sha256 for one in sets],
                "facts": facts.as_json(),
                "checksums": checksums(partial),
            }
            write_json(partial / ROWS_NAME, {**values, "checksum": _checksum(values)})
            partial.rename(folder)
    except TryAgainLater as error:
        raise _NotWritable(f"the cache of rows cannot be written: {error.what}") from error
    except OSError as error:
        # Indexes are read through Arrow, whose errors are turned into DamagedData.
        raise _NotWritable(f"the cache of rows cannot be written: {error.strerror}") from error


def _opened(folder: Path, policy: PolicyName) -> Columns | None:
    """The rows in a folder; None if it is not there, damaged, or judged differently today."""
    path = folder / ROWS_NAME
    try:
        values = json.loads(path.read_bytes())
        if values.pop("checksum") != _checksum(values):
            raise DamagedData("the file does not match its own checksum", where=path)
        facts = Facts.from_json(values["facts"])
        found = mapped(folder, facts, values["checksums"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except DamagedData as error:
        _say(f"{error.where}: {error.what}; the rows are selected again")
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        _say(f"{path} cannot be read ({type(error).__name__}); the rows are selected again")
        return None
    for raw, uri, train, opt_out, is_allowed in facts.rights:
        if allows(raw, uri, train, opt_out, policy) != is_allowed:
            _say(f"{folder} was made when rights were judged differently; the rows are selected again")
            return None
    with contextlib.suppress(OSError):
        os.utime(path)
    return found


def _checksum(values: Any) -> str:
    """The SHA-256 of plain values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _say(text: str) -> None:
    print(f"iconoclip: {text}", file=sys.stderr)
