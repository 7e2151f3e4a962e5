"""Guesses which column holds what: from the names of the columns and from their values.

A name says what a column is meant to be, values say what it is. Values decide where the name can mean two
things (`Bild` is a file name or a description) or says nothing. A guess is shown to the user and becomes a
config, so it need not be perfect, but it must not publish by accident: a column that nothing speaks for is
left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from data_prep.institutions import CAPTION_FIELDS
from data_prep.sources.tables.cells import LIST_FIELDS, columns_in, values_of
from data_prep.sources.tables.columns_seen import ColumnSeen, columns_seen
from data_prep.sources.tables.picture_files import PictureFolder
from data_prep.sources.tables.rows import Row
from data_prep.sources.tables.vocabulary import ColumnName, meaning_of

# Fields that one column has; of several the surest counts, and the others are not used.
_SINGLE: Final = (
    "file",
    "id",
    "rights",
    "homepage",
    "language",
    "manifest",
    "institution",
    "date",
    "attribution",
)
_ENOUGH: Final = 0.5


@dataclass
class Guess:
    """What the columns of a table seem to hold."""

    columns: dict[str, str] = field(default_factory=dict)
    """Column -> field."""
    reasons: dict[str, str] = field(default_factory=dict)
    languages: dict[str, str] = field(default_factory=dict)
    """Caption field -> the language that its column names."""
    separators: dict[str, str] = field(default_factory=dict)
    pattern: str | None = None
    """File pattern, where no column holds file names but the files are named after one."""
    images: str | None = None
    """Folder of the files, relative to that of the table."""

    def settings(self) -> dict[str, Any]:
        """The guess as values of `pack`'s config."""
        columns: dict[str, Any] = {"rights": None, "captions": {}}
        further: dict[str, list[str]] = {}
        for name, meant in self.columns.items():
            if meant == "ignore":
                continue
            target = columns["captions"] if meant in CAPTION_FIELDS else columns
            if target.get(meant):
                further.setdefault(meant, []).append(name)
            else:
                target[meant] = name
        if self.pattern:
            columns["file"] = self.pattern
        columns["captions"] = {
            one: columns["captions"][one] for one in CAPTION_FIELDS if one in columns["captions"]
        }
        if self.languages:
            columns["caption_languages"] = dict(self.languages)
        found: dict[str, Any] = {"columns": columns}
        if self.separators:
            found["separators"] = dict(self.separators)
        if further:
            found["further_columns"] = further
        if self.images:
            found["images"] = self.images
        return found

    @property
    def has_file(self) -> bool:
        """Whether the guess says where the pictures are."""
        return self.pattern is not None or "file" in self.columns.values()


def guess(rows: Sequence[Row], pictures: PictureFolder | None = None) -> Guess:
    """What the columns of a table hold, from some of its rows.

    Args:
        pictures: the folder next to the table; files in it that are named after a column tell a pattern.
    """
    seen = columns_seen(rows)
    found = Guess()
    claims: dict[str, list[tuple[float, str]]] = {}
    for column in seen:
        meant, strength, reason = _claim(column)
        found.reasons[column.name] = reason
        if meant:
            claims.setdefault(meant, []).append((strength, column.name))
    order = {column.name: place for place, column in enumerate(seen)}
    for meant, rivals in claims.items():
        ranked = sorted(rivals, key=lambda rival: (-rival[0], order[rival[1]]))
        for _, name in ranked[1:] if meant in _SINGLE else []:
            found.reasons[name] = f"a second column for {meant}"
        for _, name in ranked[:1] if meant in _SINGLE else sorted(ranked, key=lambda rival: order[rival[1]]):
            found.columns[name] = meant
    found.columns = {name: found.columns[name] for name in order if name in found.columns}
    _find_files(found, seen, rows, pictures)
    _find_caption(found, seen)
    _note_languages(found)
    for column in seen:
        # A technique may be described in a sentence with measures.
        meant = found.columns.get(column.name)
        if column.separator and meant in (*LIST_FIELDS - {"technique"}, "file"):
            found.separators[column.name] = column.separator
        elif column.loose_separator and meant == "subject":
            found.separators[column.name] = column.loose_separator
    return found


def _claim(column: ColumnSeen) -> tuple[str | None, float, str]:
    """The field that a column claims, how surely, and why."""
    name = meaning_of(column.name)
    if column.num_filled == 0:
        return None, 0.0, "empty"
    kinds = (("manifest", column.manifest), ("file", column.file), ("file", column.image_address))
    for kind, share in kinds:
        if share >= _ENOUGH:
            return kind, 2 + share + (name is not None and name.field == kind), _REASONS[kind]
    if column.rights >= _ENOUGH and (name is None or name.field not in ("title", "id")):
        return "rights", 2 + column.rights + (name is not None and name.field == "rights"), _REASONS["rights"]
    if name is not None and (meant := _as_values_allow(name, column)):
        return meant, _strength(name), f"its name ({'all' if name.is_whole else 'a part'} of it)"
    return _by_values(column, name)


_REASONS: Final = {
    "file": "its values are names or addresses of pictures",
    "manifest": "its values are addresses of manifests",
    "rights": "its values are licences or rights statements",
    "homepage": "its values are web addresses",
    "date": "its values are dates",
    "iconclass": "its values are Iconclass notations",
}


