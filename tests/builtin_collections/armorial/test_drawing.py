"""Drawings show what is blazoned, where it is blazoned, and are the same at any size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from scipy import ndimage

from builtin_collections.armorial.arms import (
    AROUND,
    ON,
    Arms,
    Band,
    Charge,
    ChargeRow,
    Division,
    Field,
    Group,
    Ordinary,
)
from builtin_collections.armorial.drawing.hand import hand
from builtin_collections.armorial.drawing.picture import height_at, picture
from builtin_collections.armorial.generate import generate
from builtin_collections.armorial.tinctures import Tincture

OR, ARGENT, GULES, AZURE = Tincture.OR, Tincture.ARGENT, Tincture.GULES, Tincture.AZURE
LEFT, MIDDLE, RIGHT = 256 - 150, 256, 256 + 150


def seen(arms: Arms, coat: int, x: int, y: int) -> Tincture:
    """The tincture at a source point: the pigment nearest to the middle colour of a small patch."""
    pixels = np.asarray(picture(arms, seed=7, coat=coat))[y - 5 : y + 6, x - 5 : x + 6].reshape(-1, 3)
    colour = np.median(pixels, axis=0)
    palette = hand(seed=7, coat=coat, copy=0).palette
    return min(palette, key=lambda tincture: float(np.linalg.norm(colour - np.array(palette[tincture]))))


def painted(arms: Arms, coat: int) -> dict[Tincture, npt.NDArray[np.bool_]]:
    """Which pixels of a picture have each tincture: those within 60 of its colour, and nearer to no other."""
    pixels_HWC = np.asarray(picture(arms, seed=7, coat=coat), dtype=np.float32)
    palette = hand(seed=7, coat=coat, copy=0).palette
    colours_TC = np.array(list(palette.values()), dtype=np.float32)
    # Squares of distances: |p|² - 2 p·c + |c|².
    squares_HWT = (
        (pixels_HWC**2).sum(-1, keepdims=True) - 2 * pixels_HWC @ colours_TC.T + (colours_TC**2).sum(-1)
    )
    nearest, is_certain = squares_HWT.argmin(-1), squares_HWT.min(-1) < 60**2
    return {tincture: (nearest == number) & is_certain for number, tincture in enumerate(palette)}


def blobs(arms: Arms, tincture: Tincture, coat: int) -> list[tuple[float, float]]:
    """Centres (x, y) of the separate shapes of one tincture, from the top down, left to right."""
    mask = painted(arms, coat)[tincture]
    labels, num = ndimage.label(ndimage.binary_opening(mask, iterations=3))
    sizes = ndimage.sum_labels(mask, labels, range(1, num + 1))
    large = [label for label in range(1, num + 1) if sizes[label - 1] > 900]
    centers = [(float(x), float(y)) for y, x in ndimage.center_of_mass(mask, labels, large)]
    return sorted(centers, key=lambda center: (round(center[1] / 60), center[0]))


def bare(ordinary: Ordinary) -> Arms:
    """Or an ordinary gules, with nothing else."""
    if ON[ordinary]:
        return Arms(Field((OR,)), Band(ordinary, GULES, Group(Charge.MULLET, 1, ARGENT)))
    return Arms(Field((OR,)), Band(ordinary, GULES), (Group(Charge.MULLET, 1, AZURE),))


# A point on the ordinary, and one on the field outside of it.
POINTS = {
    Ordinary.CHIEF: ((LEFT, 120), (LEFT, 320)),
    Ordinary.FESS: ((LEFT, 280), (MIDDLE, 120)),
    Ordinary.PALE: ((MIDDLE, 90), (LEFT, 280)),
    Ordinary.BEND: ((156, 156), (RIGHT, 110)),
    Ordinary.BEND_SINISTER: ((356, 156), (LEFT, 110)),
    Ordinary.CHEVRON: ((LEFT, 360), (MIDDLE, 100)),
    Ordinary.CROSS: ((MIDDLE, 110), (LEFT, 110)),
    Ordinary.SALTIRE: ((156, 156), (MIDDLE, 90)),
    Ordinary.PILE: ((MIDDLE, 400), (LEFT - 20, 300)),
    Ordinary.BORDURE: ((MIDDLE, 76), (MIDDLE - 90, 160)),
}


# One drawing of each in the short run.
COATS = (0, pytest.param(1, marks=pytest.mark.long))


@pytest.mark.parametrize("coat", COATS)
@pytest.mark.parametrize("ordinary", list(Ordinary))
def test_ordinary_lies_where_blazoned(ordinary: Ordinary, coat: int) -> None:
    on, outside = POINTS[ordinary]
    assert seen(bare(ordinary), coat, *on) is GULES
    assert seen(bare(ordinary), coat, *outside) is OR


# A point of the first tincture, and one of the second.
PARTS = {
    Division.PALE: ((LEFT, 120), (RIGHT, 120)),
    Division.FESS: ((LEFT, 120), (LEFT, 360)),
    Division.BEND: ((RIGHT, 120), (LEFT, 340)),
    Division.BEND_SINISTER: ((LEFT, 120), (RIGHT, 340)),
    Division.CHEVRON: ((LEFT, 120), (MIDDLE, 480)),
    Division.SALTIRE: ((MIDDLE, 90), (LEFT - 20, 280)),
    Division.QUARTERLY: ((LEFT, 120), (RIGHT, 120)),
}


@pytest.mark.parametrize("coat", COATS)
@pytest.mark.parametrize("division", list(Division))
def test_field_is_parted_as_blazoned(division: Division, coat: int) -> None:
    arms = Arms(Field((OR, ARGENT), division), None, (Group(Charge.BILLET, 1, AZURE),))
    first, second = PARTS[division]
    assert seen(arms, coat, *first) is OR
    assert seen(arms, coat, *second) is ARGENT
    if division is Division.QUARTERLY:
        assert seen(arms, coat, LEFT, 360) is ARGENT
        assert seen(arms, coat, RIGHT, 360) is OR


def test_counterchanged_charge_swaps_the_tinctures() -> None:
    arms = Arms(Field((OR, GULES), Division.PALE), None, (Group(Charge.BILLET, 1, None),))
    assert [seen(arms, 4, x, 280) for x in (LEFT, MIDDLE - 40, MIDDLE + 40, RIGHT)] == [OR, GULES, OR, GULES]


@pytest.mark.parametrize("charge", list(Charge))
def test_every_charge_is_drawn_in_its_tincture(charge: Charge) -> None:
    arms = Arms(Field((AZURE,)), None, (Group(charge, 1, OR),))
    drawn = picture(arms, seed=7, coat=1, width=320)
    pixels = np.asarray(drawn, dtype=np.float64)[62:294, 50:269].reshape(-1, 3)
    palette = hand(seed=7, coat=1, copy=0).palette
    colours = np.array([palette[tincture] for tincture in palette])
    nearest = np.linalg.norm(pixels[:, None] - colours[None], axis=2).argmin(axis=1)
    share = {tincture: float((nearest == index).mean()) for index, tincture in enumerate(palette)}
    assert 0.10 < share[OR] < 0.75
    assert share[AZURE] > 0.2
    assert max(share[tincture] for tincture in (GULES, Tincture.VERT, Tincture.PURPURE)) < 0.02


def test_no_two_charges_look_alike() -> None:
    def mask(charge: Charge) -> npt.NDArray[np.bool_]:
        arms = Arms(Field((AZURE,)), None, (Group(charge, 1, OR),))
        pixels = np.asarray(picture(arms, seed=7, coat=1, width=64), dtype=np.float64)
        return np.asarray(pixels[:, :, 0] > pixels[:, :, 2] + 30)

    masks = {charge: mask(charge)[12:60, 8:56] for charge in Charge}
    for one in Charge:
        for other in Charge:
            if one is not other:
                both = (masks[one] & masks[other]).sum() / (masks[one] | masks[other]).sum()
                assert both < 0.93, (one, other)


def test_two_and_one_about_a_chevron() -> None:
    arms = Arms(Field((OR,)), Band(Ordinary.CHEVRON, GULES), (Group(Charge.ROUNDEL, 3, AZURE),))
    for coat in range(4):
        (x1, y1), (x2, y2), (x3, y3) = blobs(arms, AZURE, coat)
        assert x1 < 200 < 300 < x2
        assert abs(y1 - y2) < 40
        assert y3 > 400
        assert abs(x3 - 256) < 30


@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize("row", list(ChargeRow))
def test_rows_run_as_named(row: ChargeRow, number: int) -> None:
    arms = Arms(Field((OR,)), None, (Group(Charge.LOZENGE, number, AZURE, row),))
    for coat in range(3):
        centers = blobs(arms, AZURE, coat)
        assert len(centers) == number
        (x1, y1), (x2, y2) = min(centers), max(centers)
        if row is ChargeRow.FESS:
            assert x2 - x1 > 150
            assert abs(y2 - y1) < 40
        elif row is ChargeRow.PALE:
            tops = sorted(y for _, y in centers)
            assert tops[-1] - tops[0] > 150
            assert x2 - x1 < 40
        else:
            assert x2 - x1 > 100
            assert y2 - y1 > 100


def pigments(arms: Arms, coat: int) -> dict[Tincture, npt.NDArray[np.bool_]]:
    """Where the tinctures of the field, the ordinary and the charges are, without their ragged edges."""
    masks = painted(arms, coat)
    return {
        tincture: ndimage.binary_opening(masks[tincture], iterations=2) for tincture in (OR, GULES, AZURE)
    }


def num_touching(shape: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> int:
    """How many pixels of `other` lie within an ink line's breadth of `shape`."""
    return int((ndimage.binary_dilation(shape, iterations=8) & other).sum())


