"""Completions of what was added since a generation was built, in memory, by the rules of the generation's own
(retrieval.generation.completions).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence

from iconoclip.record import Record
from retrieval.generation.completions import Completion, Kind, called, starts, texts_of_notations


class AddedCompletions:
    """What additions are called.

    Args:
        added: the row and the record of each addition that may be shown.
    """

    def __init__(self, added: Iterable[tuple[int, Record]]) -> None:
        rows_of: dict[tuple[Kind, str, str], list[int]] = defaultdict(list)
        notations: dict[tuple[str, str], list[int]] = {}
        for row, record in added:
            for each in called(record):
                rows_of[each].append(row)
            for notation in dict.fromkeys(record.iconclass):
                seen = notations.setdefault((notation, record.institution.slug), [0, row, row])
                seen[0], seen[2] = seen[0] + 1, row
        found = [
            Completion(text, kind, language, len(rows), tuple(rows))
            for (kind, language, text), rows in rows_of.items()
        ]
        for language, text, num, rows in texts_of_notations(notations):
            found.append(Completion(text, "iconclass", language, num, tuple(rows)))
        self._keys = sorted(
            (key, number) for number, each in enumerate(found) for key in starts(each.text, each.kind)
        )
        self._found = found

    @property
    def languages(self) -> frozenset[str]:
        """The languages that there are texts in, "" for names."""
        return frozenset(each.language for each in self._found)

    def starting_with(self, prefix: str, languages: Sequence[str]) -> list[Completion]:
        """Every completion of a prefix in some languages, the most frequent first."""
        numbers = dict[int, None]()
        for key, number in self._keys[bisect_left(self._keys, (prefix,)) :]:
            if not key.startswith(prefix):
                break
            if self._found[number].language in languages:
                numbers[number] = None
        return sorted((self._found[number] for number in numbers), key=lambda each: -each.num_items)
