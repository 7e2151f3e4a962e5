"""A folder of images and a table of any kind -> candidates, for partners without IIIF.

The config states which column holds what (data_prep.sources.table_config.Columns). The texts
are processed like those of a manifest: markup, shelfmarks and titles with tails are handled
once, in data_prep.description.describe.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
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
from data_prep.sources.tables.cells import Cells, columns_in, names_in, values_of
from data_prep.sources.tables.files import LINES, RECORDS, ROWS_OF_A_CHUNK, digest_of, rows, table_files
from data_prep.sources.tables.picture_files import (
    Match,
    PictureFolder,
    differences_in,
    is_plain_name,
    why_missing,
)
from data_prep.sources.tables.records import COLUMNS as COLUMNS_OF_RECORDS
from data_prep.sources.tables.regions import regions_of
from data_prep.sources.tables.remote_tables import folder_of, on_disk
from data_prep.sources.tables.rows import Reading, Row, Spoken
from data_prep.sources.tables.web_folders import web_folder
from iconoclip.config import nearest
from iconoclip.errors import BadInput, ConfigError
from iconoclip.record import Region, Source, is_slug

ROWS_LOOKED_AT: Final = 200


def first_rows_of(paths: list[Path], config: TableSettings) -> list[Row]:
    """The first rows of a table that can be read, to guess from."""
    readable = (row for _, row in rows(paths, reading_of(config)) if not isinstance(row, str))
    return list(itertools.islice(readable, ROWS_LOOKED_AT))


def reading_of(config: TableSettings) -> Reading:
    """How the table is to be read, as far as the config says so."""
    return Reading(tuple(config.sheets), config.encoding, config.delimiter)


class TableReader:
    """Reads one table.

    Raises:
        ConfigError: a column that is mapped and not there; an institution without a slug.
    """

    def __init__(self, config: TableSettings) -> None:
        self.name = str(config.table)
        self.paths = table_files(on_disk(config.table))
        self.path = self.paths[0]
        self._config, self._columns = config, config.columns
        if self.path.suffix.lower() in RECORDS and self._columns == Columns():
            self._columns = COLUMNS_OF_RECORDS
        self._institutions(config)
        first = first_rows_of(self.paths, config)
        if not first:
            raise BadInput("the table holds no rows", where=self.path, remedy="is this the right file?")
        header = dict.fromkeys(name for row in first for name in row)
        self._cells = Cells(header, config.list_separator, config.separators)
        self._check_columns(list(header))
        self.web = web_folder(config.images or folder_of(config.table))
        self.folder = Path() if self.web else self._image_folder(first)
        self._pictures = PictureFolder(self.folder)

    def _numbered(self) -> Iterator[tuple[int, Row | str]]:
        return rows(self.paths, reading_of(self._config))

    def _institutions(self, config: TableSettings) -> None:
        """What is known of the institutions of rows, and how their texts become captions."""
        self._profiles: dict[str, InstitutionProfile] = {}
        self._describers: dict[str, Describer] = {}
        self._changes = changes_in(config.composition)

    def identity(self) -> str:
        """What tells this table from another: its SHA-256."""
        return digest_of(self.paths)

    def chunks(self) -> Iterator[Found]:
        """All candidates in the order of the rows, so many rows at a time."""
        numbered = self._numbered()
        seen: set[str] = set()
        while chunk := list(itertools.islice(numbered, ROWS_OF_A_CHUNK)):
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

    def near_files(self) -> tuple[Counter[str], int]:
        """How many pictures are not there as the table writes them, by how the nearest file differs; and how
        many have none that is near."""
        matches = [
            self._pictures.match(name)
            for _, row in self._numbered()
            if not isinstance(row, str)
            for name in self._cells.texts(row, self._columns.file)
            if not web_address(name)
        ]
        return differences_in(matches), sum(match.name is None for match in matches)

    def _check_columns(self, header: list[str]) -> None:
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
        wanted += list(self._config.further_columns.items())
        wanted += [("separators", column) for column in self._config.separators]
        may_lack = self.path.suffix.lower() in (*LINES, *RECORDS)
        for name, spec in wanted:
            names = names_in(spec)
            if not any(map(self._cells.has, names)) and (name == "file" or not may_lack):
                self._refuse_column(name, names[0], header)

    def _refuse_column(self, field: str, name: str, header: list[str]) -> None:
        missing = next(column for column in columns_in(name) if not self._cells.has(column))
        raise ConfigError(
            f"no column '{missing}' in the table (columns.{field})",
            where=self.path, remedy=nearest(missing, header),
        )  # fmt: skip

    def _image_folder(self, first: list[Row]) -> Path:
        """Where the file column starts from: as configured, else the table's folder or the one above it."""
        if self._config.images is not None:
            return Path(self._config.images)
        names = [name for row in first[:50] if (name := self._cells.text(row, self._columns.file))]
        candidates = (self.path.parent, self.path.parent.parent)
        return next(
            (folder for folder in candidates if any(_is_in(folder, name) for name in names)), self.path.parent
        )

    def _text(self, row: Row, spec: str | list[str] | None) -> str | None:
        return self._cells.text(row, spec)

    def _row(self, number: int, row: Row | str) -> Iterator[Candidate | Refusal]:
        if isinstance(row, str):
            yield Refusal(f"row {number}", row)
            return
        names = self._cells.texts(row, self._columns.file)
        if not names:
            yield Refusal(f"row {number}", "names no file")
        for place, name in enumerate(dict.fromkeys(names)):
            yield from self._picture(number, row, name, place, len(names))

    def _picture(
        self, number: int, row: Row, name: str, place: int, num_pictures: int
    ) -> Iterator[Candidate | Refusal]:
        """One picture of a row, and its regions.

        Args:
            place: its number among the pictures of the row, from 0.
        """
        where = f"row {number}: {name}"
        file = self._file(name)
        if file.name is None:
            yield Refusal(where, why_missing(file))
            return
        try:
            page = self._candidate(row, name, file.name, place, num_pictures)
        except ValueError as error:
            first = error.errors()[0]["msg"] if hasattr(error, "errors") else error
            yield Refusal(where, f"does not fit a record: {first}")
            return
        yield page
        if self._config.regions == "records":
            yield from self._regions(row, file.name, page)

    def _file(self, name: str) -> Match:
        """The file that a name in the table means. What cannot be looked up is left to the download, which
        says what is wrong with it."""
        if self.web is not None or web_address(name):
            return Match(self.web.address(name) if self.web else name)
        found = self._pictures.match(name)
        if found.name and (not found.difference or self._config.near_files == "use"):
            return Match(found.name)
        if found.name or found.others or is_plain_name(name):
            return Match(None, found.difference, (found.name,) if found.name else found.others)
        return Match(name)

    def _candidate(self, row: Row, name: str, file: str, place: int = 0, num_pictures: int = 1) -> Candidate:
        columns = self._columns
        profile = self._profile(self._text(row, columns.institution))
        pairs = raw_pairs(self._statements(row), "record")
        described = self._describer(profile).described(pairs, None)
        item = self._text(row, columns.id) or name
        # Further pictures of a row are distinguished by the names of their files.
        identity = item if place == 0 or item == name else f"{item}#{name}"
        manifest = self._text(row, columns.manifest)
        size = _size(self._text(row, columns.source_width), self._text(row, columns.source_height))
        return Candidate(
            institution=profile.institution,
            source=Source(
                id=identity,
                canvas=self._text(row, columns.canvas),
                manifest=manifest,
                image=self._text(row, columns.image) or (file if web_address(file) else name),
                homepage=web_address(described.description.homepage),
                image_service=None,
                region=None,
            ),
            group=self._text(row, columns.group) or manifest or item,
            **described.fields,
            image_uri=file,
            source_size=size,
            num_images=num_pictures if num_pictures > 1 else None,
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
            for label, text in self._of_field(row, field, spec):
                yield Statement(field, text, _language_of(text) or spoken, label)
        others: tuple[tuple[TextField, str, str | list[str] | None], ...] = (
            ("creator", "creators", columns.creators), ("date", "date", columns.date),
            ("type", "object_type", columns.object_type), ("iconclass", "iconclass", columns.iconclass),
            ("attribution", "attribution", columns.attribution), ("homepage", "homepage", columns.homepage),
        )  # fmt: skip
        for name, field, column in others:
            for label, text in self._of_field(row, field, column):
                yield Statement(name, text, _language_of(text), label)
        for column in names_in(columns.raw):
            yield from (
                Statement("ignore", text, language, name) for name, text in self._cells.cells(row, column)
            )
        rights = [
            Statement("rights", text, None, label)
            for label, text in self._of_field(row, "rights", columns.rights)
        ]
        if not rights and self._config.rights:
            rights = [Statement("rights", self._config.rights, None, "rights")]
        yield from rights

    def _of_field(self, row: Row, field: str, spec: str | list[str] | None) -> list[tuple[str, str]]:
        """The texts of a field: in the first filled one of its columns, and in all of its further ones."""
        own = self._cells.cells(row, spec, field)
        known = {text for _, text in own}
        further = self._cells.all_cells(row, self._config.further_columns.get(field), field)
        return [*own, *((label, text) for label, text in further if text not in known)]

    def _describer(self, profile: InstitutionProfile) -> Describer:
        return self._describers.setdefault(profile.slug, Describer(profile))

    def _profile(self, name: str | None) -> InstitutionProfile:
        """The institution of a row: its own name's, else the one configured."""
        key = name or ""
        if key not in self._profiles:
            self._profiles[key] = self._find_profile(name).with_composition(self._changes)
        return self._profiles[key]

    def _find_profile(self, name: str | None) -> InstitutionProfile:
        names = self._config.institution_names
        slug = names.get(name or "")
        if not name and len(names) == 1 and not self._config.institution:
            # The table has no such column: the one institution that is named is meant.
            ((name, slug),) = names.items()
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
                remedy=(
                    "give --institution (`iconoclip institution new` writes a profile), or map its name to a"
                    " slug in institution_names"
                ),
            )
        return InstitutionProfile(slug=slug, name=name)

    def _regions(self, row: Row, name: str, page: Candidate) -> Iterator[Candidate | Refusal]:
        names = names_in(self._columns.regions)
        listed = next((found for key in names if (found := self._cells.value(row, key))), None)
        for number, region, place in regions_of(
            listed, self.folder / name, self._columns, self._config.min_region_pixels
        ):
            if isinstance(place, Region):
                yield self._region(region, place, row, page)
            else:
                yield Refusal(f"{page.source.id}, region {number}", place)

    def _region(self, region: dict[str, Any], place: Region, row: Row, page: Candidate) -> Candidate:
        profile = self._profile(self._text(row, self._columns.institution))
        language = self._text(row, self._columns.language) or self._config.language
        column = self._columns.region_label
        pairs = [
            raw_pair(column, text, language, "annotation", "caption")
            for text in values_of(region.get(column))
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


def _language_of(text: str) -> str | None:
    return text.language if isinstance(text, Spoken) else None


def _is_in(folder: Path, name: str) -> bool:
    try:
        return (folder / name).is_file()
    except (OSError, ValueError):
        return False


def _size(width: str | None, height: str | None) -> tuple[int, int] | None:
    if width and height and width.isdigit() and height.isdigit() and int(width) and int(height):
        return int(width), int(height)
    return None
