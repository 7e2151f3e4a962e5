"""Documents that are compressed with gzip: exports of catalogues often are, whatever their address says."""

from __future__ import annotations

import zlib
from typing import Final

from data_prep.candidate import Refusal

_GZIP: Final = b"\x1f\x8b"


def unpacked(document: bytes, uri: str, max_bytes: int) -> bytes | Refusal:
    """The document without the compression of gzip; one that is not compressed, as it is.

    Args:
        uri: where it is from, for the refusal.
        max_bytes: of the document without compression. A small file may unpack to any size, so it is not
            unpacked further.
    """
    if not document.startswith(_GZIP):
        return document
    found = bytearray()
    # A file of gzip may have several members, one after the other.
    while document.startswith(_GZIP):
        machine = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            found += machine.decompress(document, max_bytes + 1 - len(found))
        except zlib.error as error:
            return Refusal(uri, f"not gzip, although it begins like it: {error}", "everything")
        if len(found) > max_bytes:
            return Refusal(
                uri, f"larger than {max_bytes // 1_000_000} MB ({len(found)} bytes or more)", "everything"
            )
        if not machine.eof:
            return Refusal(uri, "the gzip file is cut off", "everything")
        document = machine.unused_data
    return bytes(found)
