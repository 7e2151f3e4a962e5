"""Annotations in the forms that libraries publish: each a region with its text, or refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.candidate import Found
from iconoclip.record import Region
from tests.data_prep.iiif.test_annotations import CANVAS, read

TARGET = f"{CANVAS}#xywh=100,200,300,400"
ENGLISH = {"type": "TextualBody", "value": "A lute in its case", "language": "en"}
JAPANESE = {"type": "TextualBody", "value": "箱の中の琵琶", "language": "ja"}


def annotation(**fields: Any) -> dict[str, Any]:
    return {
        "id": "https://example.org/a/1",
        "type": "Annotation",
        "motivation": "commenting",
        "target": TARGET,
        **fields,
    }


def texts(found: Found) -> list[tuple[str, str]]:
    _, region = found.candidates
    assert region.region == Region(x=200, y=400, width=600, height=800)
    return [(caption.text, caption.language) for caption in region.captions]


@pytest.mark.parametrize(
    "body",
    [
        {"type": "Choice", "items": [ENGLISH, JAPANESE]},  # as the cookbook's multilingual comments
        {"type": "Choice", "items": [{"type": "Choice", "items": [ENGLISH]}, JAPANESE]},
        {"type": "List", "items": [ENGLISH, JAPANESE]},
        [ENGLISH, JAPANESE],
        [{"type": "SpecificResource", "source": ENGLISH, "styleClass": "note"}, JAPANESE],
        {"type": "SpecificResource", "source": {"type": "Choice", "items": [ENGLISH, JAPANESE]}},
    ],
)
def test_every_text_of_a_choice_is_a_caption(body: Any) -> None:
    assert texts(read(annotation(body=body))) == [("A lute in its case", "en"), ("箱の中の琵琶", "ja")]


def test_a_label_and_metadata_describe_a_region_without_a_body() -> None:
    pairs = [
        {"label": {"en": ["Beschrijving"]}, "value": {"nl": ["De vlucht naar Egypte, met de os en de ezel"]}},
        {"label": {"en": ["Iconclass"]}, "value": {"none": ["73B64"]}},
    ]
    found = read(annotation(motivation="describing", label={"nl": ["Miniatuur"]}, metadata=pairs))
    _, region = found.candidates
    assert ("De vlucht naar Egypte, met de os en de ezel", "description") in [
        (caption.text, caption.field) for caption in region.captions
    ]
    assert (region.iconclass, region.object_type) == (("73B64",), "Miniatuur")
    assert found.refusals == ()


def test_a_label_alone_describes_a_region_and_one_next_to_a_body_does_not() -> None:
    assert texts(read(annotation(label={"en": ["A lute in its case"]}))) == [("A lute in its case", "en")]
    with_body = annotation(label={"en": ["Comment number seven"]}, body=ENGLISH)
    assert texts(read(with_body)) == [("A lute in its case", "en")]


def test_the_value_of_a_body_may_be_a_plain_text() -> None:
    for field in ("bodyValue", "body"):
        said = texts(read(annotation(**{field: "A lute in its case"})))
        assert [text for text, _ in said] == ["A lute in its case"], field


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "Choice", "items": [{"type": "FragmentSelector", "value": "xywh=100,200,300,400"}]},
        {
            "type": "Choice",
            "items": [
                {"type": "TextQuoteSelector", "exact": "lute"},
                {
                    "type": "SvgSelector",
                    "value": "<svg><rect x='100' y='200' width='300' height='400'/></svg>",
                },
            ],
        },
        {
            "type": "oa:Choice",
            "default": {"type": "oa:FragmentSelector", "value": "xywh=100,200,300,400"},
            "item": {"type": "oa:SvgSelector", "value": "<svg/>"},
        },
    ],
)
def test_a_target_may_be_marked_in_several_ways(choice: dict[str, Any]) -> None:
    target = {"type": "SpecificResource", "source": CANVAS, "selector": choice}
    assert texts(read(annotation(body=ENGLISH, target=target))) == [("A lute in its case", "en")]


def test_a_highlighted_part_without_words_is_refused_with_the_reason() -> None:
    (refusal,) = read(annotation(motivation="highlighting")).refusals
    assert refusal.reason == "an annotation without a body and without a label"
    assert texts(read(annotation(motivation="highlighting", body=ENGLISH)))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "without a body and without a label"),
        ({"body": "https://example.org/note"}, "whose body is not text"),
        ({"body": {"type": "Video", "id": "https://example.org/v.mp4"}}, "whose body is not text"),
        ({"body": ENGLISH, "target": f"{CANVAS}#t=3"}, "a point, a time, or nothing"),
        (
            {
                "body": ENGLISH,
                "target": {"source": CANVAS, "selector": {"type": "PointSelector", "x": 5, "y": 5}},
            },
            "a point, a time, or nothing",
        ),
        ({"body": {"type": "Choice", "items": []}}, "whose body is not text"),
    ],
)
def test_an_annotation_that_gives_no_region_is_refused_with_the_reason(
    fields: dict[str, Any], reason: str
) -> None:
    found = read(annotation(**fields))
    assert len(found.candidates) == 1
    (refusal,) = found.refusals
    assert (refusal.source, reason in refusal.reason) == ("https://example.org/a/1", True)


def test_endless_refusals_are_counted() -> None:
    found = read(*[annotation() for _ in range(250)])
    assert len(found.refusals) == 101
    assert "150 more" in found.refusals[-1].reason


@pytest.mark.parametrize("motivation", ["transcribing", "linking"])
def test_annotations_that_are_not_about_the_picture_are_left_out_silently(motivation: str) -> None:
    assert read(annotation(motivation=motivation)).refusals == ()
    signs = annotation(body=[{"type": "TextualBody", "purpose": "Transliteration", "value": "1(u)"}])
    assert read(signs).refusals == ()
    assert read(annotation(target={"id": "https://example.org/a/2", "type": "Annotation"})).refusals == ()


_SCALARS = (
    st.none()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from([CANVAS, TARGET, "Choice", "TextualBody"])
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "items", "source", "value", "id", "purpose", "selector"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(body=_VALUES, target=_VALUES, label=_VALUES, metadata=_VALUES)
def test_no_annotation_breaks_the_reader_or_takes_the_page_away(
    body: Any, target: Any, label: Any, metadata: Any
) -> None:
    found = read(annotation(body=body, target=target, label=label, metadata=metadata))
    assert found.candidates[0].region is None


@given(text=st.sampled_from(["A lute in its case", "箱の中の琵琶"]), depth=st.integers(0, 5))
def test_a_text_with_a_region_is_never_dropped_silently(text: str, depth: int) -> None:
    body: Any = {"type": "TextualBody", "value": text}
    for level in range(depth):
        body = (
            {"type": "Choice", "items": [body]} if level % 2 else {"type": "SpecificResource", "source": body}
        )
    found = read(annotation(body=body))
    assert [caption.text for caption in found.candidates[1].captions] == [text]
