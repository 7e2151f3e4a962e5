"""Completion while typing: the ARIA combobox, by keyboard, by mouse, and without JavaScript."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE, PageOf
from tests.browser.test_accessibility import AXE_OPTIONS, axe_complaints, check_colours

pytestmark = pytest.mark.browser


def typed(page: Page, text: str) -> None:
    page.locator("#q").press_sequentially(text, delay=5)
    expect(page.locator("#completions")).to_be_visible()


def test_a_completion_is_chosen_with_the_keyboard_alone(page_of: PageOf) -> None:
    page = page_of("/about")
    field = page.locator("#q")
    asked: list[tuple[str, str, str | None]] = []
    page.on(
        "request",
        lambda request: asked.append((request.method, request.url, request.headers.get("referer"))),
    )
    typed(page, "azure")
    assert [field.get_attribute(name) for name in ("role", "aria-expanded", "aria-controls")] == [
        "combobox",
        "true",
        "completions",
    ]
    assert not any("azure" in url or "azure" in (by or "") for _, url, by in asked), asked
    completing = [(method, by) for method, url, by in asked if url.endswith("/complete")]
    assert completing
    assert set(completing) <= {("POST", None), ("POST", "")}, completing
    options = page.locator("#completions [role=option]")
    texts = options.locator("span:first-child").all_inner_texts()
    assert all("azure" in text.lower() for text in texts), texts
    page.keyboard.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    assert field.get_attribute("aria-activedescendant") == options.first.get_attribute("id")
    assert field.input_value() == texts[0]
    page.keyboard.press("ArrowUp")
    assert field.input_value() == "azure", "what was typed comes back"
    page.keyboard.press("ArrowUp")
    assert field.input_value() == texts[-1]
    page.keyboard.press("Escape")
    expect(page.locator("#completions")).to_be_hidden()
    assert field.input_value() == "azure"
    page.keyboard.press("ArrowDown")
    expect(options.first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(f"“{texts[0]}”")


@pytest.mark.long
def test_a_completion_is_chosen_with_a_click_and_the_results_follow(page_of: PageOf) -> None:
    page = page_of("/search?q=vert")
    page.evaluate("window.stayed = true")
    page.locator("#q").fill("")
    typed(page, "gul")
    chosen = page.locator("#completions [role=option]").nth(1)
    text = chosen.locator("span").first.inner_text()
    chosen.click()
    expect(page.locator("h1")).to_have_text(f"“{text}”")
    expect(page.locator("#completions")).to_be_hidden()
    assert page.evaluate("window.stayed"), "the page was not loaded again"


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_open_list_meets_wcag(page_of: PageOf, size: tuple[int, int]) -> None:
    page = page_of("/", size=size)
    before = page.locator(".examples").bounding_box()
    typed(page, "azure")
    page.keyboard.press("ArrowDown")
    assert page.locator(".examples").bounding_box() == before, "the list covers the page and moves nothing"
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        check_colours(page, scheme)
        assert axe_complaints(page, AXE_OPTIONS) == [], scheme
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_without_javascript_the_field_is_a_plain_one(page_of: PageOf) -> None:
    page = page_of("/", java_script_enabled=False)
    assert page.locator("#q").get_attribute("role") is None
    page.locator("#q").fill("azure")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("“azure”")


def test_hostile_titles_are_shown_as_text(page_of: PageOf) -> None:
    page = page_of("/")
    hostile = '<img src=x onerror="document.title=1">'
    body = json.dumps({"completions": [{"text": hostile, "kind": "title", "language": None}]})
    page.route("**/api/v1/complete", lambda route: route.fulfill(body=body, content_type="application/json"))
    typed(page, "azure")
    assert page.locator("#completions span").first.inner_text() == hostile
    assert page.locator("#completions img").count() == 0
