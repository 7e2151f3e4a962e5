"""Translates exceptions of the operating system, of file formats and of libraries into errors with a remedy
and an exit code. An exception that this module does not know is a bug.

A stage that knows more (which field helps, which file it was) raises an `IconoclipError` itself. This module
handles all others.
"""

from __future__ import annotations

import errno
import importlib.util
import json
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor

import yaml
from pydantic import ValidationError

from iconoclip.config_messages import problems_of, yaml_problem
from iconoclip.errors import BadInput, DamagedData, IconoclipError, MissingRequirement, TryAgainLater

Kind = type[IconoclipError]
AGAIN = "run the same command again; it continues from here"
FREE_SPACE = "free some space and run the same command again; it continues from here"

# For each error number of the operating system: the class, the sentence, the remedy.
BY_NUMBER: dict[int, tuple[Kind, str, str]] = {
    errno.ENOSPC: (TryAgainLater, "the disk is full", FREE_SPACE),
    errno.EDQUOT: (TryAgainLater, "the disk quota is used up", FREE_SPACE),
    errno.EFBIG: (
        MissingRequirement,
        "the file system does not allow a file of this size",
        "use another disk",
    ),
    errno.ENOMEM: (TryAgainLater, "out of memory", "end other programs, or use a machine with more memory"),
    errno.ENOENT: (MissingRequirement, "no such file or folder", "check the path"),
    errno.ENOTDIR: (BadInput, "part of this path is a file, not a folder", "check the path"),
    errno.EISDIR: (BadInput, "this is a folder, and a file is needed", "name a file"),
    errno.EEXIST: (BadInput, "this already exists", "choose another path, or remove it"),
    errno.ENOTEMPTY: (BadInput, "this folder is not empty", "choose another path, or empty it"),
    errno.ENAMETOOLONG: (BadInput, "this path is too long for the file system", "choose a shorter one"),
    errno.ELOOP: (BadInput, "this path contains a loop of symbolic links", "check the links"),
    errno.EACCES: (MissingRequirement, "no permission to use this", "check its owner and mode (ls -l)"),
    errno.EPERM: (MissingRequirement, "no permission to do this here", "check the owner and mode (ls -l)"),
    errno.EROFS: (
        MissingRequirement,
        "the file system is read-only",
        "choose a folder that can be written",
    ),
    errno.EXDEV: (
        MissingRequirement,
        "the two paths are on different file systems",
        "choose paths on one disk",
    ),
    errno.EMFILE: (TryAgainLater, "too many open files in this process", "raise the limit (ulimit -n)"),
    errno.ENFILE: (TryAgainLater, "too many open files on this machine", "try again later"),
    errno.EBUSY: (TryAgainLater, "this is in use", AGAIN),
    errno.ETXTBSY: (TryAgainLater, "this is in use", AGAIN),
    errno.EAGAIN: (TryAgainLater, "the operating system has no resources for this now", AGAIN),
    errno.EIO: (
        TryAgainLater,
        "the disk or the network file system failed",
        "check the disk, then try again",
    ),
    errno.ESTALE: (TryAgainLater, "the network file system lost this file", AGAIN),
    errno.ENOSYS: (MissingRequirement, "the file system does not support this", "use another file system"),
    errno.ENOLCK: (MissingRequirement, "the file system has no file locks", "use another file system"),
    errno.EOPNOTSUPP: (
        MissingRequirement,
        "the file system does not support this",
        "use another file system",
    ),
    errno.ETIMEDOUT: (TryAgainLater, "the connection took too long", AGAIN),
    errno.ECONNREFUSED: (
        TryAgainLater,
        "the server refuses connections",
        "check that it runs, then try again",
    ),
    errno.ECONNRESET: (TryAgainLater, "the server closed the connection", AGAIN),
    errno.ECONNABORTED: (TryAgainLater, "the connection was closed", AGAIN),
    errno.EHOSTUNREACH: (TryAgainLater, "the server cannot be reached", "check the network, then try again"),
    errno.ENETUNREACH: (TryAgainLater, "the network cannot be reached", "check the network, then try again"),
    errno.EADDRINUSE: (TryAgainLater, "the port is in use", "choose another port, or try again later"),
    errno.EADDRNOTAVAIL: (BadInput, "this is not an address of this machine", "choose another address"),
    errno.ENODEV: (MissingRequirement, "the device does not exist", "check the machine"),
}

# For words in the message, for libraries that raise RuntimeError and the like: torch's and safetensors'
# writers, faiss, pyarrow, SQLite, torch's loader.
BY_WORDS: tuple[tuple[str, tuple[Kind, str, str]], ...] = (
    ("no space left on device", BY_NUMBER[errno.ENOSPC]),
    ("database or disk is full", BY_NUMBER[errno.ENOSPC]),
    ("disk quota exceeded", BY_NUMBER[errno.EDQUOT]),
    (
        "pytorchstreamwriter failed",
        (TryAgainLater, "a file cannot be written; the disk may be full", FREE_SPACE),
    ),
    ("file write failed", (TryAgainLater, "a file cannot be written; the disk may be full", FREE_SPACE)),
    ("unexpected pos", (TryAgainLater, "a file cannot be written; the disk may be full", FREE_SPACE)),
    ("can't allocate memory", BY_NUMBER[errno.ENOMEM]),
    ("cannot allocate memory", BY_NUMBER[errno.ENOMEM]),
    ("out of memory", (TryAgainLater, "the device is out of memory", "make the batches smaller")),
    (
        "is killed by signal",
        (TryAgainLater, "a worker process was killed; the machine may be out of memory", AGAIN),
    ),
    (
        "exited unexpectedly",
        (TryAgainLater, "a worker process ended; the machine may be out of memory", AGAIN),
    ),
    ("unable to open shared memory", (MissingRequirement, "no shared memory", "make /dev/shm larger")),
    (
        "database is locked",
        (TryAgainLater, "another process works in this folder", "wait until it has ended"),
    ),
    ("readonly database", BY_NUMBER[errno.EROFS]),
    ("unable to open database file", BY_NUMBER[errno.EACCES]),
    ("disk i/o error", BY_NUMBER[errno.EIO]),
    ("database disk image is malformed", (DamagedData, "a database file is damaged", "copy it again")),
    ("file is not a database", (DamagedData, "a database file is damaged", "copy it again")),
    ("libcuda", (MissingRequirement, "the GPU's driver is missing", "install it, or use --device cpu")),
)
WORDY = (RuntimeError, OSError)
WORDY_NAMES = {"SafetensorError", "OperationalError", "DatabaseError", "ArrowException", "OutOfMemoryError"}

