"""Images that a canvas shows turned, mirrored, or in part: the requests, the cuts and the rotation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from data_prep.iiif.turns import before_turning, turn_of
from iconoclip.pictures import upright
from iconoclip.record import Region
from tests.data_prep.iiif.documents import canvas_3, image_3, manifest_3, read

ROTATIONS = ("0", "90", "180", "270", "!0", "!90", "!180", "!270")


def shown(rotation: str) -> Image.Image:
    """A picture of 7 x 5 pixels, each of its own value, as a server of the Image API turns it."""
    image = Image.frombytes("L", (7, 5), bytes(range(35)))
    if rotation.startswith("!"):
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return image.rotate(-int(rotation.lstrip("!")), expand=True)


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_a_turn_gives_what_the_image_api_gives(rotation: str) -> None:
    turn = turn_of(rotation)
    assert turn is not None
    image = Image.frombytes("L", (7, 5), bytes(range(35)))
    assert upright(image, turn).tobytes() == shown(rotation).tobytes()


@given(st.sampled_from(ROTATIONS), st.integers(0, 4), st.integers(0, 4), st.integers(1, 3), st.integers(1, 3))
def test_a_region_of_a_turned_image_is_the_same_pixels_before(
    rotation: str, x: int, y: int, w: int, h: int
) -> None:
    turned = shown(rotation)
    box = (x, y, min(x + w, turned.width), min(y + h, turned.height))
    if box[2] <= box[0] or box[3] <= box[1]:
        return
    turn = turn_of(rotation)
    assert turn is not None
    seen = Region(x=box[0], y=box[1], width=box[2] - box[0], height=box[3] - box[1])
    region, size = before_turning(seen, turned.size, turn)
    assert size == (7, 5)
    before = Image.frombytes("L", (7, 5), bytes(range(35)))
    cut = before.crop((region.x, region.y, region.x + region.width, region.y + region.height))
    assert upright(cut, turn).tobytes() == turned.crop(box).tobytes()


@pytest.mark.parametrize(
    ("rotation", "turn"), [("360", 1), ("90.0", 6), ("45", None), ("left", None), ("-90", None)]
)
def test_other_angles(rotation: str, turn: int | None) -> None:
    assert turn_of(rotation) == turn


def turned(rotation: str, **selector: Any) -> dict[str, Any]:
    selector = {"type": "ImageApiSelector", "rotation": rotation, **selector}
    return {"type": "SpecificResource", "source": image_3("a"), "selector": selector}


def test_a_painting_is_turned_as_its_selector_says() -> None:
    (candidate,) = read(manifest_3(canvas_3("1", turned("90")))).candidates
    assert (candidate.turn, candidate.region) == (6, None)


def test_a_painting_is_turned_as_its_address_says_and_requested_from_its_service() -> None:
    body = image_3("a", id="https://img.example.org/a/100,200,300,400/max/!0/default.jpg")
    (candidate,) = read(manifest_3(canvas_3("1", body))).candidates
    assert (candidate.turn, candidate.region) == (2, Region(x=100, y=200, width=300, height=400))
    assert candidate.image_uri is None


def test_an_angle_that_is_no_quarter_is_refused() -> None:
    found = read(manifest_3(canvas_3("1", turned("12.5"))))
    assert found.candidates == ()
    assert "rotated by 12.5 degrees" in found.refusals[0].reason


def test_of_an_image_and_its_mirrored_view_one_is_used() -> None:
    choice = {"type": "Choice", "items": [turned("!0"), image_3("a"), turned("180")]}
    found = read(manifest_3(canvas_3("1", choice)))
    assert [candidate.turn for candidate in found.candidates] == [1]
    assert [refusal.reason for refusal in found.refusals] == [
        "the same image again, rotated or mirrored: one view of it is used"
    ] * 2


@pytest.mark.parametrize(
    ("selector", "region"),
    [
        (
            {"type": "ImageApiSelector", "region": "300,200,600,400"},
            Region(x=300, y=200, width=600, height=400),
        ),
        (
            {"type": "ImageApiSelector", "region": "pct:10,10,20,20"},
            Region(x=300, y=200, width=600, height=400),
        ),
        (
            {"type": "FragmentSelector", "value": "xywh=percent:10,10,20,20"},
            Region(x=300, y=200, width=600, height=400),
        ),
        ({"type": "ImageApiSelector", "region": "full"}, None),
    ],
)
def test_a_painting_of_a_part_in_pixels_or_percent(selector: dict[str, Any], region: Region | None) -> None:
    body = {"type": "SpecificResource", "source": image_3("a"), "selector": selector}  # of 3000 x 2000
    (candidate,) = read(manifest_3(canvas_3("1", body))).candidates
    assert candidate.region == region


def test_percent_of_an_image_of_unknown_size_wait_for_it() -> None:
    image = {name: value for name, value in image_3("a").items() if name not in ("width", "height")}
    selector = {"type": "ImageApiSelector", "region": "pct:10,10,20,20"}
    body = {"type": "SpecificResource", "source": image, "selector": selector}
    (candidate,) = read(manifest_3(canvas_3("1", body))).candidates
    assert (candidate.region, candidate.region_space) == (
        Region(x=1000, y=1000, width=2000, height=2000),
        (10_000, 10_000),
    )
    assert candidate.source.region is None


def test_a_region_of_a_turned_page_is_cut_where_it_lies_on_the_image() -> None:
    # The image of 3000 x 2000 is shown turned by 90 degrees, on a canvas of 1000 x 1500.
    note = {
        "id": "https://example.org/a", "type": "Annotation", "motivation": "commenting",
        "body": {"type": "TextualBody", "value": "A small dog", "language": "en"},
        "target": "https://iiif.example.org/m/1/canvas/1#xywh=0,0,200,300",
    }  # fmt: skip
    page = {"id": "https://example.org/p", "type": "AnnotationPage", "items": [note]}
    canvas = canvas_3("1", turned("90"), width=1000, height=1500, annotations=[page])
    _, region = read(manifest_3(canvas)).candidates
    # The top left of the page is the bottom left of the image.
    assert region.region == Region(x=0, y=1600, width=600, height=400)
    assert region.turn == 6


def test_the_size_next_to_the_services_own_address_is_that_of_the_image() -> None:
    body = image_3("a", id="https://img.example.org/a")
    (candidate,) = read(manifest_3(canvas_3("1", body))).candidates
    assert candidate.source_size == (3000, 2000)
