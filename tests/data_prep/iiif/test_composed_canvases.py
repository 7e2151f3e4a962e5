"""Canvases that several images make up, each painted on a part: every image and every region is its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from data_prep.candidate import Candidate, Found
from data_prep.iiif.annotations import read_annotations
from iconoclip.record import Region
from tests.data_prep.iiif.documents import ANY, URI, canvas_3, image_3, manifest_3, read

CANVAS = f"{URI}/canvas/1"
"""1500 x 1000; each image has 3000 x 2000 pixels."""


def composed(*targets: Any, comments: list[tuple[str, Any]] | None = None) -> dict[str, Any]:
    """A canvas with an image (a, b, ...) painted on each target, and comments on parts of it."""
    canvas = canvas_3("1", *[image_3("abc"[number]) for number in range(len(targets))])
    for painting, target in zip(canvas["items"][0]["items"], targets, strict=True):
        painting["target"] = target
    said = [
        {
            "id": f"{URI}/said/{number}",
            "type": "Annotation",
            "motivation": "commenting",
            "body": {"type": "TextualBody", "value": text, "language": "en"},
            "target": target,
        }
        for number, (text, target) in enumerate(comments or [])
    ]
    return {**canvas, "annotations": [{"id": f"{URI}/page", "type": "AnnotationPage", "items": said}]}


def found_in(found: Found) -> list[tuple[str, Region | None, list[str]]]:
    """Of every record the name of its image, its region, and what is said of just this."""
    return [
        (
            (one.source.image_service or "").rsplit("/", 1)[1],
            one.region,
            [caption.text.partition(".")[0] for caption in one.captions if caption.text.startswith("A ")],
        )
        for one in found.candidates
    ]


def box(x: int, y: int, width: int, height: int) -> Region:
    return Region(x=x, y=y, width=width, height=height)


def selector(x: int, y: int, width: int, height: int) -> dict[str, Any]:
    part = {"type": "FragmentSelector", "value": f"xywh={x},{y},{width},{height}"}
    return {"type": "SpecificResource", "source": CANVAS, "selector": part}


@pytest.mark.parametrize(
    "on",
    [f"{CANVAS}#xywh=300,100,600,400", f"{CANVAS}#xywh=percent:20,10,40,40", selector(300, 100, 600, 400)],
)
def test_a_miniature_that_was_cut_out_and_is_shown_in_its_place(on: Any) -> None:
    """A part drawn on the miniature is cut from its image, one drawn next to it from that of the page."""
    comments = [
        ("A bishop", f"{CANVAS}#xywh=450,200,150,100"),
        ("A vine", f"{CANVAS}#xywh=1000,100,300,400"),
        ("A miniature", f"{CANVAS}#xywh=300,100,600,400"),
    ]
    found = read(manifest_3(composed(CANVAS, on, comments=comments)))
    # The miniature is 600 x 400 on the canvas and has 3000 x 2000 pixels: five per unit. The page has two.
    assert found_in(found) == [
        ("a", None, []),
        ("b", None, []),
        ("b", box(750, 500, 750, 500), ["A bishop"]),
        ("a", box(2000, 200, 600, 800), ["A vine"]),
        ("b", box(0, 0, 3000, 2000), ["A miniature"]),
    ]


def test_two_leaves_side_by_side_share_what_is_said_of_both() -> None:
    comments = [
        ("A diptych", CANVAS),
        ("A donor", f"{CANVAS}#xywh=800,100,150,200"),
        ("A landscape across both", f"{CANVAS}#xywh=600,100,400,200"),
    ]
    left, right = f"{CANVAS}#xywh=0,0,750,1000", f"{CANVAS}#xywh=750,0,750,1000"
    found = read(manifest_3(composed(left, right, comments=comments)))
    assert found_in(found) == [
        ("a", None, ["A diptych"]),
        ("b", None, ["A diptych"]),
        # Four pixels per unit across, two down.
        ("b", box(200, 200, 600, 400), ["A donor"]),
    ]
    (refusal,) = found.refusals
    assert "no single image" in refusal.reason


def test_annotations_in_a_document_of_their_own_know_the_images_of_their_canvas() -> None:
    canvas = composed(
        CANVAS, f"{CANVAS}#xywh=300,100,600,400", comments=[("A bishop", f"{CANVAS}#xywh=450,200,150,100")]
    )
    (page,) = canvas["annotations"]
    canvas["annotations"] = [{"id": f"{URI}/elsewhere", "type": "AnnotationPage"}]
    (link,) = read(manifest_3(canvas)).links
    # Links are kept in a file between two runs.
    context = json.loads(json.dumps(link.context))
    found = read_annotations(json.dumps(page).encode(), link.uri, ANY, context)
    assert found_in(found) == [("b", box(750, 500, 750, 500), ["A bishop"])]


def test_a_target_that_covers_the_canvas_or_cannot_be_read_is_all_of_it() -> None:
    comments = [("A vine", f"{CANVAS}#xywh=1000,100,300,400")]
    for on in (f"{CANVAS}#xywh=0,0,1500,1000", f"{CANVAS}#t=1,2", f"{CANVAS}#xywh=oops", None, {"x": 1}):
        found = read(manifest_3(composed(on, comments=comments)))
        assert found_in(found)[1:] == [("a", box(2000, 200, 600, 800), ["A vine"])]


def collection_pairs(one: Candidate) -> list[tuple[str, str]]:
    return [(pair.label, pair.value) for pair in one.raw if pair.level == "collection"]


def test_what_a_manifest_says_of_its_collection_is_kept_at_that_level() -> None:
    part_of = {
        "id": "https://iiif.example.org/c/fens",
        "type": "Collection",
        "label": {"en": ["Views of the fens"]},
        "metadata": [{"label": {"en": ["Collector"]}, "value": {"en": ["Anna Fenn"]}}],
        "rights": "http://rightsstatements.org/vocab/InC/1.0/",
    }
    document = manifest_3(
        canvas_3("1", image_3("a")), partOf=[part_of, {"id": "https://x.example", "type": "Canvas"}]
    )
    (one,) = read(document).candidates
    assert collection_pairs(one) == [("label", "Views of the fens"), ("Collector", "Anna Fenn")]
    # By default it is no caption, its makers are not those of the picture, and its rights are its own.
    assert not any(caption.level == "collection" for caption in one.captions)
    assert one.creators == ("Anna Painter",)
    assert "InC" not in (one.rights_raw or "")
    (asked,) = read(document, ANY.model_copy(update={"collection_label": "title"})).candidates
    assert [c.text for c in asked.captions if c.level == "collection"] == ["Views of the fens"]
