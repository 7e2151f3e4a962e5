"""The documentation site builds without a warning, holds every document, and none of its links is broken."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.conftest import ROOT
from tests.test_docs import DOCUMENTS

# The site is built twice: ten seconds.
pytestmark = pytest.mark.long

SPHINX = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-b", "html", "-c", "docs"]


class Page(HTMLParser):
    """The ids of a page, the addresses it links to, and those it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids |= {values["id"]} if "id" in values else set()
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag in ("script", "img", "link", "iframe", "source"):
            self.loads += [values[name] for name in ("src", "href") if name in values]


def broken_links(pages: dict[Path, Page]) -> list[str]:
    """The links within a site whose file or anchor does not exist, as `PAGE: LINK`."""
    broken = []
    for path, page in pages.items():
        for link in page.links + page.loads:
            address = urlsplit(link)
            if address.scheme:
                continue
            target = (path.parent / unquote(address.path)).resolve() if address.path else path
            anchor = unquote(address.fragment)
            has_anchor = not anchor or target not in pages or anchor in pages[target].ids
            if not target.exists() or not has_anchor:
                broken.append(f"{path.name}: {link}")
    return broken


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    """The pages of the site, built with every warning as an error."""
    out = tmp_path_factory.mktemp("site").resolve()
    build = subprocess.run(
        [*SPHINX, "-d", f"{out}/.doctrees", ".", str(out)], cwd=ROOT, capture_output=True, text=True
    )
    assert build.returncode == 0, build.stderr
    return {path: Page(path) for path in out.rglob("*.html")}


def test_every_document_is_a_page_of_the_site(site: dict[Path, Page]) -> None:
    top = next(path for path in site if path.name == "ARCHITECTURE.html").parent
    names = [document.relative_to(ROOT).with_suffix(".html") for document in DOCUMENTS]
    assert [name for name in names if top / name not in site] == []


def test_every_page_is_reached_from_the_first(site: dict[Path, Page]) -> None:
    first = next(path for path in site if path.name == "index.html" and path.parent.name == "docs")
    seen, waiting = {first}, [first]
    while waiting:
        path = waiting.pop()
        links = {(path.parent / urlsplit(link).path).resolve() for link in site[path].links}
        waiting += [target for target in links if target in site and target not in seen]
        seen |= links
    generated = {"genindex.html", "search.html"}
    assert {path.name for path in site if path not in seen} <= {*generated, "index.html"}


def test_no_link_and_no_anchor_is_broken(site: dict[Path, Page]) -> None:
    assert broken_links(site) == []


def test_the_site_loads_nothing_from_another_host(site: dict[Path, Page]) -> None:
    elsewhere = {load for page in site.values() for load in page.loads if urlsplit(load).netloc}
    assert elsewhere == set()


def test_make_docs_builds_the_same_site() -> None:
    recipe = subprocess.run(["make", "-n", "docs"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert " ".join([*SPHINX[1:], ".", "build/docs"]) in recipe.stdout
    assert "build/" in (ROOT / ".gitignore").read_text().split()


def test_make_help_lists_the_targets() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()
    # Run by a make, as `make suite` runs it, make would print its folder too.
    command = ["make", "--no-print-directory", "help"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = {line.split()[0] for line in listed.stdout.splitlines()}
    assert {"demo", "test", "docs", "lint", "format", "bench"} <= names <= set(targets)


def test_a_broken_link_and_a_broken_anchor_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<h1 id="top"><a href="b.html">b</a> <a href="#top">top</a></h1>')
    (tmp_path / "b.html").write_text(
        '<a href="a.html#top">a</a><a href="a.html#gone">x</a><a href="c.html">c</a>'
    )
    pages = {path: Page(path) for path in tmp_path.glob("*.html")}
    assert broken_links(pages) == ["b.html: a.html#gone", "b.html: c.html"]
