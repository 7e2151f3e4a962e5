"""Iconclass as the engine knows it: the package's data, without the package's own look-up."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iconoclip import iconclass
from iconoclip.errors import BadInput
from retrieval import iconography


@pytest.mark.parametrize(
    ("notation", "language", "label"),
    [
        ("46A122", "en", "armorial bearing, heraldry"),
        ("46A122", "de", "Wappenschild, heraldisches Symbol"),
        ("25F23(LION)", "en", "beasts of prey, predatory animals: lion"),
        ("25F23(LION)(+12)", "en", "beasts of prey, predatory animals: lion (+ heraldic animals)"),
        ("25F23(LION)", "ja", "猛獣, 肉食動物: ライオン"),
        ("25F23(LION)99", "en", "beasts of prey, predatory animals: lion"),  # its nearest known ancestor
        ("lion", "en", ""),
        ("", "en", ""),
    ],
)
def test_a_notation_has_words(notation: str, language: str, label: str) -> None:
    assert iconography.shown(notation, language) == label


def test_what_has_no_text_in_a_language_is_shown_in_english() -> None:
    (missing,) = sorted(n for n, _ in iconclass.listed("en") if not iconclass.label(n, "ja"))[:1]
    assert iconography.shown(missing, "ja") == iconclass.label(missing, "en") != ""


def test_a_name_with_spaces_is_found_as_the_rows_hold_it() -> None:
    (branch,) = iconography.branches("crowned martyrs four")
    assert branch == "11H(CROWNEDMARTYRS,FOUR)"
    assert iconography.look_up(branch, "en").notation == "11H(CROWNED MARTYRS, FOUR)"


def test_a_free_name_is_in_its_place() -> None:
    assert "(PAUL OF NOWHERE)" in iconography.label("11H(PAUL OF NOWHERE)")
    assert "NAME" not in iconography.label("11H(PAUL OF NOWHERE)")


def test_wikidata_gets_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a request left the machine")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    assert iconography.nearest("11H(wd:Q40662)") == "11H"
    assert iconography.label("11H(WD:Q40662)").startswith("saints")
    with pytest.raises(BadInput, match="no such notation"):
        iconography.look_up("11H(wd:Q40662)", "en")


def test_a_notation_knows_its_place() -> None:
    found = iconography.look_up("25F23(LION)", "fr")
    assert [term.notation for term in found.broader] == ["2", "25", "25F", "25F2", "25F23"]
    assert [term.notation for term in found.narrower] == ["25FF23(LION)"]
    assert found.label
    assert found.label != iconography.label("25F23(LION)", "en")


def test_branches_are_found_by_notation_and_by_words_in_any_language() -> None:
    assert iconography.branches("25 F 23") == ("25F23",)
    assert iconography.branches("25F23(LION)") == ("25F23(LION)",)
    for words in ("predatory animals", "Raubtiere", "animaux prédateurs", "animaux predateurs"):
        assert "25F23" in iconography.branches(words), words
    found = iconography.branches("predatory animals")
    assert "25F23(LION)" not in found, "what is below another is part of it"
    assert iconography.branches("xylophonist of nowhere") == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("46A122", True), ("25F23(LION)", True), ("25F23(LION)(+12)", True), ("99ZZZ", False), ("1500", False),
     ("15", False), ("a lion", False), ("", False), ("25F23(", False)],
)  # fmt: skip
def test_a_notation_is_told_from_other_texts(text: str, expected: bool) -> None:
    assert iconography.is_notation(text) is expected


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("text", "ancestor"),
    [("1\n2", "1"), ("\n\nA\nB", None), ("25F23(\n", "25F23"), ("25F23\n(LION)\nA", "25F23")],
)
def test_line_breaks_in_a_notation_are_refused(text: str, ancestor: str | None) -> None:
    assert iconography.nearest(text) == ancestor


@settings(deadline=None, max_examples=20)
@given(st.text(max_size=60) | st.from_regex(r"[0-9]{1,2}[A-Z(][0-9A-Z():+. ]{0,20}", fullmatch=True))
def test_every_text_gets_an_answer(text: str) -> None:
    iconography.label(text)
    iconclass.path(text)
    iconography.words((text,))
    iconography.branches(text)
    assert iconography.nearest(text) is None or text.replace(" ", "").startswith(
        str(iconography.nearest(text)).replace(" ", "")[:1]
    )
