"""Why a hit is one: the overlay over the picture, and its places in words."""

from __future__ import annotations

import io
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from starlette.testclient import TestClient

from retrieval.encode.modeldir import Preprocess
from retrieval.encode.pixels import seen
from retrieval.service.guards.refusals import Refusal
from retrieval.service.occlusion import WHOLE, OcclusionOverlay

SHARES = st.floats(0, 1).map(lambda share: round(share * 15) / 15)


def spot(row: int, column: int, side: int = 6) -> tuple[float, ...]:
    return tuple(1.0 if divmod(cell, side) == (row, column) else 0.0 for cell in range(side * side))


@given(st.lists(SHARES, min_size=16, max_size=16), st.sampled_from([WHOLE, (0.0, 0.25, 1.0, 0.75)]))
def test_an_overlay_is_encoded_in_its_address(heat: list[float], box: tuple[float, ...]) -> None:
    overlay = OcclusionOverlay(4, tuple(heat), box)  # type: ignore[arg-type]
    address = urlsplit(overlay.address(300, 400))
    query = parse_qs(address.query)
    name = address.path.removeprefix("/occlusion/").removesuffix(".png")
    assert OcclusionOverlay.parse(name, query.get("box", [None])[0]) == overlay
    assert (query["width"], query["height"]) == (["300"], ["400"])


def test_an_overlay_is_clear_where_the_text_is_and_dark_elsewhere() -> None:
    drawn = Image.open(io.BytesIO(OcclusionOverlay(6, spot(0, 5)).png(200, 400)))
    assert (drawn.mode, drawn.size) == ("LA", (160, 320))
    alpha = np.asarray(drawn)[:, :, 1]
    assert alpha[5:20, 140:158].max() < 60
    assert alpha[200:, :].min() > 150


def test_an_overlay_is_dark_outside_of_what_the_model_sees() -> None:
    alpha = np.asarray(
        Image.open(io.BytesIO(OcclusionOverlay(1, (1.0,), (0.0, 0.25, 1.0, 0.75)).png(100, 200)))
    )[:, :, 1]
    assert alpha[82:238].max() == 0
    assert alpha[:78].min() == alpha[242:].min() > 150


@pytest.mark.parametrize(
    ("row", "column", "place"),
    [(0, 0, "top left"), (0, 3, "top"), (3, 3, "middle"), (5, 0, "bottom left"), (2, 5, "right")],
)
def test_a_place_has_a_name(row: int, column: int, place: str) -> None:
    assert OcclusionOverlay(6, spot(row, column)).places() == (place,)


def test_a_match_everywhere_or_nowhere_has_no_place() -> None:
    assert OcclusionOverlay(6, (0.0,) * 36).places() == ()
    assert OcclusionOverlay(6, (0.5,) * 36).places() == ()


def test_a_place_is_one_of_the_whole_picture_not_of_what_the_model_saw_of_it() -> None:
    lower_half = (0.0, 0.5, 1.0, 1.0)
    assert OcclusionOverlay(3, spot(0, 0, 3), lower_half).places() == ("left",)


@pytest.mark.parametrize(
    ("name", "box"),
    [
        ("", None), ("8", None), ("8-xyz", None), ("3-0000", None), ("0-00", None), ("2-" + "0" * 2_000,
        None),
        ("2-0000", "nonsense"), ("2-0000", "0.0000,0.0000,1.0000"),
    ],
)  # fmt: skip
def test_an_address_that_is_no_overlay_is_not_found(name: str, box: str | None) -> None:
    with pytest.raises(Refusal) as refused:
        OcclusionOverlay.parse(name, box)
    assert refused.value.status == 404


def test_an_overlay_is_never_larger_than_its_picture() -> None:
    with pytest.raises(Refusal):
        OcclusionOverlay.parse("2-0000", "-900.0000,-900.0000,900.0000,900.0000").png(400, 400)


@given(st.integers(1, 3_000), st.integers(1, 3_000))
def test_what_a_model_sees_of_a_picture(width: int, height: int) -> None:
    """A square cut from the middle, the whole with a margin, or the whole squeezed: hand-computed from the
    sides."""
    short, long = min(width, height), max(width, height)
    left, top, right, bottom = seen((width, height), Preprocess(size=32, resize_mode="shortest"))
    assert (right - left) * width == pytest.approx(short, rel=0.05, abs=1)
    assert (bottom - top) * height == pytest.approx(short, rel=0.05, abs=1)
    left, top, right, bottom = seen((width, height), Preprocess(size=32, resize_mode="longest"))
    assert (right - left) * width == pytest.approx((bottom - top) * height) == pytest.approx(long)
    assert seen((width, height), Preprocess(size=32, resize_mode="squash")) == WHOLE


def test_an_explanation_says_what_of_the_picture_it_covers(client: TestClient, shown_key: str) -> None:
    found = client.get("/api/explain", params={"key": shown_key, "q": "a lion"}).json()
    picture = client.get(f"/api/items/{shown_key}").json()["item"]["record"]["image"]
    left, top, right, bottom = found["box"]
    assert (left, right) == (0, 1), "the drawings are higher than wide, and the model sees a square"
    assert (bottom - top) * picture["height"] == pytest.approx(picture["width"], rel=0.05)
    assert len(found["heat"]) == found["width"] * found["height"]
