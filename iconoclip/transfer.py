"""Reads from object storage and web servers through fsspec.

A busy server, a broken connection or a truncated body is retried with growing pauses. Then the run ends with
exit code 75, and the same command resumes it. A refusal or a missing file is reported at once. The file
systems of fsspec raise the errors of their clients (aiohttp, botocore, google, azure), few of which are
OSErrors. They are distinguished by their HTTP status.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

from iconoclip import s3
from iconoclip.disk_full import is_disk_full
from iconoclip.errors import DamagedData, IconoclipError, MissingRequirement, TryAgainLater

T = TypeVar("T")
# Half a minute in total; after longer failures the command must be started again.
PAUSES_SECONDS: tuple[float, ...] = (0.5, 1, 2, 4, 8, 15)
# A time limit on a whole file would be a hidden limit on its size, so only the time without data is limited.
CONNECT_SECONDS, SILENCE_SECONDS = 30, 60
# Of the small files with what is withdrawn: they are read whenever a set is opened, and kept.
QUICK_SECONDS: Final = 5.0
# Status codes below 500 that mean "later": Request Timeout, Too Early, Too Many
# Requests (RFC 9110, 8470, 6585).
LATER: Final = {408, 425, 429}
NO_CREDENTIALS: Final = {"NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError"}
# Facts of a file by which a change is noticed, as fsspec's readers for the web, S3 and others name them.
STATE: Final = ("size", "ETag", "etag", "Last-Modified", "LastModified", "mtime", "md5Hash", "generation")
BUGS: Final = (TypeError, AttributeError, NameError, LookupError, NotImplementedError)


# A connection that is refused and a name without an address are errors of the system too, not of a file.
MISSING: Final = (FileNotFoundError, IsADirectoryError, NotADirectoryError, KeyError)


class CutShort(Exception):
    """The file that arrived is truncated."""


def read(address: str, *, sha256: str | None = None) -> bytes:
    """The bytes of a file that fits into memory.

    Args:
        address: the address of the file.
        sha256: the checksum of its bytes, if known.

    Raises:
        MissingRequirement: no such file, no permission, or no reader for such addresses.
        TryAgainLater: the server still fails after all retries.
        DamagedData: the bytes do not match, even after retries.
    """
    system, path = _file_system(address)

    def attempt() -> bytes:
        data: bytes = system.cat_file(path)
        if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
            raise CutShort(f"{len(data)} bytes arrived, whose checksum differs from shardset.json")
        return data

    return _retried(address, attempt)


def read_part(address: str, start: int, size: int) -> bytes:
    """`size` bytes of a file from `start`.

    Raises:
        MissingRequirement, TryAgainLater: the same cases as for `read`.
        DamagedData: the file is shorter, even after retries.
    """
    system, path = _file_system(address)

    def attempt() -> bytes:
        data: bytes = system.cat_file(path, start=start, end=start + size)
        if len(data) != size:
            raise CutShort(f"{len(data)} of {size} bytes arrived")
        return data

    return _retried(address, attempt)


def read_quickly(address: str) -> bytes | None:
    """The bytes of a small file, with one attempt and a short timeout; None if there is no such file.

    Raises:
        MissingRequirement, TryAgainLater: it cannot be read now.
    """
    system, path = _file_system(address, connect_seconds=QUICK_SECONDS, silence_seconds=QUICK_SECONDS)
    try:
        data: bytes = system.cat_file(path)
        return data
    except Exception as error:
        if isinstance(error, BUGS):
            raise
        if status_of(error) in (404, 410) or (status_of(error) is None and _is_missing(error)):
            return None
        raise (refusal_of(error, address) or _given_up(error, address)) from error


def state_of(address: str) -> dict[str, Any]:
    """What the server says of a file without sending it: its size, and its ETag or when it last changed.

    Raises:
        MissingRequirement, TryAgainLater: the same cases as for `read`.
    """
    system, path = _file_system(address)
    found: dict[str, Any] = _retried(address, lambda: system.info(path))
    return {name: str(found[name]) for name in STATE if found.get(name) is not None}


def sha256_of_bytes(data: bytes) -> str:
    """The SHA-256 of bytes in memory, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def download(address: str, target: Path, num_bytes: int | None = None) -> None:
    """Write a file to `target`. Its size is compared with `num_bytes`, if that is known.

    Raises:
        MissingRequirement, TryAgainLater: the same cases as for `read`.
        DamagedData: the file has another size, even after retries.
    """
    system, path = _file_system(address)

    def attempt() -> None:
        system.get_file(path, str(target))
        if num_bytes is not None and target.stat().st_size != num_bytes:
            raise CutShort(f"{target.stat().st_size} of {num_bytes} bytes arrived")

    _retried(address, attempt)


