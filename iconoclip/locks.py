"""Exclusive locks between processes, on file systems with file locks and on those without.

`flock` is the first choice: the operating system releases it when the process ends, however it ends. Lustre
mounted without `-o flock` and NFS without a lock daemon answer ENOSYS or ENOLCK. There a marker file is used
instead (`filelock.SoftFileLock`: created with O_EXCL; it contains the host, the process and its start time).
The marker of a dead process is taken over only if it is certain that the process has ended: on the same host,
or by a later start of the same SLURM job.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Final, Self

from iconoclip import clock
from iconoclip.disk_full import disk_full_is_an_answer
from iconoclip.errors import IconoclipError, MissingRequirement, TryAgainLater

if TYPE_CHECKING:
    import filelock

HELD: Final = {errno.EAGAIN, errno.EACCES}
UNSUPPORTED: Final = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
SECONDS_BETWEEN_TRIES: Final = 0.1
MARKER_SUFFIX: Final = ".marker"


# Makes the error to raise if a lock is held, from a description of its holder.
Busy = Callable[[str], IconoclipError]


class LocksUnsupported(MissingRequirement):
    """The file system has no file locks, and nothing else can take their place here."""


class Hold:
    """A lock that is held until `close`, or until the process ends. A context manager."""

    def __init__(self, file: IO[str], marker: filelock.SoftFileLock | None) -> None:
        self._file, self._marker = file, marker

    def close(self) -> None:
        """Release the lock. A second call does nothing."""
        self._file.close()
        if self._marker is not None:
            self._marker.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def hold(path: Path, busy: Busy, *, timeout_seconds: float = 0.0) -> Hold:
    """Take the lock of the file `path`. The file is never removed, and records who holds the lock.

    Args:
        path: the lock's file; its folder is created.
        busy: makes the error if the lock is held, from a description of its holder: "process 7 on
            node3, since ...".
        timeout_seconds: how long to wait for the lock.

    Raises:
        IconoclipError: another process holds the lock; the error is the one that `busy` made.
        MissingRequirement: the folder cannot be written.
        TryAgainLater: the disk is full, or the file system does not answer.
    """
    until = time.monotonic() + timeout_seconds
    while (held := _take(path)) is None:
        if time.monotonic() >= until:
            raise busy(_holder_of(path))
        time.sleep(SECONDS_BETWEEN_TRIES)
    return held


def _take(path: Path) -> Hold | None:
    file = _opened(path)
    marker: filelock.SoftFileLock | None = None
    try:
        try:
            is_held = lock_file(file.fileno())
        except LocksUnsupported:
            marker = _marker(path)
            is_held = marker is not None
        if not is_held:
            file.close()
            return None
        with disk_full_is_an_answer(path), contextlib.suppress(OSError):
            file.seek(0)
            file.truncate()
            file.write(json.dumps(_this_process()) + "\n")
            file.flush()
    except BaseException:
        file.close()
        if marker is not None:
            marker.release()
        raise
    return Hold(file, marker)


def _opened(path: Path) -> IO[str]:
    """Open the lock's file without truncating it: it contains the record of the present holder."""
    try:
        with disk_full_is_an_answer(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            return os.fdopen(
                os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+", encoding="utf-8"
            )
    except OSError as error:
        raise MissingRequirement(
            f"the folder cannot be written: {error.strerror}",
            where=path.parent,
            remedy="choose another folder",
        ) from error


def lock_file(descriptor: int, *, waits: bool = False) -> bool:
    """Lock an open file for this process alone; False if another process holds the lock.

    Args:
        descriptor: an open file; closing it releases the lock.
        waits: wait until the lock is free.

    Raises:
        LocksUnsupported: its file system has no file locks.
        TryAgainLater: the file system fails in another way.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno in HELD:
            return False
        if error.errno in UNSUPPORTED:
            raise _unsupported(_path_of(descriptor), error) from error
        raise TryAgainLater(
            f"the file system does not lock a file: {error.strerror}",
            where=_path_of(descriptor),
            remedy="run the same command again; if that fails, choose a folder on another file system",
        ) from error
    return True


def _path_of(descriptor: int) -> str:
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())
    return f"file descriptor {descriptor}"


def _unsupported(where: str | Path, error: OSError, what: str = "file locks") -> LocksUnsupported:
    return LocksUnsupported(
        f"this file system has no {what} ({errno.errorcode.get(error.errno or 0, error.errno)})",
        where=where,
        remedy="choose a folder on another file system, or have it mounted with them (Lustre: `-o flock`)",
    )


def _marker(path: Path) -> filelock.SoftFileLock | None:
    """Take the marker file that replaces the lock; None if another process holds it."""
    # Imported here: few file systems need it, and it takes a tenth of a second.
    import filelock

    marker = filelock.SoftFileLock(_marker_of(path), timeout=0, thread_local=False)
    if _is_earlier_start(_recorded(path)):
        marker.break_lock()
    try:
        marker.acquire()
    except filelock.Timeout:
        return None
    print(f"{path.parent} has no file locks; {marker.lock_file} takes their place", file=sys.stderr)
    return marker


def _marker_of(path: Path) -> Path:
    return path.with_name(path.name + MARKER_SUFFIX)


def _is_earlier_start(record: dict[str, object]) -> bool:
    """Whether the lock belongs to an earlier start of this SLURM job, which the scheduler has ended."""
    job, restart = os.environ.get("SLURM_JOB_ID"), os.environ.get("SLURM_RESTART_COUNT", "0")
    earlier = record.get("restart")
    return bool(job) and record.get("job") == job and isinstance(earlier, int) and earlier < int(restart)


def _this_process() -> dict[str, object]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": clock.wall_now(),
        "job": os.environ.get("SLURM_JOB_ID"),
        "restart": int(os.environ.get("SLURM_RESTART_COUNT", "0")),
    }


def _recorded(path: Path) -> dict[str, object]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _holder_of(path: Path) -> str:
    record, marker = _recorded(path), _marker_of(path)
    job = f", job {record['job']}" if record.get("job") else ""
    holder = (
        f"process {record.get('pid')} on {record.get('host')}{job}, since {record.get('since')}"
        if record
        else "a process that has not recorded its name"
    )
    return f"{holder} (if it is gone, remove {marker})" if marker.exists() else holder


def require(folder: Path) -> None:
    """Refuse a folder on a file system without file locks, for uses where a marker file cannot replace them.

    Raises:
        LocksUnsupported: it has none.
        MissingRequirement: the folder cannot be written.
    """
    with _probe(folder) as file:
        lock_file(file.fileno())


def require_posix(folder: Path) -> None:
    """Refuse a folder on a file system without POSIX locks. SQLite needs them, and without them would report
    only a busy file.

    Raises:
        LocksUnsupported: it has none.
        MissingRequirement: the folder cannot be written.
    """
    with _probe(folder) as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _unsupported(folder, error, "POSIX locks, which SQLite needs") from error


def _probe(folder: Path) -> IO[bytes]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=folder)
    except OSError as error:
        raise MissingRequirement(
            f"the folder cannot be written: {error.strerror}", where=folder, remedy="choose another folder"
        ) from error


def missing_in(folder: Path) -> str | None:
    """A description of the file locks that a folder's file system lacks; None if it has them all.

    POSIX locks are tried first: more depends on them, and a file system without them usually lacks
    `flock` as well.

    Raises:
        MissingRequirement: the folder cannot be written.
    """
    try:
        require_posix(folder)
        require(folder)
    except LocksUnsupported as error:
        return error.what
    return None
