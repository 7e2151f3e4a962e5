"""A notation means the same to captions, search and evaluation, however it is written."""

from __future__ import annotations

import functools
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iconclass import Iconclass

from data_prep.description.iconclass import captions_of
from iconoclip import iconclass
from retrieval import iconography
from training.evaluation.zero_shot import LabelSet


# Read when a test first asks: it takes a second, and every worker imports this file.
@functools.cache
def classification() -> Iconclass:
    return Iconclass()


@functools.cache
def listed() -> list[str]:
    return [notation for notation in classification()._D if notation]


@functools.cache
def some_notations(number: int = 120) -> list[str]:
    """Of every kind: listed, with listed and free names, doubled letters, keys, and what does not exist."""
    random_ = random.Random(7)
    free = [notation for notation in listed() if "(...)" in notation]
    found = random_.sample([n for n in listed() if "(...)" not in n], number)
    found += [
        n.replace("(...)", f"({name})")
        for n in random_.sample(free, number)
        for name in ("NAPOLEON", "A B & C")
    ]
    found += random_.sample([n for n in listed() if re.search(r"([A-Z])\1", n)], number // 2)
    for notation in random_.sample([n for n in listed() if classification()._D[n].get("k")], number):
        key = random_.choice(classification()._D[notation]["k"]["s"])
        found.append(f"{notation.replace('(...)', '(X)')}(+{key})")
    return [
        *found,
        "25F23(LION)(+zz)",
        "61B2(NAPOLEON)1",
        "99Z",
        "25F34(LITTLE OWL)",
        "11H(wd:Q40662)",
        "",
        "(",
    ]


def test_a_notation_has_the_same_text_in_every_stage() -> None:
    labels = LabelSet(name="x", of="iconclass", prompts={"en": ["{}"]}, classes={"25F": {}, "31A": {}})
    for notation in some_notations():
        captions = {caption.language: caption.text for caption in captions_of([notation])}
        named = labels.model_copy(update={"classes": {notation: {}}})
        for language in iconclass.LANGUAGES:
            text = captions.get(language, "")
            assert iconography.label(notation, language) == text
            assert named.labels(notation, language) == ([text] if text else [])
            if text:
                assert iconography.shown(notation, language) == text


def test_listed_notations_have_the_text_of_the_classification() -> None:
    """Against the package's own texts."""
    for language, name in iconclass.LANGUAGES.items():
        classification().load(name)
        for notation in some_notations()[:120]:
            assert iconclass.label(notation, language) == classification().texts[name].get(notation, "")


def spellings(notation: str) -> list[str]:
    """As catalogues write it."""
    spaced = re.sub(
        r"(?<=\d)(?=[A-Z])|(?<=[A-Z])(?=\d)|(?=\()", " ", re.sub(r"\([^()]*\)", "\0", notation)
    ).replace("\0", "{}")
    names = re.findall(r"\([^()]*\)", notation)
    outside = re.sub(r"\([^()]*\)", "{}", notation)
    return [
        f"  {notation}\u00a0",
        outside.lower().format(*names) if "{" not in "".join(names) else notation,
        spaced.format(*(f" {name}" for name in names)) if "{" not in "".join(names) else notation,
    ]


def test_spaces_and_lower_case_change_nothing() -> None:
    for notation in some_notations()[:-7:5]:
        wanted = iconclass.resolve(notation)
        assert wanted is not None, notation
        for spelling in spellings(notation):
            assert iconclass.resolve(spelling) == wanted, spelling
            assert iconclass.labels(spelling) == iconclass.labels(notation), spelling
            assert iconclass.path(spelling) == iconclass.path(notation), spelling
        if not wanted.names:
            assert iconclass.resolve(notation.replace(" ", "")) == wanted, notation
            assert iconclass.resolve(notation.lower()) == wanted, notation


@pytest.mark.parametrize(
    ("spelling", "notation"),
    [("25 f 23 (lion)", "25F23(LION)"), ("11H(CROWNEDMARTYRS,FOUR)", "11H(CROWNED MARTYRS, FOUR)"),
     ("11 H (PAUL)", "11H(PAUL)"), ("11h(Foo  Bar)", "11H(Foo Bar)"),
     ("25F23( LION )(+46)", "25F23(LION)(+46)"),
     ("25F23(LION) (+ 46)", None), ("25F23(LION)(+zz)", None), ("25F23(LION)99", None), ("1\n2", None)],
)  # fmt: skip
def test_spellings(spelling: str, notation: str | None) -> None:
    found = iconclass.resolve(spelling)
    assert (found and found.notation) == notation
    assert iconclass.exists(spelling) == (notation is not None)


@pytest.mark.parametrize(
    ("notation", "path"),
    [("25F23(LION)(+46)",
     ("2", "25", "25F", "25F2", "25F23", "25F23(LION)", "25F23(LION)(+4)", "25F23(LION)(+46)")),
     ("31AA1", ("3", "31", "31A", "31AA", "31AA1")), ("25FF2", ("2", "25", "25FF", "25FF2")),
     ("11H(FOOBAR)34", ("1", "11", "11H", "11H(FOOBAR)", "11H(FOOBAR)3", "11H(FOOBAR)34")), ("7", ("7",)),
     ("99Z", ())],
)  # fmt: skip
def test_paths(notation: str, path: tuple[str, ...]) -> None:
    assert iconclass.path(notation) == path
    assert iconclass.ancestors(notation) == path[:-1]


def test_children_and_parents_agree() -> None:
    assert iconclass.children("") == tuple("0123456789")
    for notation in random.Random(3).sample([n for n in listed() if "(...)" not in n], 200):
        for child in iconclass.children(notation):
            # A doubled letter is listed as a child of the single one, and often has a path of its own.
            is_doubled = re.search(r"([A-Z])\1", child) and not re.search(r"([A-Z])\1", notation)
            assert iconclass.is_beneath(child, notation) or is_doubled, child
    assert iconclass.children("25F23(LION)(+46)") == iconclass.children("99Z") == ()


@given(st.text(alphabet="0123456789ABFHk()+.: \nLION", max_size=24))
def test_every_text_gets_an_answer(text: str) -> None:
    found = iconclass.nearest(text)
    assert found is None or iconclass.exists(found)
    assert isinstance(iconclass.labels(text), dict)
    assert bool(iconclass.path(text)) == iconclass.exists(text)
