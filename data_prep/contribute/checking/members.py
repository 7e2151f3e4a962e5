"""Reads the tar of a shard strictly: plain ustar headers, bounded members, no extension of the format.

Python's tarfile follows extended headers before a caller can refuse them: one of 300 MB takes a gigabyte of
memory. Here a header is a block of 512 bytes and its type is checked before anything behind it is read.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from data_prep.contribute.checking.rules import Finding, shown
from iconoclip.record import KEY_PATTERN
from iconoclip.shardset import MAX_RECORD_BYTES
from iconoclip.shardset_manifest import FILLER_NAME

BLOCK: Final = tarfile.BLOCKSIZE
MAX_IMAGE_BYTES: Final = 100_000_000
KINDS: Final = ("jpg", "json", "txt")
_END: Final = bytes(BLOCK)


@dataclass
class Sample:
    """The members of one key: kind -> offset and bytes."""

    key: str
    offsets: dict[str, int] = field(default_factory=dict)
    members: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class _Header:
    name: str
    type: bytes
    offset: int
    size: int


def samples_of(path: Path, report: Callable[[Finding], None]) -> Iterator[Sample]:
    """The samples of a shard in their order; everything that is not as it must be is reported.

    What has a wrong header cannot be passed over, so the shard is then read no further.
    """
    folded: set[str] = set()
    sample: Sample | None = None
    with path.open("rb") as file:
        for header in _headers(file, path, report):
            where = f"{path.name}/{shown(header.name)}"
            if header.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
                report(
                    Finding(
                        where, "member-kind", f"a member of the type {shown(header.type.decode('latin-1'))}"
                    )
                )
                return
            if header.name == FILLER_NAME:
                _check_filler(file, header, where, report)
                continue
            key, dot, kind = header.name.partition(".")
            if not _is_ours(key, dot, kind, where, report):
                continue
            if header.name.casefold() in folded:
                report(Finding(where, "member-repeated", "the name occurs twice"))
                continue
            folded.add(header.name.casefold())
            if header.size > (MAX_IMAGE_BYTES if kind == "jpg" else MAX_RECORD_BYTES):
                report(Finding(where, "member-size", f"{header.size} bytes"))
                continue
            file.seek(header.offset)
            data = file.read(header.size)
            if sample is not None and sample.key != key:
                yield sample
                sample = None
            sample = sample or Sample(key)
            if list(sample.members) != list(KINDS[: len(sample.members)]) or KINDS.index(kind) < len(
                sample.members
            ):
                report(Finding(where, "member-order", f"{kind} comes after {', '.join(sample.members)}"))
            sample.offsets[kind], sample.members[kind] = header.offset, data
    if sample is not None:
        yield sample


def _check_filler(file: IO[bytes], header: _Header, where: str, report: Callable[[Finding], None]) -> None:
    """What fills the place of a purged sample holds zeros, and hides nothing."""
    file.seek(header.offset)
    left = header.size
    while left > 0:
        data = file.read(min(left, 1 << 20))
        if not data or data.strip(b"\0"):
            report(Finding(where, "member-foreign", "the place of a withdrawn sample holds something"))
            return
        left -= len(data)


def _is_ours(key: str, dot: str, kind: str, where: str, report: Callable[[Finding], None]) -> bool:
    import re

    if not dot or not re.fullmatch(KEY_PATTERN, key.lower()) or "/" in key or "\\" in key:
        report(Finding(where, "member-name", "not the name of a sample's member"))
        return False
    if kind in KINDS and key == key.lower():
        return True
    rule = "member-repeated" if kind.lower() in KINDS else "member-foreign"
    what = (
        "differs from a sample's member only in capitals" if rule == "member-repeated" else f".{shown(kind)}"
    )
    report(Finding(where, rule, what))
    return False


def _headers(file: IO[bytes], path: Path, report: Callable[[Finding], None]) -> Iterator[_Header]:
    """The headers of a tar, each before its member is read."""
    size = path.stat().st_size
    place = 0
    while True:
        file.seek(place)
        block = file.read(BLOCK)
        if block == _END:
            rest = file.read(BLOCK)
            if rest != _END or _has_more(file):
                report(Finding(path.name, "tar-unreadable", f"something follows its end at byte {place}"))
            return
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.TarError, ValueError, UnicodeError) as error:
            report(Finding(path.name, "tar-unreadable", f"at byte {place}: {shown(error)}"))
            return
        start = place + BLOCK
        place = start + -(-info.size // BLOCK) * BLOCK
        if info.size < 0 or place > size:
            report(
                Finding(path.name, "tar-unreadable", f"{shown(info.name)} reaches beyond the end of the file")
            )
            return
        yield _Header(info.name, info.type, start, info.size)


def _has_more(file: IO[bytes]) -> bool:
    """Whether anything but zeros follows."""
    while block := file.read(1 << 20):
        if block.strip(b"\0"):
            return True
    return False
