"""Which keys are withdrawn from a shard set: by itself, by the sets it was made from, and by lists.

A list (`withdrawn.parquet`) has one column, `key`: keys alone, no reason and no time. These apply to a set:

- its own tombstones in `shardset.json`;
- the list next to the set, `../withdrawn.parquet`: it applies to every set in the same folder, also to one
  that is made later;
- the lists that `withdrawals.txt` names, in the set's folder or in the folder above: one path or address per
  line;
- the lists that $ICONOCLIP_WITHDRAWN names, separated by commas or spaces;
- the lists that its manifest names;
- everything that is withdrawn from the sets it was merged from, where their addresses are known.

What is at an address is read again a minute after it was last read. If that fails, the last state counts,
with a warning: withdrawn items stay withdrawn.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from iconoclip import locks, transfer
from iconoclip.address_cache import ORIGIN_NAME, cache_folder, is_remote, resolve
from iconoclip.errors import DamagedData, IconoclipError, MissingRequirement, TryAgainLater
from iconoclip.files import atomic_write
from iconoclip.shardset_manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, ShardSetManifest, is_final

LIST_NAME: Final = "withdrawn.parquet"
SUBSCRIPTIONS_NAME: Final = "withdrawals.txt"
LISTS_VARIABLE: Final = "ICONOCLIP_WITHDRAWN"
SECONDS_BETWEEN_READS: Final = 60.0
MAX_LIST_BYTES: Final = 500_000_000
MAX_SUBSCRIPTIONS: Final = 1_000
# Sets that were merged from sets that were merged ...
MAX_DEPTH: Final = 16
_LIST_SCHEMA: Final = pa.schema([pa.field("key", pa.string(), nullable=False)])


def origin_of(folder: Path) -> str:
    """The base of the relative addresses in a set's manifest: where the set is, or was downloaded from."""
    try:
        return (folder / ORIGIN_NAME).read_text().strip().rstrip("/")
    except (FileNotFoundError, NotADirectoryError):
        return str(folder)


