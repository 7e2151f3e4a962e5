"""Lists of WebDataset tars as people name them: paths, folders, addresses, and brace lists such as
`laion-{00000..00041}.tar`.

Commands in place of addresses (`pipe:`) are never run, and chained addresses are not read.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from iconoclip.errors import ConfigError

MAX_TARS: Final = 1_000_000
# The images of samples, by the last part of a member's name.
IMAGES: Final = ("jpg", "jpeg", "png", "webp", "tif", "tiff", "gif", "bmp", "jp2", "jxl", "avif")
_PACKED: Final = re.compile(r"\.(tar\.\w+|tgz|tbz2?|txz)$", re.IGNORECASE)


def names_tars(word: str) -> bool:
    """Whether a word names tars: a tar, a list of them, or a local folder that contains some.

    Raises:
        ConfigError: the word is a command, a chained address, or names packed tars.
    """
    _refuse(word)
    if Path(word).is_dir():
        return any(Path(word).glob("*.tar"))
    return path_of(word).endswith(".tar")


def tars_in(word: str) -> list[str]:
    """The tars that a word names, in order.

    Raises:
        ConfigError: as for `names_tars`, or the list is not one, or too long.
    """
    _refuse(word)
    if Path(word).is_dir():
        return [str(path) for path in sorted(Path(word).glob("*.tar"))]
    if "{" not in word or Path(word).exists():
        return [word]
    # Imported here: few commands read a list.
    from braceexpand import braceexpand

    try:
        found = list(itertools.islice(braceexpand(word), MAX_TARS + 1))
    except ValueError as error:
        raise ConfigError(f"not a list of tars: {error}", where=word, remedy="close each brace") from error
    if len(found) > MAX_TARS:
        raise ConfigError(f"more than {MAX_TARS:,} tars", where=word, remedy="name fewer")
    return found


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
    if _PACKED.search(path_of(word)) and not Path(word).is_dir():
        raise ConfigError(
            "a packed tar is not read: nothing in it can be found without unpacking all of it",
            where=word,
            remedy="unpack it to a plain .tar",
        )
