"""Captions that OCR of ours reads: above and below the pictures first, then at the sides of those without."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from data_prep.candidate import Refusal
from data_prep.page_text.caption_candidates import inside
from data_prep.page_text.captions import TiedCaption, tie_captions
from data_prep.page_text.ocr import LEAST_READ, ORIGIN, distinct, read_around, read_sides
from data_prep.page_text.ocr_pixels import Pixels
from data_prep.page_text.zones import FloatBox


def read_captions(
    pixels: Pixels,
    pictures: Sequence[FloatBox],
    languages: Iterable[str],
    *,
    least_read: float = LEAST_READ,
) -> dict[int, TiedCaption] | Refusal:
    """Number of a picture -> its caption, for the pictures that have one.

    Args:
        pixels: the page.
        pictures: x, y, width, height in its pixels.
        languages: BCP 47 tags, the most likely one first.
        least_read: captions that were read with less confidence are left out.

    Returns:
        The captions, or why nothing could be read (the program is missing, fails, or takes too long).
    """
    tags = list(languages)
    read = read_around(pixels, pictures, tags)
    if isinstance(read, Refusal):
        return read
    tied = tie_captions(pictures, read, origin=ORIGIN, least_read=least_read)
    without = [number for number in range(len(pictures)) if number not in tied]
    sides = read_sides(pixels, pictures, without, tags) if without else []
    if isinstance(sides, Refusal):
        return sides
    if not sides:
        return tied
    # The strips above and below a picture cut what is at its sides.
    whole = replace(read, zones=distinct([*sides, *read.zones]))
    again = tie_captions(pictures, whole, origin=ORIGIN, least_read=least_read)
    more = {number: again[number] for number in without if number in again}
    return tied | {
        number: one for number, one in more.items() if not any(_covers(other, one) for other in tied.values())
    }


def _covers(one: TiedCaption, other: TiedCaption) -> bool:
    """Whether two captions are the same text."""
    return one.box is not None and other.box is not None and inside(other.box, one.box) > 0.5
