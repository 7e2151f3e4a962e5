"""What a new mapping changes in a shard set, counted and shown before anything is written."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any, Final

from iconoclip.record import Date, Record

NUM_EXAMPLES: Final = 20
_SHOWN_CHARS: Final = 100
_FIELDS: Final = ("creators", "date", "object_type", "iconclass")


class Changes:
    """Counts and examples over pairs of a record before and after."""

    def __init__(self) -> None:
        self.num_records = self.num_changed = self.num_without_raw = 0
        self._counts: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        # Per kind of change, the first examples of it.
        self._examples: dict[str, list[str]] = {}

    def add(self, before: Record, after: Record | str) -> None:
        """Compare one record; a text instead of a record is the reason why it is left out."""
        self.num_records += 1
        self.num_without_raw += not before.raw
        if isinstance(after, str):
            self.num_changed += 1
            self._left_out[after] += 1
            self._example(f"left out: {after}", f"{before.key}: left out: {after}")
        elif after != before:
            self.num_changed += 1
            counted = self._counts.copy()
            lines = list(self._lines(before, after))
            kinds = [kind for kind in self._counts if self._counts[kind] > counted[kind]]
            self._example(self._rarest(kinds), "\n    ".join([f"{before.key}:", *lines[:8]]))

    def _lines(self, before: Record, after: Record) -> list[str]:
        old = {(one.text, one.level): one for one in before.captions}
        new = {(one.text, one.level): one for one in after.captions}
        added = [one for key, one in new.items() if key not in old]
        dropped = [one for key, one in old.items() if key not in new]
        retagged = [key for key, one in new.items() if key in old and old[key].language != one.language]
        self._counts["captions added"] += len(added)
        self._counts["captions dropped"] += len(dropped)
        self._counts["captions in another language"] += len(retagged)
        lines = [f"+ {one.level}, {one.role}, {one.language}: {_short(one.text)}" for one in added]
        lines += [f"- {one.level}, {one.role}, {one.language}: {_short(one.text)}" for one in dropped]
        lines += [f"~ {old[key].language} -> {new[key].language}: {_short(key[0])}" for key in retagged]
        for name in _FIELDS:
            lines += self._field(name, getattr(before, name), getattr(after, name))
        if before.rights != after.rights:
            self._counts["rights changed"] += 1
            lines.append(
                f"rights: {before.rights.uri or 'none'}, train {before.rights.train} ->"
                f" {after.rights.uri or 'none'}, train {after.rights.train}"
            )
        return lines

    def _field(self, name: str, before: Any, after: Any) -> list[str]:
        if before == after:
            return []
        self._counts[f"{name.replace('_', ' ')} changed"] += 1
        return [f"{name.replace('_', ' ')}: {_shown(before)} -> {_shown(after)}"]

    def _rarest(self, kinds: list[str]) -> str:
        """The kind with the fewest examples until now, so that rare kinds are shown too."""
        return min(kinds, key=lambda kind: len(self._examples.get(kind, ())), default="other fields")

    def _example(self, kind: str, text: str) -> None:
        examples = self._examples.setdefault(kind, [])
        if len(examples) < NUM_EXAMPLES:
            examples.append(text)

    def _spread(self) -> list[str]:
        """The examples to show: one of each kind in turn."""
        in_turn = itertools.zip_longest(*self._examples.values())
        return [text for row in in_turn for text in row if text is not None][:NUM_EXAMPLES]

    def summary(self) -> str:
        """The counts, then the examples."""
        lines = [f"{self.num_changed} of {self.num_records} records change"]
        lines += [f"  {count:>8}  {what}" for what, count in self._counts.most_common() if count]
        lines += [f"  {count:>8}  left out: {reason}" for reason, count in self._left_out.most_common()]
        if self.num_without_raw:
            lines.append(
                f"  {self.num_without_raw:>8}  stay as they are: they do not keep what their source said"
            )
        if self._examples:
            lines += ["examples:", *(f"  {example}" for example in self._spread())]
        return "\n".join(lines)


def _shown(value: Any) -> str:
    if isinstance(value, Date):
        is_read = value.earliest is not None or value.latest is not None
        first, last = ("..." if year is None else year for year in (value.earliest, value.latest))
        return f"'{_short(value.text or '')}' ({f'{first} to {last}' if is_read else 'not read'})"
    # Inverted names contain commas.
    return _short("; ".join(value) if isinstance(value, tuple) else str(value or "none")) or "none"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "..."
