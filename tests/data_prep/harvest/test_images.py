"""Untrusted bytes become small, upright sRGB JPEGs, or a reason why not."""

from __future__ import annotations

import hashlib
import io
import struct
import time
import zlib
from pathlib import Path

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from data_prep.images.hashing import Averaged
from data_prep.images.store import StoredImage, Wanted, decoded_size, store_image
from iconoclip.pictures import ImageRefused
from iconoclip.record import Region

RED, WHITE = (255, 0, 0), (255, 255, 255)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(stored: StoredImage) -> Image.Image:
    image = Image.open(io.BytesIO(stored.jpeg))
    assert image.format == "JPEG"
    assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi"}
    return image.convert("RGB")


def near(colour: tuple[int, ...], expected: tuple[int, ...], tolerance: int = 12) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(colour, expected, strict=True))


def halves(left: tuple[int, ...], right: tuple[int, ...], mode: str = "RGB") -> Image.Image:
    image = Image.new(mode, (64, 32), left)
    image.paste(right, (32, 0, 64, 32))
    return image


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "JPEG2000", "GIF", "WEBP", "BMP"])
def test_every_format_is_read(kind):
    stored = store_image(encoded(halves(RED, WHITE), kind), Wanted())
    assert (stored.width, stored.height) == (64, 32)
    assert near(pixels(stored).getpixel((8, 16)), RED, 24)
    assert near(pixels(stored).getpixel((56, 16)), WHITE, 24)


@pytest.mark.parametrize("size", [(2000, 1000), (1000, 2000), (513, 512), (2001, 1003), (4000, 100)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "JPEG2000"])
def test_longer_side_is_bounded_and_the_shape_kept(size, kind):
    stored = store_image(encoded(Image.new("RGB", size, RED), kind), Wanted(max_side=128))
    assert max(stored.width, stored.height) == 128
    assert stored.width / stored.height == pytest.approx(size[0] / size[1], rel=0.2)
    assert stored.received == size


def test_nothing_is_enlarged():
    stored = store_image(encoded(Image.new("RGB", (40, 30), RED)), Wanted(max_side=512))
    assert (stored.width, stored.height) == (40, 30)


def test_fitting_jpeg_is_kept_unchanged():
    data = encoded(halves(RED, WHITE), "JPEG")
    stored = store_image(data, Wanted())
    assert stored.jpeg == data
    assert stored.sha256 == stored.source_sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    "options",
    [{"comment": b"a secret"}, {"exif": Image.Exif()}, {"progressive": True}, {"icc_profile": b"x" * 200}],
)
def test_metadata_and_odd_encodings_are_not_kept(options):
    if isinstance(options.get("exif"), Image.Exif):
        options["exif"][0x010E] = "somebody's home address"
    data = encoded(halves(RED, WHITE), "JPEG", **options)
    assert store_image(data, Wanted()).jpeg != data


def test_bytes_after_the_end_are_removed():
    data = encoded(halves(RED, WHITE), "JPEG") + b"PK\x03\x04 a stowaway"
    assert b"stowaway" not in store_image(data, Wanted()).jpeg


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    turn = Image.Transpose
    # How the sensor's rows lie when the orientation is so (EXIF 2.32, tag 274); undone, red is at the left.
    laid = {2: turn.FLIP_LEFT_RIGHT, 3: turn.ROTATE_180, 4: turn.FLIP_TOP_BOTTOM, 5: turn.TRANSPOSE,
    6: turn.ROTATE_90,
            7: turn.TRANSVERSE, 8: turn.ROTATE_270}  # fmt: skip
    raw = halves(RED, WHITE) if orientation == 1 else halves(RED, WHITE).transpose(laid[orientation])
    stored = store_image(encoded(raw, "JPEG", exif=exif, quality=95), Wanted())
    assert (stored.width, stored.height) == (64, 32)
    assert stored.received == (64, 32)
    assert near(pixels(stored).getpixel((8, 16)), RED, 30)


