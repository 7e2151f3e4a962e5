"""Writing files, for every stage: under a temporary name in the same folder, then one rename."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from iconoclip.disk_full import disk_full_is_an_answer
from iconoclip.leftovers import open_locked, partial_name, remove_leftovers


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open `path` for writing in binary mode. When the block ends, the file appears complete, or not at all.

    What killed processes left half-written in the same folder is removed (`iconoclip.leftovers`).

    Raises:
        TryAgainLater: the disk is full (the temporary file is removed).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_name(path)
    with disk_full_is_an_answer(path), open_locked(partial) as file:
        # Renamed or removed before the lock is released: without it, the file would be a leftover.
        try:
            remove_leftovers(path.parent, now=os.fstat(file.fileno()).st_mtime)
            yield file
            file.flush()
            os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys, atomically. The same value gives the same bytes."""
    with atomic_write(path) as file:
        file.write((json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode())


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