def _strength(name: ColumnName) -> float:
    return (1.5 if name.is_whole else 0.5) + 0.1 * name.num_words


def _as_values_allow(name: ColumnName, column: ColumnSeen) -> str | None:
    """The field that a name means, unless the values contradict it."""
    meant = name.field
    is_text = column.mean_words >= 2.5
    if meant == "file":
        # `Bild` with sentences in it describes the picture.
        return None if column.address >= _ENOUGH and not name.is_whole else "caption" if is_text else "file"
    if meant == "id":
        return None if column.mean_chars > 60 or (column.address >= _ENOUGH and not name.is_whole) else "id"
    if meant == "homepage":
        return "homepage" if column.address >= _ENOUGH else None
    if meant in ("title", "description", "caption", "subject") and column.address >= _ENOUGH:
        return "homepage"
    if meant == "language" and column.mean_chars > 15:
        return None
    if meant == "manifest":
        return "manifest" if column.address >= _ENOUGH else None
    return meant


def _by_values(column: ColumnSeen, name: ColumnName | None) -> tuple[str | None, float, str]:
    if name is not None and name.field in ("ignore", "file"):
        return None, 0.0, "nothing speaks for it"
    if column.address >= _ENOUGH:
        return "homepage", 0.4, _REASONS["homepage"]
    if column.iconclass >= 0.8 and column.mean_chars > 2:
        return "iconclass", 0.4, _REASONS["iconclass"]
    if column.date >= 0.8:
        return "date", 0.4, _REASONS["date"]
    return None, 0.0, "nothing speaks for it"


def _find_files(
    found: Guess, seen: Sequence[ColumnSeen], rows: Sequence[Row], pictures: PictureFolder | None
) -> None:
    """Where the pictures are: their folder, or the column that they are named after."""
    by_name = {column.name: column for column in seen}
    named = [name for name, meant in found.columns.items() if meant == "file"]
    for name in named:
        column = by_name[name]
        if column.file >= _ENOUGH or column.image_address >= _ENOUGH or column.address >= _ENOUGH:
            return
        # Named as a file but without an extension, or something else altogether: the folder tells.
        del found.columns[name]
    if pictures is None:
        return
    candidates = sorted(
        (
            column
            for column in seen
            if column.distinct > 0.5 and column.mean_chars < 100 and column.address < _ENOUGH
        ),
        key=lambda column: (column.name not in named, found.columns.get(column.name) != "id"),
    )
    for column in candidates:
        values = [value for row in rows for value in values_of(row.get(column.name))[:1]]
        files = [match.name for value in values if (match := pictures.match(value)).name]
        if len(values) and len(files) >= _ENOUGH * len(values):
            found.pattern = f"{{{column.name}}}{_common_extension(files)}"
            found.reasons[column.name] = "the pictures are named after it"
            return


def _common_extension(names: Sequence[str | None]) -> str:
    endings = [f".{name.rpartition('.')[2]}" for name in names if name]
    return max(set(endings), key=endings.count)


def _find_caption(found: Guess, seen: Sequence[ColumnSeen]) -> None:
    """Without any text about the picture, the column with the longest distinct texts is the caption."""
    kinds = [name for name, meant in found.columns.items() if meant == "object_type"]
    if "title" not in found.columns.values() and kinds:
        # A column named as a kind of object holds titles where hardly two are equal.
        column = next(one for one in seen if one.name == kinds[0])
        if column.distinct > 0.8 and column.num_filled >= 3:
            found.columns[column.name] = "title"
            found.reasons[column.name] = "named as a kind, but hardly two are equal"
    if any(meant in ("title", "caption", "description") for meant in found.columns.values()):
        return
    free = [
        column
        for column in seen
        if column.name not in found.columns
        and column.mean_words >= 2
        and column.distinct >= 0.3
        and column.address < 0.1
        and not ((name := meaning_of(column.name)) and name.field in ("ignore", "attribution", "note"))
    ]
    if free:
        longest = max(free, key=lambda column: column.mean_chars)
        found.columns[longest.name] = "caption"
        found.reasons[longest.name] = "the longest texts of the table"


def _note_languages(found: Guess) -> None:
    """Languages that the names of caption columns state; one language per field."""
    for name, meant in found.columns.items():
        named = meaning_of(name)
        if meant in CAPTION_FIELDS and named and named.language:
            found.languages.setdefault(meant, named.language)


def patterned(name: str) -> bool:
    """Whether a setting is a file pattern."""
    return columns_in(name) != [name]


def example(rows: Sequence[Row], settings: Mapping[str, Any]) -> list[dict[str, str]]:
    """Three rows as the guess reads them: field -> text, cut to a line."""
    shown: list[dict[str, str]] = []
    columns = {**settings["columns"], **settings["columns"].get("captions", {})}
    for row in rows[:3]:
        texts: dict[str, str] = {}
        for meant, spec in columns.items():
            if isinstance(spec, str):
                values = [re.sub(r"\s+", " ", text) for text in _row_texts(row, spec)]
                texts[meant] = "; ".join(values)[:100]
        shown.append({meant: text for meant, text in texts.items() if text})
    return shown


def _row_texts(row: Row, spec: str) -> list[str]:
    if not patterned(spec):
        return values_of(row.get(spec))
    text = spec
    for column in columns_in(spec):
        text = text.replace(f"{{{column}}}", next(iter(values_of(row.get(column))), ""))
    return [text]
