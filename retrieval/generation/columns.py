"""The columns that items are filtered and counted by, in memory.

A column of values stores (row, code) pairs sorted by row; codes are sorted by value. So a filter is one
comparison over the codes, and a facet is one bincount. For a million items all columns together take about
100 MB, and a filter takes a few milliseconds.

Shapes: N rows, P (row, value) pairs, V distinct values.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from iconoclip.files import atomic_write
from iconoclip.page_layout.kinds import BOX_KINDS
from iconoclip.record import Record
from iconoclip.rights import statement
from retrieval import iconography
from retrieval.generation.notation_tree import DOUBLED_LETTER, Tree
from retrieval.generation.places import places_of
from retrieval.questions import Filters
from retrieval.words import folded, tokens

NO_RIGHTS = "none"
_LEAST, _MOST = np.iinfo(np.int32).min, np.iinfo(np.int32).max
UNKNOWN_EARLIEST, UNKNOWN_LATEST = _MOST, _LEAST
# "Before 1500" has no first year, "after 1500" has no last one.
OPEN_EARLIEST, OPEN_LATEST = _LEAST, _MOST
VALUE_FIELDS = (
    *("institution", "language", "rights", "object_type", "creator", "place", "picture_kind", "iconclass"),
    *("split", "group"),
)
# Fields that indexes of older versions do not have.
NEW_FIELDS = ("place", "picture_kind")
# Kinds of pages that are pictures themselves, if no picture was cut from them.
PICTURE_PAGES = ("picture", "map")
REUSABLE = ("yes", "share-alike")

Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ValueColumn:
    """The values of one field, any number per row: sorted values [V], and the pairs as
    int32 rows [P] and codes [P].
    """

    values: list[str]
    rows: npt.NDArray[np.int32]
    codes: npt.NDArray[np.int32]

    @classmethod
    def of(cls, values_by_row: Iterable[Sequence[str]]) -> ValueColumn:
        """A column from the values of each row, in row order."""
        codes: dict[str, int] = {}
        rows, found = [], []
        for row, values in enumerate(values_by_row):
            for value in dict.fromkeys(values):
                rows.append(row)
                found.append(codes.setdefault(value, len(codes)))
        ordered = sorted(codes)
        place = np.empty(len(ordered), np.int32)
        place[[codes[value] for value in ordered]] = np.arange(len(ordered), dtype=np.int32)
        return cls(ordered, np.array(rows, np.int32), place[np.array(found, np.int64)])

    @cached_property
    def folded(self) -> list[str]:
        """The values as they are compared."""
        return [folded(value) for value in self.values]

    @cached_property
    def words(self) -> list[str]:
        """The words of each value in their order, each between spaces."""
        return [f" {' '.join(tokens(value))} " for value in self.values]

    @cached_property
    def first_codes(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """The rows that have a value, and the code of the first value of each."""
        rows, places = np.unique(self.rows, return_index=True)
        return rows, self.codes[places]

    def equal_to(self, value: str) -> list[int]:
        """The codes of values that are equal, whatever their case and accents."""
        return self._codes_of_folded.get(folded(value), [])

    @cached_property
    def _codes_of_folded(self) -> dict[str, list[int]]:
        codes: dict[str, list[int]] = {}
        for code, each in enumerate(self.folded):
            codes.setdefault(each, []).append(code)
        return codes

    def with_words(self, words: Sequence[str], *, in_order: bool = False) -> list[int]:
        """The codes of values that have all of the folded words, or have them one after the other."""
        wanted = [f" {' '.join(words)} "] if in_order else [f" {word} " for word in words]
        return [code for code, text in enumerate(self.words) if all(each in text for each in wanted)]

    def mask(self, codes: Iterable[int], num_rows: int) -> Mask:
        """Which rows have any of the codes."""
        wanted_V = np.zeros(len(self.values) + 1, bool)
        wanted_V[list(codes)] = True
        return self._rows_where(wanted_V[self.codes], num_rows)

    def _rows_where(self, chosen_P: Mask, num_rows: int) -> Mask:
        mask_N = np.zeros(num_rows, bool)
        mask_N[self.rows[chosen_P]] = True
        return mask_N

    def counts(self, mask_N: Mask | None) -> Counts:
        """How many rows of the mask have each value, int64 [V]."""
        codes = self.codes if mask_N is None else self.codes[mask_N[self.rows]]
        return np.bincount(codes, minlength=len(self.values)).astype(np.int64)


@dataclass
class Columns:
    """All columns of a set of items; columns with one value per row are arrays [N]."""

    num_rows: int
    values: dict[str, ValueColumn]
    earliest: npt.NDArray[np.int32]
    latest: npt.NDArray[np.int32]
    reusable: Mask
    has_region: Mask
    whole_page: Mask
    institution_names: dict[str, str] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()

    @classmethod
    def of(cls, records: Sequence[Record]) -> Columns:
        """The columns of records, in row order."""
        builder = ColumnsBuilder()
        for record in records:
            builder.add(record)
        return builder.finish()

    def mask(self, filters: Filters) -> Mask:
        """Which rows pass the filters, bool [N]."""
        parts = [*self._value_masks(filters), *self._plain_masks(filters)]
        mask_N = np.ones(self.num_rows, bool)
        for part_N in parts:
            mask_N &= part_N
        return mask_N

    def made_in(self, year: int) -> Mask:
        """Which rows were made in a year for all that is known, if their date spans a century at most."""
        known_N = (self.earliest != UNKNOWN_EARLIEST) & (self.latest.astype(np.int64) - self.earliest <= 100)
        return np.asarray(known_N & (self.earliest <= year) & (self.latest >= year))

    def named_years(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """The earliest and latest year of each row [N], where an open end is the only year that is named."""
        return (
            np.where(self.earliest == OPEN_EARLIEST, self.latest, self.earliest),
            np.where(self.latest == OPEN_LATEST, self.earliest, self.latest),
        )

    def rows_with(self, name: str, value: str) -> list[int]:
        """The rows that have exactly this value."""
        column = self.values[name]
        code = bisect_left(column.values, value)
        if code == len(column.values) or column.values[code] != value:
            return []
        return [int(row) for row in column.rows[column.codes == code]]

    def _value_masks(self, filters: Filters) -> Iterable[Mask]:
        if filters.institution:
            yield self._mask_of("institution", filters.institution)
        if filters.without_institution:
            yield ~self._mask_of("institution", filters.without_institution)
        if filters.rights:
            yield self._mask_of("rights", filters.rights)
        for name in ("object_type", "creator", "place", "picture_kind"):
            if wanted := getattr(filters, name):
                yield self._mask_of(name, wanted)
        if filters.group:
            yield self._exact_mask("group", filters.group)
        if filters.split:
            yield self._mask_of("split", (filters.split,))
        if filters.language:
            yield self._mask_of("language", filters.language)
        if filters.iconclass:
            yield self._mask_of("iconclass", filters.iconclass)

    def _plain_masks(self, filters: Filters) -> Iterable[Mask]:
        if filters.earliest is not None or filters.latest is not None:
            yield self.in_period(filters.earliest, filters.latest, certainly=filters.dates == "certainly")
        if filters.reusable is not None:
            yield self.reusable == filters.reusable
        if filters.has_region is not None:
            yield self.has_region == filters.has_region
        if filters.pictures_only is not None:
            yield self.whole_page != filters.pictures_only

    @cached_property
    def iconclass_tree(self) -> Tree:
        """The notations of all rows with those above them; made on first use."""
        column = self.values["iconclass"]
        return Tree.of(column.values, column.rows, column.codes)

    def in_period(self, first: int | None, last: int | None, *, certainly: bool) -> Mask:
        """Which rows have a date that overlaps a period, or that certainly lies within it."""
        mask_N = np.asarray(self.earliest != UNKNOWN_EARLIEST)
        if first is not None:
            mask_N = mask_N & ((self.earliest if certainly else self.latest) >= first)
        if last is not None:
            mask_N = mask_N & ((self.latest if certainly else self.earliest) <= last)
        return mask_N

    def codes_of(self, name: str, value: str) -> list[int]:
        """The codes of a value of a filter: equal to it, or below it in a language or in Iconclass."""
        column = self.values[name]
        if name == "language":
            wanted = value.casefold()
            return [
                code
                for code, each in enumerate(column.folded)
                if each == wanted or each.startswith(wanted + "-")
            ]
        if name == "iconclass":
            branches = iconography.branches(value)
            return [
                code
                for code, each in enumerate(column.values)
                if each.startswith(branches) or DOUBLED_LETTER.sub(r"\1", each).startswith(branches)
            ]
        return column.equal_to(value)

    def _exact_mask(self, name: str, value: str) -> Mask:
        mask_N = np.zeros(self.num_rows, bool)
        mask_N[self.rows_with(name, value)] = True
        return mask_N

    def _mask_of(self, name: str, wanted: Sequence[str]) -> Mask:
        """The rows that have one of the values; case and diacritics are ignored. In Iconclass, a doubled
        letter (25FF2) counts as below the single one (25F2).
        """
        codes = {code for value in wanted for code in self.codes_of(name, value)}
        return self.values[name].mask(codes, self.num_rows)

    def save(self, path: Path) -> None:
        """Write the columns as one .npz file without pickles; texts are stored as JSON."""
        texts = {name: column.values for name, column in self.values.items()}
        names = {"texts": texts, "institution_names": self.institution_names}
        arrays = {
            f"{name}_{part}": getattr(column, part)
            for name, column in self.values.items()
            for part in ("rows", "codes")
        }
        with atomic_write(path) as file:
            np.savez(
                file,
                names=np.frombuffer(json.dumps(names, ensure_ascii=False).encode(), np.uint8),
                earliest=self.earliest,
                latest=self.latest,
                reusable=self.reusable,
                has_region=self.has_region,
                whole_page=self.whole_page,
                **arrays,
            )

    @classmethod
    def load(cls, path: Path) -> Columns:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            names = json.loads(stored["names"].tobytes())
            values = {
                name: ValueColumn(texts, stored[f"{name}_rows"], stored[f"{name}_codes"])
                for name, texts in names["texts"].items()
            }
            missing = frozenset(name for name in NEW_FIELDS if name not in values)
            nothing = ValueColumn([], np.zeros(0, np.int32), np.zeros(0, np.int32))
            return cls(
                num_rows=len(stored["earliest"]),
                values=values | dict.fromkeys(missing, nothing),
                earliest=stored["earliest"],
                latest=stored["latest"],
                reusable=stored["reusable"],
                has_region=stored["has_region"],
                whole_page=stored.get("whole_page", np.zeros(len(stored["earliest"]), bool)),
                institution_names=names["institution_names"],
                missing=missing,
            )


class ColumnsBuilder:
    """Collects columns record by record, so that a million records need not be in memory."""

    def __init__(self) -> None:
        self._values: dict[str, list[tuple[str, ...]]] = {name: [] for name in VALUE_FIELDS}
        self._interned: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._years: list[tuple[int, int]] = []
        self._reusable: list[bool] = []
        self._has_region: list[bool] = []
        self._whole_page: list[bool] = []
        self._names: dict[str, str] = {}

    def add(self, record: Record) -> None:
        """Append one record as the next row."""
        for name, values in values_of(record).items():
            self._values[name].append(self._interned.setdefault(values, values))
        self._years.append(years_of(record))
        self._reusable.append(record.rights.redistribute in REUSABLE)
        self._has_region.append(record.source.region is not None)
        self._whole_page.append(is_whole_page(record))
        self._names[record.institution.slug] = record.institution.name

    def finish(self) -> Columns:
        """The columns of all rows added so far."""
        years = np.array(self._years, np.int32).reshape(-1, 2)
        return Columns(
            num_rows=len(years),
            values={name: ValueColumn.of(values) for name, values in self._values.items()},
            earliest=years[:, 0].copy(),
            latest=years[:, 1].copy(),
            reusable=np.array(self._reusable, bool),
            has_region=np.array(self._has_region, bool),
            whole_page=np.array(self._whole_page, bool),
            institution_names=self._names,
        )


def values_of(record: Record) -> dict[str, tuple[str, ...]]:
    """The values of a record for each of the value columns."""
    return {
        "institution": (record.institution.slug,),
        "language": tuple(dict.fromkeys(caption.language for caption in record.captions)),
        "rights": (statement(record.rights.uri) or NO_RIGHTS,),
        "object_type": (record.object_type,) if record.object_type else (),
        "creator": record.creators,
        "place": places_of(record),
        "picture_kind": (kind,) if (kind := picture_kind_of(record)) else (),
        "iconclass": tuple(notation.replace(" ", "") for notation in record.iconclass),
        "split": (record.split,),
        "group": (record.group,),
    }


def picture_kind_of(record: Record) -> str | None:
    """The kind of a picture that is a part of a page, as `iconoclip segment` names it."""
    is_part = record.source.region is not None and record.object_type in BOX_KINDS
    return record.object_type if is_part else None


def is_whole_page(record: Record) -> bool:
    """Whether a record is a page whose pictures are records of their own, or that has none."""
    page = record.page
    return page is not None and (bool(page.pictures) or page.kind not in PICTURE_PAGES)


def years_of(record: Record) -> tuple[int, int]:
    """The earliest and latest year of a record. If only one is known, the other end stays open."""
    earliest = record.date.earliest if record.date else None
    latest = record.date.latest if record.date else None
    if earliest is None and latest is None:
        return UNKNOWN_EARLIEST, UNKNOWN_LATEST
    first = OPEN_EARLIEST if earliest is None else min(max(earliest, _LEAST + 1), _MOST - 1)
    last = OPEN_LATEST if latest is None else min(max(latest, _LEAST + 1), _MOST - 1)
    return first, last
