"""The quality report: it counts, shows only what may be shown, and escapes every text."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from data_prep.contribute.config import TakedownConfig
from data_prep.contribute.takedown import takedown
from data_prep.publish.config import CardConfig
from data_prep.publish.histogram import Histogram, edges_of_years
from data_prep.publish.quality import NUM_PICTURES, write_quality
from iconoclip.record import Caption, Date, Image, Institution, Record, Source, sample_key
from iconoclip.rights import judge
from iconoclip.shardset import QUALITY_NAME, ShardSet, ShardSetWriter

PDM, IN_COPYRIGHT = (
    "http://creativecommons.org/publicdomain/mark/1.0/",
    "http://rightsstatements.org/vocab/InC/1.0/",
)
SCRIPT = "<script>alert('x')</script> & \"more\""


def make_set(folder: Path, titles: list[str | None], statement: str = PDM, slug: str = "museum") -> ShardSet:
    """One picture a title; None has no caption."""
    with ShardSetWriter(folder, name=slug, policy="open@1", created_at="2026", created_by="a test") as writer:
        for number, title in enumerate(titles):
            buffer = io.BytesIO()
            PillowImage.new("RGB", (200, 150), (number % 256, 90, 160)).save(buffer, "JPEG")
            identity = f"https://{slug}.example/{number}"
            captions = (Caption(text=title, language="en", field="title"),) if title else ()
            record = Record(
                key=sample_key(slug, identity),
                institution=Institution(slug=slug, name="The Museum"),
                source=Source(id=identity, homepage="javascript:alert(1)"),
                captions=captions,
                date=Date(earliest=1600 + number, latest=1700),
                rights=judge(statement, policy="open"),
                image=Image(
                    width=200,
                    height=150,
                    sha256=hashlib.sha256(buffer.getvalue()).hexdigest(),
                    phash=f"{number:016x}",
                ),
                group=identity,
                harvested_at="2026",
                harvested_by="a test",
            )
            writer.add(record, buffer.getvalue())
    return ShardSet(folder)


def page_of(shardset: ShardSet) -> str:
    return write_quality(shardset, CardConfig(shardset=shardset.folder)).read_text()


def test_it_counts_and_shows_what_is_there(tmp_path):
    shardset = make_set(tmp_path, ["A red cow on a green hill", "A red cow on a green hill", "Cow", None])
    (tmp_path / "report.json").write_text(
        json.dumps(
            {
                "by_reason": {"HTTP 404 Not Found": 7},
                "examples": {"HTTP 404 Not Found": ["https://h.example/9"]},
            }
        )
    )
    page = page_of(shardset)
    assert "4 images with 3 captions in 1 language, of 1 institution." in page
    assert page.count("data:image/jpeg;base64,") == 4
    assert "2</b><span>share their first caption" in page
    assert "1</b><span>have no caption" in page
    assert "1</b><span>have only captions under 20" in page
    assert "HTTP 404 Not Found" in page
    assert "https://h.example/9" in page


def test_the_same_set_gives_the_same_bytes(tmp_path):
    shardset = make_set(tmp_path, ["A red cow", "A blue cow"])
    assert page_of(shardset) == page_of(shardset)


def test_pictures_that_may_not_be_shown_are_counted_only(tmp_path):
    page = page_of(make_set(tmp_path, ["A red cow"] * 3, IN_COPYRIGHT))
    assert "data:image" not in page


def test_texts_from_outside_are_escaped_and_nothing_is_loaded(tmp_path):
    page = page_of(make_set(tmp_path, [SCRIPT, "A red cow"]))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "javascript:" not in page
    assert set(re.findall(r'src="([a-z]+):', page)) == {"data"}
    assert "url(" not in page


def test_a_withdrawn_picture_is_shown_no_more(tmp_path):
    shardset = make_set(tmp_path, ["A red cow", "A blue cow"])
    page_of(shardset)
    key = shardset.table(["key"])["key"][0].as_py()
    takedown(TakedownConfig(shardset=tmp_path, keys=[key], reason="the heir asked"))
    assert not (tmp_path / QUALITY_NAME).exists()
    page = page_of(ShardSet(tmp_path))
    assert "A blue cow" in page
    assert "A red cow" not in page
    assert page.count("data:image") == 1


def test_of_many_pictures_a_sheet_is_chosen_evenly(tmp_path):
    page = page_of(make_set(tmp_path, [f"Cow number {n}" for n in range(500)]))
    shown = [int(number) for number in re.findall(r"<b [^>]*>Cow number (\d+)", page)]
    assert len(shown) == NUM_PICTURES
    assert shown == sorted(shown)
    gaps = [after - before for before, after in itertools.pairwise(shown)]
    assert max(gaps) <= 16  # 500 / 48 is 10.4; a kept sample stands for 8 or 16
    assert shown[-1] >= 480


@pytest.mark.parametrize(
    ("values", "labels", "counts"),
    [
        ([], [], []),
        ([1, 9, 10, 10, 45], ["1 to 9", "10 to 19", "20 to 39", "40 and more"], [2, 2, 0, 1]),
        ([0, 12], ["1 to 9", "10 to 19"], [1, 1]),
    ],
)
def test_ranges(values, labels, counts):
    histogram = Histogram((1, 10, 20, 40))
    for value in values:
        histogram.add(value)
    assert [bar.label for bar in histogram.bars] == labels
    assert [bar.count for bar in histogram.bars] == counts


@given(st.dictionaries(st.integers(-3000, 2100), st.integers(1, 50), max_size=30))
def test_every_year_is_in_one_bar(years):
    bars = edges_of_years(years)
    assert sum(bar.count for bar in bars) == sum(years.values())
    assert len(bars) <= 25
    for bar in bars:
        inside = sum(
            n for year, n in years.items() if year >= bar.first and (bar.last is None or year <= bar.last)
        )
        assert bar.count == inside
