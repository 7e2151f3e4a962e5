"""The tombstones of the shard sets an index reads from, looked at again every few seconds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from iconoclip.errors import DamagedData, MissingRequirement
from iconoclip.shardset import MANIFEST_NAME, ShardSet
from retrieval.generation import ShardSetReference

SECONDS_BETWEEN_LOOKS = 2.0


class WatchedShardSets:
    """The shard sets of an index, opened; a changed `shardset.json` is read again.

    Args:
        references: what the index manifest says.
        folders: where the sets are now, in the same order; empty to believe the manifest.

    Raises:
        MissingRequirement: a set is not where it was.
        DamagedData: another set is there.
    """

    def __init__(self, references: Sequence[ShardSetReference], folders: Sequence[str | Path] = ()) -> None:
        self.references = references
        self._folders = [Path(reference.path) for reference in references]
        for number, folder in enumerate(folders[: len(references)]):
            self._folders[number] = Path(folder)
        self.sets = [self._open(number) for number in range(len(references))]
        self._stamps = [self._stamp(number) for number in range(len(references))]
        self._looked = time.monotonic()

    @property
    def withdrawn(self) -> frozenset[str]:
        """The keys that no answer may show."""
        return frozenset().union(*(shardset.withdrawn for shardset in self.sets))

    def look(self, *, now: bool = False) -> bool:
        """Read again what has changed, at most every two seconds; True when the withdrawn keys are others.

        A set that cannot be read at the moment (it is being replaced) keeps its last state: what was withdrawn
        stays withdrawn.
        """
        if not now and time.monotonic() - self._looked < SECONDS_BETWEEN_LOOKS:
            return False
        self._looked = time.monotonic()
        before = self.withdrawn
        for number in range(len(self.sets)):
            stamp = self._stamp(number)
            if stamp is not None and stamp != self._stamps[number]:
                self._read_again(number, stamp)
        return self.withdrawn != before

    def _read_again(self, number: int, stamp: tuple[int, int]) -> None:
        try:
            self.sets[number] = self._open(number)
        except (DamagedData, MissingRequirement):
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
