"""Spools: files to which finished JPEGs are appended until they are packed.

There is one `fdatasync` per batch instead of one per file. Bytes after the end that the ledger has committed
belong to no item: they are cut off when the spool is opened again.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from iconoclip.disk_full import disk_full_is_an_answer

# A joined ledger numbers the spools of task n from (n + 1) times this.
SPOOLS_OF_A_TASK: Final = 1_000_000
MAX_SPOOL_BYTES: Final = 2_000_000_000

# Number of a spool, and offset in it.
Place = tuple[int, int]


class Spool:
    """The spools of one ledger, opened at their committed end.

    Args:
        folder: the folder of the ledger.
        number, end: the last spool in the ledger, and the end of its committed bytes.

    Raises:
        TryAgainLater: the disk is full.
    """

    def __init__(self, folder: Path, number: int, end: int) -> None:
        self._folder = folder
        self._number, self._end = number, end
        with disk_full_is_an_answer(folder):
            # Unbuffered: bytes that did not fit onto a full disk must not be written again on closing.
            self._file = self.path(number).open("ab", buffering=0)
            self._file.truncate(end)

    def append(self, parts: Sequence[bytes]) -> list[Place]:
        """Write bytes and flush them to the disk. Returns the start of each part.

        Raises:
            TryAgainLater: the disk is full.
        """
        with disk_full_is_an_answer(self._folder):
            if self._end > MAX_SPOOL_BYTES:
                self._open(self._number + 1)
            if data := b"".join(parts):
                self._write(data)
        ends = list(itertools.accumulate(map(len, parts), initial=self._end))
        self._end = ends[-1]
        return [(self._number, begin) for begin in ends[:-1]]

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left:
                left = left[self._file.write(left) :]
            os.fdatasync(self._file.fileno())
        except OSError:
            self._file.truncate(self._end)
            raise

    def path(self, number: int) -> Path:
        """The file of a spool. In a joined ledger, it may belong to the folder of a task."""
        task, own_number = divmod(number, SPOOLS_OF_A_TASK)
        name = f"spool-{own_number:06d}.bin"
        if not task:
            return self._folder / name
        return next(self._folder.glob(f"task-{task - 1:05d}-of-*")) / name

    def drop(self) -> None:
        """Remove all spools, including those of an array's tasks, and begin with an empty one."""
        self._file.close()
        for path in (*self._folder.glob("spool-*.bin"), *self._folder.glob("task-*/spool-*.bin")):
            path.unlink()
        self._open(0)

    def _open(self, number: int) -> None:
        self._file.close()
        self._number, self._end = number, 0
        self._file = self.path(number).open("ab", buffering=0)
        self._file.truncate(0)

    def close(self) -> None:
        """Close the file that is open."""
        self._file.close()
