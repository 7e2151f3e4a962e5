"""Requests are built from what a service states about itself; the forms are those of the Image API's own
documents."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.candidate import ImageService, Refusal
from data_prep.iiif.image_api import image_request, needs_info, read_info, region_in_image
from iconoclip.record import Region

BASE = "https://example.org/iiif/a%2Fb"


def service(**changes: object) -> ImageService:
    values = {"id": BASE, "version": 2, "level": 2, "width": 6000, "height": 4000, "is_info": True}
    return ImageService(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "expected", "size"),
    [
        # 2.1, section 4.7: `w,` is canonical where the aspect ratio is kept. 512 * 4000 / 6000 = 341.3
        ({}, "full/512,/0/default.jpg", (512, 341)),
        # 3.0, section 4.7: `w,h` is canonical
        ({"version": 3}, "full/512,341/0/default.jpg", (512, 341)),
        ({"version": 3, "level": 1}, "full/512,341/0/default.jpg", (512, 341)),
        # 1.1, section 4.2 and 4.4
        ({"version": 1, "level": 1}, "full/512,/0/native.jpg", (512, 341)),
        # Never upscaled: the whole image under its own name
        ({"width": 300, "height": 200}, "full/full/0/default.jpg", (300, 200)),
        ({"width": 300, "height": 200, "version": 3}, "full/max/0/default.jpg", (300, 200)),
        # maxWidth alone bounds the height too: 4000 x 6000 at most 300 high is 200 x 300
        ({"width": 4000, "height": 6000, "max_width": 300}, "full/200,/0/default.jpg", (200, 300)),
        ({"max_width": 400, "max_height": 200}, "full/300,/0/default.jpg", (300, 200)),
        # 60,000 pixels of a 3:2 image are 300 x 200
        ({"max_area": 60_000}, "full/300,/0/default.jpg", (300, 200)),
        # An image that is long and thin keeps a pixel of width
        ({"width": 1, "height": 9000}, "full/1,/0/default.jpg", (1, 512)),
    ],
)
def test_sizes_of_the_full_image(changes: dict[str, object], expected: str, size: tuple[int, int]) -> None:
    request = image_request(service(**changes), max_side=512)
    assert (request.uri, request.size, request.crop) == (f"{BASE}/{expected}", size, None)


STOCK = ((150, 100), (600, 400), (3000, 2000))


@pytest.mark.parametrize(
    ("changes", "max_side", "expected", "size"),
    [
        ({"sizes": STOCK}, 512, "full/600,/0/default.jpg", (600, 400)),
        ({"sizes": STOCK}, 600, "full/600,/0/default.jpg", (600, 400)),
        ({"sizes": STOCK}, 100, "full/150,/0/default.jpg", (150, 100)),
        ({"sizes": STOCK}, 5000, "full/3000,/0/default.jpg", (3000, 2000)),
        ({"sizes": STOCK, "version": 3}, 512, "full/600,400/0/default.jpg", (600, 400)),
        ({"sizes": STOCK, "features": ("sizeByWhListed",)}, 512, "full/600,400/0/default.jpg", (600, 400)),
        ({}, 512, "full/full/0/default.jpg", (6000, 4000)),
        ({"version": 3}, 512, "full/max/0/default.jpg", (6000, 4000)),
        ({"version": 1}, 512, "full/full/0/native.jpg", (6000, 4000)),
    ],
)
def test_level_0_gives_only_the_files_it_lists(
    changes: dict[str, object], max_side: int, expected: str, size: tuple[int, int]
) -> None:
    request = image_request(service(level=0, **changes), max_side=max_side)
    assert (request.uri, request.size) == (f"{BASE}/{expected}", size)


def test_a_region_is_requested_from_the_service() -> None:
    region = Region(x=1000, y=500, width=2000, height=1000)
    request = image_request(service(version=3), max_side=512, region=region)
    assert request.uri == f"{BASE}/1000,500,2000,1000/512,256/0/default.jpg"
    assert (request.size, request.region, request.crop) == ((512, 256), region, None)


def test_a_region_is_cut_to_the_image() -> None:
    request = image_request(service(), max_side=512, region=Region(x=5900, y=3900, width=500, height=500))
    assert request.uri == f"{BASE}/5900,3900,100,100/full/0/default.jpg"


def test_a_region_of_a_level_0_image_is_left_to_the_receiver() -> None:
    region = Region(x=3000, y=2000, width=3000, height=2000)  # the lower right quarter
    request = image_request(service(level=0, sizes=STOCK), max_side=256, region=region)
    assert request.uri == f"{BASE}/full/600,/0/default.jpg"
    assert request.crop == Region(x=300, y=200, width=300, height=200)


def test_without_a_size_the_info_is_needed() -> None:
    assert needs_info(service(width=None, height=None, is_info=False))
    assert needs_info(service(level=0, is_info=False))
    assert not needs_info(service(is_info=False))
    assert not needs_info(service(level=0, is_info=True))
    assert (
        image_request(service(width=None, height=None), max_side=512).uri
        == f"{BASE}/full/!512,512/0/default.jpg"
    )


@given(
    width=st.integers(1, 200_000),
    height=st.integers(1, 200_000),
    max_side=st.integers(1, 4096),
    version=st.sampled_from([1, 2, 3]),
    level=st.sampled_from([0, 1, 2]),
    max_width=st.none() | st.integers(1, 5000),
    max_area=st.none() | st.integers(1, 10**8),
    region=st.none()
    | st.builds(
        Region,
        x=st.integers(0, 10**6),
        y=st.integers(0, 10**6),
        width=st.integers(1, 10**6),
        height=st.integers(1, 10**6),
    ),
)
def test_no_request_upscales_or_breaks_a_limit(
    width: int,
    height: int,
    max_side: int,
    version: int,
    level: int,
    max_width: int | None,
    max_area: int | None,
    region: Region | None,
) -> None:
    asked = service(
        width=width, height=height, version=version, level=level, max_width=max_width, max_area=max_area
    )
    request = image_request(asked, max_side=max_side, region=region)
    assert request.size is not None
    part = (request.region.width, request.region.height) if request.region else (width, height)
    assert 1 <= request.size[0] <= part[0]
    assert 1 <= request.size[1] <= part[1]
    if level > 0:
        assert max(request.size) <= max_side
        assert max_width is None or max(request.size) <= max(max_width, 1)
        assert max_area is None or request.size[0] * request.size[1] <= max_area or min(request.size) == 1


@given(
    space=st.tuples(st.integers(1, 9000), st.integers(1, 9000)),
    image=st.tuples(st.integers(1, 9000), st.integers(1, 9000)),
    x=st.integers(0, 9000),
    y=st.integers(0, 9000),
    width=st.integers(1, 9000),
    height=st.integers(1, 9000),
)
def test_a_scaled_region_stays_inside(
    space: tuple[int, int], image: tuple[int, int], x: int, y: int, width: int, height: int
) -> None:
    found = region_in_image(Region(x=x, y=y, width=width, height=height), space, image)
    if found is not None:
        assert found.x + found.width <= image[0]
        assert found.y + found.height <= image[1]


def test_scaling_by_hand() -> None:
    # A canvas half as large as its image
    found = region_in_image(Region(x=10, y=20, width=30, height=40), (500, 400), (1000, 800))
    assert found == Region(x=20, y=40, width=60, height=80)
    assert region_in_image(Region(x=600, y=0, width=10, height=10), (500, 400), (1000, 800)) is None


INFO_3 = {
    "@context": "http://iiif.io/api/image/3/context.json",
    "id": BASE,
    "type": "ImageService3",
    "protocol": "http://iiif.io/api/image",
    "profile": "level1",
    "width": 6000,
    "height": 4000,
    "maxWidth": 3000,
    "sizes": [{"width": 600, "height": 400}, {"width": 150, "height": 100}, "odd", {"width": 5}],
    "extraFeatures": ["sizeUpscaling"],
}


def test_info_of_version_3() -> None:
    found = read_info(json.dumps(INFO_3).encode(), f"{BASE}/info.json")
    assert found == ImageService(
        id=BASE,
        version=3,
        level=1,
        width=6000,
        height=4000,
        sizes=((150, 100), (600, 400)),
        max_width=3000,
        features=("sizeUpscaling",),
        is_info=True,
    )


def test_info_of_version_2_keeps_its_limits_in_the_profile() -> None:
    value = {
        "@context": "http://iiif.io/api/image/2/context.json",
        "@id": BASE,
        "profile": ["http://iiif.io/api/image/2/level2.json", {"maxWidth": 2000, "formats": ["jpg", "png"]}],
        "width": 4000,
        "height": 3000,
    }
    found = read_info(json.dumps(value).encode(), f"{BASE}/info.json")
    assert isinstance(found, ImageService)
    assert (found.version, found.level, found.max_width, found.formats) == (2, 2, 2000, ("jpg", "png"))


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "empty"),
        (b"<html><title>Login</title>", "HTML page ('Login')"),
        (b'{"width": 5', "truncated"),
        (b"[]", "a list"),
        (b'{"a": 1}', "neither its context nor its profile"),
        (json.dumps({**INFO_3, "width": 0}).encode(), "width"),
        (json.dumps({**INFO_3, "type": "Manifest"}).encode(), "a Manifest"),
        (b"<error><parameter>size</parameter><text>Invalid size</text></error>", "Invalid size"),
    ],
)
def test_an_invalid_info_is_refused_with_a_reason(document: bytes, reason: str) -> None:
    found = read_info(document, f"{BASE}/info.json")
    assert isinstance(found, Refusal)
    assert reason in found.reason
