"""Shard sets on object storage, through fsspec, with a cache on this machine.

`s3://bucket/set`, `gs://...`, `https://...`: the index is downloaded first, and each shard when one of its
samples is first read. A shard is kept only if it matches its checksum in the manifest. It appears
completely or not at all, so that many processes may share a cache. If the cache becomes too large, the
least recently used shards are removed.
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
    """The folder for remote shards: $ICONOCLIP_CACHE, or ~/.cache/iconoclip."""
    return Path(os.environ.get("ICONOCLIP_CACHE") or Path.home() / ".cache" / "iconoclip")


def cache_bytes() -> int:
    """The size of the cache: $ICONOCLIP_CACHE_GB, or 200 GB."""
    return int(float(os.environ.get("ICONOCLIP_CACHE_GB") or 200) * _GIGABYTE)


def open_set(location: str) -> ShardSet:
    """Open a shard set by path or address. For a remote one only the index is downloaded.

    Raises:
        MissingRequirement: there is no shard set, it may not be read, or fsspec has no
            reader for such addresses.
        TryAgainLater: the server still fails after all retries.
        DamagedData: it is damaged.
    """
    if not is_remote(location):
        return ShardSet(location)
    manifest = transfer.read(f"{location.rstrip('/')}/{MANIFEST_NAME}")
    # The folder's name is the checksum of the manifest, so a changed set gets another folder.
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
    """The checksum of the index in a manifest; None if the file is not a manifest, which is
    refused when it is opened.
    """
    try:
        return str(json.loads(manifest)["records_sha256"])
    except (ValueError, KeyError, TypeError):
        return None


def is_cached(one: ShardSet) -> bool:
    """Whether a set is the local copy of a remote one, whose shards are checked when they are downloaded."""
    return (one.folder / ORIGIN_NAME).is_file()


def fetch_shard(owner: ShardSet, name: str) -> bool:
    """Download a shard of a remote set into the cache.

    Returns:
        False if the set is not a remote one.

    Raises:
        DamagedData: the shard does not match its checksum in the manifest.
        MissingRequirement: it does not exist, or may not be read.
        TryAgainLater: the server still fails after all retries, or the disk is full.
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
