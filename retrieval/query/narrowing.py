"""The parts of a query against an index: which rows each allows, and which texts are left to order by.

A phrase must be in one text of the record, with no other word between. An excluded word removes every record
that has it in any of the forms that a search would find it by. A field compares the values or the titles of
the record.

Shapes: N rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from rapidfuzz import fuzz, process

from retrieval.backends.interface import Mask, Rows
from retrieval.config import Dates
from retrieval.generation.columns import ValueColumn
from retrieval.live.view import IndexView
from retrieval.query_language.fields import is_yes, picture_kind
from retrieval.query_language.parts import Hint, Part
from retrieval.questions import Filters
from retrieval.words import folded, tokens

# Each combination of alternatives is a search of its own.
MAX_BRANCHES = 8
MAX_NEAREST, LEAST_LIKENESS = 3, 70
# Fields of a small vocabulary, which is explained by all of its values if they are so few.
LISTED, MAX_LISTED = ("institution", "rights", "language", "object_type", "picture_kind"), 8
# The column of values of each field.
COLUMN_OF = {
    "creator": "creator",
    "place": "place",
    "type": "object_type",
    "institution": "institution",
    "notation": "iconclass",
    "language": "language",
    "rights": "rights",
    "picture": "picture_kind",
}
FILTERS = (
    "institution",
    "rights",
    "language",
    "object_type",
    "creator",
    "place",
    "picture_kind",
    "iconclass",
)


@dataclass(frozen=True)
class Branch:
    """One combination of alternatives: the words to order by, and the rows that are allowed (None: all)."""

    texts: tuple[str, ...] = ()
    mask_N: Mask | None = None

    @property
    def text(self) -> str | None:
        """The words to order by, or None if there are none."""
        return " ".join(self.texts) or None

    def __and__(self, other: Branch) -> Branch:
        return Branch(self.texts + other.texts, both(self.mask_N, other.mask_N))


def both(left_N: Mask | None, right_N: Mask | None) -> Mask | None:
    """The rows that both masks allow, where None allows all."""
    if left_N is None or right_N is None:
        return right_N if left_N is None else left_N
    return np.asarray(left_N & right_N)


class Narrowing:
    """Finds the rows that the parts of a query allow.

    Args:
        view: the view to read.
        visible_N: the rows that this user may see: values that only others have are not named.
        dates: how certainly a date must lie in a period.
        text: the text of the query, which the places of its parts are in.
    """

    def __init__(self, view: IndexView, visible_N: Mask, dates: Dates, text: str = "") -> None:
        self._view, self._visible_N, self._dates, self._text = view, visible_N, dates, text
        self.hints: list[Hint] = []

    def branches(self, parts: Sequence[Part]) -> list[Branch]:
        """The combinations of alternatives, at most eight."""
        found = [Branch()]
        for part in parts:
            options = self._options(part)
            found = [left & right for left in found for right in options]
            if len(found) > MAX_BRANCHES:
                self.hints.append(Hint("too_many_alternatives", str(MAX_BRANCHES)))
                found = found[:MAX_BRANCHES]
        return found

    def _options(self, part: Part) -> list[Branch]:
        if not part.is_ranked:
            return [Branch(mask_N=self.allowed(part))]
        if part.kind == "words":
            return [Branch((part.text,))]
        if part.kind == "phrase":
            return [Branch((part.text,), self.allowed(part))]
        if part.kind == "all":
            return self.branches(part.parts)
        ranked = [option for each in part.parts if each.is_ranked for option in self._options(each)]
        others = [self.allowed(each) for each in part.parts if not each.is_ranked]
        return [*ranked, *([Branch(mask_N=np.logical_or.reduce(others))] if others else [])]

    def allowed(self, part: Part) -> Mask:
        """The rows that a part allows by itself, exactly."""
        has_N = self._having(part)
        return ~has_N if part.excluded else has_N

    def _having(self, part: Part) -> Mask:
        if part.kind == "any":
            return np.asarray(np.logical_or.reduce([self.allowed(each) for each in part.parts]))
        if part.kind == "all":
            return np.asarray(np.logical_and.reduce([self.allowed(each) for each in part.parts]))
        if part.kind == "field":
            return self._with_field(part)
        words = list(tokens(part.text))
        return self._with_phrase(words) if part.kind == "phrase" else self._with_word(part, words)

    # --- words and phrases
    # ----------------------------------------------------------------------------------------------

    def _with_phrase(self, words: Sequence[str]) -> Mask:
        self._say_if_old("phrases", not self._view.words.has_texts_apart and len(words) > 1)
        return self._mask(self._view.words.rows_with_phrase(words)) if words else self._none()

    def _with_word(self, part: Part, words: Sequence[str]) -> Mask:
        """The rows that have an excluded word in any form; `-Saint-Denis` excludes the two words together."""
        if len(words) != 1:
            has_N = self._with_phrase(words)
        else:
            rows = self._view.words.rows_with(self._view.words.expanded(words[0]))
            has_N = self._mask(rows) | self._made_in(words[0])
        if part.excluded and not (has_N & self._visible_N).any():
            self.hints.append(Hint("nothing_excluded", part.text))
        return has_N

    def _made_in(self, word: str) -> Mask:
        """The rows that were certainly made in a year, if the word is one."""
        if not (word.isascii() and word.isdigit() and 3 <= len(word) <= 4):
            return self._none()
        return self._in_period(int(word), int(word), certainly=True)

    # --- fields
    # ----------------------------------------------------------------------------------------------

    def _with_field(self, part: Part) -> Mask:
        if part.period is not None:
            # What is excluded must certainly not be of the period, so a possible date is enough.
            certainly = self._dates == "certainly" and not part.excluded
            has_N = self._in_period(*part.period, certainly=certainly)
            if not (has_N & self._visible_N).any():
                years = years_of(self._view, self._visible_N)
                self.hints.append(replace(self._unknown_value(part, years), code="no_date"))
            return has_N
        if part.field == "reuse":
            return self._each(lambda columns: columns.reusable == is_yes(part.text))
        if part.field == "title":
            return self._called(part)
        if part.field == "picture" and (wanted := is_yes(part.text)) is not None:
            self._say_if_old("picture", any("picture_kind" in each.missing for each in self._view.columns))
            return self._each(lambda columns: columns.whole_page != wanted)
        return self._with_value(part)

    def _in_period(self, first: int | None, last: int | None, *, certainly: bool) -> Mask:
        return self._each(lambda columns: columns.in_period(first, last, certainly=certainly))

    def _called(self, part: Part) -> Mask:
        self._say_if_old("title", not self._view.words.has_texts_apart)
        words = list(tokens(part.text))
        forms = [(word,) if part.is_exact else self._view.words.expanded(word) for word in words]
        return self._mask(self._view.words.rows_called(forms, in_order=part.is_exact))

    def _with_value(self, part: Part) -> Mask:
        name = COLUMN_OF[part.field]
        missing = any(name in columns.missing for columns in self._view.columns)
        self._say_if_old(part.field, missing)

        def rows_of(columns: object) -> Mask:
            return columns.values[name].mask(self._codes(columns, part, name), columns.num_rows)  # type: ignore[attr-defined, no-any-return]

        has_N = self._each(rows_of)
        if not missing and not (has_N & self._visible_N).any():
            known = _known_values(self._view, name, self._visible_N)
            hint = self._unknown_value(part, _nearest(known, part.text))
            self.hints.append(hint if hint.values else replace(hint, values=_listed(known, name)))
        return has_N

    def _unknown_value(self, part: Part, values: tuple[str, ...]) -> Hint:
        """A hint that proposes the text with the nearest value."""
        instead = ""
        if values and self._text:
            value = f'"{values[0]}"' if " " in values[0] else values[0]
            before = self._text[: part.start] + "-" * part.excluded
            instead = f"{before}{part.field}:{value}{self._text[part.end :]}"
        return Hint("unknown_value", part.text, instead, values, part.field)

    def _codes(self, columns: object, part: Part, name: str) -> list[int]:
        """The values that a field means: those equal to it, or else those that have its words."""
        column: ValueColumn = columns.values[name]  # type: ignore[attr-defined]
        value = picture_kind(part.text) if name == "picture_kind" else part.text
        codes: list[int] = columns.codes_of(name, value)  # type: ignore[attr-defined]
        words = list(tokens(part.text))
        if name == "creator" or (not codes and name not in ("iconclass", "language", "picture_kind")):
            codes = [*codes, *column.with_words(words, in_order=part.is_exact)]
        if name == "institution" and not codes:
            names = columns.institution_names  # type: ignore[attr-defined]
            return [
                code
                for code, slug in enumerate(column.values)
                if set(words) <= set(tokens(names.get(slug, "")))
            ]
        return codes

    # --- masks
    # ----------------------------------------------------------------------------------------------

    def _say_if_old(self, what: str, is_old: bool) -> None:
        if is_old and (hint := Hint("old_index", what)) not in self.hints:
            self.hints.append(hint)

    def _each(self, mask_of: Callable[..., Mask]) -> Mask:
        return np.concatenate([mask_of(columns) for columns in self._view.columns])

    def _mask(self, rows: Rows) -> Mask:
        mask_N = self._none()
        mask_N[rows] = True
        return mask_N

    def _none(self) -> Mask:
        return np.zeros(self._view.num_rows, bool)


def _known_values(view: IndexView, name: str, visible_N: Mask) -> dict[str, str]:
    """The values of a column that visible rows have, by what they are compared as."""
    known: dict[str, str] = {}
    start = 0
    for columns in view.columns:
        column = columns.values[name]
        counts_V = column.counts(visible_N[start : start + columns.num_rows])
        start += columns.num_rows
        for code in np.flatnonzero(counts_V).tolist():
            known[column.folded[code]] = column.values[code]
            if name == "institution":
                slug = column.values[code]
                known[folded(columns.institution_names.get(slug, slug))] = slug
    return known


def _nearest(known: dict[str, str], value: str) -> tuple[str, ...]:
    found = process.extract(
        folded(value), list(known), scorer=fuzz.WRatio, score_cutoff=LEAST_LIKENESS, limit=2 * MAX_NEAREST
    )
    return tuple(dict.fromkeys(known[each] for each, _, _ in found))[:MAX_NEAREST]


def _listed(known: dict[str, str], name: str) -> tuple[str, ...]:
    values = tuple(sorted(set(known.values())))
    return values if name in LISTED and len(values) <= MAX_LISTED else ()


def years_of(view: IndexView, visible_N: Mask) -> tuple[str, ...]:
    """The first and the last year that a visible row is dated to, as a period; nothing if there are none."""
    start, years = 0, []
    for columns in view.columns:
        shown_N = visible_N[start : start + columns.num_rows] & columns.in_period(None, None, certainly=False)
        start += columns.num_rows
        if shown_N.any():
            earliest_N, latest_N = columns.named_years()
            years += [int(earliest_N[shown_N].min()), int(latest_N[shown_N].max())]
    return (f"{min(years)}..{max(years)}",) if years else ()


def unknown_filters(view: IndexView, filters: Filters, visible_N: Mask) -> list[Hint]:
    """Values of filters that no visible item has, with the nearest that some have."""
    hints = []
    for name in FILTERS:
        for value in getattr(filters, name):
            one = Filters.model_validate({name: (value,)})
            mask_N = view.mask(one)
            if mask_N is not None and not (mask_N & visible_N).any():
                known = _known_values(view, name, visible_N)
                values = _nearest(known, value) or _listed(known, name)
                hints.append(Hint("unknown_value", value, values=values, field=name))
    if filters.earliest is not None or filters.latest is not None:
        of_years = Filters(earliest=filters.earliest, latest=filters.latest, dates=filters.dates)
        mask_N = view.mask(of_years)
        if mask_N is not None and not (mask_N & visible_N).any():
            first, last = ("" if year is None else year for year in (filters.earliest, filters.latest))
            years = years_of(view, visible_N)
            hints.append(Hint("no_date", f"{first}..{last}", values=years, field="year"))
    return hints
