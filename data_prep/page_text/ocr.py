"""Reads text next to pictures with the Tesseract program, where the institution has none.

Tesseract is optional: it is used where its program is on the PATH. It gets pixels, not files from outside,
runs in one thread, and is ended after a limit of time.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from data_prep.candidate import Refusal
from data_prep.page_text.caption_words import has_label
from data_prep.page_text.hocr import read_hocr
from data_prep.page_text.ocr_pixels import Pixels, prepared
from data_prep.page_text.ocr_strips import Strip, side_strips, strips
from data_prep.page_text.zones import (
    FloatBox,
    PageText,
    TextLine,
    Zone,
    around,
    confidence_of,
    follows,
    joined,
)

PROGRAM: Final = "tesseract"
TIMEOUT_SECONDS: Final = 20.0
MAX_STRIP_PIXELS: Final = 4_000_000
ORIGIN: Final = "machine:tesseract"
VERSION: Final = 3
"""Raised whenever the same page would get other captions"""
LEAST_READ: Final = 0.55
"""What Tesseract is less certain of is no caption; chosen on drawn pages (docs/decisions/0015-pages.md)"""

# BCP 47 -> the names of Debian's packages (tesseract-ocr-NAME).
_NAMES: Final = {
    "en": "eng", "fr": "fra", "de": "deu", "la": "lat", "it": "ita", "es": "spa", "nl": "nld", "pt": "por",
    "ca": "cat", "cs": "ces", "da": "dan", "sv": "swe", "no": "nor", "nb": "nor", "fi": "fin", "pl": "pol",
    "hu": "hun", "ru": "rus", "el": "ell", "grc": "grc", "he": "heb", "ar": "ara", "ja": "jpn",
    "zh": "chi_tra",
    "ko": "kor", "tr": "tur", "uk": "ukr", "ro": "ron", "sl": "slv", "sk": "slk", "hr": "hrv", "lt": "lit",
    "lv": "lav", "et": "est", "is": "isl", "eu": "eus", "cy": "cym", "ga": "gle", "yi": "yid", "hi": "hin",
}  # fmt: skip
_MAX_LANGUAGES: Final = 3
# Shares of the height of type, from the top of an l to the foot of a p: above and below an x.
_ABOVE: Final = 0.28
_BELOW: Final = 0.23
# Text is wider than the caption or the heading above it by so much; its middle is away by so much at most.
_TEXT_WIDER, _CENTRED, _TEXT_WIDER_THAN_LABEL = 1.6, 0.1, 1.25
_TALL: Final = re.compile(r"[^\Wacegm-svwxyz_]")
_DEEP: Final = re.compile(r"[gjpqyQ,;]")


@functools.cache
def program() -> str | None:
    """The path of Tesseract, None where it is not installed."""
    return shutil.which(PROGRAM)


@functools.cache
def installed_languages() -> frozenset[str]:
    """The names of the languages that are installed; empty without the program."""
    path = program()
    if path is None:
        return frozenset()
    try:
        done = subprocess.run(
            [path, "--list-langs"], capture_output=True, timeout=TIMEOUT_SECONDS, check=False, text=True
        )
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()
    return frozenset(line.strip() for line in done.stdout.splitlines()[1:]) - {"osd"}


def languages_for(tags: Iterable[str]) -> list[str]:
    """Tesseract's names for BCP 47 `tags`, as far as they are installed; else English, or any."""
    installed = installed_languages()
    wanted = [_NAMES.get(tag.split("-")[0].lower(), tag.split("-")[0].lower()) for tag in tags]
    found = [name for name in dict.fromkeys(wanted) if name in installed][:_MAX_LANGUAGES]
    return found or [name for name in ("eng", *sorted(installed)) if name in installed][:1]


def read_around(
    pixels: Pixels,
    pictures: Sequence[FloatBox],
    languages: Iterable[str],
    *,
    timeout: float = TIMEOUT_SECONDS,
) -> PageText | Refusal:
    """The text above and below pictures, as zones of the page.

    Args:
        pixels: the page.
        pictures: x, y, width, height in its pixels; what they cover is not read.
        languages: BCP 47 tags, the most likely one first.
        timeout: seconds for each strip.

    Returns:
        The zones that were read, or why none could be (the program is missing, fails, or takes too long).
    """
    height, width = pixels.shape[:2]
    found = _read_all(_without(pixels, pictures), strips(pictures, (width, height)), languages, timeout)
    if isinstance(found, Refusal):
        return found
    return PageText("OCR", distinct(found), (float(width), float(height)))


def read_sides(
    pixels: Pixels,
    pictures: Sequence[FloatBox],
    numbers: Iterable[int],
    languages: Iterable[str],
    *,
    timeout: float = TIMEOUT_SECONDS,
) -> list[Zone] | Refusal:
    """The text at the sides of the pictures `numbers`, where a few lines are; else as `read_around`."""
    page = _without(pixels, pictures)
    sides = [strip for number in numbers for strip in side_strips(page, pictures, number)]
    return _read_all(page, sides, languages, timeout) if sides else []


