"""Pictures from outside: bounded before they are decoded, deleted after a while."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from retrieval.service.guards.refusals import Refusal
from retrieval.service.guards.uploads import KEEP_SECONDS, MAX_SIDE_PIXELS, KeptImages, normalise
from tests.picture_files import grey, same_grey

MATERIAL = Path(__file__).parents[4] / "shared" / "material" / "bad" / "images"


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    written = io.BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has no pixels: reading more than its header would fail."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = (
        struct.pack(">I", len(header)) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    )
    return (
        b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP"])
def test_the_usual_kinds_become_a_jpeg(kind: str) -> None:
    picture = opened(normalise(encoded(Image.new("RGB", (40, 30), "#c02030"), kind), 10_000))
    assert (picture.format, picture.size, picture.mode) == ("JPEG", (40, 30), "RGB")
    red, green, _blue = picture.getpixel((20, 15))
    assert red > 150 > green


def test_a_large_picture_is_made_small_and_keeps_its_proportions() -> None:
    picture = opened(normalise(encoded(Image.new("RGB", (3_000, 1_500)), "JPEG"), 10_000_000))
    assert picture.size == (MAX_SIDE_PIXELS, MAX_SIDE_PIXELS // 2)


def test_a_turned_picture_is_made_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert opened(normalise(encoded(Image.new("RGB", (40, 20)), "JPEG", exif=exif), 10_000)).size == (20, 40)


def test_transparency_lies_on_white() -> None:
    picture = opened(normalise(encoded(Image.new("RGBA", (20, 20), (255, 0, 0, 0)), "PNG"), 10_000))
    assert min(picture.getpixel((10, 10))) > 250


@pytest.mark.parametrize("name", ["png 16", "tiff I;16B", "tiff float to 1", "png RGBA, black under nothing"])
def test_the_service_sees_what_the_harvest_stores(client: TestClient, name: str) -> None:
    data = dict(same_grey())[name]
    kept = client.post("/api/pictures", files={"image": data}).json()["image"]
    seen = np.asarray(opened(client.get(f"/kept/{kept}.jpg").content).convert("L")).astype(int)
    assert np.abs(seen - grey()).mean() < 1
    plain = client.post("/api/pictures", files={"image": dict(same_grey())["png 8"]}).json()["image"]
    assert np.abs(seen - np.asarray(opened(client.get(f"/kept/{plain}.jpg").content).convert("L"))).max() <= 2


@pytest.mark.parametrize("side", [1_001, 9_000, 60_000])
def test_a_bomb_is_refused_by_its_header(side: int) -> None:
    with pytest.raises(Refusal) as refused:
        normalise(png_header(side, side), 1_000_000)
    assert refused.value.status == 413
    assert "1,000,000 pixels" in refused.value.fault.what


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no picture",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\x89PNG\r\n\x1a\n",
        png_header(20, 20),
        b"\xff\xd8\xff",
    ],
)
def test_what_is_no_picture_is_refused_with_the_kinds_that_are(data: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        normalise(data, 10_000)
    assert refused.value.status == 415
    assert "JPEG" in (refused.value.fault.remedy or "")


def test_a_truncated_picture_is_refused() -> None:
    whole = encoded(Image.effect_noise((300, 300), 90).convert("RGB"), "JPEG")
    with pytest.raises(Refusal) as refused:
        normalise(whole[: len(whole) // 2], 1_000_000)
    assert refused.value.status == 415


@pytest.mark.corpus
@pytest.mark.skipif(not MATERIAL.is_dir(), reason="the real material is not in ../shared/material")
def test_broken_and_odd_files_end_in_a_picture_or_a_refusal() -> None:
    outcomes = {}
    for path in sorted(MATERIAL.iterdir()):
        try:
            outcomes[path.name] = opened(normalise(path.read_bytes(), 50_000_000)).mode
        except Refusal as refusal:
            outcomes[path.name] = str(refusal.status)
    assert set(outcomes.values()) <= {"RGB", "413", "415"}
    assert outcomes["cantaloupe__pdf-multipage.pdf"] == "415"
    assert outcomes["cantaloupe__jpg-ycck.jpg"] == "RGB"


def test_a_kept_picture_is_found_by_its_name_until_its_time_is_over() -> None:
    now = [0.0]
    kept = KeptImages(clock=lambda: now[0])
    name = kept.keep(b"one")
    assert kept.get(name) == b"one"
    now[0] = KEEP_SECONDS + 1
    with pytest.raises(Refusal) as refused:
        kept.get(name)
    assert refused.value.status == 404


def test_the_oldest_pictures_are_removed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.service.guards.uploads.MAX_KEPT", 2)
    kept = KeptImages()
    names = [kept.keep(bytes([number])) for number in range(3)]
    assert kept.get(names[2]) == b"\x02"
    with pytest.raises(Refusal):
        kept.get(names[0])
