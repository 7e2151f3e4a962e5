"""Documents compressed with gzip are read like others; what is cut off, damaged or too large is refused."""

from __future__ import annotations

import gzip
import tracemalloc

import pytest

from data_prep.candidate import Refusal
from data_prep.sources import registry
from data_prep.sources.packed import unpacked
from tests.data_prep.describing import ANY
from tests.data_prep.sources.library_documents import mets

ADDRESS = "https://library.invalid/mets/7.xml.gz"
METS = mets("https://library.invalid").encode()


def read(document: bytes, kind: str = registry.UNKNOWN) -> registry.Found:
    return registry.read(kind, document, ADDRESS, ANY, {})


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(METS, mtime=0), gzip.compress(METS[:500], mtime=0) + gzip.compress(METS[500:], mtime=0)],
    ids=["one member", "two members"],
)
def test_a_compressed_document_gives_the_same_records(packed: bytes) -> None:
    plain = read(METS)
    assert len(plain.candidates) == 3
    assert read(packed) == plain


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (gzip.compress(METS, mtime=0)[:-9], "the gzip file is cut off"),
        (
            gzip.compress(METS[:500], mtime=0) + gzip.compress(METS[500:], mtime=0)[:40],
            "the gzip file is cut off",
        ),
        (b"\x1f\x8b and text", "not gzip, although it begins like it"),
        (gzip.compress(b"", mtime=0), "the document is empty"),
    ],
)
def test_damaged_ones_are_refused_with_the_reason(document: bytes, reason: str) -> None:
    found = read(document)
    assert not found.candidates
    (refusal,) = found.refusals
    assert refusal.reason.startswith(reason)


def test_a_small_file_that_unpacks_to_much_is_not_unpacked_further() -> None:
    bomb = gzip.compress(bytes(50_000_000), mtime=0)
    tracemalloc.start()
    found = unpacked(bomb, ADDRESS, 1_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(found, Refusal)
    assert found.reason.startswith("larger than 1 MB")
    assert peak < 8_000_000