def _read_all(
    page: Pixels, wanted: Iterable[Strip], languages: Iterable[str], timeout: float
) -> list[Zone] | Refusal:
    # The languages are remembered, and without the program there are none to remember.
    names = languages_for(languages) if program() is not None else []
    if not names:
        return Refusal(PROGRAM, "Tesseract is not installed (on Debian: apt-get install tesseract-ocr)")
    zones: list[Zone] = []
    for strip in wanted:
        found = _read(page, strip, names, timeout)
        if isinstance(found, Refusal):
            return found
        zones += found
    return zones


def _without(pixels: Pixels, pictures: Sequence[FloatBox]) -> Pixels:
    """The page with its pictures painted over in the colour of the paper."""
    page = pixels.copy()
    paper = np.percentile(page[::16, ::16].reshape(-1, 3), 80, axis=0).astype(np.uint8)
    for x, y, width, height in pictures:
        left, top = max(0, round(x) - 2), max(0, round(y) - 2)
        page[top : round(y + height) + 2, left : round(x + width) + 2] = paper
    return page


def _read(page: Pixels, strip: Strip, names: Sequence[str], timeout: float) -> list[Zone] | Refusal:
    left, top, right, bottom = strip.box
    part = np.ascontiguousarray(page[top:bottom, left:right])
    # Letters of a page at 1,100 pixels are too small for Tesseract, which wants capitals of about 30 pixels.
    scale = 3 if page.shape[0] <= 1_600 else 2 if page.shape[0] <= 2_600 else 1
    while scale > 1 and part.shape[0] * part.shape[1] * scale * scale > MAX_STRIP_PIXELS:
        scale -= 1
    if part.shape[0] * part.shape[1] > MAX_STRIP_PIXELS:
        return []
    grey = prepared(part, scale)
    rows, columns = grey.shape
    image = f"P5 {columns} {rows} 255\n".encode() + grey.tobytes()
    path = program()
    assert path is not None, "the caller checked that the program is there"
    # Sauvola's thresholds follow shades that differ over the strip (Tesseract 5; older ones only warn).
    command = [
        path, "stdin", "stdout", "-l", "+".join(names), "--dpi", "300", "--psm", "11",
        "-c", "thresholding_method=2", "hocr",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, input=image, capture_output=True, timeout=timeout, check=False,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Refusal(PROGRAM, f"took longer than {timeout:g} s for a strip of {columns} x {rows} pixels")
    except OSError as error:
        return Refusal(PROGRAM, f"cannot be started: {error.strerror}")
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()[-200:]
        return Refusal(PROGRAM, f"ended with exit code {done.returncode}: {said}")
    found = read_hocr(done.stdout, PROGRAM)
    if isinstance(found, Refusal):
        return []
    lines = [line for zone in found.zones for line in zone.lines if line.box is not None]
    blocks = _blocks(_rows(lines), is_above=strip.place == "above")
    if strip.place == "side":
        blocks = [zone for zone in blocks if min(_away(zone, 0), _away(zone, rows)) >= 0.5 * _height(zone)]
    else:
        blocks = _without_text_of_the_page(blocks, 0 if strip.place == "above" else rows)
    moved = (_moved(zone, scale, (left, top)) for zone in blocks)
    return [zone for zone in moved if zone is not None]


def _blocks(lines: list[TextLine], *, is_above: bool) -> list[Zone]:
    """Lines joined into blocks by distance and size: with few lines, Tesseract takes all of them for one."""
    groups: list[list[TextLine]] = []
    for line in sorted(lines, key=lambda each: each.box[1] if each.box else 0.0):
        group = next(
            (one for one in reversed(groups) if _is_next_line(one[-1], line, is_above=is_above)), None
        )
        if group is None or _is_heading_of(group, line):
            groups.append([line])
        else:
            group.append(line)
    return [
        Zone(
            "text",
            around(line.box for line in group),
            joined(line.text for line in group),
            lines=tuple(group),
        )
        for group in groups
    ]


def _is_heading_of(group: Sequence[TextLine], line: TextLine) -> bool:
    """Whether lines are a caption or a heading, and the next one is the text below it: that is wider, and
    its middle is below theirs."""
    box, whole = line.box, around(each.box for each in group)
    assert box is not None, "lines without a box were left out"
    assert whole is not None, "lines without a box were left out"
    away = abs(whole[0] + whole[2] / 2 - box[0] - box[2] / 2)
    is_centred = away < _CENTRED * box[2] and box[2] > _TEXT_WIDER * whole[2]
    return is_centred or (has_label(group[0].text) and box[2] > _TEXT_WIDER_THAN_LABEL * whole[2])


def _is_next_line(one: TextLine, other: TextLine, *, is_above: bool) -> bool:
    """Whether a line continues a block. Below pictures, the letters of a line may all be low ("une rose");
    above them, the next line may be the heading below a running head, as close but in another type.
    """
    assert one.box is not None, "lines without a box were left out"
    assert other.box is not None, "lines without a box were left out"
    return follows(one.box, other.box) or (not is_above and follows(_body_of_type(one), _body_of_type(other)))


def _body_of_type(line: TextLine) -> FloatBox:
    """The box of a line from the tops of tall letters to the feet of deep ones, also where it has none."""
    assert line.box is not None, "lines without a box were left out"
    x, y, width, height = line.box
    above = 0.0 if _TALL.search(line.text) else _ABOVE
    below = 0.0 if _DEEP.search(line.text) else _BELOW
    whole = height / (1.0 - above - below)
    return x, y - above * whole, width, whole


def _rows(lines: list[TextLine]) -> list[TextLine]:
    """Pieces of one line joined: where words are far apart, Tesseract takes them for several lines."""
    rows: list[list[TextLine]] = []
    for line in sorted(lines, key=lambda each: each.box[0] if each.box else 0.0):
        row = next((row for row in rows if _is_next_word(row[-1], line)), None)
        rows.append([line]) if row is None else row.append(line)
    return [
        TextLine(
            " ".join(piece.text for piece in row), around(piece.box for piece in row), confidence_of(row)
        )
        for row in rows
    ]


def _is_next_word(one: TextLine, other: TextLine) -> bool:
    assert one.box is not None, "lines without a box were left out"
    assert other.box is not None, "lines without a box were left out"
    level = min(one.box[1] + one.box[3], other.box[1] + other.box[3]) - max(one.box[1], other.box[1])
    low, high = sorted((one.box[3], other.box[3]))
    return level > 0.6 * low and other.box[0] - (one.box[0] + one.box[2]) < 1.5 * high


def _without_text_of_the_page(blocks: list[Zone], edge: int) -> list[Zone]:
    """The blocks of a strip without those that reach its outer edge, as text of the page does and captions do
    not; below a picture, also without the lines right before these, if they do not begin as captions do."""
    kept: list[Zone] = []
    cut: list[Zone] = []
    for zone in sorted(blocks, key=lambda each: _away(each, edge)):
        height = _height(zone)
        is_cut = _away(zone, edge) < (0.15 if len(zone.lines) == 1 else 0.35 if edge == 0 else 0.9) * height
        if edge and not has_label(zone.text or ""):
            is_cut |= any(
                _away(zone, edge) - _away(other, edge) - _high(other) < 0.8 * height
                for other in cut
                if _is_below(zone, other)
            )
        (cut if is_cut else kept).append(zone)
    return sorted(kept, key=lambda each: each.box[1] if each.box else 0.0)


def _is_below(zone: Zone, other: Zone) -> bool:
    """Whether some of another block is below this one, in the same columns."""
    assert zone.box is not None, "blocks are made of lines with boxes"
    assert other.box is not None, "blocks are made of lines with boxes"
    return zone.box[0] < other.box[0] + other.box[2] and other.box[0] < zone.box[0] + zone.box[2]


def _high(zone: Zone) -> float:
    return zone.box[3] if zone.box else 0.0


def _height(zone: Zone) -> float:
    """The height of one of its lines."""
    return _high(zone) / max(1, len(zone.lines))


def _away(zone: Zone, edge: int) -> float:
    """How far a block is from the outer edge of its strip."""
    assert zone.box is not None, "blocks are made of lines with boxes"
    return zone.box[1] if edge == 0 else edge - (zone.box[1] + zone.box[3])


def _moved(zone: Zone, scale: int, corner: tuple[int, int]) -> Zone | None:
    """A zone of a strip in pixels of the page; None for what is no text."""
    letters = sum(letter.isalnum() for letter in zone.text or "")
    if letters < 3 or letters < 0.5 * len((zone.text or "").replace(" ", "")):
        return None

    def back(box: FloatBox | None) -> FloatBox | None:
        if box is None:
            return None
        return box[0] / scale + corner[0], box[1] / scale + corner[1], box[2] / scale, box[3] / scale

    lines = tuple(replace(line, box=back(line.box)) for line in zone.lines)
    return replace(zone, box=back(zone.box), lines=lines, language=None)


def distinct(zones: Iterable[Zone]) -> tuple[Zone, ...]:
    """The zones without those that another strip gave before."""
    kept: list[Zone] = []
    for zone in zones:
        if not any(_same(zone, other) for other in kept):
            kept.append(zone)
    return tuple(kept)


def _same(one: Zone, other: Zone) -> bool:
    if one.box is None or other.box is None:
        return False
    across = min(one.box[0] + one.box[2], other.box[0] + other.box[2]) - max(one.box[0], other.box[0])
    down = min(one.box[1] + one.box[3], other.box[1] + other.box[3]) - max(one.box[1], other.box[1])
    if across <= 0 or down <= 0:
        return False
    return across * down > 0.5 * min(one.box[2] * one.box[3], other.box[2] * other.box[3])
