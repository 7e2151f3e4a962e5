"""Regions from annotations: found, scaled from canvas to image, each with its own words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.candidate import Found
from data_prep.iiif.annotations import read_annotations
from data_prep.iiif.presentation import read_presentation
from data_prep.iiif.selectors import bounding_box, parts_of
from data_prep.institutions import InstitutionProfile
from iconoclip.record import Region

URI = "https://example.org/m"
CANVAS = "https://example.org/c/1"
ANY = InstitutionProfile(slug="example", name="Example Museum")


def comment(text: str, target: Any, motivation: str = "commenting", **body: Any) -> dict[str, Any]:
    return {
        "type": "Annotation",
        "motivation": motivation,
        "target": target,
        "body": {"type": "TextualBody", "value": text, "language": "en", **body},
    }


def manifest(annotations: list[Any], size: tuple[int, int] | None = (2000, 1600)) -> bytes:
    """A canvas of 1000 x 800, whose image is twice as large."""
    image: dict[str, Any] = {
        "id": "https://example.org/i/full/max/0/default.jpg",
        "type": "Image",
        "format": "image/jpeg",
        "service": [{"id": "https://example.org/i", "type": "ImageService3", "profile": "level2"}],
        **({"width": size[0], "height": size[1]} if size else {}),
    }
    canvas = {
        "id": CANVAS,
        "type": "Canvas",
        "width": 1000,
        "height": 800,
        "annotations": annotations,
        "items": [
            {
                "type": "AnnotationPage",
                "items": [{"type": "Annotation", "motivation": "painting", "body": image, "target": CANVAS}],
            }
        ],
    }
    return json.dumps(
        {
            "@context": "http://iiif.io/api/presentation/3/context.json",
            "id": URI,
            "type": "Manifest",
            "label": {"en": ["A book of animals"]},
            "rights": "http://creativecommons.org/publicdomain/zero/1.0/",
            "items": [canvas],
        }
    ).encode()


def read(*annotations: dict[str, Any], size: tuple[int, int] | None = (2000, 1600)) -> Found:
    page = {"id": f"{URI}/a", "type": "AnnotationPage", "items": list(annotations)}
    return read_presentation(manifest([page], size), URI, ANY)


@pytest.mark.parametrize(
    "target",
    [
        f"{CANVAS}#xywh=100,200,300,400",
        f"{CANVAS}#xywh=pixel:100,200,300,400",
        f"{CANVAS}#xywh=percent:10,25,30,50",
        {
            "type": "SpecificResource",
            "source": CANVAS,
            "selector": {"type": "FragmentSelector", "value": "xywh=100,200,300,400"},
        },
        {
            "type": "SpecificResource",
            "source": {"id": CANVAS, "type": "Canvas"},
            "selector": [{"type": "FragmentSelector", "value": "xywh=100,200,300,400"}],
        },
        {
            "type": "SpecificResource",
            "source": CANVAS,
            "selector": {
                "type": "SvgSelector",
                "value": "<svg><path d='M100,200 l300 0 v400 H100 z'/></svg>",
            },
        },
        {
            "type": "SpecificResource",
            "source": "https://example.org/i",
            "selector": {"type": "ImageApiSelector", "region": "200,400,600,800"},
        },
    ],
)
def test_a_region_is_a_candidate_in_pixels_of_the_image(target: Any) -> None:
    page, region = read(comment("A small dog", target)).candidates
    assert page.region is None
    assert region.region == region.source.region == Region(x=200, y=400, width=600, height=800)
    assert [caption.text for caption in region.captions] == ["A small dog"]
    assert (region.source.id, region.group, region.rights_raw) == (
        page.source.id,
        page.group,
        page.rights_raw,
    )
    assert region.service == page.service


def test_while_the_size_of_the_image_is_not_known_the_region_stays_on_its_canvas() -> None:
    _, region = read(comment("A small dog", f"{CANVAS}#xywh=100,200,300,400"), size=None).candidates
    assert region.region == Region(x=100, y=200, width=300, height=400)
    assert region.region_space == (1000, 800)
    assert region.source.region is None


def test_several_words_on_one_region_are_one_candidate() -> None:
    target = f"{CANVAS}#xywh=100,200,300,400"
    _, region = read(
        comment("A small dog", target), comment("Ein Hündchen", target, "tagging", language="de")
    ).candidates
    assert [(caption.text, caption.language) for caption in region.captions] == [
        ("A small dog", "en"),
        ("Ein Hündchen", "de"),
    ]


@pytest.mark.parametrize("target", [CANVAS, f"{CANVAS}#xywh=0,0,1000,800"])
def test_words_on_the_whole_page_are_its_captions(target: str) -> None:
    (page,) = read(comment("A page with a small dog", target)).candidates
    assert [caption.text for caption in page.captions] == ["A book of animals", "A page with a small dog"]


@pytest.mark.parametrize("motivation", ["supplementing", "transcribing", "linking", "painting"])
def test_transcriptions_and_links_are_no_regions(motivation: str) -> None:
    found = read(comment("a line of text", f"{CANVAS}#xywh=100,200,300,400", motivation))
    assert len(found.candidates) == 1
    assert found.refusals == ()


@pytest.mark.parametrize(
    ("target", "text", "reason"),
    [
        (f"{CANVAS}#xywh=10,10,5,5", "A flea", "only 10 x 10 pixels"),
        (f"{CANVAS}#xywh=3000,10,50,50", "Beyond", "outside of its page"),
        (f"{CANVAS}#xywh=100,200,300,400", "f. 12r", "describes nothing"),
    ],
)
def test_regions_that_cannot_be_used_say_why(target: str, text: str, reason: str) -> None:
    found = read(comment(text, target))
    assert len(found.candidates) == 1
    assert reason in found.refusals[0].reason


def test_pictures_found_by_a_program_have_the_captions_of_their_page() -> None:
    found = {
        "type": "Annotation",
        "motivation": "classifying",
        "target": f"{CANVAS}#xywh=100,200,300,400",
        "body": {"type": "Image", "label": {"en": ["Picture"]}},
    }
    _, region = read(found).candidates
    assert [caption.text for caption in region.captions] == ["A book of animals"]


def test_tags_by_iconclass_are_notations() -> None:
    tag = {
        "type": "Annotation",
        "motivation": "tagging",
        "target": f"{CANVAS}#xywh=100,200,300,400",
        "body": {"type": "SpecificResource", "source": "http://iconclass.org/34B11"},
    }
    _, region = read(tag).candidates
    assert region.iconclass == ("34B11",)


@pytest.mark.parametrize("size", [(2000, 1600), None])
def test_annotations_elsewhere_are_read_with_the_context_of_their_manifest(
    size: tuple[int, int] | None,
) -> None:
    found = read_presentation(
        manifest([{"id": "https://example.org/list", "type": "AnnotationPage"}], size), URI, ANY
    )
    (link,) = found.links
    assert (link.uri, link.kind) == ("https://example.org/list", "annotations")
    context = json.loads(json.dumps(link.context))  # as the ledger returns it
    old = {
        "@context": "http://iiif.io/api/presentation/2/context.json",
        "@type": "sc:AnnotationList",
        "@id": link.uri,
        "resources": [
            {
                "@type": "oa:Annotation",
                "motivation": "oa:commenting",
                "resource": {"@type": "dctypes:Text", "format": "text/html", "chars": "<p>A small dog</p>"},
                "on": {
                    "@type": "oa:SpecificResource",
                    "full": CANVAS,
                    "selector": {"@type": "oa:FragmentSelector", "value": "xywh=100,200,300,400"},
                },
            }
        ],
        "next": "https://example.org/list/2",
    }
    there = read_annotations(json.dumps(old).encode(), link.uri, ANY, context)
    (region,) = there.candidates
    assert region.captions[0].text == "A small dog"
    assert (region.region, region.region_space) == (
        (Region(x=200, y=400, width=600, height=800), None)
        if size
        else (Region(x=100, y=200, width=300, height=400), (1000, 800))
    )
    assert region.institution == found.candidates[0].institution
    assert [following.uri for following in there.links] == ["https://example.org/list/2"]


@pytest.mark.parametrize(
    ("label", "uri", "is_followed"),
    [
        (None, "https://example.org/list/1", True),
        ("Text of page 20", "https://example.org/list/1", False),
        ("OCR-identified images and figures", "https://example.org/list/1", True),
        (None, "https://example.org/annotations/v2/b1/line", False),
        (None, "https://example.org/fulltext/1.json", False),
        ("Miniatures", "https://example.org/x", True),
    ],
)
def test_lists_marked_as_transcriptions_are_not_requested(
    label: str | None, uri: str, is_followed: bool
) -> None:
    page = {"id": uri, "type": "AnnotationPage", **({"label": {"en": [label]}} if label else {})}
    assert bool(read_presentation(manifest([page]), URI, ANY).links) == is_followed


def test_annotations_without_their_manifest_are_refused() -> None:
    found = read_annotations(
        b'{"type": "AnnotationPage", "id": "https://example.org/a", "items": []}', URI, ANY, {}
    )
    assert "without their manifest" in found.refusals[0].reason


def test_a_profile_can_switch_annotations_off() -> None:
    page = {
        "id": f"{URI}/a",
        "type": "AnnotationPage",
        "items": [comment("A dog", f"{CANVAS}#xywh=100,200,300,400")],
    }
    without = ANY.model_copy(update={"regions": False})
    assert len(read_presentation(manifest([page]), URI, without).candidates) == 1


@pytest.mark.parametrize(
    ("svg", "box"),
    [
        ("<svg><path d='M10 20 L30 40'/></svg>", (10, 20, 30, 40)),
        ("<svg><path d='m10,20 10-5 v30h-40z'/></svg>", (-20, 15, 20, 45)),
        ("<svg><path d='M0 0 C 10 10 20 -5 30 0'/></svg>", (0, -5, 30, 10)),
        ("<svg><path d='M10 10 A 5 5 0 0 1 20 30'/></svg>", (10, 10, 20, 30)),
        ('<svg><polygon points="1,2 3,4 5,0"/></svg>', (1, 0, 5, 4)),
        ('<svg><rect x="5" y="6" width="10" height="20"/></svg>', (5, 6, 15, 26)),
        ('<svg><circle cx="10" cy="10" r="4"/></svg>', (6, 6, 14, 14)),
        ("<svg><text>no shape</text></svg>", None),
        ("nonsense", None),
    ],
)
def test_bounding_boxes_by_hand(svg: str, box: tuple[float, ...] | None) -> None:
    assert bounding_box(svg) == box


@given(st.text(alphabet="MmLlHhVvCcAaZz0123456789.,- <>/='\"dpathsvg", max_size=60))
def test_no_selector_breaks_the_reader(text: str) -> None:
    for value in (text, f"<svg><path d='{text}'/></svg>", f"xywh={text}"):
        for kind in ("SvgSelector", "FragmentSelector", "ImageApiSelector", "Other"):
            target = {
                "type": "SpecificResource",
                "source": CANVAS,
                "selector": {"type": kind, "value": value, "region": value},
            }
            assert all(part.source == CANVAS for part in parts_of(target, (100, 100)))
