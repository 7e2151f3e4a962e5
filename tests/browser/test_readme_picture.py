"""The picture in the README: a screenshot of the real page, which a test compares with the page in its parts.

To make it again, from the index of the demo, with the first typefaces that the page asks for (on Debian the
packages fonts-ebgaramond and fonts-inter):

    ICONOCLIP_DRAW_FROM=demo/index pytest tests/browser/test_readme_picture.py
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from iconoclip.files import atomic_write
from retrieval.config import ServeConfig
from retrieval.engine import SearchEngine
from retrieval.service.app import create_app
from retrieval.service.serve import bind
from tests.browser.conftest import running

pytestmark = [pytest.mark.browser, pytest.mark.long]

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "search-page.png"
SIZE = (1280, 860)
# The README states the query in the description of the picture.
QUERY = "Azure, a chevron or between three mullets argent"
DRAW_FROM = os.environ.get("ICONOCLIP_DRAW_FROM")


@pytest.fixture
def shown(browser: Browser, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address to draw from: the given index, or the small one of the tests."""
    if DRAW_FROM is None:
        yield request.getfixturevalue("address")
        return
    with SearchEngine.open(DRAW_FROM) as engine, bind("127.0.0.1", 0) as listener:
        engine.warm_up()
        with running(create_app(engine, ServeConfig(index=DRAW_FROM)), listener) as where:
            yield where


def open_results(browser: Browser, address: str) -> Page:
    """The steps of a reader: the home page, a description, the results."""
    page = browser.new_page(
        viewport={"width": SIZE[0], "height": SIZE[1]},
        color_scheme="light",
        locale="en-GB",
        reduced_motion="reduce",
    )
    page.goto(address)
    page.fill("#q", QUERY)
    page.press("#q", "Enter")
    page.wait_for_url("**/search?q=*")
    page.wait_for_load_state("networkidle")
    return page


def test_the_picture_shows_the_page_as_it_is(browser: Browser, shown: str) -> None:
    page = open_results(browser, shown)
    assert page.locator("#hits > li").count() >= 8
    assert page.locator(".facets fieldset").count() >= 4
    assert page.locator(".badge").count() >= 8
    drawn = Image.open(io.BytesIO(page.screenshot()))
    page.close()
    assert drawn.size == SIZE
    if DRAW_FROM is not None:
        with atomic_write(PICTURE) as file:
            drawn.convert("RGB").quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(
                file, "PNG", optimize=True
            )
    with Image.open(PICTURE) as kept:
        assert kept.size == SIZE, "take it again; the head of this file says how"
    assert PICTURE.stat().st_size < 1_000_000, "a README's picture loads at once"
