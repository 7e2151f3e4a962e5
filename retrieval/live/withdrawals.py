"""The tombstones of the shard sets of an index, read again on request."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from iconoclip.errors import DamagedData, MissingRequirement
from iconoclip.shardset import MANIFEST_NAME, ShardSet
from retrieval.generation.manifest import ShardSetReference

log = logging.getLogger(__name__)


def moved_folders(references: Sequence[ShardSetReference], given: Sequence[str | Path]) -> dict[str, Path]:
    """The given folders, by the checksum that identifies the shard set in each.

    Raises:
        MissingRequirement: a folder contains no shard set.
        DamagedData: a shard set is not one that the index was built from.
    """
    known = {reference.records_sha256: reference.name for reference in references}
    moved = {}
    for folder in given:
        checksum = ShardSet(folder).manifest.records_sha256
        if checksum not in known:
            raise DamagedData(
                "this is not the shard set that the index was built from",
                where=folder,
                remedy=f"the index was built from {', '.join(sorted(set(known.values())))}",
            )
        moved[checksum] = Path(folder)
    return moved


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
        self._stamps = [self._stamp(number) for number in range(len(references))]
        # Sets that could not be read, so that each is reported once and not at every check.
        self._unread: dict[int, tuple[int, int]] = {}

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
        for number in range(len(self.sets)):
            stamp = self._stamp(number)
            if stamp is not None and stamp != self._stamps[number]:
                self._read_again(number, stamp)
        return self.withdrawn != before

    def _read_again(self, number: int, stamp: tuple[int, int]) -> None:
        try:
            self.sets[number] = self._open(number)
        except (DamagedData, MissingRequirement) as error:
            if self._unread.get(number) != stamp:
                log.warning("withdrawals since the last check are not known: %s", error)
            self._unread[number] = stamp
            return
        self._stamps[number] = stamp

    def _stamp(self, number: int) -> tuple[int, int] | None:
        try:
            status = (self._folders[number] / MANIFEST_NAME).stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino

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
        if shardset.manifest.records_sha256 != reference.records_sha256:
            raise DamagedData(
                f"this is not the shard set '{reference.name}' that the index was built from",
                where=folder,
                remedy=f"{remedy}, or run `iconoclip index` again",
            )
        return shardset
