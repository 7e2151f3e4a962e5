"""The review sheet of `iconoclip segment` in a browser: what a curator changes arrives in the corrections."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image as PillowImage
from playwright.sync_api import Browser, Page

from data_prep.segment.parts import PageResult
from data_prep.segment.review import ReviewSheet
from iconoclip.page_layout.corrections import read_corrections
from iconoclip.page_layout.findings import Finding, FoundBox
from iconoclip.record import Caption
from iconoclip.shardset import ShardSet, ShardSetWriter
from tests.browser.conftest import DESKTOP, PHONE
from tests.data_prep.segment.conftest import record_of

BOXES = (FoundBox("illustration", 0.1, 0.1, 0.5, 0.4, 0.7), FoundBox("ornament", 0.1, 0.6, 0.9, 0.7, 0.5))
CAPTION = "Fig. 3. <b>A heron</b>"


def sheet_of_one_page(folder: Path) -> tuple[Path, str]:
    """The sheet of a page with two boxes, the first one with a caption; and the key of the page."""
    buffer = io.BytesIO()
    PillowImage.new("RGB", (300, 400), "white").save(buffer, "JPEG")
    page = record_of(0, buffer.getvalue())
    times = {"created_at": "2026-01-02T03:04:05Z", "created_by": "a test"}
    with ShardSetWriter(folder / "pages", name="book", policy="open@1", **times) as writer:
        writer.add(page, buffer.getvalue())
    caption = Caption(text=CAPTION, language="en", field="caption", level="region")
    region = page.model_copy(update={"captions": (caption, *page.captions)})
    sheet = ReviewSheet(10)
    sheet.add(PageResult(page.key, (300, 400), Finding("text", 0.6, BOXES), regions=((0, region, b""),)))
    sheet.write(folder / "report.html", ShardSet(folder / "pages"), "none")
    return folder / "report.html", page.key


def opened(browser: Browser, path: Path, size: tuple[int, int], complaints: list[str]) -> Page:
    page = browser.new_context(viewport={"width": size[0], "height": size[1]}).new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    return page


def test_changed_kinds_and_drawn_boxes_are_in_the_corrections(browser: Browser, tmp_path: Path) -> None:
    path, key = sheet_of_one_page(tmp_path)
    complaints: list[str] = []
    page = opened(browser, path, DESKTOP, complaints)
    assert page.locator(".caption").inner_text() == CAPTION
    kinds = page.locator(".sheet select")
    # A click into a box leads to its kind.
    area = page.locator(".page").bounding_box()
    assert area is not None
    page.mouse.click(area["x"] + 0.3 * area["width"], area["y"] + 0.65 * area["height"])
    assert kinds.nth(2).evaluate("one => one === document.activeElement")
    kinds.nth(0).select_option("map")
    kinds.nth(2).select_option("no picture")
    page.select_option("#new-kind", "photograph")
    page.click("#draw")
    assert page.locator("#draw").get_attribute("aria-pressed") == "true"
    area = page.locator(".page").bounding_box()
    assert area is not None, "the click may have scrolled"
    page.mouse.move(area["x"] + 0.5 * area["width"], area["y"] + 0.5 * area["height"])
    page.mouse.down()
    page.mouse.move(area["x"] + 0.8 * area["width"], area["y"] + 0.9 * area["height"], steps=3)
    page.mouse.up()
    assert page.inner_text("#state") == "1 page is changed"
    with page.expect_download() as download:
        page.click("#download")
    download.value.save_as(tmp_path / "corrections.jsonl")
    found = read_corrections(tmp_path / "corrections.jsonl")[key]
    assert (found.kind, [box.kind for box in found.boxes]) == ("map", ["illustration", "photograph"])
    assert found.boxes[0].corners == BOXES[0].corners
    left, top, right, bottom = found.boxes[1].corners
    for side, wanted in ((left, 0.5), (top, 0.5), (right, 0.8), (bottom, 0.9)):
        assert abs(side - wanted) < 0.02
    page.context.close()
    phone = opened(browser, path, PHONE, complaints)
    assert phone.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    phone.context.close()
    assert complaints == []