def _file_system(
    address: str, *, connect_seconds: float = CONNECT_SECONDS, silence_seconds: float = SILENCE_SECONDS
) -> tuple[Any, str]:
    if address.startswith(s3.SCHEME):
        return s3.file_system(address, connect_seconds=connect_seconds, silence_seconds=silence_seconds)
    # Imported here: most commands read no address, and fsspec's readers take a while.
    from fsspec.core import url_to_fs

    try:
        is_web = address.startswith(("http://", "https://"))
        system, path = url_to_fs(
            address, **(_web_options(connect_seconds, silence_seconds) if is_web else {})
        )
    # Some readers need more than a Python package: that of hdfs:// looks for Java, in many places.
    except (ImportError, ValueError, OSError) as error:
        raise MissingRequirement(
            f"such addresses cannot be read: {' '.join(str(error).split())[:200]}",
            where=address,
            remedy="install the fsspec reader it names, e.g. gcsfs",
        ) from error
    return system, path


def _web_options(connect_seconds: float, silence_seconds: float) -> dict[str, Any]:
    from fsspec.implementations import http

    timeout = http.aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds, sock_read=silence_seconds)
    return {"client_kwargs": {"timeout": timeout}}


def _retried(address: str, attempt: Callable[[], T]) -> T:
    for pause in (*PAUSES_SECONDS, None):
        try:
            return attempt()
        except IconoclipError:
            raise
        except Exception as error:
            if is_disk_full(error) or isinstance(error, BUGS):
                raise
            if (refusal := refusal_of(error, address)) is not None:
                raise refusal from error
            if pause is None:
                raise _given_up(error, address) from error
            # Random pauses, because all ranks and their workers may be waiting for the same server.
            time.sleep(pause * random.uniform(0.5, 1.0))
    raise AssertionError("unreachable")


def refusal_of(error: BaseException, address: str) -> MissingRequirement | None:
    """The error to raise, if a retry would give the same result."""
    status = status_of(error)
    if status in (404, 410) or (status is None and _is_missing(error)):
        return MissingRequirement("no such file", where=address, remedy="check the address")
    if status in (401, 403) or isinstance(error, PermissionError) or type(error).__name__ in NO_CREDENTIALS:
        return MissingRequirement(
            f"the server refuses to give the file out ({status or _said(error)})",
            where=address,
            remedy="check your credentials, and that they allow reading this address",
        )
    # Sites whose nodes reach no hosts outside set the variable, and waiting changes nothing.
    if any(type(one).__name__ == "OfflineModeIsEnabled" for one in _chain(error)):
        return MissingRequirement(
            "the environment says that hubs are not asked (HF_HUB_OFFLINE)",
            where=address,
            remedy="unset the variable where hosts outside can be reached, or download the files before",
        )
    if status is not None and 400 <= status < 500 and status not in LATER:
        return MissingRequirement(f"the server answers {status}", where=address, remedy="check the address")
    return None


def _given_up(error: Exception, address: str) -> IconoclipError:
    if isinstance(error, CutShort):
        return DamagedData(
            f"the file is not the one that shardset.json lists: {error}",
            where=address,
            remedy="upload the set again",
        )
    return TryAgainLater(
        f"the file cannot be read: {_said(error)}; tried {len(PAUSES_SECONDS) + 1} times",
        where=address,
        remedy="run the same command again later; it continues where it stopped",
    )


def status_of(error: BaseException) -> int | None:
    """The HTTP status of an error, or of one that caused it."""
    for one in _chain(error):
        response = getattr(one, "response", None)
        if isinstance(response, dict):  # botocore
            response = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if isinstance(response, int):
                return response
        if type(one).__module__.startswith("aiohttp.http"):
            # Its parser reports a response that it cannot read, such as a truncated body, as status 400.
            continue
        for owner, name in ((one, "status"), (one, "status_code"), (one, "code"), (response, "status_code")):
            value = getattr(owner, name, None)
            if isinstance(value, int) and 400 <= value < 600:
                return value
        if isinstance(one, OSError) and (stated := s3.status_in(str(one))) is not None:
            return stated
    return None


def _is_missing(error: BaseException) -> bool:
    """Whether the error means that a file does not exist. fsspec's HTTP reader raises the same
    error for other failures.
    """
    if not isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError):
        return False
    return all(isinstance(one, MISSING) for one in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__ or one.__context__


def _said(error: BaseException) -> str:
    status = status_of(error)
    if status is not None:
        return f"the server answers {status}"
    # fsspec's HTTP reader puts a FileNotFoundError, which says nothing, before the reason.
    reason = next((one for one in _chain(error) if not isinstance(one, MISSING)), error)
    text = str(reason).strip().splitlines()
    return f"{type(reason).__name__}: {text[0][:200]}" if text else type(reason).__name__