def test_alpha_is_laid_onto_white():
    image = halves((*RED, 255), (0, 0, 0, 0), "RGBA")
    assert near(pixels(store_image(encoded(image), Wanted())).getpixel((56, 16)), WHITE)


def test_palette_with_transparency():
    image = halves(RED, (0, 0, 255)).quantize(4)
    blue = image.getpixel((56, 16))
    stored = store_image(encoded(image, "PNG", transparency=blue), Wanted())
    assert near(pixels(stored).getpixel((56, 16)), WHITE, 30)


def test_sixteen_bits_become_eight():
    values = np.zeros((32, 64), dtype=np.uint16)
    values[:, 32:] = 65535
    stored = pixels(store_image(encoded(Image.fromarray(values)), Wanted()))
    assert near(stored.getpixel((8, 16)), (0, 0, 0))
    assert near(stored.getpixel((56, 16)), WHITE)


def test_cmyk_without_a_profile():
    image = halves((0, 255, 255, 0), (0, 0, 0, 0), "CMYK")
    stored = pixels(store_image(encoded(image, "JPEG", quality=95), Wanted()))
    assert near(stored.getpixel((8, 16)), RED, 30)
    assert near(stored.getpixel((56, 16)), WHITE, 30)


def test_profile_is_turned_into_srgb():
    """A profile whose primaries are swapped: without a transform the colour would stay."""
    lab = ImageCms.createProfile("LAB")
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), lab, "RGB", "LAB")
    image = ImageCms.applyTransform(halves(RED, WHITE), to_lab)
    assert image is not None
    stored = pixels(store_image(encoded(image, "TIFF"), Wanted()))
    assert near(stored.getpixel((8, 16)), RED, 30)


def test_first_frame_of_an_animation():
    frames = [Image.new("RGB", (40, 40), RED), Image.new("RGB", (40, 40), (0, 0, 255))]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100)
    assert near(pixels(store_image(data, Wanted())).getpixel((20, 20)), RED, 30)


