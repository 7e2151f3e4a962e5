"""Shard sets on object storage, through fsspec, with a cache on this machine.

`s3://bucket/set`, `gs://...`, `https://...`: the index comes first, each shard when a sample of it is first
read. A shard is kept only if its checksum is the one the manifest vouches for; it appears whole or not at
all, so that many processes may share a cache. When the cache grows past its bound, the shards that were read
longest ago go.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path

from iconoclip.errors import DamagedData
from iconoclip.files import atomic_write, sha256_of
from iconoclip.shardset import MANIFEST_NAME, RECORDS_NAME, ShardSet
from training.data import transfer

ORIGIN_NAME = ".origin"
_GIGABYTE = 1_000_000_000


def is_remote(location: str) -> bool:
    """Whether a location is an address rather than a path."""
    return "://" in location


def cache_folder() -> Path:
    """Where remote shards are kept: $ICONOCLIP_CACHE, or ~/.cache/iconoclip."""
    return Path(os.environ.get("ICONOCLIP_CACHE") or Path.home() / ".cache" / "iconoclip")


def cache_bytes() -> int:
    """How much is kept: $ICONOCLIP_CACHE_GB, or 200 GB."""
    return int(float(os.environ.get("ICONOCLIP_CACHE_GB") or 200) * _GIGABYTE)


def open_set(location: str) -> ShardSet:
    """A shard set by path or address; of a remote one only the index is fetched.

    Raises:
        MissingRequirement: there is none, it may not be read, or fsspec has no reader for such addresses.
        TryAgainLater: the server stays in trouble.
        DamagedData: it is not a sound one.
    """
    if not is_remote(location):
        return ShardSet(location)
    manifest = transfer.read(f"{location.rstrip('/')}/{MANIFEST_NAME}")
    # A set is named by its manifest's checksum: one that has changed gets a folder of its own.
    folder = cache_folder() / hashlib.sha256(manifest).hexdigest()
    if not (folder / MANIFEST_NAME).is_file():
        index = transfer.read(f"{location.rstrip('/')}/{RECORDS_NAME}", sha256=_index_sha256(manifest))
        for name, data in (
            (ORIGIN_NAME, location.encode()),
            (RECORDS_NAME, index),
            (MANIFEST_NAME, manifest),
        ):
            with atomic_write(folder / name) as file:
                file.write(data)
    return ShardSet(folder)


def _index_sha256(manifest: bytes) -> str | None:
    """The checksum that a manifest gives for its index; None for one that is not a manifest, which is refused
    where it is opened.
    """
    try:
        return str(json.loads(manifest)["records_sha256"])
    except (ValueError, KeyError, TypeError):
        return None


def is_cached(one: ShardSet) -> bool:
    """Whether a set is the local end of a remote one; its shards are checked when they come."""
    return (one.folder / ORIGIN_NAME).is_file()


def fetch_shard(owner: ShardSet, name: str) -> bool:
    """Fetch a shard of a remote set into the cache.

    Returns:
        False when the set is not a remote one.

    Raises:
        DamagedData: what came is not what the manifest vouches for.
        MissingRequirement: it is not there, or may not be read.
        TryAgainLater: the server stays in trouble, or the disk is full.
    """
    if not is_cached(owner):
        return False
    origin = owner.folder / ORIGIN_NAME
    shard = next(known for known in owner.manifest.shards if known.name == name)
    _make_room(shard.num_bytes)
    address = f"{origin.read_text().rstrip('/')}/{name}"
    with atomic_write(owner.folder / name) as file:
        transfer.download(address, Path(file.name), shard.num_bytes)
        if sha256_of(Path(file.name)) != shard.sha256:
            raise DamagedData(
                "a shard's checksum differs from shardset.json", where=address, remedy="upload the set again"
            )
    return True


def _make_room(num_bytes: int) -> None:
    """Remove the shards that were read longest ago until another fits."""
    found = []
    for path in cache_folder().glob("*/*.tar"):
        with contextlib.suppress(FileNotFoundError):
            facts = path.stat()
            found.append((max(facts.st_atime, facts.st_mtime), facts.st_size, path))
    excess = sum(size for _, size, _ in found) + num_bytes - cache_bytes()
    for _, size, path in sorted(found):
        if excess <= 0:
            return
        # A process that has it open keeps reading it.
        path.unlink(missing_ok=True)
        excess -= size
