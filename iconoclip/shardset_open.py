"""Opens shard sets by path or by address (`s3://bucket/set`, `gs://...`, `https://...`), through fsspec.

Of a set at an address the manifest is read each time, so that its withdrawals are known; the index only if it
changed; each shard when one of its samples is first read (`ShardSet.path_of`).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

from iconoclip import transfer
from iconoclip.address_cache import ORIGIN_NAME, cache_folder, cached_file, is_remote
from iconoclip.files import atomic_write
from iconoclip.shardset import MANIFEST_NAME, RECORDS_NAME, ShardSet
from iconoclip.withdrawals import remember


def open_set(location: str | Path) -> ShardSet:
    """Open a shard set by path or address. For a remote one only the index is downloaded.

    Raises:
        MissingRequirement: there is no shard set, it may not be read, or fsspec has no
            reader for such addresses.
        TryAgainLater: the server still fails after all retries.
        DamagedData: it is damaged.
    """
    location = str(location)
    if not is_remote(location):
        return ShardSet(location)
    manifest = transfer.read(f"{location.rstrip('/')}/{MANIFEST_NAME}")
    remember(f"{location.rstrip('/')}/{MANIFEST_NAME}", manifest)
    # The folder's name is the checksum of manifest and address, so a changed set gets another folder.
    identity = hashlib.sha256(manifest + b"\n" + location.rstrip("/").encode()).hexdigest()
    folder = cache_folder() / identity
    if not (folder / MANIFEST_NAME).is_file():
        index = cached_file(f"{location.rstrip('/')}/{RECORDS_NAME}", _index_sha256(manifest))
        folder.mkdir(parents=True, exist_ok=True)
        _link(index, folder / RECORDS_NAME)
        for name, data in ((ORIGIN_NAME, location.encode()), (MANIFEST_NAME, manifest)):
            with atomic_write(folder / name) as file:
                file.write(data)
    return ShardSet(folder)


def _link(source: Path, target: Path) -> None:
    """Give a file a second name; where the file system cannot, copy it."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.link")
    partial.unlink(missing_ok=True)
    try:
        partial.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, partial)
    partial.replace(target)


def _index_sha256(manifest: bytes) -> str | None:
    """The checksum of the index in a manifest; None if the file is not a manifest, which is
    refused when it is opened.
    """
    try:
        return str(json.loads(manifest)["records_sha256"])
    except (ValueError, KeyError, TypeError):
        return None
