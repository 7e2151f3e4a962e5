"""The rows of frequent words are those that FTS5 itself finds; pairs of words that are close."""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from iconoclip.errors import DamagedData
from iconoclip.files import sha256_of
from iconoclip.record import Caption
from retrieval.engine import SearchEngine
from retrieval.generation import postings
from retrieval.generation.catalog import Catalog, CatalogWriter, ImageLocation
from retrieval.generation.close_words import close_pairs
from retrieval.generation.evidence import WordEvidence, evidence
from retrieval.generation.postings import held, packed, unpacked
from retrieval.questions import Query

from .conftest import draw, record_of, samples_of

JPEG = draw("red", "circle", 0)
NUM_ITEMS = 300
# Each with the step between the items that have it; of 300 items, 1505 and roses are too rare to be stored.
STEPS = {
    **{"lion": 2, "lions": 5, "rampant": 3, "of": 1.5, "the": 1.2, "gules": 15, "rose": 14},
    **{"roses": 97, "1505": 89},
}


def write_catalog(path: Path) -> None:
    writer = CatalogWriter(path)
    for row in range(NUM_ITEMS):
        words = [word for word, step in STEPS.items() if row % step < 1]
        random.Random(row).shuffle(words)
        captions = (Caption(text=f"{' '.join(words)} n{row}", language="en", field="title", role="title"),)
        creators = ("Gules, Anna",) if row % 15 == 0 else ("Rampant, Ida",) if row % 30 == 3 else ()
        record = record_of(row, JPEG, captions=captions, creators=creators, iconclass=())
        writer.add(row, record, ImageLocation(0, "x.tar", 0, 1), "")
    writer.close()


def without_bits(path: Path) -> None:
    """Make the catalogue one of an older version."""
    with sqlite3.connect(path) as connection:
        assert connection.execute(f"SELECT count(*) FROM {postings.TABLE}").fetchone()[0] >= 5
        connection.execute(f"DROP TABLE {postings.TABLE}")
    connection.close()


@pytest.fixture(params=[30_000, 70], ids=["all read", "few read"])
def both(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Catalog, Catalog]:
    """The same catalogue with the rows of frequent words and without."""
    monkeypatch.setattr("retrieval.generation.word_index.FREQUENT_MIN", 10)
    monkeypatch.setattr("retrieval.generation.word_lookup.MAX_ROWS_READ", request.param)
    monkeypatch.setattr("retrieval.generation.word_lookup.MAX_ROWS_OF_RAREST", request.param + 30)
    for name in ("bits", "fts5"):
        write_catalog(tmp_path / name)
    without_bits(tmp_path / "fts5")
    return Catalog(tmp_path / "bits"), Catalog(tmp_path / "fts5")


def made_in(word: str) -> postings.Mask | None:
    """So many items that the year comes between `lion` and `the`."""
    return np.arange(NUM_ITEMS) < 230 if word == "1505" else None


@pytest.mark.parametrize(
    "text",
    [
        "the lion",
        "of the lion rampant",
        "gules rose of",
        "lions",
        "anna gules",
        "the of",
        "n7 the",
        "zzz the",
        "roses rampant",
        "n7 lion 1505 the",
    ],
)
def test_evidence_is_that_of_the_full_text_index(both: tuple[Catalog, Catalog], text: str) -> None:
    bits, fts5 = (evidence(catalog.words, text.split(), years=made_in, with_titles=True) for catalog in both)
    assert len(fts5.rows)
    for name in WordEvidence.__dataclass_fields__:
        assert np.array_equal(getattr(bits, name), getattr(fts5, name)), name


def test_an_index_without_the_bits_gives_the_same_answers(
    make_index: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.generation.word_index.FREQUENT_MIN", 2)
    folder = make_index(samples_of(range(24)))
    queries = [
        Query(text=text, k=24, fold=False) for text in ("a red circle", "bild nr", "number 7", "-red a")
    ]

    def answers() -> list[dict[str, object]]:
        with SearchEngine.open(folder) as engine:
            return [engine.search(query, counts=True).model_dump(exclude={"took_ms"}) for query in queries]

    with_bits = answers()
    (catalog,) = folder.glob("gen-*/catalog.sqlite")
    before = sha256_of(catalog)
    without_bits(catalog)
    manifest = catalog.parent / "manifest.json"
    manifest.write_text(manifest.read_text().replace(before, sha256_of(catalog)))
    assert answers() == with_bits


@pytest.mark.parametrize("num_rows", [1, 7, 8, 9, 5_000])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.4, 1.0])
def test_rows_are_packed_and_unpacked(num_rows: int, share: float) -> None:
    has_N = np.random.default_rng(1).random(num_rows) < share
    rows = np.flatnonzero(has_N)
    data = packed(rows, num_rows)
    assert np.array_equal(unpacked(data, num_rows), rows)
    some = np.arange(0, num_rows, 3)
    assert np.array_equal(held(data, some, num_rows), has_N[some])
    assert len(data) <= min(4 * len(rows), (num_rows + 7) // 8)


@pytest.mark.parametrize(
    "data",
    [b"\x00" * 3, b"\x00" * 104, packed(np.arange(200), 401), packed(np.array([3, 800]), 900)]
    + [np.array(rows, "<u4").tobytes() for rows in ([5, 4], [7, 7])],
)
def test_damaged_rows_are_refused(data: bytes) -> None:
    with pytest.raises(DamagedData, match="rows of a word"):
        unpacked(data, 800)


def test_pairs_are_close_where_a_pattern_finds_them() -> None:
    drawn = random.Random(2)
    pairs = [(("a", "b"), ("c",)), (("c",), ("d", "a")), (("d",), ("d",))]
    patterns = [
        re.compile(rf" (?:{'|'.join(first)})(?: [^ ,]+)? (?:{'|'.join(second)}) ") for first, second in pairs
    ]
    texts = [f" , {' '.join(drawn.choices('abcdxy,', k=drawn.randint(0, 9)))} , " for _ in range(600)]
    # The texts of additions are kept apart in another way.
    texts += [" |  ".join(f" {' '.join(drawn.choices('abcdx', k=3))} " for _ in range(3)) for _ in range(300)]
    found = close_pairs([*texts, ""], pairs).tolist()
    assert found[-1] == 0
    for text, bits in zip(texts, found, strict=False):
        expected = sum(bool(each.search(text)) << number for number, each in enumerate(patterns))
        assert bits == expected, text
    assert set(found) == set(range(8))
