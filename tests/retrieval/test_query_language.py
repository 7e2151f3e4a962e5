"""How the text of a query is read: no index, only texts and their parts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.query_language.fields import NAMES, field_of, period_of
from retrieval.query_language.grammar import parse
from retrieval.query_language.hints import TEXTS, text_of
from retrieval.query_language.parts import Part
from retrieval.words import tokens


def short(part: Part) -> str:
    """A short form of a part: w words, p phrase, a field by its name; - excluded; alternatives in
    brackets."""
    if part.parts:
        mark = " | " if part.kind == "any" else " & "
        said = f"[{mark.join(map(short, part.parts))}]"
    elif part.kind == "field":
        said = f"{part.field}={part.text}" + ("!" if part.is_exact else "")
    else:
        said = f"{part.kind[0]}({part.text})"
    return f"-{said}" if part.excluded else said


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("two roses", ["w(two roses)"]),
        ('"two roses" vase', ["p(two roses)", "w(vase)"]),
        ("roses -vase", ["w(roses)", "-w(vase)"]),
        ('-"two roses" vase', ["-p(two roses)", "w(vase)"]),
        ("roses −vase", ["w(roses)", "-w(vase)"]),
        ("rose OR lily", ["[w(rose) | w(lily)]"]),
        ("rose | lily|iris", ["[w(rose) | w(lily) | w(iris)]"]),
        ("a rose OR lily vase", ["w(a)", "[w(rose) | w(lily)]", "w(vase)"]),
        ("(red rose) OR (white lily)", ["[w(red rose) | w(white lily)]"]),
        ("(red -rose) OR lily", ["[[w(red) & -w(rose)] | w(lily)]"]),
        ("vase -(rose OR lily)", ["w(vase)", "-[w(rose) | w(lily)]"]),
        ('"a rose" OR creator:Merian', ["[p(a rose) | creator=Merian]"]),
        ("creator:Merian -creator:Redouté", ["creator=Merian", "-creator=Redouté"]),
        ('creator:"Maria Merian"', ["creator=Maria Merian!"]),
        ("Künstler:Merian", ["creator=Merian"]),
        ("ort:Basel année:1705", ["place=Basel", "year=1705"]),
        ("notation:25G41(ROSE) vase", ["notation=25G41(ROSE)", "w(vase)"]),
        ("year:1480 .. 1500 vase", ["year=1480 .. 1500", "w(vase)"]),
        ("year:1480 - 1500", ["year=1480 - 1500"]),
        ("year:.. 1500", ["year=.. 1500"]),
        ("year:1480 -1500", ["year=1480", "-w(1500)"]),
        ('creator:"Merian', ["creator=Merian"]),
        ("rose || lily", ["[w(rose) | w(lily)]"]),
        ("rose && lily", ["w(rose && lily)"]),
        # Quotation marks of other languages.
        ("« deux roses »", ["p(deux roses)"]),
        ("„zwei Rosen“", ["p(zwei Rosen)"]),
        ("»zwei Rosen« Vase", ["p(zwei Rosen)", "w(Vase)"]),
        ("“two roses”", ["p(two roses)"]),
        ("”två rosor”", ["p(två rosor)"]),
        ("title:„zwei Rosen”", ["title=zwei Rosen!"]),
        # Not operators.
        ("gules a rose or", ["w(gules a rose or)"]),
        ("OR", ["w(OR)"]),
        ("Saint-Denis", ["w(Saint-Denis)"]),
        ("a 12\" disc", ['w(a 12" disc)']),
        ("Basel – a view", ["w(Basel – a view)"]),
        ("Merian (1647-1717)", ["w(Merian (1647-1717))"]),
        ("25G41(ROSE)", ["w(25G41(ROSE))"]),
        ("Flowers: a study", ["w(Flowers: a study)"]),
        ("10:30", ["w(10:30)"]),
    ],
)  # fmt: skip
def test_a_text_is_read_as_people_mean_it(text: str, parts: list[str]) -> None:
    assert [short(part) for part in parse(text).parts] == parts


@pytest.mark.parametrize(
    ("text", "code", "instead"),
    [
        ('"two roses', "unbalanced_quote", '"two roses"'),
        ("„two roses", "unbalanced_quote", "„two roses“"),
        ('two roses"', "unbalanced_quote", '"two roses"'),
        ('creator:"Maria Merian', "unbalanced_quote", 'creator:"Maria Merian"'),
        ("(rose OR lily", "unbalanced_parenthesis", ""),
        ("(rose", "unbalanced_parenthesis", ""),
        ("rose)", "unbalanced_parenthesis", ""),
        ("rose -()", "lone_minus", ""),
        ("--rose", "dash_before_word", "-rose"),
        ("rose - lily", "lone_minus", ""),
        ("rose –lily", "dash_before_word", "rose -lily"),
        ("colour:red", "unknown_field", ""),
        ("http://x", "unknown_field", ""),
        ("a:b", "unknown_field", ""),
        ("creater:Merian", "unknown_field", "creator:Merian"),
        ("creator: Merian", "space_after_field", "creator:Merian"),
        ("creator :Merian", "field_needs_colon", "creator:Merian"),
        ("title = rose", "field_needs_colon", "title:rose"),
        ("year>1500", "field_needs_colon", "year:1501.."),
        ("jahr <= 1500", "field_needs_colon", "jahr:..1500"),
        ("creator:", "field_without_value", ""),
        ('creator:""', "field_without_value", ""),
        ("year:..", "not_a_year", ""),
        ("year:soon", "not_a_year", ""),
        ("reuse:perhaps", "not_yes_or_no", ""),
        ("rose OR", "lone_or", ""),
        ("AND rose", "lone_or", ""),
        ("rose |", "lone_bar", ""),
        ("red rose OR white lily", "or_joins_two", "(red rose) OR (white lily)"),
        ("rose ODER lilie", "use_or", "rose OR lilie"),
        ("rose or lily", "use_or", "rose OR lily"),
        ("rose NOT lily", "use_minus", "rose -lily"),
        ("rose ohne Lilie", "use_minus", "rose -Lilie"),
        ("not lily", "use_minus", "-lily"),
        ("rose AND lily", "and_left_out", ""),
        ("rose && lily", "and_left_out", ""),
        ("‘two roses’", "single_quotes", '"two roses"'),
        ("rose~", "mark_does_nothing", "rose"),
        ("rose^2 lily", "mark_does_nothing", "rose lily"),
        ("r?se", "star_does_nothing", ""),
        ("🌹", "no_words", ""),
        ("*", "no_words", ""),
        ('""', "no_words", ""),
        ("ros*", "star_does_nothing", "ros"),
        ("ros? lily", "star_does_nothing", "ros lily"),
        ("roses 15th century", "century", "roses year:1400..1499"),
        ("fifteenth century", "century", "year:1400..1499"),
        ("Rosen im 18. Jahrhundert", "century", "Rosen im jahr:1700..1799"),
        ("im sechzehnten Jahrhundert", "century", "im jahr:1500..1599"),
        ("XVIe siècle", "century", "année:1500..1599"),
        ("dix-huitième siècle", "century", "année:1700..1799"),
        ("rose 1480–1500", "period", "rose year:1480..1500"),
        ("ca. 1500", "period", "year:1490..1510"),
        ("Rosen um 1500", "period", "Rosen jahr:1490..1510"),
        ("before 1500", "period", "year:..1499"),
        ("nach 1500", "period", "jahr:1501.."),
        ("depuis 1500", "period", "année:1500.."),
        ("between 1480 and 1500", "period", "year:1480..1500"),
        ("roses 1490s", "period", "roses year:1490..1499"),
        ("années 1490", "period", "année:1490..1499"),
    ],
)
def test_what_may_have_been_meant_is_said(text: str, code: str, instead: str) -> None:
    (hint,) = parse(text).hints
    assert (hint.code, hint.instead) == (code, instead)
    assert "%" not in text_of(hint.code, hint.what, hint.field)


@pytest.mark.parametrize(
    "text",
    [
        "where is the lion?",
        "Gules, a rose or between two lilies or",
        'a 12" disc',
        "l'aigle d'or",
        "the lion's den",
        "Merian (1647-1717)",
        "Flowers: a study",
        "🌹 rose",
        "after Merian",
        "1500",
    ],
)
def test_an_ordinary_text_gets_no_hint(text: str) -> None:
    assert parse(text).hints == ()


def test_the_nearest_field_is_named() -> None:
    (hint,) = parse("creater:Merian").hints
    assert "creator" in hint.values


@pytest.mark.parametrize(
    ("value", "period"),
    [
        ("1514", (1514, 1514)),
        ("1480..1500", (1480, 1500)),
        ("1480–1500", (1480, 1500)),
        ("1500..1480", (1480, 1500)),
        ("..1500", (None, 1500)),
        ("1480..", (1480, None)),
        ("-50..50", (-50, 50)),
        ("..", None),
        ("about 1500", None),
        ("15000", None),
    ],
)
def test_years(value: str, period: object) -> None:
    assert period_of(value) == period


def test_every_field_has_a_name_in_every_language_of_the_page_and_no_name_two_meanings() -> None:
    assert all(set(languages) == {"en", "de", "fr"} for languages in NAMES.values())
    for field, languages in NAMES.items():
        assert all(field_of(name) == field for names in languages.values() for name in names)


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("vase -rose", ["-rose", "vase"]),
        ('"two roses" vase -lily', ["vase -lily", '"two roses" -lily', '"two roses" vase']),
        ("creator:Merian rose OR lily", ["rose OR lily", "creator:Merian"]),
        ("vase -(rose OR lily)", ["-(rose OR lily)", "vase"]),
    ],
)
def test_a_part_can_be_taken_away(text: str, without: list[str]) -> None:
    parsed = parse(text)
    assert [parsed.without(part) for part in parsed.parts] == without


def test_an_alternative_can_be_taken_away() -> None:
    parsed = parse("vase rose OR lily OR iris")
    (_, alternatives) = parsed.parts
    assert [parsed.without(each) for each in alternatives.parts] == [
        "vase lily OR iris",
        "vase rose OR iris",
        "vase rose OR lily",
    ]


PIECES = st.sampled_from(
    ["rose", "lily", "OR", "AND", "NOT", "|", "-", "–", '"', "„", "“", "«", "»", "(", ")", ":", "year:", "..",
     "creator:", "1500", " ", " ", " ", "-rose", "x:y", "*", "é", "e\u0301", "神奈川", "\u200b", "ß", "(A)"]
)  # fmt: skip
TYPED = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=14).map("".join))


@given(TYPED)
@settings(max_examples=300, deadline=None)
def test_no_text_fails_and_every_place_is_in_it(text: str) -> None:
    parsed = parse(text)
    assert parsed == parse(text)
    assert len(parsed.hints) <= 8
    for hint in parsed.hints:
        text_of(hint.code, hint.what, hint.field)
        parse(hint.instead)
    end = 0
    for part in parsed.parts:
        assert end <= part.start < part.end <= len(text)
        end = part.end
    for part in parsed.parts:
        parse(parsed.without(part))


@given(st.lists(st.sampled_from(["rose", "Lily", "ÉTÉ", "vase,", "1514", "Saint-Denis", "d’or"]), max_size=8))
def test_plain_words_have_no_operators(words: list[str]) -> None:
    parsed = parse("  ".join(words))
    assert parsed.is_plain
    assert not parsed.hints
    assert parsed.plain == "  ".join(words).strip()


NAMES_OF_FIELDS = {name for languages in NAMES.values() for names in languages.values() for name in names}


@given(st.lists(PIECES.filter(lambda piece: piece not in ("AND",)), max_size=14).map("".join))
@settings(max_examples=300, deadline=None)
def test_no_word_is_lost(text: str) -> None:
    """Every word is in a part, unless it is an operator or the name of a field."""

    def texts(parts: tuple[Part, ...]) -> list[str]:
        return [word for part in parts for word in (*tokens(f"{part.text} {part.field}"), *texts(part.parts))]

    kept = set(texts(parse(text).parts))
    assert set(tokens(text)) - kept <= {"or", "and", "not", "year", "creator"}


@given(
    st.lists(
        st.sampled_from(["rose", '"a b"', "-lily", "creator:Merian", "x OR y", "year:..1500"]), max_size=5
    )
)
def test_the_remaining_parts_are_read_as_before(pieces: list[str]) -> None:
    parsed = parse(" ".join(pieces))
    for place, part in enumerate(parsed.parts):
        left = [short(each) for number, each in enumerate(parsed.parts) if number != place]
        read = [short(each) for each in parse(parsed.without(part)).parts]
        # Two runs of plain words that were apart become one.
        assert " ".join(read).replace(") w(", " ") == " ".join(left).replace(") w(", " ")


def test_every_hint_has_a_sentence() -> None:
    assert all(sentence.endswith((".", ":")) for sentence in TEXTS.values())
