"""Recognises a full disk, however a library reports it, and turns it into an error with a remedy."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator
from pathlib import Path

from iconoclip.errors import IconoclipError, TryAgainLater

# The error numbers of a full disk, an exhausted quota and a limit on file size (`ulimit -f`).
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# SQLITE_FULL and SQLITE_IOERR_WRITE; the module is not imported for their names.
NO_SPACE_IN_SQLITE = {13, 778}


def is_disk_full(error: BaseException) -> bool:
    """Whether an error means that a disk is full.

    Libraries wrap the operating system's error: torch's writer raises RuntimeError with the OSError as its
    context; libraries written in Rust (safetensors, tokenizers) raise their own errors, whose text ends with
    "(os error 28)"; SQLite has codes of its own.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in NO_SPACE:
            return True
        if getattr(seen, "sqlite_errorcode", None) in NO_SPACE_IN_SQLITE:
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
