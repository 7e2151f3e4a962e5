"""The vectors of a flat index as mapped memory, within a limit.

Shapes: N vectors, D dimensions.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from iconoclip.errors import DamagedData

MAX_MAPPED_BYTES = 300_000_000
# The bytes that Linux maps around a page that is read (fault_around_bytes).
BYTES_MAPPED_PER_READ = 65_536


class MappedPages:
    """The mapped rows of a flat index, with a limit on how much of them counts as this process's memory.

    A page that was read once counts as memory of the process until the machine runs short of memory.
    Above a limit, the pages are released; the kernel may keep them in its page cache. Single rows of a
    large file are read, not mapped: touching a page that is not mapped takes 20 microseconds, reading a
    row from the page cache takes 1.

    Args:
        flat: a faiss index of float16 codes that is mapped from a file.
        path: that file; the codes are its end.
    """

    def __init__(self, flat: Any, path: Path) -> None:
        # A reference is kept, because the mapping ends with it.
        self._flat = flat
        self._path, self._file = path, path.open("rb", buffering=0)
        self._offset = path.stat().st_size - int(flat.codes.size())
        self._address, self._size = int(flat.codes.data()), int(flat.codes.size())
        self._touched = 0

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """The rows, float16 [N, D], without a copy. An array made from this keeps the mapping open."""
        shape = (self._flat.ntotal, self._flat.d)
        return {"shape": shape, "typestr": "<f2", "data": (self._address, True), "version": 3}

    @property
    def are_many(self) -> bool:
        """Whether the file is too large to stay mapped, so that single rows are read."""
        return self._size > MAX_MAPPED_BYTES

    def rows(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float16]:
        """Some rows, float16 [len(rows), D].

        Raises:
            DamagedData: the file became shorter.
        """
        if not self.are_many:
            return np.asarray(self)[rows]
        file, width = self._file.fileno(), self._size // self._flat.ntotal
        found = np.empty((len(rows), self._flat.d), np.float16)
        # Read into place: as many objects of bytes take a fifth longer.
        buffer = found.view(np.uint8).reshape(-1).data
        num_bytes = 0
        for place, row in enumerate(rows.tolist()):
            part = buffer[place * width : (place + 1) * width]
            num_bytes += os.preadv(file, [part], self._offset + row * width)
        if num_bytes != found.nbytes:
            raise DamagedData("vectors are missing", where=self._path, remedy="run `iconoclip index` again")
        return found

    def touched(self, num_rows: int) -> None:
        """Count rows that were read, and release all pages when there may be too many."""
        if not self.are_many:
            return
        self._touched += min(self._size, num_rows * BYTES_MAPPED_PER_READ)
        if self._touched > MAX_MAPPED_BYTES:
            self._touched = 0
            start = self._address & ~(mmap.PAGESIZE - 1)
            _libc().madvise(start, self._size + self._address - start, mmap.MADV_DONTNEED)


@functools.cache
def _libc() -> ctypes.CDLL:
    library = ctypes.CDLL(None)
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return library
