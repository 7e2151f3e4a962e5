"""Claim: of the captions that Tesseract reads next to pictures of drawn books, nine of ten are right.

    python benchmarks/ocr_captions.py [--seed 132] [--volumes 24] [--least_read 0.55]

Pictures lie at their true boxes. A caption is right if 80 % of its letters are read in order; everything else
that is taken is wrong. `--least_read 0` takes what Tesseract could hardly read, too. The rules were chosen on
the volumes of seed 131. Prints counts and shares with 95 % intervals by volume.
"""

from __future__ import annotations

import argparse
import difflib
import random
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from builtin_collections.emblems.book import page, volume
from data_prep.candidate import Refusal
from data_prep.page_text.ocr import LEAST_READ
from data_prep.page_text.ocr_captions import read_captions
from iconoclip.page_layout.kinds import PICTURE_KINDS

PAGES_PER_VOLUME = 24
LEAST_RIGHT = 0.8
DRAWS = 1_000


class Counts(NamedTuple):
    """What was read of one volume."""

    pages: int = 0
    captions: int = 0
    right: int = 0
    wrong: int = 0


def counted(seed: int, number: int, least_read: float) -> Counts:
    """Draw a volume and read the captions of its pictures."""
    book = volume(seed, number, num_pages=PAGES_PER_VOLUME)
    counts = Counts()
    for place in range(len(book.sheets)):
        image, truth = page(book, place)
        pictures = [one for one in truth.pictures if one.kind in PICTURE_KINDS]
        if not pictures:
            continue
        boxes = [one.box for one in pictures]
        languages = [book.style.language]
        found = read_captions(np.asarray(image), boxes, languages, least_read=least_read)
        if isinstance(found, Refusal):
            sys.exit(found.reason)
        wanted = [one.caption.text if one.caption else "" for one in pictures]
        rights = [share_read(one.text, wanted[place]) >= LEAST_RIGHT for place, one in found.items()]
        counts = Counts(
            counts.pages + 1,
            counts.captions + sum(map(bool, wanted)),
            counts.right + sum(rights),
            counts.wrong + len(rights) - sum(rights),
        )
    return counts


def share_read(read: str, wanted: str) -> float:
    """The share of the letters of the longer text that both have in order."""
    one, other = letters(read), letters(wanted)
    blocks = difflib.SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) / max(len(one), len(other), 1)


def letters(text: str) -> str:
    """Letters and digits as old print has them: long s, and no difference between u and v, i and j."""
    plain = text.casefold().replace("ſ", "s").replace("v", "u").replace("j", "i")
    return "".join(letter for letter in plain if letter.isalnum())


def with_interval(volumes: Sequence[Counts], share: Callable[[Counts], float]) -> str:
    """A share of all volumes, with its bootstrap interval over volumes."""

    def of(chosen: Sequence[Counts]) -> float:
        return share(Counts(*map(sum, zip(*chosen, strict=True))))

    chance = random.Random(0)
    drawn = sorted(of(chance.choices(volumes, k=len(volumes))) for _ in range(DRAWS))
    return f"{of(volumes):.2f} [{drawn[DRAWS // 40]:.2f}-{drawn[-DRAWS // 40]:.2f}]"


def main() -> None:
    """Draw volumes, read the captions of their pictures, and print how many are right."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=132)
    parser.add_argument("--volumes", type=int, default=24)
    parser.add_argument("--least_read", type=float, default=LEAST_READ)
    options = parser.parse_args()
    volumes = [counted(options.seed, number, options.least_read) for number in range(options.volumes)]
    total = Counts(*map(sum, zip(*volumes, strict=True)))
    print(f"{total.captions} captions on {total.pages} pages: {total.right} right, {total.wrong} wrong")
    print(
        "right of those taken:", with_interval(volumes, lambda one: one.right / max(one.right + one.wrong, 1))
    )
    print("right of all:", with_interval(volumes, lambda one: one.right / max(one.captions, 1)))
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime / max(total.pages, 1)
    print(f"Tesseract: {used:.2f} processor seconds per page")


if __name__ == "__main__":
    main()
