"""Our manifests in the viewers that institutions run: real Mirador and Universal Viewer in a real Chromium.

The viewers are packages of npm, self-contained, and downloaded once into pytest's cache.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import threading
import urllib.request
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.browser

VIEWERS = {"mirador": "4.0.0", "universalviewer": "4.4.0"}
MIRADOR_PAGE = """<!doctype html><meta charset="utf-8"><title>m</title><div id="m"></div>
<script src="mirador/dist/mirador.min.js"></script>
<script>Mirador.viewer({id: "m", windows: [JSON.parse(decodeURIComponent(location.hash.slice(1)))],
window: {sideBarOpen: true, panels: {search: true, annotations: true, info: true}}})</script>"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Requests are not logged, to keep the output of the tests readable."""


@pytest.fixture(scope="module")
def viewers(pytestconfig: pytest.Config) -> Iterator[str]:
    """The address of the viewers, on an origin of their own."""
    folder = Path(pytestconfig.cache.mkdir("viewers"))  # type: ignore[union-attr]
    for name, version in VIEWERS.items():
        _download(folder, name, version)
    (folder / "mirador.html").write_text(MIRADOR_PAGE)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def _download(folder: Path, name: str, version: str) -> None:
    """One package without its dependencies, and without running anything of it."""
    done = folder / name / version
    if done.exists():
        return
    npm = shutil.which("npm")
    command = [npm or "npm", "pack", "--silent", "--ignore-scripts", f"{name}@{version}"]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"{name} cannot be downloaded with npm ({type(error).__name__}): install Node.js")
    with tarfile.open(folder / f"{name}-{version}.tgz") as package:
        # The Python 3.11.2 of Debian 12 has no filters for archives.
        for member in package:
            if member.isfile() and not {"..", "/"} & set(Path(member.name).parts):
                package.extract(member, folder)
    shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "package").rename(folder / name)
    done.touch()


@pytest.fixture
def watched(browser: Browser) -> Iterator[tuple[Page, list[str], list[str]]]:
    """A page, the addresses it requests, and the errors it reports."""
    context = browser.new_context(viewport={"width": 1280, "height": 860}, locale="en-GB")
    context.set_default_timeout(15_000)
    # The institutions are invented: without an answer, a viewer reports an image that it cannot load.
    painting = io.BytesIO()
    Image.new("RGB", (80, 110), "peru").save(painting, "JPEG")
    context.route(re.compile(r"https://[^/]+\.example/"), partial(_paint, painting.getvalue()))
    page, requested, errors = context.new_page(), [], []
    page.on("response", lambda answer: requested.append(f"{answer.status} {answer.url}"))
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page, requested, errors
    context.close()


def _paint(picture: bytes, route: Route) -> None:
    route.fulfill(body=picture, content_type="image/jpeg")


def open_in_mirador(page: Page, viewers: str, window: dict[str, object]) -> None:
    page.goto(f"{viewers}/mirador.html#{urllib.request.quote(json.dumps(window))}")  # type: ignore[attr-defined]


def test_mirador_paints_an_item_and_the_results_of_a_search(
    viewers: str, address: str, watched: tuple[Page, list[str], list[str]]
) -> None:
    page, requested, errors = watched
    # The pages around regions are at invented institutions, so the pictures of this service are requested.
    with urllib.request.urlopen(f"{address}/api/v1/search?reusable=true&has_region=false&k=1") as answer:
        key = json.load(answer)["hits"][0]["key"]
    of_search = f"{address}/iiif/search/manifest.json?q=lion&k=6&has_region=false&reusable=true"
    for manifest in (f"{address}/iiif/{key}/manifest.json", of_search):
        with urllib.request.urlopen(manifest) as answer:
            painting = json.load(answer)["items"][0]["items"][0]["items"][0]["body"]["id"]
        page.goto("about:blank")
        with page.expect_response(lambda answer, painting=painting: answer.url == painting) as painted:
            open_in_mirador(page, viewers, {"manifestId": manifest})
        assert painted.value.ok
        page.wait_for_selector("canvas", state="attached")
    assert not [each for each in requested if each[0] in "45" and address in each]
    assert errors == []


@pytest.mark.long
def test_mirador_searches_within_an_object(
    viewers: str, address: str, item_key: str, watched: tuple[Page, list[str], list[str]]
) -> None:
    page, _, errors = watched
    with urllib.request.urlopen(f"{address}/api/v1/items/{item_key}") as answer:
        captions = json.load(answer)["item"]["record"]["captions"]
    word = captions[0]["text"].split()[0].strip(",;")
    manifest = f"{address}/iiif/{item_key}/object/manifest.json"
    window = {"manifestId": manifest, "defaultSearchQuery": word, "sideBarPanel": "search"}
    with page.expect_response(lambda answer: "/object/search/1?" in answer.url) as found:
        open_in_mirador(page, viewers, window)
    assert found.value.status == 200
    page.wait_for_selector(f"text={captions[0]['text'].split(',')[0][:20]}")
    assert errors == []


@pytest.mark.long
def test_mirador_shows_a_canvas_without_a_picture(
    viewers: str, address: str, watched: tuple[Page, list[str], list[str]]
) -> None:
    page, _, errors = watched
    with urllib.request.urlopen(f"{address}/api/v1/search?k=200") as answer:
        hits = json.load(answer)["hits"]
    key = next(hit["key"] for hit in hits if hit["rights"]["display"] == "link")
    open_in_mirador(page, viewers, {"manifestId": f"{address}/iiif/{key}/manifest.json"})
    title = json.load(urllib.request.urlopen(f"{address}/api/v1/items/{key}"))["item"]["hit"]["title"]
    page.wait_for_selector(f"text={title[:30]}", state="attached")
    assert errors == []


@pytest.mark.long
def test_universal_viewer_paints_the_results_of_a_search(
    viewers: str, address: str, watched: tuple[Page, list[str], list[str]]
) -> None:
    page, _, _ = watched
    manifest = f"{address}/iiif/search/manifest.json?q=lion&k=6&has_region=false"
    viewer = f"{viewers}/universalviewer/dist/uv.html"
    with page.expect_response(lambda answer: "/image/" in answer.url) as painted:
        page.goto(f"{viewer}#?manifest={urllib.parse.quote(manifest, safe='')}")
    assert painted.value.ok
    page.wait_for_selector("canvas", state="attached")
