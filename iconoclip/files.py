"""Writing files, for every stage: under a temporary name in the same folder, then one rename."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from iconoclip.errors import IconoclipError, TryAgainLater

# The error numbers of a full disk, an exhausted quota and a limit on file size (`ulimit -f`).
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def is_disk_full(error: BaseException) -> bool:
    """Whether an error means that a disk is full.

    Libraries wrap the operating system's error: torch's writer raises RuntimeError with the OSError as its
    context; libraries written in Rust (safetensors, tokenizers) raise their own errors, whose text ends with
    "(os error 28)".
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in NO_SPACE:
            return True
        found = re.search(r"\(os error (\d+)\)", str(seen))
        if found and int(found[1]) in NO_SPACE:
            return True
        seen = seen.__cause__ or seen.__context__
    return False


@contextlib.contextmanager
def disk_full_is_an_answer(where: Path) -> Iterator[None]:
    """Turn "no space left", however a library reports it, into an error with a remedy.

    Raises:
        TryAgainLater: the disk that holds `where` is full.
    """
    try:
        yield
    except IconoclipError:
        raise
    except Exception as error:
        if not is_disk_full(error):
            raise
        raise TryAgainLater(
            "the disk is full",
            where=where,
            remedy="free some space and run the same command again; it continues from here",
        ) from error


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open `path` for writing in binary mode. When the block ends, the file appears complete, or not at all.

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
