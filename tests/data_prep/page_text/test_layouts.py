"""Captions go to the right pictures on pages of many layouts, in every format."""

from __future__ import annotations

import pytest

from data_prep.page_text.caption_words import against_caption, has_label
from data_prep.page_text.captions import tie_captions
from data_prep.page_text.documents import read_page_text
from data_prep.page_text.zones import PageText
from tests.data_prep.page_text.layouts import CANVAS, FORMATS, LAYOUTS, Layout


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_each_picture_has_its_own_caption_and_no_other_text(layout: Layout):
    for written in FORMATS:
        page = read_page_text(written(layout).encode(), "page", layout.size, canvas=CANVAS)
        found = tie_captions(layout.pictures, page) if isinstance(page, PageText) else {}
        assert {number: one.text for number, one in found.items()} in layout.wanted, written.__name__


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Fig. 3 montre le port", False),
        ("Fig. 1 et 2. Deux vases", True),
        ("Karte von Sachsen", True),
        ("No man is an island", False),
        ("N° 5", False),
        ("N° 5. Le lion", True),
        ("Civil", False),
        ("3. kép", True),
        ("plain", False),
    ],
)
def test_what_begins_as_captions_do(text: str, expected: bool):
    assert has_label(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12",
        "xij.",
        "MDLX",
        "Bb 3",
        "A ij",
        "p. 12",
        "Seite 7",
        "Fig. 1. The port . . . . 12",
        "www.e.org",
    ],
)
def test_what_is_never_a_caption(text: str):
    assert against_caption([text]) > 5


@pytest.mark.parametrize("text", ["Civil", "Mill", "Louis XIV", "Fig. 3. Le port", "Pl. IV"])
def test_words_of_the_same_letters_may_be_one(text: str):
    assert against_caption([text]) == 0
