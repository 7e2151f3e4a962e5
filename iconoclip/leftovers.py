"""Recognises and removes files that a killed process left half-written.

A writer holds the file lock of its temporary file or folder until the rename. The operating system releases
the lock when the process ends, however it ends, so a leftover is a temporary name whose lock is free. This
does not work on file systems without file locks, and on those whose locks only count within a node (Lustre
with `-o localflock`). Therefore the name contains the host, and without a reliable lock only files that
nobody has written to for an hour are removed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from iconoclip.errors import IconoclipError
from iconoclip.locks import lock_file

SECONDS_UNTIL_STALE: Final = 3600.0
SECONDS_UNTIL_UNUSED: Final = 14 * 86_400.0
_HOST: Final = re.sub(r"[^A-Za-z0-9.-]", "-", os.uname().nodename)[:64]
_NAME: Final = re.compile(r"\..+\.\d+(?:@(?P<host>[A-Za-z0-9.-]+))?\.partial")


def partial_name(path: Path) -> Path:
    """The temporary name, in the same folder, under which this process writes `path`."""
    return path.with_name(f".{path.name}.{os.getpid()}@{_HOST}.partial")


def open_locked(partial: Path) -> IO[bytes]:
    """Open an empty file for writing in binary, with its lock; it is held until the file is closed.

    A second thread that writes the same target waits for the first.
    """
    while True:
        # Path.open takes no opener; the caller closes it.
        file = open(partial, "wb", opener=_open_as_it_is)  # noqa: SIM115
        _lock(file.fileno(), waits=True)
        if _is_at(file.fileno(), partial):
            file.truncate()
            return file
        # Renamed by that thread, or removed by a process that found it before its lock was taken.
        file.close()


def _open_as_it_is(path: str, flags: int) -> int:
    """Not truncated before the lock is held: until then it may be another thread's."""
    return os.open(path, flags & ~os.O_TRUNC, 0o666)


@contextlib.contextmanager
def locked_folder(target: Path) -> Iterator[Path]:
    """An empty folder under a temporary name next to `target`, with its lock; removed when the block ends.

    A block that succeeds renames the folder.
    """
    partial, descriptor = _new_locked_folder(target)
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        os.close(descriptor)


def _new_locked_folder(target: Path) -> tuple[Path, int]:
    while True:
        # A new name: unlike a file, a folder that was left under the same name cannot be taken over.
        partial = partial_name(target.with_name(f"{target.name}.{os.urandom(4).hex()}"))
        partial.mkdir()
        # It may be removed by a process that finds it before it is locked.
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(partial, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            _lock(descriptor)
            if _is_at(descriptor, partial):
                return partial, descriptor
            os.close(descriptor)


def remove_leftovers(folder: Path, now: float) -> None:
    """Remove the temporary files and folders of ended processes from a folder.

    Args:
        folder: only its own entries are looked at, and of these only names by `partial_name`.
        now: the time as the folder's file system has it, in seconds since 1970: a modification time.
    """
    with contextlib.suppress(OSError):
        with os.scandir(folder) as entries:
            found = [entry.name for entry in entries if _NAME.fullmatch(entry.name)]
        for name in found:
            # Without a right to remove it, or gone by now: a leftover is no reason to fail.
            with contextlib.suppress(OSError):
                _remove_if_left(folder / name, now)


def _remove_if_left(path: Path, now: float) -> None:
    is_folder = stat.S_ISDIR(path.lstat().st_mode)
    # Network file systems give an exclusive lock only to those who may write.
    mode = os.O_RDONLY | os.O_DIRECTORY if is_folder else os.O_RDWR
    descriptor = os.open(path, mode | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        is_locked = _lock(descriptor)
        if is_locked is False or not _is_at(descriptor, path):
            return
        name = _NAME.fullmatch(path.name)
        is_of_this_host = name is not None and name["host"] in (None, _HOST)
        if (is_locked and is_of_this_host) or now - _last_written(path) > SECONDS_UNTIL_STALE:
            # While the lock is held: then no writer of the same name takes the file for its own.
            shutil.rmtree(path) if is_folder else path.unlink()
    finally:
        os.close(descriptor)


def _lock(descriptor: int, *, waits: bool = False) -> bool | None:
    """Take the lock; False where another holds it, None where the file system does not tell."""
    try:
        return lock_file(descriptor, waits=waits)
    except IconoclipError:
        return None


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _last_written(path: Path) -> float:
    return max(one.lstat().st_mtime for one in (path, *path.rglob("*")))


def remove_unused(folder: Path, name: str, *, notes: str | None = None) -> None:
    """Remove the entries of a cache that no process has opened for two weeks, and what killed processes left.

    Args:
        folder: the entry that was just written; the others lie next to it.
        name: the file of each entry whose time says when the entry was last opened.
        notes: a pattern of single files next to the entries, which go when they are as old.
    """
    now = (folder / name).stat().st_mtime
    remove_leftovers(folder.parent, now=now)
    singles = folder.parent.glob(notes) if notes else ()
    for path in (*folder.parent.glob(f"*/{name}"), *singles):
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime <= SECONDS_UNTIL_UNUSED:
                continue
            if path.parent == folder.parent:
                path.unlink()
            else:
                shutil.rmtree(path.parent, ignore_errors=True)
