"""Lists of WebDataset tars as people name them: paths, folders, addresses, and brace lists such as
`laion-{00000..00041}.tar`.

Patterns with `*` are those of files of this machine. Commands in place of addresses (`pipe:`) are never run,
and chained addresses are not read.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from iconoclip.errors import ConfigError

MAX_TARS: Final = 1_000_000
# The images of samples, by the last part of a member's name.
IMAGES: Final = ("jpg", "jpeg", "png", "webp", "tif", "tiff", "gif", "bmp", "jp2", "jxl", "avif")
_INNERMOST: Final = re.compile(r"\{([^{}]*)\}")
_NUMBERS: Final = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.-?(\d+))?")
_LETTERS: Final = re.compile(r"([A-Za-z])\.\.([A-Za-z])(?:\.\.-?\d+)?")
_COUNTED: Final = re.compile("\0(\\d+)\0")
_PACKED: Final = re.compile(r"\.(tar\.\w+|tgz|tbz2?|txz)$", re.IGNORECASE)


def names_tars(word: str) -> bool:
    """Whether a word names tars: a tar, a list of them, or a local folder that contains some.

    Raises:
        ConfigError: the word is a command, a chained address, or names packed tars.
    """
    _refuse(word)
    if is_folder(word):
        return any(Path(word).glob("*.tar"))
    return path_of(word).endswith(".tar")


def tars_in(word: str) -> list[str]:
    """The tars that a word names, in order.

    Raises:
        ConfigError: as for `names_tars`, or the list is not one, or too long.
    """
    _refuse(word)
    if is_folder(word):
        return [str(path) for path in sorted(Path(word).glob("*.tar"))]
    if _exists(word):
        return [word]
    return [path for one in _listed(word) for path in _matching(one)]


def _listed(word: str) -> list[str]:
    """The names of a brace list; a word without one as it is."""
    if "{" not in word:
        return [word]
    # Imported here: few commands read a list.
    from braceexpand import braceexpand

    try:
        # Counted first: the library makes all values of a range before it returns the first one.
        if (num := _num_in(word)) > MAX_TARS:
            raise ConfigError(
                f"the list names {num:,} tars, more than {MAX_TARS:,}", where=word, remedy="name fewer"
            )
        return list(braceexpand(word))
    except ValueError as error:
        raise ConfigError(f"not a list of tars: {error}", where=word, remedy="close each brace") from error


def _matching(word: str) -> list[str]:
    """The files that a pattern matches, in order; a word that is none as it is."""
    if "*" not in word or "://" in word:
        return [word]
    path = Path(word)
    found = sorted(str(one) for one in Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    if not found:
        raise ConfigError("no file matches this pattern", where=word, remedy="check the path")
    return found


def is_folder(word: str) -> bool:
    """Whether a word is the path of a folder; a list may be longer than any path."""
    try:
        return Path(word).is_dir()
    except (OSError, ValueError):
        return False


def _exists(word: str) -> bool:
    try:
        return Path(word).exists()
    except (OSError, ValueError):
        return False


def _num_in(word: str) -> int:
    """The number of names that a brace list stands for.

    Raises:
        ValueError: a number has too many digits.
    """
    left = re.sub(r"\\.", "", word.replace("\0", ""))
    # From the innermost braces outwards; each is replaced by its number of values, between NULs.
    while (found := _INNERMOST.search(left)) is not None:
        left = f"{left[: found.start()]}\0{_num_of(found[1])}\0{left[found.end() :]}"
    return _product(left)


def _num_of(expression: str) -> int:
    if whole := _NUMBERS.fullmatch(expression):
        step = max(1, int(whole[3] or 1))
        return abs(int(whole[2]) - int(whole[1])) // step + 1
    if letters := _LETTERS.fullmatch(expression):
        return abs(ord(letters[2]) - ord(letters[1])) + 1
    return sum(_product(part) for part in expression.split(","))


def _product(text: str) -> int:
    """The product of the numbers that are marked in a text."""
    return math.prod(int(one) for one in _COUNTED.findall(text))


def path_of(word: str) -> str:
    """The path in an address, without its query; a path of this machine as it is."""
    return urlsplit(word).path if "://" in word else word


def _refuse(word: str) -> None:
    if word.startswith("pipe:") or "::" in word:
        raise ConfigError(
            "commands and chained addresses are not read",
            where=word,
            remedy="name a file, or an http, https or s3 address",
        )
    if word.startswith("file:"):
        raise ConfigError(
            "files of this machine are named by their paths",
            where=word,
            remedy=f"name {urlsplit(word).path or 'the path'}",
        )
    if _PACKED.search(path_of(word)) and not is_folder(word):
        raise ConfigError(
            "a packed tar is not read: nothing in it can be found without unpacking all of it",
            where=word,
            remedy="unpack it to a plain .tar",
        )