@pytest.mark.parametrize("max_side", [16, 512])
def test_region_is_cut_from_the_upright_image(max_side):
    image = Image.new("RGB", (640, 320), WHITE)
    image.paste(RED, (320, 0, 640, 160))
    data = encoded(image, "JPEG", quality=95)
    stored = store_image(data, Wanted(max_side=max_side), Region(x=320, y=0, width=320, height=160))
    assert max(stored.width, stored.height) == min(max_side, 320)
    assert near(pixels(stored).getpixel((stored.width // 2, stored.height // 2)), RED, 30)
    # Measured on a canvas twice as large as what came.
    twice = Region(x=640, y=0, width=640, height=320)
    again = store_image(data, Wanted(max_side=max_side), twice, crop_space=(1280, 640))
    assert (again.width, again.height) == (stored.width, stored.height)
    assert near(pixels(again).getpixel((again.width // 2, again.height // 2)), RED, 30)


def stored_or_reason(data: bytes) -> StoredImage | str:
    try:
        return store_image(data, Wanted())
    except ImageRefused as refused:
        return str(refused)


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header claims more pixels than it has."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><title>Checking your browser</title>", "HTML"),
        (b"%PDF-1.7 ...", "it is a PDF"),
        (b"no image at all", "not an image"),
        (bomb(60_000, 60_000), "60000x60000 pixels, more than"),
        (encoded(Image.new("RGB", (300, 300), RED), "JPEG")[:-200], "truncated"),
        (encoded(Image.new("RGB", (300, 300), RED), "PNG")[:-60], "cannot be decoded"),
        (encoded(Image.new("RGB", (2, 300), RED)), "too small"),
    ],
)
def test_refusals_say_why(data, reason):
    with pytest.raises(ImageRefused, match=reason):
        store_image(data, Wanted())


@given(
    st.binary(max_size=400),
    st.sampled_from(["JPEG", "PNG", "TIFF", "GIF", "WEBP", "BMP", "JPEG2000"]),
    st.data(),
)
@settings(max_examples=150, deadline=None)
def test_damaged_bytes_are_stored_or_refused(noise, kind, data):
    whole = bytearray(encoded(halves(RED, WHITE), kind))
    start = data.draw(st.integers(0, len(whole) - 1))
    whole[start : start + len(noise)] = noise
    stored = stored_or_reason(bytes(whole))
    if isinstance(stored, str):
        assert stored
    else:
        assert decoded_size(stored.jpeg) == (stored.width, stored.height)


def test_reservation_inside_the_image_is_seen():
    xmp = b"<x:xmpmeta><plus:DataMining>http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED-AIMLTRAINING</plus:DataMining></x:xmpmeta>"
    assert store_image(encoded(halves(RED, WHITE), "JPEG", xmp=xmp), Wanted()).opt_out == (
        "plus-data-mining",
    )


@given(st.integers(0, 2**32 - 1), st.integers(9, 90), st.integers(9, 90))
@settings(max_examples=60, deadline=None)
def test_perceptual_hash_is_imagehashs(seed, width, height):
    """To the bit for small images; large ones are averaged first, and bits near the median may differ."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    small = Image.fromarray(noise).resize((120, 90), Image.Resampling.BICUBIC)
    assert Averaged.of(small).phash == str(imagehash.phash(small))
    large = small.resize((480, 360), Image.Resampling.BICUBIC)
    assert (int(Averaged.of(large).phash, 16) ^ int(str(imagehash.phash(large)), 16)).bit_count() <= 6


@pytest.mark.corpus
def test_bad_images_of_the_material(material, capsys):
    """Every broken or unusual image of the material, with its outcome."""
    refused = {"cantaloupe__pdf-multipage.pdf": "PDF", "cantaloupe__png-rgb-1x1x8.png": "1x1 pixels"}
    for path in sorted((material / "bad" / "images").iterdir()):
        outcome = stored_or_reason(path.read_bytes())
        if isinstance(outcome, str):
            assert refused[path.name] in outcome
        else:
            assert path.name not in refused
            assert decoded_size(outcome.jpeg) == (outcome.width, outcome.height)
        with capsys.disabled():
            shown = f"refused: {outcome}" if isinstance(outcome, str) else f"{outcome.width}x{outcome.height}"
            print(f"\n  {path.name:<56} {shown}", end="")


@pytest.mark.corpus
def test_one_picture_in_many_encodings_looks_the_same(material):
    """The same test picture as YCCK, 16-bit, RGBA, BMP, TIFF: colours must agree within what JPEG costs."""
    names = ["jpg-ycck.jpg", "png-rgb-64x56x16.png", "png-rgba-64x56x16.png", "bmp-rgba-64x56x8.bmp",
    "jpg-icc.jpg",
             "tif-rgb-1res-64x56x8-striped-jpeg.tif"]  # fmt: skip
    folder: Path = material / "bad" / "images"
    thumbnails = [
        np.asarray(
            pixels(store_image((folder / f"cantaloupe__{name}").read_bytes(), Wanted())).resize((8, 7)),
            dtype=float,
        )
        for name in names
    ]
    middle = np.median(thumbnails, axis=0)
    for name, thumbnail in zip(names, thumbnails, strict=True):
        assert np.abs(thumbnail - middle).mean() < 8, name


def test_jpeg_of_a_thousand_scans_is_refused_before_it_is_decoded():
    """Each is 14 bytes, and a pass over 16 million pixels."""
    body = encoded(Image.new("L", (4000, 4000), 128), "JPEG", progressive=True)
    last_scan = body[body.rindex(b"\xff\xda") : -2]
    slow = body[:-2] + 1000 * last_scan + body[-2:]
    assert len(slow) < 200_000
    begun = time.process_time()
    with pytest.raises(ImageRefused, match="scans, more than"):
        store_image(slow, Wanted())
    with pytest.raises(ImageRefused, match="scans, more than"):
        decoded_size(slow)
    assert time.process_time() - begun < 5
    assert store_image(body, Wanted()).received == (4000, 4000)
