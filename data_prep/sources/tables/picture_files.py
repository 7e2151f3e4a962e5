"""Finds the picture that a table means in a folder, although the table spells its name in another way.

A name counts as the same in another Unicode form, in another case, with backslashes, and without a folder or
with that of another computer, if only one file is so called. If the extension, leading zeros, a folder within
the table's or punctuation differ, the file is only near: it is offered to the user, and used
when they said so.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from data_prep.description.page_labels import fold

EXTENSIONS: Final = (".jpg", ".jpeg", ".tif", ".tiff", ".png", ".jp2", ".webp", ".gif", ".bmp")
# Entries of the folder that are looked at: more are no folder of scans but a whole disk.
MAX_ENTRIES: Final = 500_000
ANOTHER_FOLDER: Final = "another folder"
_DRIVE: Final = re.compile(r"^(?:[A-Za-z]:|//[^/]+/[^/]+)")
_ALNUM: Final = re.compile(r"\d+|[^\W\d_]+")


@dataclass(frozen=True)
class Match:
    """What a folder has for a name: the file's name there, and how it differs from the table's."""

    name: str | None
    difference: str = ""
    """Empty where it is the same name in another spelling."""
    others: tuple[str, ...] = ()
    """Where several files are equally near."""


class PictureFolder:
    """The pictures in a folder and below it; listed when the first name is not found as it is written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._same: dict[str, list[str]] | None = None
        self._near: dict[str, list[str]] = {}
        self.is_cut = False

    def match(self, name: str) -> Match:
        """The file that a name means."""
        try:
            if (self.folder / name).is_file():
                return Match(name)
        except (OSError, ValueError):
            return Match(None)
        if ".." in PurePosixPath(name.replace("\\", "/")).parts or not name.isprintable():
            return Match(None)
        if self._same is None:
            self._list()
        assert self._same is not None
        if len(same := self._same.get(_spelling(name), [])) == 1:
            return Match(same[0])
        near = self._near.get(_loosely(name), [])
        if len(near) > 1:
            near = [one for one in near if _stem(one) == _stem(name)] or near
        if len(near) == 1:
            difference = _difference(name, near[0])
            # If the name has no folder, or that of another computer, only the file's name counts.
            is_same = difference == ANOTHER_FOLDER and not _folder_of(name)
            return Match(near[0], "" if is_same else difference)
        return Match(None, others=tuple(near[:3]))

    def stems(self) -> dict[str, list[str]]:
        """The names of all pictures by what is left of them without folder, extension, case and zeros."""
        if self._same is None:
            self._list()
        return self._near

    def _list(self) -> None:
        same, near = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
        for name in self._names():
            same[_spelling(name)].append(name)
            if name.lower().endswith(EXTENSIONS):
                near[_loosely(name)].append(name)
        self._same, self._near = dict(same), dict(near)

    def _names(self) -> Iterator[str]:
        """The names of the files below the folder in a fixed order; links are not followed."""
        count = 0
        for place, folders, files in os.walk(self.folder):
            folders[:] = sorted(one for one in folders if not one.startswith("."))
            within = Path(place).relative_to(self.folder)
            for file in sorted(files):
                count += 1
                if count > MAX_ENTRIES:
                    self.is_cut = True
                    return
                if not (Path(place) / file).is_symlink():
                    yield (within / file).as_posix()


def _folder_of(name: str) -> str:
    """The folder that a name gives relative to that of the table; none for a path from the root of a disk."""
    plain = name.strip().removeprefix("file://").replace("\\", "/")
    if plain.startswith("/") or _DRIVE.match(plain):
        return ""
    return _slashes(name).rpartition("/")[0]


def _slashes(name: str) -> str:
    return (
        _DRIVE.sub("", name.strip().removeprefix("file://").replace("\\", "/")).lstrip("/").removeprefix("./")
    )


def _spelling(name: str) -> str:
    return unicodedata.normalize("NFC", _slashes(name)).casefold()


def _stem(name: str) -> str:
    last = _slashes(name).rpartition("/")[2]
    stem, dot, extension = last.rpartition(".")
    is_extension = dot and f".{extension.lower()}" in EXTENSIONS
    return unicodedata.normalize("NFC", stem if is_extension else last).casefold()


def _loosely(name: str) -> str:
    """What is left of a name without folder, extension, case, accents, punctuation and leading zeros."""
    parts = (
        part.lstrip("0") or "0" if part.isdigit() else part for part in _ALNUM.findall(fold(_stem(name)))
    )
    return " ".join(parts)


def _difference(wanted: str, found: str) -> str:
    """How a near name differs, in words."""
    differences = []
    if _slashes(wanted).rpartition("/")[0].casefold() != found.rpartition("/")[0].casefold():
        differences.append(ANOTHER_FOLDER)
    if _stem(wanted) != _stem(found):
        bare = [_ALNUM.findall(fold(_stem(name))) for name in (wanted, found)]
        differences.append("other punctuation" if bare[0] == bare[1] else "leading zeros")
    last = _slashes(wanted).rpartition("/")[2]
    if not last.lower().endswith(EXTENSIONS):
        differences.append("without its extension")
    elif last.rpartition(".")[2].lower() != found.rpartition(".")[2].lower():
        differences.append("another extension")
    return ", ".join(differences) or "another spelling"


def differences_in(matches: list[Match]) -> Counter[str]:
    """How many near names differ in which way."""
    return Counter(match.difference for match in matches if match.name and match.difference)


def why_missing(file: Match) -> str:
    """The reason for a picture that is not there, with what is near it."""
    if not file.others:
        return "no such file"
    near = ", ".join(f"'{name}'" for name in file.others)
    if file.difference:
        return f"no such file; near it is {near} ({file.difference}): --near_files use takes such files"
    return f"no such file; several are near it: {near}"


def is_plain_name(name: str) -> bool:
    """Whether a name leads to a file below a folder, so that nothing but the file can be wrong."""
    path = Path(name.replace("\\", "/"))
    return not path.is_absolute() and ".." not in path.parts and "\0" not in name and ":" not in name
