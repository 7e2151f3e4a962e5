"""Refusals and retries instead of a resource, and bounded reading of untrusted bodies."""

from __future__ import annotations

import email.utils
import time
import zlib
from collections.abc import AsyncIterable, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urljoin

import httpcore2

from iconoclip.pictures import looks_like_markup

MIN_BYTES_PER_STALL: Final = 1024
# zlib finds out whether a body is gzip or zlib; "deflate" is used for both.
_ANY_FORMAT: Final = zlib.MAX_WBITS | 32
_GZIP: Final = b"\x1f\x8b"


class Refused(Exception):
    """The resource cannot be fetched, now or later; the message is the reason in the report.

    `status` is the HTTP status of the response, if that is the reason.
    """

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class Gone(Refused):
    """The server says that the resource is no longer there: 404 or 410."""


class HostRefused(Refused):
    """The host must not be contacted at all."""


class NotNow(Exception):
    """The resource cannot be fetched now. `wait_seconds` is the delay that the server asked for, if any."""

    def __init__(self, reason: str, wait_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds


class HostPaused(NotNow):
    """The host is paused for the rest of this run."""


def phrase(status: int) -> str:
    """The name of a status code in HTTP."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def retry_after(value: str | None) -> float | None:
    """Seconds that a Retry-After header asks for: a number or an HTTP date (RFC 9110, section 10.2.3)."""
    if not value:
        return None
    if value.isascii() and value.strip().isdigit():
        return float(min(int(value.strip()[:9]), 10**8))
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def redirect_target(uri: str, status: int, headers: Mapping[str, str]) -> str:
    """The target of a 3xx response.

    Raises:
        Refused: the response has no valid target.
    """
    location = headers.get("location")
    if status not in (301, 302, 303, 307, 308) or not location:
        raise Refused(f"HTTP {status} without a Location")
    try:
        return urljoin(uri, location)
    except ValueError:
        raise Refused(f"HTTP {status} to an invalid address: {location[:100]!r}") from None


def network_reason(error: Exception) -> str:
    """A description of a network error, for the report."""
    if isinstance(error, httpcore2.ConnectTimeout):
        return "the server does not answer"
    if isinstance(error, httpcore2.TimeoutException):
        return "the transfer stalled"
    if isinstance(error, httpcore2.RemoteProtocolError):
        return f"the response broke off or is not HTTP: {error}"
    return f"the connection failed: {error or type(error).__name__}"


async def read_body(
    headers: Mapping[str, str], stream: AsyncIterable[bytes], *, max_bytes: int, stall_seconds: float
) -> bytes:
    """The decompressed body, with a limit on its bytes before and after decompression.

    Raises:
        Refused: larger than allowed, or in an encoding that was not offered.
        NotNow: less than `MIN_BYTES_PER_STALL` in `stall_seconds`, or a compressed body that breaks off.
    """
    too_large = Refused(f"larger than {max_bytes} bytes")
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared[:18]) > max_bytes:
        raise too_large
    decoder = _Decoder(headers.get("content-encoding", "identity").strip().lower(), max_bytes)
    parts: list[bytes] = []
    received = decoded = in_window = 0
    window_ends = time.monotonic() + stall_seconds
    async for chunk in stream:
        received += len(chunk)
        in_window += len(chunk)
        plain = decoder.decode(chunk)
        decoded += len(plain)
        if received > max_bytes or decoded > max_bytes:
            raise too_large
        parts.append(plain)
        if (now := time.monotonic()) > window_ends:
            if in_window < MIN_BYTES_PER_STALL:
                raise NotNow("the transfer stalled")
            in_window, window_ends = 0, now + stall_seconds
    decoder.end()
    return parts[0] if len(parts) == 1 else b"".join(parts)


class _Decoder:
    """Decompresses a body chunk by chunk: gzip of one member or several, or zlib.

    Raises:
        Refused: the encoding was not offered.
    """

    def __init__(self, encoding: str, max_bytes: int) -> None:
        self._is_plain = encoding in ("", "identity")
        if not self._is_plain and encoding not in ("gzip", "x-gzip", "deflate"):
            raise Refused(f"the body is encoded as '{encoding[:40]}', which was not requested")
        self._max_bytes = max_bytes
        self._machine = zlib.decompressobj(_ANY_FORMAT)
        self._is_empty = True

    def decode(self, chunk: bytes) -> bytes:
        """The bytes of a chunk, at most one more than `max_bytes`.

        Raises:
            Refused: the body is damaged.
        """
        if self._is_plain:
            return chunk
        parts: list[bytes] = []
        room = self._max_bytes + 1
        while chunk and room > 0:
            if self._machine.eof:
                # What follows is a further member, or padding.
                if not chunk.startswith(_GZIP):
                    break
                self._machine = zlib.decompressobj(_ANY_FORMAT)
            self._is_empty = False
            try:
                parts.append(self._machine.decompress(chunk, room))
            except zlib.error as error:
                raise Refused(f"the compressed body is damaged: {error}") from None
            room -= len(parts[-1])
            chunk = self._machine.unused_data
        return b"".join(parts)

    def end(self) -> None:
        """Check that the body is complete.

        Raises:
            NotNow: it is not; a length that fits says nothing of that if a proxy cut the body before.
        """
        if not self._is_plain and not self._is_empty and not self._machine.eof:
            raise NotNow("the compressed body broke off")


def looks_like_html(data: bytes) -> bool:
    """Whether bytes begin like an HTML page, and not like XML of another kind."""
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return looks_like_markup(start) and (not start.startswith(b"<?xml") or b"<html" in start)