# For names of classes, for libraries that are not imported here.
DAMAGED = {
    "ReadError", "BadZipFile", "BadGzipFile", "LZMAError", "ArrowInvalid", "UnidentifiedImageError",
    "HeaderError", "XMLSyntaxError", "ParseError", "SafetensorError",
}  # fmt: skip
NETWORK = {
    "aiohttp",
    "botocore",
    "boto3",
    "s3fs",
    "fsspec",
    "gcsfs",
    "httpx",
    "httpx2",
    "httpcore",
    "httpcore2",
    "requests",
    "urllib3",
    "huggingface_hub",
    "urllib",
    "http",
    "ssl",
}
OURS = {"iconoclip", "data_prep", "training", "retrieval", "slurm", "builtin_collections"}


def as_iconoclip_error(error: BaseException) -> IconoclipError | None:
    """The error to show for an exception, or None if the exception can only be a bug.

    An exception that was raised because of another one (`raise ... from`) is also recognised by
    the other one.
    """
    for cause in _chain(error):
        if isinstance(cause, IconoclipError):
            return cause
        if (found := _judged(cause)) is not None:
            return found
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        if isinstance(current, BaseExceptionGroup) and len(current.exceptions) == 1:
            current = current.exceptions[0]
            continue
        yield current
        current = current.__cause__


def _judged(error: BaseException) -> IconoclipError | None:
    if isinstance(error, BrokenPipeError):
        # The command handles a closed standard output; any other pipe leads to one of our own processes.
        return None
    return _of_input(error) or _of_system(error) or _of_library(error)


def _of_input(error: BaseException) -> IconoclipError | None:
    """Errors in a file or a value."""
    match error:
        case ValidationError():
            return BadInput("; ".join(problems_of(error)), remedy="correct the file or the value")
        case yaml.YAMLError():
            return BadInput(f"not valid YAML: {yaml_problem(error)}", remedy="correct the file")
        case json.JSONDecodeError():
            said = f"not valid JSON in line {error.lineno}, column {error.colno}"
            return DamagedData(said, remedy="repair the file, or copy it again")
        case UnicodeError():
            return BadInput("a text is not UTF-8", remedy="save the file as UTF-8, or rename it")
        case EOFError():
            return DamagedData("a file ends too early", remedy="copy it again")
    return None


def _of_system(error: BaseException) -> IconoclipError | None:
    """Errors of the operating system."""
    match error:
        case socket.gaierror():
            return TryAgainLater(
                "the name of a server is not known", remedy="check the address and the network"
            )
        case OSError() if error.errno in BY_NUMBER:
            kind, what, remedy = BY_NUMBER[error.errno]
            return kind(what, where=_where(error), remedy=remedy)
        case TimeoutError() | ConnectionError():
            return TryAgainLater("a connection failed or took too long", where=_where(error), remedy=AGAIN)
        case MemoryError():
            return _made(BY_NUMBER[errno.ENOMEM])
        case BrokenExecutor():
            return TryAgainLater("a worker process ended; the machine may be out of memory", remedy=AGAIN)
        case subprocess.CalledProcessError() | subprocess.TimeoutExpired():
            program = error.cmd if isinstance(error.cmd, str) else " ".join(map(str, error.cmd))
            return MissingRequirement("a program failed", where=program, remedy="run it by hand to see why")
        case ImportError() if not _is_ours(error.name):
            return MissingRequirement(
                f"the package '{error.name or error.msg}' cannot be loaded",
                remedy="pip install iconoclip, in this environment",
            )
    return None


def _of_library(error: BaseException) -> IconoclipError | None:
    """Errors of other packages."""
    name, package = type(error).__name__, type(error).__module__.partition(".")[0]
    if isinstance(error, WORDY) or name in WORDY_NAMES:
        text = str(error).lower()
        for words, trouble in BY_WORDS:
            if words in text:
                return _made(trouble)
    if name in DAMAGED:
        return DamagedData(
            "a file is damaged or not of its format", where=_where(error), remedy="copy it again"
        )
    if package in NETWORK:
        return TryAgainLater(
            f"a request to a server failed ({name})", remedy="check the network, then try again"
        )
    if isinstance(error, OSError):
        return MissingRequirement(f"the system refuses this: {error.strerror or error}", where=_where(error))
    return None


def _made(trouble: tuple[Kind, str, str]) -> IconoclipError:
    kind, what, remedy = trouble
    return kind(what, remedy=remedy)


def _where(error: BaseException) -> str | None:
    names = [getattr(error, name, None) for name in ("filename", "filename2")]
    return " -> ".join(str(name) for name in names if name is not None) or None


def _is_ours(module: str | None) -> bool:
    """Whether a module that failed to import should exist: it is ours, or it is installed."""
    top = (module or "").partition(".")[0]
    return top in OURS or (bool(top) and top != module and importlib.util.find_spec(top) is not None)
