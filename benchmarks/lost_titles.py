"""Claim: no true title is lost on the way from a document to its captions.

    python benchmarks/lost_titles.py FOLDER... [--number 500] [--seed 0]

FOLDER holds IIIF, OAI-PMH, SRU, LIDO, EDM, METS, TEI or DIDL documents, and tables (CSV, JSON Lines) with a
column for the title. Titles are drawn by chance from what they say; those whose first letters are in no
caption of their images are printed, with a caption that there is instead. A person reads that list:
shelfmarks and placeholders belong there, true titles do not.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data_prep.description.plain_text import plain_text
from data_prep.description.raw import MANIFEST_LABEL, RECORD_TITLE, Describer, raw_pair
from data_prep.institutions import InstitutionProfile, load_profile, profile_for
from data_prep.sources import registry
from iconoclip.record import Caption, RawPair

KINDS: Final = {
    ".json": ("presentation",),
    ".xml": ("oai-pmh", "sru", "lido", "europeana", "library-xml"),
}
# Some servers name images in a way that only their profile knows.
PROFILES: Final = ("", "kb", "gallica", "nga")
TITLES: Final = {MANIFEST_LABEL, RECORD_TITLE, "title"}
TITLE_COLUMNS: Final = ("title", "titel", "titre", "titulo", "título", "titolo", "tytuł")
COMPARED_CHARS: Final = 15


class Title(NamedTuple):
    """A title as the source said it, with its institution."""

    institution: str
    text: str


class Said(NamedTuple):
    """What one image has: the pairs of its source, and the captions made of them."""

    institution: str
    raw: tuple[RawPair, ...]
    captions: tuple[Caption, ...]


def said_in(folder: Path) -> Iterator[Said]:
    """Every image that the documents of a folder offer, and every row of its tables."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".csv", ".jsonl"):
            yield from _rows(path)
        for kind in KINDS.get(path.suffix, ()):
            if found := _candidates(kind, path):
                yield from found
                break


def _candidates(kind: str, path: Path) -> list[Said]:
    for name in PROFILES:
        profile = load_profile(name) if name else profile_for("")
        found = registry.read(kind, path.read_bytes(), str(path), profile, {})  # type: ignore[arg-type]
        if found.candidates:
            return [Said(one.institution.slug, one.raw, one.captions) for one in found.candidates]
    return []


def _rows(path: Path) -> Iterator[Said]:
    """The rows of a table with a title, each described as a record of a catalogue is."""
    describer = Describer(InstitutionProfile(slug=path.stem[:40].lower().replace("_", "-"), name=path.stem))
    for row in _read_rows(path):
        pairs = [
            raw_pair(name, str(value), None, "record", RECORD_TITLE if name in TITLE_COLUMNS else None)
            for name, values in row.items()
            for value in (values if isinstance(values, list) else [values])
            if isinstance(value, str) and value
        ]
        if any(pair.field == RECORD_TITLE for pair in pairs):
            told = describer.described(pairs, 1)
            yield Said(path.stem, told.raw, told.description.captions)


def _read_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        if path.suffix == ".csv":
            dialect = csv.Sniffer().sniff(file.readline())
            file.seek(0)
            yield from csv.DictReader(file, dialect=dialect)
            return
        for line in file:
            value = json.loads(line)
            yield value.get("metadata") if isinstance(value.get("metadata"), dict) else value


def captions_by_title(said: Iterable[Said]) -> dict[Title, str]:
    """For each distinct title, the captions of all images that have it, in one text."""
    texts: dict[Title, list[str]] = defaultdict(list)
    for one in said:
        titles = {pair.value for pair in one.raw if pair.field in TITLES}
        for value in titles:
            title = plain_text(value, 2000)
            if any(letter.isalpha() for letter in title):
                texts[Title(one.institution, title)] += [caption.text for caption in one.captions]
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
    texts = captions_by_title(one for folder in given.folders for one in said_in(folder))
    titles = sorted(texts)
    chosen = random.Random(given.seed).sample(titles, min(given.number, len(titles)))
    lost = [title for title in chosen if not survives(title.text, texts[title])]
    for title in sorted(lost):
        print(f"{title.institution:<24} {title.text[:200]}  ->  {texts[title].partition(chr(10))[0][:100]}")
    print(f"{len(lost)} of {len(chosen)} titles are in no caption; of {len(titles)} that the documents have")


if __name__ == "__main__":
    main()
