"""WCAG 2.2 AA as far as a program can tell: contrast, names, sizes, headings, in light and in dark."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from retrieval.config import FederateConfig
from retrieval.service.federation.app import create_federation
from retrieval.service.serve import bind
from tests.browser.conftest import DESKTOP, PHONE, PageOf, running

pytestmark = pytest.mark.browser

# 1.4.3 Contrast (Minimum): each text against the nearest opaque background behind it. Formula of WCAG 2.2.
CONTRAST = """() => {
  const parse = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const channel = (value) => {
    const s = value / 255;
    return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
  };
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const backgroundOf = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode.textContent.trim();
    const element = texts.currentNode.parentElement;
    const box = element.getBoundingClientRect();
    if (!text || box.width < 2 || box.height < 2) continue;
    if (!element.checkVisibility() || element.closest('.unseen, .skip')) continue;
    const style = getComputedStyle(element);
    const [a, b] = [luminance(parse(style.color)), luminance(backgroundOf(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (contrast < (isLarge ? 3 : 4.5)) poor.push(`${text.slice(0, 40)}: ${contrast.toFixed(2)}`);
  }
  return poor;
}"""

# 4.1.2 Name, Role, Value: every control says what it is.
NAMELESS = """() => [...document.querySelectorAll(
    'a[href], button, input:not([type=hidden]), select, summary, meter')]
  .filter((one) => one.checkVisibility() && !one.closest('[aria-hidden=true]'))
  .filter((one) => {
    const labels = [...(one.labels ?? [])].map((label) => label.textContent).join('');
    const pictures = [...one.querySelectorAll('img[alt]')].map((image) => image.alt).join('');
    return !(one.getAttribute('aria-label') || labels || one.textContent + pictures || one.title).trim();
  }).map((one) => one.outerHTML.slice(0, 120))"""

# 2.5.8 Target Size (Minimum): 24 by 24 CSS pixels, or far enough from every other target; links in a text are
# exempt.
SMALL = """() => {
  const boxes = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), summary')]
    .filter((one) => one.checkVisibility() && !one.matches('.unseen, .skip, .frame[tabindex="-1"]'))
    .map((one) => [one.closest('label') ?? one])
    .map(([one]) => ({one, box: one.getBoundingClientRect()}))
    .filter(({box}) => box.width > 1);
  const centre = (box) => [box.x + box.width / 2, box.y + box.height / 2];
  return boxes.filter(({one, box}) => {
    if (box.width >= 24 && box.height >= 24) return false;
    if (getComputedStyle(one).display === 'inline' && one.closest('p, dd, li')) return false;
    const [x, y] = centre(box);
    return boxes.some((other) => other.one !== one && !other.one.contains(one) && !one.contains(other.one)
      && Math.hypot(centre(other.box)[0] - x, centre(other.box)[1] - y) < 24);
  }).map(({one, box}) => `${one.outerHTML.slice(0, 90)} ${box.width.toFixed(0)}x${box.height.toFixed(0)}`);
}"""

TOO_WIDE = """() => [...document.querySelectorAll('body *')]
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
  .filter((one) => one.checkVisibility() && !one.closest('.unseen, .skip'))
  .map((one) => one.outerHTML.slice(0, 100))"""

# 1.3.1 Info and Relationships: headings step down one level at a time.
HEADINGS = """() => [...document.querySelectorAll('h1, h2, h3, h4')].map((one) => Number(one.tagName[1]))"""

# 1.4.11 Non-text Contrast: input fields have a visible edge.
EDGES = """() => [...document.querySelectorAll(
    '.facets input[type=number], .find, .field input, .combine input')].map((one) => {
  const channel = (value) => {
    const s = value / 255;
    return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
  };
  const luminance = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(Number);
    return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  };
  const border = luminance(getComputedStyle(one).borderBottomColor);
  const [a, b] = [border, luminance(getComputedStyle(document.body).backgroundColor)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
})"""


# Nothing may move after it was painted: the sum that browsers call cumulative layout shift.
SHIFT = """() => new Promise((done) => {
  const moved = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const html = entry.sources[0]?.node?.outerHTML;
      moved.push(`${entry.value.toFixed(4)} ${html?.slice(0, 80)}`);
    }
  }).observe({type: 'layout-shift', buffered: true});
  setTimeout(() => done(moved), 200);
})"""

BROKEN_PICTURES = """async () => {
  for (const one of document.images) one.loading = 'eager';
  await Promise.all([...document.images].map((one) => one.complete || new Promise((done) => {
    one.onload = one.onerror = done;
  })));
  return [...document.images].filter((one) => one.naturalWidth === 0).map((one) => one.src);
}"""

AXE_OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
# Those of its rules that look at colours.
COLOUR_OPTIONS = {"runOnly": ["color-contrast", "link-in-text-block"], "resultTypes": ["violations"]}

# What the stylesheet sets in the dark scheme: names and values. It fails for rules inside rules.
DARK_RULES = """() => {
  const inDark = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules])
    .filter((rule) => rule.cssText.includes('prefers-color-scheme'))
    .flatMap((rule) => [...rule.cssRules]);
  return inDark.flatMap(({style}) => [...style].map((name) => [name, style.getPropertyValue(name).trim()]));
}"""

PATHS = (
    "/",
    "/search?q=lion+-crown+OR+rose+colour:red&latest=1450&iconclass=46A",
    "/item/{}",
    "/search?creator=nobody",
    "/help",
    "/item/{}?seen=a+lion&branch=46A12",
    "/search?q=lion&like={}&minus=a+rose",
    "/about",
    "/search?rights=InC",
)


EACH_SIZE = pytest.mark.parametrize(
    "size",
    [pytest.param(DESKTOP, id="desktop", marks=pytest.mark.long), pytest.param(PHONE, id="phone")],
)


@pytest.mark.parametrize(
    ("size", "paths"),
    [
        pytest.param(PHONE, PATHS[:4], id="phone"),
        pytest.param(PHONE, PATHS[4:], id="phone, other pages", marks=pytest.mark.long),
        pytest.param(DESKTOP, PATHS, id="desktop", marks=pytest.mark.long),
    ],
)
def test_pages_meet_wcag_in_light_and_dark(
    page_of: PageOf, address: str, item_key: str, size: tuple[int, int], paths: tuple[str, ...]
) -> None:
    """Each page is loaded once and checked in light, then with everything opened that opens, then in dark.

    In dark only what depends on colours is checked again: the two schemes differ in nothing else, as
    `test_the_dark_scheme_changes_colours_alone` shows. A new window costs Chromium more than the page, so all
    pages come in one, without a cache: each as on a first visit.
    """
    page = page_of("/about", size=size)
    page.context.new_cdp_session(page).send("Network.setCacheDisabled", {"cacheDisabled": True})
    for path in paths:
        page.emulate_media(color_scheme="light", reduced_motion="no-preference")
        page.goto(address + path.format(item_key))
        check_reading(page, path, size)
        check_colours(page, path)
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        assert axe_complaints(page, AXE_OPTIONS) == [], path
        # Colours in transition cannot be measured: with reduced motion they change at once.
        page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        check_colours(page, path)
        assert axe_complaints(page, COLOUR_OPTIONS) == [], f"{path}, dark"


def check_reading(page: Page, path: str, size: tuple[int, int]) -> None:
    """What does not depend on colours."""
    moved = page.evaluate(SHIFT)
    assert sum(float(shift.split()[0]) for shift in moved) < 0.01, f"{path} moves while it loads: {moved}"
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0], (
        f"{path} is wider than the window"
    )
    assert page.evaluate(NAMELESS) == [], path
    assert page.evaluate(SMALL) == [], path
    assert page.evaluate(BROKEN_PICTURES) == [], path
    levels = page.evaluate(HEADINGS)
    assert levels[0] == 1
    assert all(lower - upper <= 1 for upper, lower in pairwise(levels)), (path, levels)


def check_colours(page: Page, path: str) -> None:
    assert page.evaluate(CONTRAST) == [], path
    assert all(ratio >= 3 for ratio in page.evaluate(EDGES)), path


def axe_complaints(page: Page, options: dict[str, Any]) -> list[str]:
    """What axe-core finds, with its rules for WCAG 2.2 A and AA and its best practices."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    found = page.evaluate("(options) => axe.run(document, options)", options)["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found]