@pytest.mark.parametrize("charge", [Charge.ROUNDEL, Charge.EAGLE, Charge.TOWER])
@pytest.mark.parametrize(
    ("ordinary", "number"), [(ordinary, number) for ordinary in Ordinary for number in ON[ordinary]]
)
def test_charges_on_an_ordinary_lie_wholly_on_it(ordinary: Ordinary, number: int, charge: Charge) -> None:
    arms = Arms(Field((OR,)), Band(ordinary, GULES, Group(charge, number, AZURE)))
    where = pigments(arms, coat=2)
    assert num_touching(where[AZURE], where[GULES]) > 300
    assert num_touching(where[AZURE], where[OR]) < 60
    if charge is Charge.ROUNDEL:
        assert len(blobs(arms, AZURE, 2)) == number


@pytest.mark.parametrize("charge", [Charge.ROUNDEL, Charge.EAGLE, Charge.TOWER])
@pytest.mark.parametrize(
    ("ordinary", "number"), [(ordinary, number) for ordinary in Ordinary for number in AROUND[ordinary]]
)
def test_charges_about_an_ordinary_keep_clear_of_it(ordinary: Ordinary, number: int, charge: Charge) -> None:
    """As many separate shapes as blazoned: none runs into another, into the ordinary, or off the shield."""
    row = ChargeRow.PALE if ordinary is Ordinary.CHIEF and number == 2 else None
    arms = Arms(Field((OR,)), Band(ordinary, GULES), (Group(charge, number, AZURE, row),))
    where = pigments(arms, coat=2)
    assert num_touching(where[AZURE], where[OR]) > 300
    assert num_touching(where[AZURE], where[GULES]) < 60
    if charge is Charge.ROUNDEL:
        assert len(blobs(arms, AZURE, 2)) == number


def test_same_seed_same_bytes_and_copies_differ() -> None:
    arms = generate(1, seed=1)[0]
    first = picture(arms, seed=1, coat=0, width=128).tobytes()
    assert picture(arms, seed=1, coat=0, width=128).tobytes() == first
    assert picture(arms, seed=1, coat=0, copy=1, width=128).tobytes() != first
    assert picture(arms, seed=2, coat=0, width=128).tobytes() != first


@pytest.mark.parametrize("width", [64, 128, 200])
def test_a_small_drawing_is_the_large_one_made_smaller(width: int) -> None:
    for coat, arms in enumerate(generate(12, seed=4)):
        small = picture(arms, seed=4, coat=coat, width=width)
        assert small.size == (width, height_at(width))
        reduced = picture(arms, seed=4, coat=coat).resize(small.size, Image.Resampling.BOX)
        apart = np.abs(np.asarray(small, dtype=np.float64) - np.asarray(reduced, dtype=np.float64))
        assert apart.mean() < 5.0


@pytest.mark.parametrize("width", [0, 15, 5000])
def test_absurd_widths_are_refused(width: int) -> None:
    with pytest.raises(ValueError, match="pixels wide"):
        picture(generate(1, seed=1)[0], seed=1, coat=0, width=width)
