"""How every stage writes files: under a temporary name in the same folder, then one rename."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from iconoclip.errors import TryAgainLater

# What a full disk or an exhausted quota looks like to a process.
NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


@contextlib.contextmanager
def disk_full_is_an_answer(where: Path) -> Iterator[None]:
    """Turn the operating system's "no space left" into an error with a remedy.

    Raises:
        TryAgainLater: the disk that holds `where` is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        raise TryAgainLater(
            "the disk is full",
            where=where,
            remedy="free some space and run the same command again; it goes on",
        ) from error


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open `path` for writing in binary; it appears whole when the block ends, or not at all.

    Raises:
        TryAgainLater: the disk is full (the temporary file is removed).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with disk_full_is_an_answer(path):
            with partial.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys, atomically. The same value gives the same bytes."""
    with atomic_write(path) as file:
        file.write((json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode())


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
