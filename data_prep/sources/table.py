"""A folder of images and a table (CSV, JSONL or Parquet) -> candidates, for partners without IIIF.

The config states which column holds what (data_prep.sources.table_config.Columns). The texts
are processed like those of a manifest: markup, shelfmarks and titles with tails are handled
once, in data_prep.description.describe.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from data_prep.candidate import Candidate, Found, Refusal
from data_prep.composition import changes_in
from data_prep.description.captions import Statement
from data_prep.description.raw import PICTURE, Describer, raw_pair, raw_pairs
from data_prep.iiif.document import web_address
from data_prep.institutions import (
    CAPTION_FIELDS,
    InstitutionProfile,
    TextField,
    load_profile,
    shipped_names,
)
from data_prep.sources.table_config import Columns, TableSettings
from data_prep.sources.table_rows import ROWS_OF_A_CHUNK, Row, rows, table_file
from iconoclip.config import nearest
from iconoclip.errors import BadInput, ConfigError
from iconoclip.files import sha256_of
from iconoclip.pictures import ImageRefused, header_size
from iconoclip.record import Region, Source, is_slug

MAX_REGIONS: Final = 500


class TableReader:
    """Reads one table.

    Raises:
        ConfigError: a column that is mapped and not there; an institution without a slug.
    """

    def __init__(self, config: TableSettings) -> None:
        self.path = table_file(Path(config.table))
        self._config, self._columns = config, config.columns
        self._institutions(config)
        first = next((row for _, row in rows(self.path) if not isinstance(row, str)), None)
        if first is None:
            raise BadInput("the table holds no rows", where=self.path, remedy="is this the right file?")
        self._check_columns(first)
        self.folder = self._image_folder(first)

    def _institutions(self, config: TableSettings) -> None:
        """What is known of the institutions of rows, and how their texts become captions."""
        self._profiles: dict[str, InstitutionProfile] = {}
        self._describers: dict[str, Describer] = {}
        self._changes = changes_in(config.composition)

    def identity(self) -> str:
        """What tells this table from another: its SHA-256."""
        return sha256_of(self.path)

    def chunks(self) -> Iterator[Found]:
        """All candidates in the order of the rows, so many rows at a time."""
        numbered = rows(self.path)
        seen: set[str] = set()
        while chunk := list(islice(numbered, ROWS_OF_A_CHUNK)):
            candidates: list[Candidate] = []
            refusals: list[Refusal] = []
            for number, row in chunk:
                for found in self._row(number, row):
                    if isinstance(found, Refusal):
                        refusals.append(found)
                    elif (identity := f"{found.source.id}#{found.source.region}") in seen:
                        refusals.append(
                            Refusal(f"row {number}: {found.source.id}", "an earlier row has the same id")
                        )
                    else:
                        seen.add(identity)
                        candidates.append(found)
            yield Found(tuple(candidates), refusals=tuple(refusals))

    def _check_columns(self, row: Row) -> None:
        """Columns that the config names itself must exist; rows of JSONL may each have others. A printed
        config lists the usual names too: they count as named only where they differ from the default."""
        wanted: list[tuple[str, str | list[str]]] = [("file", self._columns.file)]
        usual = Columns()
        named = {
            name
            for name in self._columns.model_fields_set
            if getattr(self._columns, name) != getattr(usual, name)
        }
        for name in named - {"file", "caption_languages"}:
            if name == "captions":
                wanted += list(self._columns.captions.items())
            elif not name.startswith("region_") and (column := getattr(self._columns, name)):
                wanted.append((name, column))
        optional = self.path.suffix.lower() in (".jsonl", ".ndjson")
        for name, spec in wanted:
            names = [spec] if isinstance(spec, str) else list(spec)
            if not any(column in row for column in names) and (name == "file" or not optional):
                raise ConfigError(
                    f"no column '{names[0]}' in the table (columns.{name})",
                    where=self.path, remedy=nearest(names[0], [str(column) for column in row]),
                )  # fmt: skip

    def _image_folder(self, row: Row) -> Path:
        """Where the file column starts from: as configured, else the table's folder or the one above it."""
        if self._config.images is not None:
            return self._config.images
        name = next(iter(self._texts(row, self._columns.file)), "")
        candidates = (self.path.parent, self.path.parent.parent)
        return next((folder for folder in candidates if name and (folder / name).is_file()), self.path.parent)

    def _texts(self, row: Row, spec: str | list[str] | None) -> list[str]:
        """The texts in the first filled one of the columns."""
        return [text for _, text in self._cells(row, spec)]

    def _cells(self, row: Row, spec: str | list[str] | None) -> list[tuple[str, str]]:
        """The texts in the first filled one of the columns, each with the column's name."""
        for name in [spec] if isinstance(spec, str) else spec or []:
            if texts := [(name, text) for value in _values(row.get(name)) for text in self._split(value)]:
                return texts
        return []

    def _split(self, value: str) -> list[str]:
        separator = self._config.list_separator
        parts = value.split(separator) if separator else [value]
        return [part.strip() for part in parts if part.strip()]

    def _text(self, row: Row, spec: str | list[str] | None) -> str | None:
        return next(iter(self._texts(row, spec)), None)

    def _row(self, number: int, row: Row | str) -> Iterator[Candidate | Refusal]:
        if isinstance(row, str):
            yield Refusal(f"row {number}", row)
            return
        name = self._text(row, self._columns.file)
        if name is None:
            yield Refusal(f"row {number}", "names no file")
            return
        try:
            page = self._candidate(row, name)
        except ValueError as error:
            first = error.errors()[0]["msg"] if hasattr(error, "errors") else error
            yield Refusal(f"row {number}: {name}", f"does not fit a record: {first}")
            return
        yield page
        if self._config.regions == "records":
            yield from self._regions(row, name, page)

    def _candidate(self, row: Row, name: str) -> Candidate:
        columns = self._columns
        profile = self._profile(self._text(row, columns.institution))
        pairs = raw_pairs(self._statements(row), "record")
        described = self._describer(profile).described(pairs, None)
        identity = self._text(row, columns.id) or name
        manifest = self._text(row, columns.manifest)
        size = _size(self._text(row, columns.source_width), self._text(row, columns.source_height))
        return Candidate(
            institution=profile.institution,
            source=Source(
                id=identity,
                canvas=self._text(row, columns.canvas),
                manifest=manifest,
                image=self._text(row, columns.image) or name,
                homepage=web_address(described.description.homepage),
                image_service=None,
                region=None,
            ),
            group=self._text(row, columns.group) or manifest or identity,
            **described.fields,
            image_uri=name,
            source_size=size,
        )

    def _statements(self, row: Row) -> Iterator[Statement]:
        columns = self._columns
        language = self._text(row, columns.language) or self._config.language
        for field, spec in columns.captions.items():
            if field not in CAPTION_FIELDS:
                raise ConfigError(
                    f"'{field}' is no caption field",
                    where="columns.captions",
                    remedy=nearest(field, CAPTION_FIELDS),
                )
            spoken = columns.caption_languages.get(field, language)
            yield from (Statement(field, text, spoken, label) for label, text in self._cells(row, spec))
        others: tuple[tuple[TextField, str | list[str] | None], ...] = (
            ("creator", columns.creators), ("date", columns.date), ("type", columns.object_type),
            ("iconclass", columns.iconclass), ("attribution", columns.attribution),
            ("homepage", columns.homepage),
        )  # fmt: skip
        for name, column in others:
            yield from (Statement(name, text, None, label) for label, text in self._cells(row, column))
        for column in _names(columns.raw):
            yield from (Statement("ignore", text, language, name) for name, text in self._cells(row, column))
        rights = [Statement("rights", text, None, label) for label, text in self._cells(row, columns.rights)]
        if not rights and self._config.rights:
            rights = [Statement("rights", self._config.rights, None, "rights")]
        yield from rights

    def _describer(self, profile: InstitutionProfile) -> Describer:
        return self._describers.setdefault(profile.slug, Describer(profile))

    def _profile(self, name: str | None) -> InstitutionProfile:
        """The institution of a row: its own name's, else the one configured."""
        key = name or ""
        if key not in self._profiles:
            self._profiles[key] = self._find_profile(name).with_composition(self._changes)
        return self._profiles[key]

    def _find_profile(self, name: str | None) -> InstitutionProfile:
        slug = self._config.institution_names.get(name or "")
        if slug is None and self._config.institution:
            return load_profile(self._config.institution)
        if slug in shipped_names():
            return load_profile(slug)
        slug = slug or (name or "").lower()
        if not name or not is_slug(slug):
            raise ConfigError(
                f"the institution '{name}' has no short name"
                if name
                else "the table's institution is not known",
                where=self.path,
                remedy="give --institution, or map its name to a slug in institution_names",
            )
        return InstitutionProfile(slug=slug, name=name)

    def _regions(self, row: Row, name: str, page: Candidate) -> Iterator[Candidate | Refusal]:
        regions = _listed(next((row[key] for key in _names(self._columns.regions) if row.get(key)), None))
        size = _header_size(self.folder, name) if regions else None
        for number, region in enumerate(regions[:MAX_REGIONS], 1):
            where = f"{page.source.id}, region {number}"
            place = self._place(region, size) if isinstance(region, dict) else None
            if place is None:
                yield Refusal(where, "a region that is no rectangle within the image")
            elif min(place.width, place.height) < self._config.min_region_pixels:
                yield Refusal(where, f"a region of {place.width}x{place.height} pixels, too small")
            else:
                yield self._region(region, place, row, page)

    def _region(self, region: dict[str, Any], place: Region, row: Row, page: Candidate) -> Candidate:
        profile = self._profile(self._text(row, self._columns.institution))
        language = self._text(row, self._columns.language) or self._config.language
        column = self._columns.region_label
        pairs = [
            raw_pair(column, text, language, "annotation", "caption") for text in _values(region.get(column))
        ]
        # Without words of its own a region has those of its row.
        pairs.append(raw_pair(column, "", None, "annotation", PICTURE))
        described = self._describer(profile).described([*pairs, *page.raw], None, page.raw_num_dropped)
        return replace(
            page,
            source=page.source.model_copy(update={"region": place}),
            **described.fields,
            region=place,
        )

    def _place(self, region: dict[str, Any], size: tuple[int, int] | None) -> Region | None:
        """A region's rectangle in whole pixels, cut to the image; None when there is none."""
        if size is None:
            return None
        for key, units in ((self._columns.region_pixels, size), (self._columns.region_percent, (100, 100))):
            numbers = _rectangle(region.get(key))
            if numbers is None:
                continue
            across, down = size[0] / units[0], size[1] / units[1]
            left, top = max(0, round(numbers[0] * across)), max(0, round(numbers[1] * down))
            right = min(size[0], round((numbers[0] + numbers[2]) * across))
            bottom = min(size[1], round((numbers[1] + numbers[3]) * down))
            if right > left and bottom > top:
                return Region(x=left, y=top, width=right - left, height=bottom - top)
        return None


