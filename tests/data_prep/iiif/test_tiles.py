"""Static tile sets: which files show an image or a part of it, and where each belongs."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data_prep.candidate import ImageService, TileSet
from data_prep.iiif.image_api import image_request, read_info
from data_prep.iiif.tiles import MAX_TILES, Mosaic, mosaic, whole_sizes
from data_prep.images.mosaic import assembled
from iconoclip.pictures import ImageRefused
from iconoclip.record import Region

BASE = "https://img.example.org/map"


def service(
    size: tuple[int, int] = (2048, 1536), side: int = 512, factors: tuple[int, ...] = (1, 2, 4)
) -> ImageService:
    return ImageService(BASE, 3, 0, *size, tiles=(TileSet(side, side, factors),), is_info=True)


@pytest.mark.parametrize(
    ("max_side", "address"),
    [(512, f"{BASE}/full/512,384/0/default.jpg"), (300, f"{BASE}/full/512,384/0/default.jpg")],
)
def test_the_scale_at_which_one_tile_is_the_image_gives_the_whole(max_side: int, address: str) -> None:
    request = image_request(service(), max_side=max_side)
    assert (request.uri, request.size, request.tiles) == (address, (512, 384), ())


def test_a_larger_image_is_made_of_the_tiles_of_the_next_scale() -> None:
    request = image_request(service(), max_side=1000)
    assert request.size == (1024, 768)
    # As vips dzsave names them: 2 x 2 tiles at scale factor 2, the lower ones half as high.
    assert [tile.uri.removeprefix(BASE) for tile in request.tiles] == [
        "/0,0,1024,1024/512,512/0/default.jpg",
        "/1024,0,1024,1024/512,512/0/default.jpg",
        "/0,1024,1024,512/512,256/0/default.jpg",
        "/1024,1024,1024,512/512,256/0/default.jpg",
    ]
    assert [(tile.x, tile.y) for tile in request.tiles] == [(0, 0), (512, 0), (0, 512), (512, 512)]


def test_a_region_takes_only_the_tiles_that_it_touches() -> None:
    request = image_request(service(), max_side=512, region=Region(x=600, y=100, width=300, height=300))
    assert [tile.uri.removeprefix(BASE) for tile in request.tiles] == ["/512,0,512,512/512,512/0/default.jpg"]
    assert request.crop == Region(x=88, y=100, width=300, height=300)


def test_sizes_that_are_listed_are_taken_before_tiles() -> None:
    listed = ImageService(
        BASE, 3, 0, 2048, 1536, sizes=((1024, 768),), tiles=(TileSet(512, 512, (1, 2, 4)),), is_info=True
    )
    assert image_request(listed, max_side=1000).uri == f"{BASE}/full/1024,768/0/default.jpg"


def test_version_2_names_the_width_alone() -> None:
    old = ImageService(BASE, 2, 0, 2048, 1536, tiles=(TileSet(512, 512, (1, 2, 4)),), is_info=True)
    assert image_request(old, max_side=512).uri == f"{BASE}/full/512,/0/default.jpg"


def test_a_vast_image_is_taken_at_a_scale_that_the_bound_allows() -> None:
    vast = service((100_000, 80_000), 256, (1, 2, 4, 8, 16, 32, 64, 128, 256, 512))
    found = mosaic(vast, 50_000, None)
    assert found is not None
    assert len(found.tiles) <= MAX_TILES
    assert max(found.size) >= 1_500  # 8 tiles of 256, less what is cut at the edge


def test_an_info_json_of_version_1_has_one_tile_set() -> None:
    info = {
        "@context": "http://library.stanford.edu/iiif/image-api/1.1/context.json", "@id": BASE,
        "width": 6000, "height": 4000, "scale_factors": [1, 2, 4], "tile_width": 1024, "tile_height": 512,
        "profile": "http://library.stanford.edu/iiif/image-api/1.1/compliance.html#level0",
    }  # fmt: skip
    found = read_info(json.dumps(info).encode(), f"{BASE}/info.json")
    assert isinstance(found, ImageService)
    assert found.tiles == (TileSet(1024, 512, (1, 2, 4)),)


def test_the_placeholder_id_of_vips_is_not_requested() -> None:
    info = {
        "@context": "http://iiif.io/api/image/3/context.json", "id": "https://example.com/iiif/map",
        "type": "ImageService3", "protocol": "http://iiif.io/api/image", "profile": "level0",
        "width": 2048, "height": 1536,
    }  # fmt: skip
    found = read_info(json.dumps(info).encode(), "https://library.test/map/info.json")
    assert isinstance(found, ImageService)
    assert found.id == "https://library.test/map"


def cut(picture: Image.Image, found: Mosaic) -> tuple[bytes, list[tuple[int, int, int, int, int]]]:
    """The files that a server with these tiles has, made from the full picture by the addresses alone."""
    files, places = b"", []
    for tile in found.tiles:
        region, size = tile.uri.removeprefix(f"{BASE}/").split("/")[:2]
        x, y, width, height = (0, 0, *picture.size) if region == "full" else map(int, region.split(","))
        part = picture.crop((x, y, x + width, y + height)).resize(
            tuple(map(int, size.split(","))), Image.Resampling.NEAREST
        )  # type: ignore[arg-type]
        buffer = io.BytesIO()
        part.save(buffer, "PNG")
        files += buffer.getvalue()
        places.append((tile.x, tile.y, tile.width, tile.height, buffer.tell()))
    return files, places


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    side=st.integers(16, 100),
    max_side=st.integers(1, 300),
    box=st.none() | st.tuples(*[st.floats(0, 1)] * 4),
)
def test_tiles_at_full_scale_are_the_picture_pixel_by_pixel(
    width: int, height: int, side: int, max_side: int, box: tuple[float, ...] | None
) -> None:
    picture = Image.effect_noise((width, height), 90)
    region = None
    if box:
        x, y = int(box[0] * (width - 1)), int(box[1] * (height - 1))
        region = Region(
            x=x, y=y, width=1 + int(box[2] * (width - x - 1)), height=1 + int(box[3] * (height - y - 1))
        )
    found = mosaic(service((width, height), side, (1,)), max_side, region)
    num_whole = -(-width // side) * -(-height // side)
    if found is None:
        assert num_whole > MAX_TILES
        return
    whole = Image.open(io.BytesIO(assembled(*cut(picture, found))))
    assert whole.size == found.size
    crop = found.crop or Region(x=0, y=0, width=width, height=height)
    shown = whole.crop((crop.x, crop.y, crop.x + crop.width, crop.y + crop.height))
    part = region or Region(x=0, y=0, width=width, height=height)
    assert (
        shown.tobytes() == picture.crop((part.x, part.y, part.x + part.width, part.y + part.height)).tobytes()
    )


def test_no_whole_follows_where_the_coarsest_scale_needs_several_tiles() -> None:
    assert whole_sizes(service(factors=(1, 2))) == ()


def test_a_tile_of_another_size_is_refused() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (50, 50)).save(buffer, "PNG")
    with pytest.raises(ImageRefused, match="a tile of 50x50 pixels where 64x64"):
        assembled(buffer.getvalue(), [(0, 0, 64, 64, buffer.tell())])
    with pytest.raises(ImageRefused):
        assembled(b"no image", [(0, 0, 64, 64, 8)])
