"""One picture in every depth and kind of file gives the same pixels in every stage that decodes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from data_prep.images.store import Wanted, store_image
from iconoclip.pictures import ImageRefused, TooManyPixels, decode
from retrieval.encode.pixels import decode as encoder_decode
from retrieval.service.guards.uploads import normalise
from tests.picture_files import encoded, grey, same_grey
from training.data.images import decode as training_decode

FILES = dict(same_grey())
WANTED = grey().astype(int)


def values(image: Image.Image) -> np.ndarray:
    assert image.size == (64, 64)
    return np.asarray(image.convert("L")).astype(int)


@pytest.mark.parametrize("name", FILES)
def test_one_picture_has_one_look(name: str) -> None:
    image = decode(FILES[name], max_pixels=10_000)
    assert image.mode == "RGB"
    assert np.abs(values(image) - WANTED).max() <= 2, name


@pytest.mark.parametrize("name", FILES)
def test_uploaded_harvested_and_encoded_alike(name: str) -> None:
    data = FILES[name]
    harvested = values(Image.open(io.BytesIO(store_image(data, Wanted(quality=100)).jpeg)))
    uploaded = values(Image.open(io.BytesIO(normalise(data, 10_000))))
    # Both are JPEGs, of two qualities: the sharp edges of the square differ by some steps, whole depths by a
    # hundred.
    assert np.abs(harvested - uploaded).mean() < 1
    assert np.abs(harvested - WANTED).mean() < 1
    assert np.abs(values(encoder_decode(data)) - WANTED).max() <= 2
    if not name.startswith(("tiff", "gif")):
        assert np.abs(values(training_decode(data, min_side=64, where="x")) - WANTED).max() <= 2


@pytest.mark.parametrize(
    "name", ["png 8", "png RGBA, black under nothing", "tiff CMYK", "png turned", "tiff float to 1"]
)
def test_a_smaller_picture_keeps_its_values(name: str) -> None:
    small = decode(FILES[name], max_pixels=10_000, max_side=16)
    wanted = np.asarray(Image.fromarray(grey()).resize((16, 16), Image.Resampling.LANCZOS, reducing_gap=3.0))
    assert np.abs(np.asarray(small.convert("L")).astype(int) - wanted).max() <= 3


def test_a_jpeg_is_decoded_small_and_covers_what_is_needed() -> None:
    data = encoded(Image.new("RGB", (800, 400), "#808080"), "JPEG")
    assert decode(data, max_pixels=10**6, at_least=(100, 100)).size == (200, 100)
    assert decode(data, max_pixels=10**6, at_least=(900, 900)).size == (800, 400)


def test_too_many_pixels_are_told_from_other_refusals() -> None:
    with pytest.raises(TooManyPixels, match="64x64"):
        decode(FILES["png 8"], max_pixels=4_095)
    with pytest.raises(ImageRefused, match="format"):
        decode(FILES["tiff I;16"], max_pixels=10_000, formats=("PNG",))
    with pytest.raises(ImageRefused, match="decoded"):
        decode(FILES["png 16"][:-40], max_pixels=10_000)


def test_one_bit_is_black_and_white() -> None:
    bits = Image.fromarray(grey() > 100)
    assert set(np.unique(np.asarray(decode(encoded(bits, "TIFF"), max_pixels=10_000)))) == {0, 255}