def test_the_dark_scheme_changes_colours_alone(page_of: PageOf, address: str) -> None:
    page = page_of("/about")
    rules = page.evaluate(DARK_RULES)
    assert ["--paper", "#141311"] in rules
    assert all(name.startswith("--") and re.fullmatch("#[0-9a-f]{6}", value) for name, value in rules), rules
    # Elsewhere the page asks for the scheme only to colour the browser's own frame.
    asking = re.findall("<[^>]*prefers-color-scheme[^>]*>", page.content())
    assert all(tag.startswith('<meta name="theme-color"') for tag in asking), asking
    script = page.request.get(f"{address}/static/page.js")
    assert script.ok
    assert "prefers-color-scheme" not in script.text()
    axe_complaints(page, COLOUR_OPTIONS)
    rules = page.evaluate("(tags) => axe.getRules(tags)", AXE_OPTIONS["runOnly"])
    about_colours = {rule["ruleId"] for rule in rules if "cat.color" in rule["tags"]}
    assert about_colours == set(COLOUR_OPTIONS["runOnly"])


def test_axe_reports_errors_that_are_there(page_of: PageOf) -> None:
    page = page_of("/about")
    page.evaluate("document.querySelector('.lead').style.color = '#bbb'")
    page.evaluate("document.body.append(document.createElement('button'))")
    found = {each["id"] for each in Axe().run(page, options=AXE_OPTIONS).response["violations"]}
    assert {"color-contrast", "button-name"} <= found