def _names(spec: str | list[str] | None) -> Iterable[str]:
    return [spec] if isinstance(spec, str) else spec or []


def _values(value: Any) -> list[str]:
    """The texts in a cell: a text, a number, a list of them, or a list written as JSON."""
    if value is None or isinstance(value, bool | dict):
        return []
    if isinstance(value, list | tuple):
        return [text for part in value for text in _values(part)]
    text = str(value).strip()
    if text.startswith("[") and text.endswith("]"):
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError):
            return [text]
        if isinstance(parsed, list) and not any(isinstance(part, list | dict) for part in parsed):
            return _values(parsed)
    return [text] if text else []


def _listed(value: Any) -> list[Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return []
    return value if isinstance(value, list) else []


def _rectangle(value: Any) -> tuple[float, float, float, float] | None:
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    if not isinstance(value, list | tuple) or len(value) != 4:
        return None
    try:
        x, y, width, height = (float(number) for number in value)
    except (TypeError, ValueError):
        return None
    finite = all(abs(number) < 1e9 for number in (x, y, width, height))
    return (x, y, width, height) if finite else None


def _size(width: str | None, height: str | None) -> tuple[int, int] | None:
    if width and height and width.isdigit() and height.isdigit() and int(width) and int(height):
        return int(width), int(height)
    return None


def _header_size(folder: Path, name: str) -> tuple[int, int] | None:
    """Width and height of an image in a folder, from its header alone."""
    try:
        return header_size(folder / name)
    except ImageRefused:  # the image itself is refused when it is read
        return None
