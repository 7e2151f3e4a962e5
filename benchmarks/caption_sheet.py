"""Claim: of captions drawn by chance, 60 % describe their picture alone, at most 3 % are noise, and the
language of 97 % is right.

    python benchmarks/caption_sheet.py draw SOURCE... --out sheet.tsv [--per_institution 8] [--seed 0]
    python benchmarks/caption_sheet.py count sheet.tsv

SOURCE is a shard set, or a folder of IIIF, OAI-PMH, LIDO or EDM documents. `draw` writes one caption per line
with two empty columns, `grade` and `language_right`, in an order that does not reveal institution, level or
role; a second file next to the sheet (`sheet.key.tsv`) keeps those. A person fills the columns in:

    grade           d  describes the picture and is enough by itself
                    w  true, but weak: a lone word, a name, the title of a whole book
                    n  noise: a shelfmark, a note, a placeholder, a statement of rights
    language_right  y or n; `und` is right where nobody could tell

`count` joins the two files and prints the shares, in total and by level and role.
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data_prep.institutions import profile_for
from data_prep.sources import registry
from iconoclip.record import Caption
from iconoclip.shardset import MANIFEST_NAME, ShardSet

KINDS = {".json": ("presentation",), ".xml": ("oai-pmh", "sru", "lido", "europeana")}
SHEET = ("number", "text", "language", "grade", "language_right")
KEY = ("number", "institution", "level", "role", "field", "language_source")
SHOWN_CHARS = 400


class Found(NamedTuple):
    """A caption with the institution it is from."""

    institution: str
    caption: Caption


def captions_of(source: Path) -> Iterator[Found]:
    """The captions that institutions wrote, of a shard set or of documents in a folder."""
    if (source / MANIFEST_NAME).exists():
        for record in ShardSet(source).records():
            yield from (Found(record.institution.slug, one) for one in record.captions)
        return
    for path in sorted(source.rglob("*")):
        for kind in KINDS.get(path.suffix, ()):
            found = registry.read(kind, path.read_bytes(), str(path), profile_for(""), {})
            for candidate in found.candidates:
                yield from (Found(candidate.institution.slug, one) for one in candidate.captions)
            if found.candidates:
                break


def drawn(found: Iterable[Found], per_institution: int, seed: int) -> list[Found]:
    """Distinct captions of each institution, drawn by chance and shuffled."""
    by_institution: dict[str, dict[str, Found]] = defaultdict(dict)
    for one in found:
        if one.caption.origin == "institution":
            by_institution[one.institution].setdefault(one.caption.text, one)
    chance = random.Random(seed)
    chosen = [
        one
        for _, mine in sorted(by_institution.items())
        for one in chance.sample(list(mine.values()), min(per_institution, len(mine)))
    ]
    chance.shuffle(chosen)
    return chosen


def write(chosen: list[Found], path: Path) -> None:
    """Write the sheet to grade, and its key."""
    with path.open("w", newline="") as sheet, key_of(path).open("w", newline="") as key:
        sheets, keys = csv.writer(sheet, delimiter="\t"), csv.writer(key, delimiter="\t")
        sheets.writerow(SHEET)
        keys.writerow(KEY)
        for number, (institution, one) in enumerate(chosen, 1):
            sheets.writerow([number, one.text[:SHOWN_CHARS], one.language, "", ""])
            keys.writerow([number, institution, one.level, one.role, one.field, one.language_source or ""])


def key_of(path: Path) -> Path:
    """The file that says where the captions of a sheet are from."""
    return path.with_suffix(".key.tsv")


def count(path: Path) -> str:
    """The shares of the grades of a sheet, in total and by level and role."""
    with path.open(newline="") as sheet, key_of(path).open(newline="") as key:
        keys = {row["number"]: row for row in csv.DictReader(key, delimiter="\t")}
        rows = [{**keys[row["number"]], **row} for row in csv.DictReader(sheet, delimiter="\t")]
    graded = [row for row in rows if row["grade"]]
    lines = [f"{len(graded)} of {len(rows)} captions are graded"]
    parts = [("all", graded)]
    for name in ("level", "role"):
        for value in sorted({row[name] for row in graded}):
            parts.append((f"{name} {value}", [row for row in graded if row[name] == value]))
    for name, mine in parts:
        grades = Counter(row["grade"] for row in mine)
        shares = "  ".join(f"{grade} {grades[grade] / len(mine):6.1%}" for grade in "dwn")
        spoken = [row["language_right"] == "y" for row in mine if row["language_right"]]
        right = f"  language right {sum(spoken) / len(spoken):6.1%}" if spoken else ""
        lines.append(f"{name:<20} {len(mine):>5}  {shares}{right}")
    return "\n".join(lines)


def main() -> None:
    """Draw a sheet, or count one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    draw = verbs.add_parser("draw")
    draw.add_argument("sources", nargs="+", type=Path)
    draw.add_argument("--out", type=Path, required=True)
    draw.add_argument("--per_institution", type=int, default=8)
    draw.add_argument("--seed", type=int, default=0)
    verbs.add_parser("count").add_argument("sheet", type=Path)
    given = parser.parse_args()
    if given.verb == "count":
        print(count(given.sheet))
        return
    found = (one for source in given.sources for one in captions_of(source))
    chosen = drawn(found, given.per_institution, given.seed)
    write(chosen, given.out)
    print(f"{len(chosen)} captions in {given.out}; what they are from is in {key_of(given.out)}")


if __name__ == "__main__":
    main()
