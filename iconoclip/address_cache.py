"""Files at addresses (https, s3, ...) and their copies on this machine.

A file whose checksum is known is kept under that checksum, so a set that changed in one place is not
downloaded again in others. It appears completely or not at all, so that many processes may share the cache.
If the shards in the cache become too many, the least recently used ones are removed.

    CACHE/shards/SHA256.tar        shards
    CACHE/files/SHA256             indexes of sets
    CACHE/MANIFEST-SHA256/...      the manifest and index of a set, which `shardset_open` writes
    CACHE/lists/...                what was withdrawn at an address, as of the last minute
    CACHE/tars/...                 what is in tars of other programs (`training/data/tar_index.py`)
    CACHE/rows/IDENTITY/...        the rows of large training sets (`training/data/row_cache.py`)
    CACHE/neighbours/IDENTITY/...  row numbers of similar samples (`training/data/neighbour_cache.py`)
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import posixpath
import re
import shutil
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from iconoclip import locks, transfer
from iconoclip.addresses import embedded, host_and_port, literal_address
from iconoclip.errors import BadInput, DamagedData, IconoclipError, TryAgainLater
from iconoclip.files import atomic_write, sha256_of

ORIGIN_NAME: Final = ".origin"
ROWS_NAME: Final = "rows.json"
# How long a process waits for others to download shards, before it gives up.
SECONDS_TO_WAIT: Final = 1800.0
_GIGABYTE: Final = 1_000_000_000
# What a manifest may name. A user may name any other address that fsspec reads.
_SCHEMES: Final = ("http", "https", "s3", "s3a", "gs", "gcs", "az", "abfs", "hf", "memory")


def is_remote(location: str) -> bool:
    """Whether a location is an address rather than a path."""
    return "://" in location


def cache_folder() -> Path:
    """The folder for files at addresses: $ICONOCLIP_CACHE, or ~/.cache/iconoclip."""
    return Path(os.environ.get("ICONOCLIP_CACHE") or Path.home() / ".cache" / "iconoclip")


def rows_folder() -> Path:
    """The folder for the rows of large training sets, each selection in a folder of its own."""
    return cache_folder() / "rows"


def cache_bytes() -> int:
    """The size of the cached shards together: $ICONOCLIP_CACHE_GB, or 200 GB."""
    return int(float(os.environ.get("ICONOCLIP_CACHE_GB") or 200) * _GIGABYTE)


def resolve(base: str, name: str) -> str:
    """The location that `name`, in a manifest at `base`, means.

    Args:
        base: the folder or address of the set.
        name: a path relative to it, an absolute path, or an address.

    Raises:
        BadInput: the address is one that a manifest may not name.
    """
    if is_remote(name):
        _refuse_dangerous(name)
        return name
    if not is_remote(base):
        return os.path.normpath(Path(base) / name)
    scheme, _, rest = base.partition("://")
    host, _, path = rest.partition("/")
    joined = posixpath.normpath(posixpath.join("/", path, name))
    return f"{scheme}://{host}{joined}"


def relative_to(location: str, folder: str) -> str:
    """How a manifest in `folder` names a location: relative to it where both are paths, with `/`."""
    if is_remote(location) or is_remote(folder):
        return location if is_remote(location) else os.path.realpath(location)
    return os.path.relpath(os.path.realpath(location), os.path.realpath(folder)).replace(os.sep, "/")


def _refuse_dangerous(address: str) -> None:
    """Refuse what only an attacker would put into a manifest: local files as addresses, and the addresses at
    which cloud machines hand out their credentials (RFC 3927, link-local).
    """
    parts = urlsplit(address)
    if parts.scheme not in _SCHEMES:
        raise BadInput(
            "a manifest names an address of a kind that is not followed", where=address,
            remedy=f"these are: {', '.join(_SCHEMES)}, and paths",
        )  # fmt: skip
    if parts.scheme not in ("http", "https"):
        return
    try:
        literal = literal_address(host_and_port(parts)[0])
    except ValueError:
        raise BadInput("a manifest names an address without a host", where=address) from None
    spelled = [] if literal is None else [literal, *(embedded(literal) if literal.version == 6 else ())]
    if any(one.is_link_local or one.is_multicast or one.is_unspecified for one in spelled):
        raise BadInput(
            "a manifest names an address that is not followed", where=address, remedy="ask its makers"
        )


def cached_shard(address: str, sha256: str, num_bytes: int) -> Path:
    """The local copy of a shard at an address; it is downloaded if it is not there.

    Raises:
        DamagedData: it does not match its checksum.
        MissingRequirement: it does not exist, or may not be read.
        TryAgainLater: the server still fails after all retries, or the disk is full.
    """
    path = cache_folder() / "shards" / f"{sha256}.tar"
    if not path.is_file():
        # The loader processes of a rank need the same shard at the same moment: one of them downloads it.
        # There are a few locks for all shards, because the file of a lock is never removed.
        lock = path.with_name(f".{sha256[0]}.lock")
        with locks.hold(lock, _busy(address), timeout_seconds=SECONDS_TO_WAIT):
            if not path.is_file():
                _download(address, path, sha256, num_bytes)
    with contextlib.suppress(OSError):
        os.utime(path)
    return path


def _busy(address: str) -> locks.Busy:
    def busy(holder: str) -> IconoclipError:
        return TryAgainLater(
            f"the shard is being downloaded by {holder}, for half an hour now",
            where=address,
            remedy="run the same command again; if that process hangs, end it",
        )

    return busy


def _download(address: str, path: Path, sha256: str, num_bytes: int) -> None:
    _make_room(num_bytes)
    with atomic_write(path) as file:
        transfer.download(address, Path(file.name), num_bytes)
        if sha256_of(Path(file.name)) != sha256:
            raise DamagedData(
                "a shard's checksum differs from shardset.json", where=address, remedy="upload the set again"
            )


def download_unknown(address: str, num_bytes: int | None = None) -> Path:
    """Download a tar of which no checksum is known; it is kept as a shard, under the checksum that it has.

    Raises:
        MissingRequirement, TryAgainLater, DamagedData: as for `transfer.download`.
    """
    folder = cache_folder() / "shards"
    _make_room(num_bytes or 0)
    arrived = folder / f"new-{hashlib.sha256(address.encode()).hexdigest()}.tar"
    with atomic_write(arrived) as file:
        transfer.download(address, Path(file.name), num_bytes)
    return arrived.replace(folder / f"{sha256_of(arrived)}.tar")


def is_cached(sha256: str) -> bool:
    """Whether the cache has a copy of the shard with this checksum."""
    return (cache_folder() / "shards" / f"{sha256}.tar").is_file()


def cached_file(address: str, sha256: str | None) -> Path:
    """The local copy of a small file, downloaded if it is not there.

    Args:
        sha256: its checksum; without a valid one it is always downloaded, and kept under its own.

    Raises:
        MissingRequirement, TryAgainLater, DamagedData: the same cases as for `transfer.read`.
    """
    folder = cache_folder() / "files"
    if sha256 is not None and re.fullmatch("[0-9a-f]{64}", sha256) and (folder / sha256).is_file():
        return folder / sha256
    data = transfer.read(address, sha256=sha256)
    path = folder / (sha256 or transfer.sha256_of_bytes(data))
    with atomic_write(path) as file:
        file.write(data)
    return path


def forget(sha256s: frozenset[str]) -> int:
    """Remove the local copies of files with these checksums, and what was selected from such indexes.
    Returns how many were there.
    """
    found = 0
    for path in rows_folder().glob(f"*/{ROWS_NAME}"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            if sha256s.intersection(json.loads(path.read_bytes())["records"]):
                shutil.rmtree(path.parent, ignore_errors=True)
                found += 1
    for path in (*cache_folder().glob("shards/*.tar"), *cache_folder().glob("files/*")):
        if path.stem in sha256s:
            path.unlink(missing_ok=True)
            found += 1
    return found


def _make_room(num_bytes: int) -> None:
    """Remove the least recently used shards until another one fits."""
    found = []
    for path in cache_folder().glob("*/*.tar"):
        with contextlib.suppress(FileNotFoundError):
            facts = path.stat()
            found.append((max(facts.st_atime, facts.st_mtime), facts.st_size, path))
    excess = sum(size for _, size, _ in found) + num_bytes - cache_bytes()
    for _, size, path in sorted(found):
        if excess <= 0:
            return
        # A process that has it open can still read it.
        path.unlink(missing_ok=True)
        excess -= size
