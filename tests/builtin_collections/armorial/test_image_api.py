"""The image services over real HTTP, held to Image API 3.0 (level 2, level 1) and 2.1 (level 0)."""

from __future__ import annotations

import io

import httpx2
import numpy as np
import pytest
from PIL import Image

from builtin_collections.armorial.server.process import ServedArmorial

LEVEL_2 = "image/rolls%2Fwx-00001-1"
LEVEL_0 = "image/ald-00001-1"
LEVEL_1 = "image/vc-00001-1"


def opened(client: httpx2.Client, url: str) -> Image.Image:
    answer = client.get(url)
    assert answer.status_code == 200, answer.text
    image = Image.open(io.BytesIO(answer.content))
    image.load()
    return image


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("full/max/0/default.jpg", (512, 600)),
        ("full/128,/0/default.jpg", (128, 150)),
        ("full/,150/0/default.jpg", (128, 150)),
        ("full/100,100/0/default.jpg", (100, 100)),
        ("full/!100,100/0/default.jpg", (85, 100)),
        ("full/!5000,5000/0/default.jpg", (512, 600)),
        ("full/pct:50/0/default.jpg", (256, 300)),
        ("full/^256,/0/default.jpg", (256, 300)),
        ("full/^max/0/default.jpg", (512, 600)),
        ("full/3,/0/default.jpg", (3, 4)),
        ("square/64,/0/default.png", (64, 64)),
        ("10,20,100,50/max/0/default.png", (100, 50)),
        ("500,590,100,50/max/0/default.png", (12, 10)),
        ("pct:25,25,50,50/max/0/default.png", (256, 300)),
        ("full/64,/90/gray.jpg", (75, 64)),
        ("full/64,/180/bitonal.png", (64, 75)),
        ("full/64,/0/color.webp", (64, 75)),
        ("full/%5E64,/0/default.jpg", (64, 75)),
    ],
)
def test_level_2_answers(
    served: ServedArmorial, client: httpx2.Client, text: str, size: tuple[int, int]
) -> None:
    image = opened(client, f"{served.wexcombe}/{LEVEL_2}/{text}")
    assert image.size == size
    assert image.format == {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[text.rpartition(".")[2]]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("full/1000,/0/default.jpg", 400),
        ("full/^1000,/0/default.jpg", 501),
        ("full/full/0/default.jpg", 400),
        ("full/0,/0/default.jpg", 400),
        ("full/pct:0/0/default.jpg", 400),
        ("full/,/0/default.jpg", 400),
        ("full/!10,/0/default.jpg", 400),
        ("full/max/45/default.jpg", 501),
        ("full/max/!0/default.jpg", 501),
        ("full/max/400/default.jpg", 400),
        ("full/max/north/default.jpg", 400),
        ("full/max/0/sepia.jpg", 400),
        ("full/max/0/default.tif", 501),
        ("full/max/0/default.exe", 400),
        ("full/max/0/default", 400),
        ("512,0,10,10/max/0/default.jpg", 400),
        ("0,0,0,10/max/0/default.jpg", 400),
        ("a,b,c,d/max/0/default.jpg", 400),
        ("-1,0,10,10/max/0/default.jpg", 400),
        ("full/max/0", 400),
        ("full/max/0/default.jpg/more", 400),
        ("full/99999999999999999999,/0/default.jpg", 400),
    ],
)
def test_level_2_refuses(served: ServedArmorial, client: httpx2.Client, text: str, status: int) -> None:
    answer = client.get(f"{served.wexcombe}/{LEVEL_2}/{text}")
    assert answer.status_code == status
    assert answer.text.strip()


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("full/full/0/default.jpg", 200),
        ("full/max/0/default.jpg", 200),
        ("full/128,/0/default.jpg", 200),
        ("full/128,150/0/default.jpg", 200),
        ("full/,300/0/default.jpg", 200),
        ("full/127,/0/default.jpg", 501),
        ("full/pct:50/0/default.jpg", 501),
        ("full/!128,150/0/default.jpg", 501),
        ("full/^128,/0/default.jpg", 400),
        ("full/1024,/0/default.jpg", 501),
        ("0,0,100,100/full/0/default.jpg", 501),
        ("square/full/0/default.jpg", 501),
        ("full/128,/90/default.jpg", 501),
        ("full/128,/0/gray.jpg", 501),
        ("full/128,/0/default.png", 501),
    ],
)
def test_level_0_serves_what_it_lists(
    served: ServedArmorial, client: httpx2.Client, text: str, status: int
) -> None:
    assert client.get(f"{served.aldersheim}/{LEVEL_0}/{text}").status_code == status


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("square/100,/0/default.jpg", 200),
        ("10,10,200,200/,50/0/default.jpg", 200),
        ("full/90,90/0/default.jpg", 200),
        ("full/!90,90/0/default.jpg", 501),
        ("full/pct:10/0/default.jpg", 501),
        ("pct:0,0,50,50/max/0/default.jpg", 501),
        ("full/max/90/default.jpg", 501),
        ("full/max/0/default.png", 501),
    ],
)
def test_level_1(served: ServedArmorial, client: httpx2.Client, text: str, status: int) -> None:
    assert client.get(f"{served.valcendre}/{LEVEL_1}/{text}").status_code == status


