"""Headers of tars from outside, bounded: a `tarinfo` class for `tarfile.open`.

A negative size makes Python's tarfile read the same members forever (CVE-2025-8194; mended in Python 3.13.6),
and an extended header is read into memory, however large it is.
"""

from __future__ import annotations

import tarfile
from typing import Final

MAX_HEADER_BYTES: Final = 1_000_000
_EXTENDED: Final = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip


class BoundedTarInfo(tarfile.TarInfo):
    """A header that ends the reading of its tar if its size is negative, or if it is an extended header of
    more than a megabyte.
    """

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _EXTENDED and self.size > MAX_HEADER_BYTES:
            raise tarfile.ReadError("an extended header is too large")
        found: tarfile.TarInfo = super()._proc_member(tar)  # type: ignore[misc]
        if found.size < 0:
            raise tarfile.ReadError("a size is negative")
        return found

    def _block(self, count: int) -> int:
        if count < 0:
            raise tarfile.ReadError("a size is negative")
        blocks: int = super()._block(count)  # type: ignore[misc]
        return blocks
