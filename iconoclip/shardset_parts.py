"""Shards that a set by reference reads in the folders of other sets: whether they are what it means."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from iconoclip.errors import DamagedData
from iconoclip.shardset_manifest import MANIFEST_NAME, ShardSetManifest

MERGE_AGAIN: Final = "the set that it belongs to has changed or moved: run the same `iconoclip merge` again"
# When a manifest was written, and of each shard in it the checksum that it has and those that it had.
_State = tuple[tuple[int, int], dict[str, tuple[str, ...]]]


class Parts:
    """The manifests of the folders that shards were read from. Each is read again when it has changed."""

    def __init__(self) -> None:
        self._folders: dict[Path, _State] = {}

    def checksum_of(self, path: Path, sha256: str) -> str:
        """The present SHA-256 of a shard that had this one when a set began to refer to it.

        A shard from which samples were purged has another one, and all its other samples are where they were.

        Raises:
            DamagedData: it is another one now, or its set is not there.
        """
        folder = path.parent
        try:
            status = (folder / MANIFEST_NAME).stat()
            stamp = status.st_mtime_ns, status.st_ino
            if folder not in self._folders or self._folders[folder][0] != stamp:
                self._folders[folder] = stamp, _checksums(folder)
        except (OSError, ValueError):
            raise DamagedData(
                "the set that a shard belongs to is not there", where=path, remedy=MERGE_AGAIN
            ) from None
        has_and_had = self._folders[folder][1].get(path.name, ())
        if sha256 not in has_and_had:
            raise DamagedData("a shard was replaced by another one", where=path, remedy=MERGE_AGAIN)
        return has_and_had[0]


def _checksums(folder: Path) -> dict[str, tuple[str, ...]]:
    manifest = ShardSetManifest.model_validate_json((folder / MANIFEST_NAME).read_bytes())
    return {shard.name: (shard.sha256, *shard.formerly) for shard in manifest.shards}