def test_a_page_that_arrives_slowly_does_not_shift(page_of: PageOf, address: str) -> None:
    """Its parts arrive one by one, and an incomplete row of hits is not painted."""
    page = page_of("/about")
    network = page.context.new_cdp_session(page)
    network.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 20, "downloadThroughput": 25_000, "uploadThroughput": 25_000},
    )
    page.goto(f"{address}/search?q=a+lion+rampant&k=60", wait_until="domcontentloaded")
    moved = page.evaluate(SHIFT)
    assert sum(float(shift.split()[0]) for shift in moved) < 0.01, moved


def test_everything_fits_a_window_of_320_pixels(page_of: PageOf, item_key: str) -> None:
    """WCAG 2.2, 1.4.10 Reflow."""
    for path in ("/", "/search?q=lion&lang=de", f"/item/{item_key}?lang=fr", "/about"):
        page = page_of(path, size=(320, 640))
        assert page.evaluate(TOO_WIDE) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path


def test_the_contrast_check_reports_low_contrast(page_of: PageOf) -> None:
    page = page_of("/about")
    page.evaluate("document.querySelector('.lead').style.color = '#999'")
    assert any(line.startswith("You describe a picture") for line in page.evaluate(CONTRAST))


def test_reduced_motion_is_respected(page_of: PageOf) -> None:
    page = page_of("/", reduced_motion="reduce")
    durations = page.evaluate(
        "[...document.querySelectorAll('*')].map((one) => getComputedStyle(one).transitionDuration)"
    )
    assert set(durations) == {"0s"}
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"


def test_changes_are_announced_to_screen_readers(page_of: PageOf) -> None:
    page = page_of("/search?q=azure")
    page.locator('.facets input[value="armorial-valcendre"]').click()
    expect(page.locator("#said")).to_contain_text("match")
    expect(page.locator("#said")).to_have_attribute("aria-live", "polite")


@EACH_SIZE
def test_a_federation_meets_wcag(browser: Browser, address: str, size: tuple[int, int]) -> None:
    services = [f"The Library={address}", "Another=http://127.0.0.1:9"]
    config = FederateConfig(services=services, timeout_seconds=20.0, rate_limit_per_minute=0)
    with bind("127.0.0.1", 0) as listener, running(create_federation(config), listener) as federation:
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, locale="en-GB")
        page = context.new_page()
        for path in ("/", "/search?q=a+lion"):
            page.goto(federation + path)
            check_reading(page, path, size)
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
                check_colours(page, path)
                assert axe_complaints(page, AXE_OPTIONS) == [], f"{path}, {scheme}"
        shown = page.locator("#hits > li").count()
        page.locator("#next").click()
        expect(page.locator("#hits > li")).not_to_have_count(shown)
        context.close()