def read_list(source: Path | bytes, where: str | Path) -> frozenset[str]:
    """The keys of a list of withdrawals.

    Raises:
        DamagedData: it is not one.
    """
    try:
        size = source.stat().st_size if isinstance(source, Path) else len(source)
        if size > MAX_LIST_BYTES:
            raise DamagedData("the list of withdrawals is too large to be one", where=where, remedy=_LIST)
        # Not pq.read_table, which imports Arrow's datasets, and with them pandas.
        with pq.ParquetFile(source if isinstance(source, Path) else io.BytesIO(source)) as file:
            table = file.read(columns=["key"])
        keys: list[str | None] = pc.cast(table["key"], pa.string()).to_pylist()
    except (pa.ArrowException, KeyError, OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise DamagedData(
            f"not a list of withdrawals: {str(error).splitlines()[0][:200]}", where=where, remedy=_LIST
        ) from error
    return frozenset(key for key in keys if key is not None)


def add_to_list(path: Path, keys: Iterable[str]) -> int:
    """Add keys to a list, which is created if it is not there. Returns how many were not in it before.

    Raises:
        DamagedData: the file is there, and not a list.
        TryAgainLater: another process is writing it, or the disk is full.
        MissingRequirement: the folder cannot be written.
    """

    def busy(holder: str) -> IconoclipError:
        return TryAgainLater(
            "the list of withdrawals is being written", where=path, remedy=f"wait for {holder}"
        )

    with locks.hold(path.with_name(f".{path.name}.lock"), busy, timeout_seconds=30):
        known = read_list(path, path) if path.exists() else frozenset()
        added = frozenset(keys) - known
        if added or not path.exists():
            table = pa.table({"key": pa.array(sorted(known | added), pa.string())}, schema=_LIST_SCHEMA)
            with atomic_write(path) as file:
                pq.write_table(table, file, compression="zstd")
    return len(added)


def final_keys(manifest: ShardSetManifest) -> frozenset[str]:
    """The keys of a manifest's own tombstones that may never come back."""
    return frozenset(one.key for one in manifest.tombstones if is_final(one))


def withdrawn_from(folder: Path, manifest: ShardSetManifest) -> frozenset[str]:
    """Every key that no reader of a set may return.

    Raises:
        DamagedData: a list is damaged: then nobody knows what is withdrawn.
    """
    own = frozenset(one.key for one in manifest.tombstones)
    return own.union(*_Search().of_set(folder, manifest))


def listed_for(folder: Path) -> frozenset[str]:
    """The keys that may not come into a folder which has no set yet: those of the lists around it.

    Raises:
        DamagedData: a list is damaged.
    """
    return frozenset[str]().union(*_Search().of_folder(folder))


def listed_at(locations: Iterable[str]) -> frozenset[str]:
    """The keys of some lists, by path or address.

    Raises:
        DamagedData, MissingRequirement, TryAgainLater: a list cannot be read.
    """
    search = _Search()
    return frozenset[str]().union(*(keys for one in locations for keys in search.of_list(one)))


def watched(folder: Path, manifest: ShardSetManifest) -> list[Path]:
    """The local files whose change may withdraw something more from a set, whether they are there or not."""
    search = _Search(reads=False)
    for _ in search.of_set(folder, manifest):
        pass
    return [folder / MANIFEST_NAME, *search.files]


def sync(folder: Path, manifest: ShardSetManifest) -> None:
    """Read again what is at addresses and concerns a set, if the last time was a minute ago."""
    withdrawn_from(folder, manifest)


class _Search:
    """Walks over everything that withdraws keys from a set; each place is visited once.

    Args:
        reads: whether addresses and lists are read; else only the files are collected.
    """

    def __init__(self, *, reads: bool = True) -> None:
        self.files: list[Path] = []
        self._reads = reads
        self._visited: set[str] = set()

    def of_set(self, folder: Path, manifest: ShardSetManifest) -> Iterator[frozenset[str]]:
        """The keys withdrawn from a set, by everything but its own tombstones."""
        base = origin_of(folder)
        self._visited.add(_identity(base))
        if not is_remote(base):
            yield from self.of_folder(folder)
        else:
            yield from self._named_by_environment()
        yield from self._of_manifest(base, manifest, 0)

    def of_folder(self, folder: Path) -> Iterator[frozenset[str]]:
        """The keys of the lists around a folder."""
        above = folder.absolute().parent
        yield from self.of_list(str(above / LIST_NAME), is_required=False)
        for place in (folder.absolute(), above):
            self.files.append(place / SUBSCRIPTIONS_NAME)
            for location in _lines(place / SUBSCRIPTIONS_NAME):
                yield from self.of_list(location if is_remote(location) else str(place / location))
        yield from self._named_by_environment()

    def _named_by_environment(self) -> Iterator[frozenset[str]]:
        for location in os.environ.get(LISTS_VARIABLE, "").replace(",", " ").split():
            yield from self.of_list(location)

    def _of_manifest(self, base: str, manifest: ShardSetManifest, depth: int) -> Iterator[frozenset[str]]:
        for name in manifest.withdrawals:
            yield from self.of_list(resolve(base, name), is_required=False)
        for parent in manifest.parents:
            if parent.address is not None and depth < MAX_DEPTH:
                yield from self._parent(resolve(base, parent.address), depth + 1)

    def _parent(self, location: str, depth: int) -> Iterator[frozenset[str]]:
        if _identity(location) in self._visited:
            return
        self._visited.add(_identity(location))
        manifest = self._manifest_at(location)
        # The list is there also while the manifest is being replaced.
        if not is_remote(location):
            yield from self.of_list(str(Path(location) / LIST_NAME), is_required=False)
            yield from self.of_list(str(Path(location).parent / LIST_NAME), is_required=False)
        if manifest is not None:
            yield frozenset(one.key for one in manifest.tombstones)
            yield from self._of_manifest(location, manifest, depth)

    def _manifest_at(self, location: str) -> ShardSetManifest | None:
        """The manifest of a parent; None if it cannot be read: the set itself is still there."""
        try:
            if is_remote(location):
                data = self._at_address(f"{location}/{MANIFEST_NAME}")
            else:
                path = Path(location) / MANIFEST_NAME
                self.files.append(path)
                data = path.read_bytes() if path.stat().st_size <= MAX_MANIFEST_BYTES else None
            return None if data is None else ShardSetManifest.model_validate_json(data)
        except (OSError, ValidationError):
            return None

    def of_list(self, location: str, *, is_required: bool = True) -> Iterator[frozenset[str]]:
        """The keys of a list; nothing if it was visited before, or is not there and not required."""
        if _identity(location) in self._visited:
            return
        self._visited.add(_identity(location))
        if is_remote(location):
            data = self._at_address(location)
            if data is not None:
                yield read_list(data, location)
            elif is_required and self._reads:
                raise TryAgainLater(
                    "a list of withdrawals cannot be read, and what was in it before is not known",
                    where=location,
                    remedy=f"it is named in {SUBSCRIPTIONS_NAME} or ${LISTS_VARIABLE}; check the address",
                )
            return
        path = Path(location)
        self.files.append(path)
        if not self._reads:
            return
        try:
            yield read_list(path, path)
        except FileNotFoundError:
            if is_required:
                raise MissingRequirement(
                    "a list of withdrawals is not there", where=path,
                    remedy=f"{SUBSCRIPTIONS_NAME} or ${LISTS_VARIABLE} names it; copy it, or remove the name",
                ) from None  # fmt: skip

    def _at_address(self, address: str) -> bytes | None:
        """What is at an address, as of the last minute; None if there is nothing, or nobody knows."""
        path = _kept(address)
        self.files.append(path)
        if self._reads and _age(path) > SECONDS_BETWEEN_READS:
            _read_again(address)
        try:
            return path.read_bytes() or None
        except FileNotFoundError:
            return None


def remember(address: str, data: bytes) -> None:
    """Keep what was just read at an address, so that it is not requested again within a minute."""
    path = _kept(address)
    if path.exists() and path.read_bytes() == data:
        os.utime(path)
        return
    with atomic_write(path) as file:
        file.write(data)


def _kept(address: str) -> Path:
    return cache_folder() / "lists" / hashlib.sha256(address.encode()).hexdigest()


def _read_again(address: str) -> None:
    path = _kept(address)
    try:
        data = transfer.read_quickly(address) or b""
    except IconoclipError as error:
        since = "nothing withdrawn there is known" if not path.exists() else "what was known before counts"
        print(f"iconoclip: withdrawals at {address} cannot be read: {error.what}; {since}", file=sys.stderr)
        if path.exists():
            # The next attempt comes in a minute, not with the next set that is opened.
            os.utime(path)
        return
    remember(address, data)


def _age(path: Path) -> float:
    try:
        return abs(time.time() - path.stat().st_mtime)
    except OSError:
        return float("inf")


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedData(f"the list of subscriptions cannot be read: {error}", where=path) from error
    lines = [line.strip() for line in text.splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    if len(found) > MAX_SUBSCRIPTIONS:
        raise DamagedData(f"more than {MAX_SUBSCRIPTIONS} subscriptions", where=path)
    return found


def _identity(location: str) -> str:
    return location.rstrip("/") if is_remote(location) else os.path.realpath(location)


_LIST: Final = "copy it again from its publisher; it is a Parquet file with the column `key`"
