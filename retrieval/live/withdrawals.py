"""The tombstones of the shard sets of an index, read again on request."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from iconoclip.errors import DamagedData, IconoclipError, MissingRequirement
from iconoclip.shardset import ShardSet
from iconoclip.withdrawals import SECONDS_BETWEEN_READS, sync, watched
from retrieval.generation.manifest import ShardSetReference

log = logging.getLogger(__name__)


def moved_folders(references: Sequence[ShardSetReference], given: Sequence[str | Path]) -> dict[str, Path]:
    """The given folders, by the checksum that identifies the shard set in each.

    Raises:
        MissingRequirement: a folder contains no shard set.
        DamagedData: a shard set is not one that the index was built from.
    """
    known = {reference.records_sha256: reference.name for reference in references}
    moved: dict[str, Path] = {}
    for folder in given:
        shardset = ShardSet(folder)
        checksums = [checksum for checksum in known if shardset.is_known_as(checksum)]
        if not checksums:
            raise DamagedData(
                "this is not the shard set that the index was built from",
                where=folder,
                remedy=f"the index was built from {', '.join(sorted(set(known.values())))}",
            )
        moved |= dict.fromkeys(checksums, Path(folder))
    return moved


Stamp = tuple[tuple[int, int] | None, ...]


def _stamp_of(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


class WatchedShardSets:
    """The shard sets of an index, opened; a changed `shardset.json` is read again.

    Args:
        references: the references in the index, in the order of their numbers.
        moved: the present folders of sets that were moved, by checksum.

    Raises:
        MissingRequirement: a set is not at its recorded location.
        DamagedData: the folder contains another set.
    """

    def __init__(
        self, references: Sequence[ShardSetReference], moved: Mapping[str, Path] | None = None
    ) -> None:
        self.references = tuple(references)
        self._folders = [(moved or {}).get(each.records_sha256, Path(each.path)) for each in references]
        self.sets = [self._open(number) for number in range(len(references))]
        self._watched = [watched(one.folder, one.manifest) for one in self.sets]
        self._stamps = [self._stamp(number) for number in range(len(references))]
        # Sets that could not be read, so that each is reported once and not at every check.
        self._unread: dict[int, Stamp] = {}
        self._synced = time.monotonic()

    @property
    def withdrawn(self) -> frozenset[str]:
        """The keys that no result may contain."""
        return frozenset().union(*(shardset.withdrawn for shardset in self.sets))

    def look(self) -> bool:
        """Read changed manifests again; True if the withdrawn keys have changed.

        A set that cannot be read at the moment (because it is being replaced) keeps its last state:
        withdrawn items stay withdrawn.
        """
        before = self.withdrawn
        self._sync()
        for number in range(len(self.sets)):
            stamp = self._stamp(number)
            if stamp is not None and stamp != self._stamps[number]:
                self._read_again(number, stamp)
        return self.withdrawn != before

    def _sync(self) -> None:
        """Once a minute, read again what is at addresses; the next check sees the change."""
        if time.monotonic() - self._synced < SECONDS_BETWEEN_READS:
            return
        self._synced = time.monotonic()
        # In a thread, because queries wait for this check.
        threading.Thread(target=self._sync_all, name="read-withdrawals", daemon=True).start()

    def _sync_all(self) -> None:
        for shardset in list(self.sets):
            with contextlib.suppress(IconoclipError, OSError):
                sync(shardset.folder, shardset.manifest)

    def _read_again(self, number: int, stamp: Stamp) -> None:
        try:
            self.sets[number] = self._open(number)
            files = watched(self.sets[number].folder, self.sets[number].manifest)
        except IconoclipError as error:
            if self._unread.get(number) != stamp:
                log.warning("withdrawals since the last check are not known: %s", error)
            self._unread[number] = stamp
            return
        # If other files count now, their state is not known yet: the next check reads the set once more.
        self._stamps[number] = stamp if files == self._watched[number] else ()
        self._watched[number] = files

    def _stamp(self, number: int) -> Stamp | None:
        """When the files that withdraw items were written last; None while the set has no manifest."""
        files = self._watched[number]
        stamps = tuple(map(_stamp_of, files))
        return stamps if stamps[0] is not None else None

    def _open(self, number: int) -> ShardSet:
        folder, reference = self._folders[number], self.references[number]
        remedy = f"say where '{reference.name}' is now, with --shardset"
        try:
            shardset = ShardSet(folder)
        except MissingRequirement as error:
            raise MissingRequirement(
                f"the index reads images from the shard set '{reference.name}', which is not there",
                where=folder,
                remedy=remedy,
            ) from error
        if not shardset.is_known_as(reference.records_sha256):
            raise DamagedData(
                f"this is not the shard set '{reference.name}' that the index was built from",
                where=folder,
                remedy=f"{remedy}, or run `iconoclip index` again",
            )
        return shardset
