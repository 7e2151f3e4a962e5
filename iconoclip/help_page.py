"""Prints the help of a verb.

Importing pydantic and building a config model takes three quarters of the time of a help page. Therefore the
contents of all pages are shipped (help_pages.json, written by `iconoclip.help_text`) with a checksum of the
modules that they were made from. If one of these has changed since, the page is made from the config model.
"""

from __future__ import annotations

import json
import shutil
import textwrap
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# The folder that contains our packages: the root of a checkout, or site-packages.
ROOT = Path(__file__).resolve().parents[1]
PAGES = Path(__file__).with_name("help_pages.json")
NAME_WIDTH, MAX_WIDTH = 30, 110
OF_EVERY_VERB = (
    (
        "--config FILE",
        "YAML file with any of these fields; may be repeated, and later files override earlier ones",
    ),
    ("--print_config", "print all fields with their values as a commented YAML file, and stop"),
    ("-h, --help", "print this, and stop"),
)

Page = dict[str, Any]
"""`usage`: the first line; `groups`: pairs of a title and its rows, each row a usage and its text."""


def shipped(name: str) -> Page | None:
    """The shipped page of a verb; None if there is none, or if it may be outdated."""
    try:
        stored = json.loads(PAGES.read_bytes())
        page: Page = stored["pages"][name]
        return page if checksum_of(stored["sources"]) == stored["checksum"] else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def checksum_of(sources: Iterable[str]) -> int:
    """A checksum of source files, by their paths relative to ROOT."""
    checksum = 0
    for source in sources:
        checksum = zlib.crc32((ROOT / source).read_bytes(), checksum)
    return checksum


def rendered(page: Page, summary: str) -> str:
    """The text of a page, as wide as the terminal."""
    width = min(shutil.get_terminal_size().columns, MAX_WIDTH)
    lines = [page["usage"], "", *textwrap.wrap(summary[:1].upper() + summary[1:] + ".", width)]
    for title, rows in (*page["groups"], ("for every verb:", OF_EVERY_VERB)):
        lines += ["", title]
        for usage, text in rows:
            lines += _row(usage, text, width)
    return "\n".join(lines)


def _row(usage: str, text: str, width: int) -> list[str]:
    indent = " " * (NAME_WIDTH + 2)
    wrapped = textwrap.wrap(
        text, max(width, NAME_WIDTH + 32), initial_indent=indent, subsequent_indent=indent
    )
    if len(usage) + 3 > NAME_WIDTH or not wrapped:
        return [f"  {usage}", *wrapped]
    return [f"  {usage}".ljust(NAME_WIDTH + 2) + wrapped[0][NAME_WIDTH + 2 :], *wrapped[1:]]
