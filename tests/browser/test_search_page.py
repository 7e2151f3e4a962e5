"""The search page in a real Chromium: with a mouse, with the keyboard alone, with and without JavaScript."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, PageOf

pytestmark = pytest.mark.browser


def parameters(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_search_and_open_an_item_with_the_keyboard_alone(page_of: PageOf) -> None:
    page = page_of("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("vert a lion")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("“vert a lion”")
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('.hit-title') !== null"):
            break
    title = page.evaluate("document.activeElement.textContent")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "focus must be seen"
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(title)


def test_a_filter_applies_at_once_and_the_back_button_removes_it(page_of: PageOf) -> None:
    page = page_of("/search?q=azure")
    page.evaluate("window.stayed = true")
    box = page.locator('.facets input[value="armorial-valcendre"]')
    box.focus()
    page.keyboard.press("Space")
    page.wait_for_url("**/search?*institution=armorial-valcendre*")
    assert page.evaluate("window.stayed"), "the page was not loaded again"
    institutions = set(page.locator(".hit-facts:first-of-type").all_inner_texts())
    keys = page.locator("#hits li").evaluate_all("all => all.map((one) => one.dataset.key)")
    assert keys
    assert all(key.startswith("armorial-valcendre") for key in keys), institutions
    assert page.evaluate("document.activeElement.value") == "armorial-valcendre", "focus stays where it was"
    page.go_back()
    page.wait_for_url("**/search?q=azure")
    expect(page.locator('.facets input[value="armorial-valcendre"]')).not_to_be_checked()


def test_on_a_phone_the_filters_are_behind_a_button(page_of: PageOf) -> None:
    page = page_of("/search?q=azure", size=PHONE)
    box = page.locator('.facets input[value="armorial-valcendre"]')
    expect(box).to_be_hidden()
    page.locator("label[for=filters-shown]").click()
    box.click()
    page.wait_for_url("**institution=armorial-valcendre*")
    expect(page.locator('.facets input[value="armorial-valcendre"]')).to_be_checked()
    expect(page.locator('.facets input[value="armorial-valcendre"]')).to_be_visible()


@pytest.mark.long
def test_more_results_are_added_in_place(page_of: PageOf) -> None:
    page = page_of("/search?q=lion&k=24")
    expect(page.locator("#next")).to_have_text("Show more")
    page.locator("#next").click()
    expect(page.locator("#hits > li")).to_have_count(48)
    keys = page.locator("#hits > li").evaluate_all("all => all.map((one) => one.dataset.key)")
    assert len(set(keys)) == 48


def test_without_javascript_everything_still_works(page_of: PageOf, picture: Path) -> None:
    page = page_of("/", java_script_enabled=False)
    page.fill("#q", "a lion")
    page.press("#q", "Enter")
    page.wait_for_url("**/search?q=a+lion")
    page.check('input[value="armorial-aldersheim"]')
    page.click("text=Apply")
    page.wait_for_url("**institution=armorial-aldersheim**")
    assert parameters(page)["q"] == ["a lion"]
    page.goto(page.url.split("?")[0] + "?k=24")
    page.click("text=Next page")
    assert "cursor" in parameters(page)
    page.click("summary:has-text('Search with a picture')")
    page.set_input_files("#image", str(picture))
    page.click("text=Find pictures like it")
    expect(page.locator("h1")).to_have_text("Pictures like yours")


def test_without_javascript_a_query_is_taken_apart_again(page_of: PageOf) -> None:
    page = page_of("/search?q=type:Wappen+-azure", java_script_enabled=False)
    total = page.locator("#count").inner_text()
    page.locator(".part", has_text="azure").locator("a.drop").click()
    assert parameters(page)["q"] == ["type:Wappen"]
    assert page.locator("#count").inner_text() != total
    page.click("text=Oldest")
    assert parameters(page)["sort"] == ["oldest"]
    assert parameters(page)["q"] == ["type:Wappen"]
    count = page.locator(".centuries a").first.get_attribute("title")
    page.locator(".centuries a").first.click()
    assert "earliest" in parameters(page)
    assert (count or "").rsplit(" ", 1)[-1] == page.locator("#count").inner_text().split()[0]
    page.check(".tree input >> nth=0")
    page.click("text=Apply")
    assert "iconclass" in parameters(page)
    page.click(".how")
    expect(page.locator("h1")).to_have_text("How to search")


def test_a_picture_is_searched_with_as_soon_as_it_is_chosen_or_dropped(
    page_of: PageOf, picture: Path
) -> None:
    page = page_of("/")
    page.click("summary:has-text('Search with a picture')")
    page.set_input_files("#image", str(picture))
    expect(page.locator("h1")).to_have_text("Pictures like yours")
    assert page.locator("#hits li").count() > 0
    page = page_of("/search")
    drop = """async (address) => {
      const data = new DataTransfer();
      const bytes = await (await fetch(address)).blob();
      data.items.add(new File([bytes], "a.jpg", {type: "image/jpeg"}));
      document.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
    }"""
    source = page.locator("#hits img").first.get_attribute("src")
    page.evaluate(drop, source)
    expect(page.locator("h1")).to_have_text("Pictures like yours")


def test_more_like_this_leads_from_a_hit_to_similar_pictures(page_of: PageOf) -> None:
    page = page_of("/search?q=lion&reusable=true")
    key = page.locator("#hits li").first.get_attribute("data-key")
    page.locator("#hits li").first.get_by_role("link", name="More like this").click()
    expect(page.locator("h1")).to_have_text("Pictures like this one")
    assert parameters(page)["like"] == [key]


@pytest.mark.long
def test_the_explanation_of_a_hit_opens_in_its_card_and_closes(page_of: PageOf) -> None:
    page = page_of("/search?q=a+lion&reusable=true")
    card = page.locator("#hits > li").first
    why = card.locator("a[data-why]")
    why.focus()
    page.keyboard.press("Enter")
    expect(card.locator(".said")).to_contain_text("a lion")
    overlay, picture = card.locator("img.overlay"), card.locator(".frame img").first
    expect(overlay).to_have_js_property("complete", True)
    assert overlay.evaluate("one => one.naturalWidth") > 100
    assert overlay.bounding_box() == picture.bounding_box(), "the overlay lies on the picture"
    assert why.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Enter")
    expect(card.locator(".said")).to_have_count(0)
    expect(card.locator("img.overlay")).to_have_count(0)


def test_hits_are_marked_as_fitting_or_not_and_unmarked(page_of: PageOf) -> None:
    page = page_of("/search?q=azure")
    keys = page.locator("#hits > li").evaluate_all("all => all.slice(0, 2).map((one) => one.dataset.key)")
    page.evaluate("window.stayed = true")
    page.locator(f'[data-key="{keys[0]}"] .judge .yes').click()
    page.wait_for_url("**like=**")
    page.locator(f'[data-key="{keys[1]}"] .judge .no').click()
    page.wait_for_url("**unlike=**")
    asked = parameters(page)
    assert (asked["q"], asked["like"], asked["unlike"]) == (["azure"], [keys[0]], [keys[1]])
    expect(page.locator(".part")).to_have_count(2)
    page.locator(".part.against .drop").click()
    expect(page.locator(".part")).to_have_count(1)
    assert page.evaluate("window.stayed"), "the page was not loaded again"
    page.fill("#plus", "a lion")
    page.press("#plus", "Enter")
    page.wait_for_url("**plus=a+lion**")
    expect(page.locator(".part")).to_have_count(2)
    assert parameters(page)["like"] == [keys[0]]


@pytest.mark.long
def test_a_frame_drawn_over_a_picture_is_searched_with(page_of: PageOf, item_key: str) -> None:
    page = page_of(f"/item/{item_key}")
    page.click("summary:has-text('Search with a part')")
    page.locator(".mount img").scroll_into_view_if_needed()
    page.evaluate("scrollTo(0, 0)")
    box = page.locator(".mount img").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.6, steps=4)
    page.mouse.up()
    expect(page.locator("h1")).to_have_text("Pictures like this detail")
    key, _, shares = parameters(page)["region"][0].partition(":")
    assert key == item_key
    assert [float(share) for share in shares.split(",")] == pytest.approx([0.25, 0.2, 0.5, 0.4], abs=0.02)


def test_without_javascript_a_hit_is_explained_judged_and_catalogued(page_of: PageOf, item_key: str) -> None:
    page = page_of("/search?q=a+lion&reusable=true", java_script_enabled=False)
    page.locator("#hits > li").first.locator("a[data-why]").click()
    expect(page.locator("#why .said")).to_contain_text("a lion")
    expect(page.locator(".mount .overlay")).to_have_count(1)
    page.click("summary:has-text('Iconclass')")
    page.fill("#branch", "46A12")
    page.click("text=Suggest >> nth=-1")
    expect(page.locator("#suggest tbody tr").first).to_be_visible()
    page.click("summary:has-text('Search with a part')")
    page.click(".nine >> text=middle")
    expect(page.locator("h1")).to_have_text("Pictures like this detail")
    page.locator(".judge .yes").first.click()
    assert len(parameters(page)["like"]) == 1


@pytest.mark.long
def test_the_credit_line_is_copied(page_of: PageOf, item_key: str) -> None:
    page = page_of(f"/item/{item_key}", permissions=["clipboard-read", "clipboard-write"])
    page.locator("button[data-copy]").click()
    expect(page.locator("button[data-copy]")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#credit").inner_text()


@pytest.mark.long
def test_the_language_changes_with_a_link_and_stays(page_of: PageOf) -> None:
    page = page_of("/search?q=lion")
    page.click("nav.languages >> text=de")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    assert parameters(page)["q"] == ["lion"]
    page.goto(page.url.split("/search")[0] + "/")
    expect(page.locator("h1")).to_have_text("Beschreiben Sie ein Bild, mit Ihren Worten.")
