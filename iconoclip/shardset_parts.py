"""Shards that a set by reference reads in the folders of other sets: whether they are what it means."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from iconoclip.errors import DamagedData
from iconoclip.shardset_manifest import MANIFEST_NAME, ShardSetManifest

MERGE_AGAIN: Final = "the set that it belongs to has changed or moved: run the same `iconoclip merge` again"
# When a manifest was written, and the checksums that each shard in it has and had.
_State = tuple[tuple[int, int], dict[str, frozenset[str]]]


class Parts:
    """The manifests of the folders that shards were read from. Each is read again when it has changed."""

    def __init__(self) -> None:
        self._folders: dict[Path, _State] = {}

    def refuse_other(self, path: Path, sha256: str) -> None:
        """Refuse a shard that its own set has replaced: positions in it would mean other samples.

        A shard from which samples were purged still has all others where they were.

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
        if sha256 not in self._folders[folder][1].get(path.name, ()):
            raise DamagedData("a shard was replaced by another one", where=path, remedy=MERGE_AGAIN)


def _checksums(folder: Path) -> dict[str, frozenset[str]]:
    manifest = ShardSetManifest.model_validate_json((folder / MANIFEST_NAME).read_bytes())
    return {shard.name: frozenset((shard.sha256, *shard.formerly)) for shard in manifest.shards}
