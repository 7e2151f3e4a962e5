"""The review sheet of `iconoclip segment` in a browser: what a curator changes arrives in the corrections."""

from __future__ import annotations

import io
from dataclasses import replace
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

BOXES = (
    FoundBox("illustration", 0.123456789, 0.1, 0.5, 0.4, 0.7, tilt=-3.25),
    FoundBox("ornament", 0.1, 0.6, 0.9, 0.7, 0.5),
)
CAPTION = "Fig. 3. <b>A heron</b>"


def sheet_of(folder: Path, findings: list[Finding], num_shown: int = 10) -> tuple[Path, list[str]]:
    """The sheet of pages on which this was found, the first box of each with a caption; and their keys."""
    times = {"created_at": "2026-01-02T03:04:05Z", "created_by": "a test"}
    sheet = ReviewSheet(num_shown)
    keys = []
    with ShardSetWriter(folder / "pages", name="book", policy="open@1", **times) as writer:
        for number, finding in enumerate(findings):
            buffer = io.BytesIO()
            PillowImage.new("RGB", (300, 400), (255 - number, 255, 255)).save(buffer, "JPEG")
            page = record_of(number, buffer.getvalue())
            writer.add(page, buffer.getvalue())
            caption = Caption(text=CAPTION, language="en", field="caption", level="region")
            region = page.model_copy(update={"captions": (caption, *page.captions)})
            regions = ((0, region, b""),) if finding.boxes else ()
            sheet.add(PageResult(page.key, (300, 400), finding, regions=regions))
            keys.append(page.key)
    sheet.write(folder / "report.html", ShardSet(folder / "pages"), "none")
    return folder / "report.html", keys


def opened(browser: Browser, path: Path, size: tuple[int, int], complaints: list[str]) -> Page:
    page = browser.new_context(viewport={"width": size[0], "height": size[1]}).new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    return page


def downloaded(page: Page, folder: Path) -> dict[str, Finding]:
    """The corrections that the sheet gives for download."""
    with page.expect_download() as download:
        page.click("#download")
    download.value.save_as(folder / "corrections.jsonl")
    return read_corrections(folder / "corrections.jsonl")


def test_changed_kinds_and_drawn_boxes_are_in_the_corrections(browser: Browser, tmp_path: Path) -> None:
    # What is too thin for a correction is not on the sheet.
    thin = FoundBox("map", 0.2, 0.2, 0.2001, 0.4, 0.6)
    path, (key,) = sheet_of(tmp_path, [Finding("text", 0.6, (BOXES[0], thin, BOXES[1]))])
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
    found = downloaded(page, tmp_path)[key]
    assert (found.kind, [box.kind for box in found.boxes]) == ("map", ["illustration", "photograph"])
    assert found.boxes[0] == replace(BOXES[0], score=1.0), "a box that nobody touched stays, with its tilt"
    assert found.boxes[1].tilt == 0
    left, top, right, bottom = found.boxes[1].corners
    for side, wanted in ((left, 0.5), (top, 0.5), (right, 0.8), (bottom, 0.9)):
        assert abs(side - wanted) < 0.02
    page.context.close()
    phone = opened(browser, path, PHONE, complaints)
    assert phone.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    phone.context.close()
    assert complaints == []


def test_a_second_review_keeps_what_the_first_corrected(browser: Browser, tmp_path: Path) -> None:
    corrected = Finding("mixed", 1.0, (replace(BOXES[0], score=0.9), BOXES[1]), "correction")
    marked = Finding("mixed", 1.0, BOXES, "institution")
    # The sheet has no room for the last two: neither is doubtful.
    path, keys = sheet_of(tmp_path, [Finding("text", 0.6), corrected, corrected, corrected, marked], 3)
    complaints: list[str] = []
    page = opened(browser, path, DESKTOP, complaints)
    assert page.locator(".sheet > li").count() == 3
    assert "corrected before, on 3 pages" in page.locator("header").inner_text()
    assert set(downloaded(page, tmp_path)) == set(keys[1:4]), "of pages that are not shown, too"
    page.locator(f'[data-key="{keys[0]}"] select').nth(0).select_option("blank")
    page.locator(f'[data-key="{keys[2]}"] select').nth(2).select_option("no picture")
    assert page.inner_text("#state") == "2 pages are changed"
    confirmed = Finding("mixed", 1.0, (replace(BOXES[0], score=1.0),), "correction")
    blank = Finding("blank", 1.0, (), "correction")
    expected = dict(zip(keys[:4], (blank, corrected, confirmed, corrected), strict=True))
    assert downloaded(page, tmp_path) == expected
    page.context.close()
    assert complaints == []
