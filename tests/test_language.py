"""Documents, messages, comments and docstrings are in plain English: standard terms, and docstrings that say
something.

    python tests/test_language.py            counts by folder
    python tests/test_language.py FOLDER     every place below a folder (or in a file), with what to write
    instead
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = (
    "iconoclip",
    "data_prep",
    "builtin_collections",
    "training",
    "retrieval",
    "slurm",
    "clients",
    "benchmarks",
    "configs",
    "docs",
    "tests",
)
KINDS = {".py", ".md", ".yaml", ".toml", ".html", ".jinja", ".js", ".css", ".json", ".po", ".pot", ".txt", ""}
# A docstring shorter than this repeats the name of what it describes.
MIN_DOCSTRING_CHARS = 23
SHORT = re.compile(
    rf'"""\\?\s*[^"\n]{{0,{MIN_DOCSTRING_CHARS}}}\s*"""|^\s*"[^"\n]{{0,{MIN_DOCSTRING_CHARS}}}"$',
    re.MULTILINE,
)

# What we do not write -> what we write instead. A space matches any white space, also the break of a
# comment's line.
WORDS = {
    r"bears?|borne": "allows, supports, carries, has",
    r"beside": "next to, in addition to, compared with, in the same folder",
    r"(the|your|our|some|such) houses?": "the project, the institution, the server's operator",
    r"put off|puts off|putting off": "retried later, deferred",
    r"parked": "paused",
    r"walled": "blocked by a firewall page",
    r"punish\w*": "rate-limited, penalised",
    r"(take|takes|taken|taking) (it |them )?along": "export, download, include",
    r"believed?": "trusted, accepted",
    r"(go|goes|going|gone|went) on": "continue, resume",
    r"asked? (for )?again|asked anew": "requested again",
    r"stands?(?! for| alone| out|-)|stood|standing": "is",
    r"strangers?": "an outside program, an unknown server, a newcomer",
    r"roads?": "the pipeline",
    r"wreck\w*": "a failed node, a damaged file",
    r"vouch\w*": "signs, has a checksum",
    r"rebuk\w*": "a penalty",
    r"mannered": "with faults, without faults",
    r"whoever": "anyone who, the client that",
    r"for want of": "because something is missing",
    r"in silence|aloud": "silently, with a message",
    r"in stock": "what it lists, what exists",
    r"hand(s|ed|ing)? on": "pass, return",
    r"(tell|tells|telling|told) apart": "distinguish, recognise",
    r"lanes?": "queue",
    r"the doors?|doors (for|closed)": "the interface",
    r"(the|this|its|own|several|which) rooms?|rooms put": "the package, the module",
    r"manners": "politeness, rate limits",
    r"unless told": "by default",
    r"dearer|dearest": "slower, more expensive",
    r"(could not|cannot|can|may|was not) be had|had (this|that) time": "be downloaded, be available",
    r"anew": "again",
    r"(images|pictures|samples|requests|items|queries|steps|rows|bytes|pixels|captions|mb|gb) an? "
    r"(second|minute|hour|step|request|side|rank|epoch|client|line|image|item)": "per",
    r"one [a-z-]+ an? (line|host|image|item|core|page|rank|row|task|process)": "per",
}
# Legitimate uses: a column of ledgers that exist.
ALLOWED = re.compile(r"parked (?=TEXT|FROM|= excluded)|parked TEXT|excluded\.parked")


def pattern_of(phrase: str) -> re.Pattern[str]:
    """A phrase as whole words in a text of small letters, also in `snake_case` names; a space also matches a
    comment's line break. (With small letters and a quick look at the first, this takes a sixth of the time.)
    """
    return re.compile(rf"(?<![^\W_])(?=[a-z])(?:{phrase})(?![^\W_])".replace(" ", r"\s+(?:#:? ?)?"))


# All of them in one pass.
ANY = pattern_of("|".join(WORDS))


def files(folder: Path = ROOT) -> Iterator[Path]:
    """The files of the project that people read, below a folder."""
    tops = [ROOT / name for name in FOLDERS]
    for path in sorted(
        [
            *ROOT.glob("*.md"),
            *ROOT.glob("*.toml"),
            ROOT / "Makefile",
            *(p for top in tops for p in top.rglob("*")),
        ]
    ):
        if path.is_relative_to(folder) and path.suffix in KINDS and path.is_file() and path != Path(__file__):
            yield path


def words_in(text: str) -> Iterator[tuple[int, str, str]]:
    """The words of a text that are not plain English: line, word, what to write instead."""
    small = text.lower()
    for found in ANY.finditer(small):
        instead = next(
            value for phrase, value in WORDS.items() if pattern_of(phrase).match(small, found.start())
        )
        yield small.count("\n", 0, found.start()) + 1, " ".join(found[0].split()), instead


def short_docstrings(source: str) -> Iterator[tuple[int, str]]:
    """The docstrings of a Python source that are too short to say something: line, docstring."""
    if SHORT.search(source) is None:  # most sources need not be parsed
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring is not None and len(docstring) < MIN_DOCSTRING_CHARS:
                yield getattr(node, "lineno", 1), docstring


def places(path: Path) -> Iterator[str]:
    """Every place in a file that is not plain English, as `FILE:LINE: what, and what instead`."""
    text, name = path.read_text(errors="replace"), path.relative_to(ROOT)
    for line, word, instead in words_in(ALLOWED.sub(lambda found: "-" * len(found[0]), text)):
        yield f"{name}:{line}: {word!r}: {instead}"
    if path.suffix == ".py":
        for line, docstring in short_docstrings(text):
            yield f"{name}:{line}: {docstring!r} says too little: say more, or delete it"


@pytest.mark.parametrize("folder", [*FOLDERS, "."])
def test_plain_english(folder: str) -> None:
    own = [path for path in files(ROOT / folder) if folder != "." or path.parent == ROOT]
    assert [place for path in own for place in places(path)] == []


def test_words_are_found_in_comments_names_and_across_lines() -> None:
    text = "# The run goes\n# on.\nborne_BM = 1\nBeside that, 3 images a second\n"
    assert [(line, word) for line, word, _ in sorted(words_in(text))] == [
        (1, "goes # on"),
        (3, "borne"),
        (4, "beside"),
        (4, "images a second"),
    ]
    assert list(words_in("a bearing; the letter k stands for it; besides; images a view shows")) == []


def test_short_docstrings_are_found() -> None:
    source = 'def f():\n    """Send bytes."""\ndef g():\n    """Send bytes to the peer."""\ndef h(): ...\n'
    assert list(short_docstrings(source)) == [(1, "Send bytes.")]


def main(arguments: list[str]) -> None:
    """Print the places below the folders that are named, or their number in each folder."""
    if arguments:
        found = [place for name in arguments for path in files(ROOT / name) for place in places(path)]
        print(*found, sep="\n")
        return
    counts = Counter(str(path.parent.relative_to(ROOT)) for path in files() for _ in places(path))
    for folder, count in sorted(counts.items()):
        print(f"{count:5} {folder}")
    print(f"{counts.total():5} in all")


if __name__ == "__main__":
    main(sys.argv[1:])