def test_info_of_each_version(served: ServedArmorial, client: httpx2.Client) -> None:
    three = client.get(f"{served.wexcombe}/{LEVEL_2}/info.json").json()
    assert (three["id"], three["type"], three["profile"]) == (
        f"{served.wexcombe}/{LEVEL_2}",
        "ImageService3",
        "level2",
    )
    two = client.get(f"{served.aldersheim}/{LEVEL_0}/info.json").json()
    assert two["@id"] == f"{served.aldersheim}/{LEVEL_0}"
    assert two["profile"] == ["http://iiif.io/api/image/2/level0.json"]
    for document in (three, two):
        assert document["protocol"] == "http://iiif.io/api/image"
        assert (document["width"], document["height"]) == (512, 600)
    for size in two["sizes"]:
        url = f"{served.aldersheim}/{LEVEL_0}/full/{size['width']},/0/default.jpg"
        assert opened(client, url).size == (size["width"], size["height"])


def test_links_and_redirect(served: ServedArmorial, client: httpx2.Client) -> None:
    uri = f"{served.wexcombe}/{LEVEL_2}"
    base = client.get(uri)
    assert (base.status_code, base.headers["location"]) == (303, f"{uri}/info.json")
    link = client.get(f"{uri}/full/pct:25/360/default.jpg").headers["link"]
    assert f'<{uri}/full/128,150/0/default.jpg>;rel="canonical"' in link
    assert '<http://iiif.io/api/image/3/level2.json>;rel="profile"' in link
    old = client.get(f"{served.aldersheim}/{LEVEL_0}/full/128,150/0/default.jpg").headers["link"]
    assert f'<{served.aldersheim}/{LEVEL_0}/full/128,/0/default.jpg>;rel="canonical"' in old


def test_a_region_is_the_same_part_of_the_same_drawing(served: ServedArmorial, client: httpx2.Client) -> None:
    uri = f"{served.wexcombe}/{LEVEL_2}"
    full = opened(client, f"{uri}/full/max/0/default.png")
    part = opened(client, f"{uri}/100,150,256,256/max/0/default.png")
    assert np.array_equal(np.asarray(full.crop((100, 150, 356, 406))), np.asarray(part))
    turned = opened(client, f"{uri}/full/max/90/default.png")
    assert np.array_equal(np.asarray(full.transpose(Image.Transpose.ROTATE_270)), np.asarray(turned))


def test_conditional_requests(served: ServedArmorial, client: httpx2.Client) -> None:
    for url in (
        f"{served.wexcombe}/{LEVEL_2}/full/64,/0/default.jpg",
        f"{served.wexcombe}/{LEVEL_2}/info.json",
        f"{served.aldersheim}/iiif/ald-00001/manifest",
    ):
        first = client.get(url)
        again = client.get(url, headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        since = client.get(url, headers={"if-modified-since": first.headers["last-modified"]})
        assert since.status_code == 304
        assert client.get(url, headers={"if-none-match": '"other"'}).status_code == 200
        before = {"if-modified-since": "Mon, 01 Jan 2001 00:00:00 GMT"}
        assert client.get(url, headers=before).status_code == 200
    sizes = {
        client.get(f"{served.wexcombe}/{LEVEL_2}/full/{w},/0/default.jpg").headers["etag"] for w in (64, 65)
    }
    assert len(sizes) == 2


def test_same_seed_same_bytes_over_http(served: ServedArmorial, client: httpx2.Client) -> None:
    url = f"{served.valcendre}/{LEVEL_1}/full/128,/0/default.jpg"
    assert client.get(url).content == client.get(url).content


@pytest.mark.parametrize(
    "identifier",
    ["nope", "wx-99999-1", "rolls%2Fwx-00001-3", "rolls%2F..%2F..%2Fetc%2Fpasswd", "%00", "x" * 119],
)
def test_unknown_images(served: ServedArmorial, client: httpx2.Client, identifier: str) -> None:
    assert client.get(f"{served.wexcombe}/image/{identifier}/info.json").status_code == 404
