"""The tars of shard sets: plain, and canonical, so that the same samples give the same bytes."""

from __future__ import annotations

import contextlib
import tarfile
from pathlib import Path
from typing import IO, Final

from iconoclip.errors import DamagedData

BLOCK: Final = tarfile.BLOCKSIZE
MAX_NAME_BYTES: Final = 100
_TEMPLATE: Final = tarfile.TarInfo("-").tobuf(tarfile.USTAR_FORMAT)


def padded(size: int) -> int:
    """The bytes that a member of this size takes in a tar, without its header."""
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


class TarWriter:
    """Writes files without owner and time into a tar.

    The bytes are the same as those of `tarfile` (POSIX.1-1988 ustar). `tarfile` needs a third of the
    time of packing a harvest to build the headers; here name, size and checksum are set in a header that
    it made once.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self.offset = 0

    def add(self, name: str, data: bytes) -> int:
        """Append a file and return the offset of its bytes."""
        start = self.offset + tarfile.BLOCKSIZE
        padding = bytes(padded(len(data)) - len(data))
        self._file.write(b"".join((header(name, len(data)), data, padding)))
        self.offset = start + len(data) + len(padding)
        return start

    def close(self) -> None:
        """End the archive and fill its last record, as the tar format requires."""
        end = 2 * tarfile.BLOCKSIZE
        self._file.write(bytes(end + -(self.offset + end) % tarfile.RECORDSIZE))
        self._file.close()

    def abandon(self) -> None:
        """Close the unfinished file; the disk may be full."""
        with contextlib.suppress(OSError):
            self._file.close()


def header(name: str, size: int) -> bytes:
    """The header of a plain file without owner and time (POSIX.1-1988 ustar)."""
    encoded = name.encode()
    # Longer names, and files of 8 GiB, would need another header; keys are shorter (iconoclip.record) and
    # shards smaller.
    assert len(encoded) <= MAX_NAME_BYTES
    assert size < 8**11
    block = bytearray(_TEMPLATE)
    block[:MAX_NAME_BYTES] = encoded.ljust(MAX_NAME_BYTES, b"\0")
    block[124:135] = b"%011o" % size
    block[148:156] = b" " * 8
    block[148:155] = b"%06o\0" % sum(block)
    return bytes(block)


def member_at(file: IO[bytes], place: int) -> tuple[str, int]:
    """The name of the member whose header is at a place of a tar, and where the next header is.

    The name is empty at the end of the tar.

    Raises:
        DamagedData: there is no header.
    """
    file.seek(place)
    block = file.read(BLOCK)
    if not block.strip(b"\0"):
        return "", place
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.TarError as error:
        raise DamagedData(
            f"no header of a tar at byte {place}: {error}", where=file.name,
            remedy="`iconoclip check` lists what differs; copy the set again",
        ) from error  # fmt: skip
    return info.name, place + BLOCK + padded(info.size)
