"""Labels of pages in 36 languages are no captions; titles made of the same words are."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.description.captions import Statement, captions_from
from data_prep.description.designations import is_designation, without_shelfmark
from data_prep.description.page_labels import fold, is_page_label, word_lists
from data_prep.institutions import InstitutionProfile
from tests.data_prep.iiif.documents import canvas_3, image_3, manifest_3, read

ANY = InstitutionProfile(slug="any", name="Any")
with (Path(__file__).parent / "page_labels.tsv").open(encoding="utf-8", newline="") as file:
    TABLE = [[*row, ""][:3] for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
# These designate wherever they are; a word of another class may need a number or a part next to it.
ALONE = ("pages", "parts", "sides")
LISTED = [
    (language, name, word)
    for language, classes in word_lists().items()
    for name, words in classes.items()
    for word in words
]
PAGES = sorted({word for _, name, word in LISTED if name == "pages"})
COUNTERS = sorted({word for _, name, word in LISTED if name in ("pages", "counters")})


def test_the_table_is_as_large_as_it_should_be() -> None:
    assert len(TABLE) >= 250
    assert sum(outcome == "kept" for outcome, _, _ in TABLE) >= 60


def test_labels_and_titles_of_the_table() -> None:
    wrong = []
    for outcome, label, rest in TABLE:
        expected = {"dropped": [], "kept": [label], "trimmed": [rest]}[outcome]
        found = [caption.text for caption in captions_from([Statement("title", label)], ANY)]
        if found != expected:
            wrong.append((label, found, expected))
    assert wrong == []


def test_every_word_of_the_list_matches_itself() -> None:
    """A word that is compared in another form than it is listed in could never match."""
    articles = {
        "the",
        "a",
        "an",
        "der",
        "die",
        "das",
        "ein",
        "eine",
        "le",
        "la",
        "les",
        "un",
        "une",
        "het",
        "een",
    }
    silent = [
        (language, word)
        for language, name, word in LISTED
        if name not in ("endings", "prefixes")
        for label in (word if name in ALONE else f"{word} 7", f"{word} 7")
        if not is_page_label(label) and not (name in ("ambiguous", "near") or fold(word) in articles)
    ]
    assert silent == []


@pytest.mark.parametrize("spell", [str.upper, str.title, str.casefold])
def test_capitals_make_no_difference(spell: object) -> None:
    labels = [label for outcome, label, _ in TABLE if outcome == "dropped" and label.islower()]
    assert callable(spell)
    assert [label for label in labels if not is_designation(spell(label))] == []


@given(
    st.sampled_from(COUNTERS),
    st.integers(1, 999),
    st.sampled_from(["", "r", "v", "ra", "vb", " recto", " verso"]),
    st.sampled_from(
        ["{word} {number}{side}", "{word}. {number}{side}", "[{word} {number}{side}]", "{number}. {word}"]
    ),
)
def test_a_page_with_its_number_is_no_caption(word: str, number: int, side: str, form: str) -> None:
    assert is_designation(form.format(word=word, number=number, side=side))


@given(
    st.sampled_from(PAGES),
    st.integers(1, 999),
    st.integers(1, 999),
    st.sampled_from(["of", "von", "van", "sur", "di", "de", "z", "из", "av", "af", "/", "από", "מתוך", "من"]),
)
def test_a_count_of_pages_is_no_caption(word: str, number: int, total: int, of: str) -> None:
    assert is_designation(f"{word} {number} {of} {total}")


@given(st.sampled_from([label for outcome, label, _ in TABLE if outcome == "dropped"]))
def test_an_unknown_word_makes_a_label_a_title(label: str) -> None:
    assert not is_page_label(f"{label} Annunziazione")


@given(st.text(max_size=200))
def test_no_text_breaks_the_grammar(text: str) -> None:
    assert isinstance(is_page_label(text), bool)
    assert without_shelfmark(text) in text


def test_a_canvas_keeps_the_title_of_its_work_alone() -> None:
    labels = ("Fußschnitt", "Whole Page", "コマ番号: 12")
    canvases = [
        canvas_3(str(number), image_3(str(number)), label={"none": [label]})
        for number, label in enumerate(labels)
    ]
    found = read(manifest_3(*canvases))
    assert len(found.candidates) == len(labels)
    assert not {caption.text for one in found.candidates for caption in one.captions} & set(labels)
    assert all(one.captions for one in found.candidates)
