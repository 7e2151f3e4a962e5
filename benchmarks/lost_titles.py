"""Claim: no true title is lost on the way from a document to its captions.

    python benchmarks/lost_titles.py FOLDER... [--number 500] [--seed 0]

FOLDER holds IIIF, OAI-PMH, LIDO or EDM documents. Titles are drawn by chance from what they say; those
whose first letters are in no caption of their images are printed, with a caption that there is instead.
A person reads that list: shelfmarks and placeholders belong there, true titles do not.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.caption_sheet import KINDS
from data_prep.candidate import Candidate
from data_prep.description.plain_text import plain_text
from data_prep.description.raw import MANIFEST_LABEL, RECORD_TITLE
from data_prep.institutions import profile_for
from data_prep.sources import registry

TITLES = {MANIFEST_LABEL, RECORD_TITLE}
COMPARED_CHARS = 15


class Title(NamedTuple):
    """A title as the source said it, with its institution."""

    institution: str
    text: str


def candidates_of(folder: Path) -> Iterator[Candidate]:
    """Every image that the documents of a folder offer."""
    for path in sorted(folder.rglob("*")):
        for kind in KINDS.get(path.suffix, ()):
            found = registry.read(kind, path.read_bytes(), str(path), profile_for(""), {})
            yield from found.candidates
            if found.candidates:
                break


def captions_by_title(candidates: Iterable[Candidate]) -> dict[Title, str]:
    """For each distinct title, the captions of all images that have it, in one text."""
    texts: dict[Title, list[str]] = defaultdict(list)
    for candidate in candidates:
        for pair in candidate.raw:
            title = plain_text(pair.value, 2000)
            if pair.field in TITLES and any(letter.isalpha() for letter in title):
                texts[Title(candidate.institution.slug, title)] += [one.text for one in candidate.captions]
    return {title: "\n".join(captions).casefold() for title, captions in texts.items()}


def survives(title: str, captions: str) -> bool:
    """Whether the first letters of a title are in its captions, whatever marks are between them."""
    letters = _letters(title)[:COMPARED_CHARS]
    return letters in _letters(captions)


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def main() -> None:
    """Draw titles and print those that no caption holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--number", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    texts = captions_by_title(one for folder in given.folders for one in candidates_of(folder))
    titles = sorted(texts)
    chosen = random.Random(given.seed).sample(titles, min(given.number, len(titles)))
    lost = [title for title in chosen if not survives(title.text, texts[title])]
    for title in sorted(lost):
        print(f"{title.institution:<24} {title.text[:200]}  ->  {texts[title].partition(chr(10))[0][:100]}")
    print(f"{len(lost)} of {len(chosen)} titles are in no caption; of {len(titles)} that the documents have")


if __name__ == "__main__":
    main()
