"""Keys that occur in several sets of a merge, and how their samples differ.

A key is made of the institution and the source's identifier. So the same key in two sets is the same item,
harvested twice; what was said of it, or the picture, may have changed in between.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from iconoclip.record import Rights
from iconoclip.rights import POLICY_VERSION, judged_again
from iconoclip.shardset import ShardSet
from iconoclip.vocabulary import PolicyName

NUM_SHOWN: Final = 10
_COLUMNS: Final = (
    "key",
    "rights_raw",
    "rights_uri",
    "train",
    "display",
    "opt_out",
    "captions",
    "image_sha256",
)
_TRAIN: Final = {"no": 0, "review": 1, "yes": 2}
_DISPLAY: Final = {"link": 0, "unaltered": 1, "yes": 2}

Row = dict[str, Any]
# Raw value, canonical URI, reservations.
Statement = tuple[str | None, str | None, tuple[str, ...]]


@dataclass(frozen=True)
class Conflict:
    """One key in several sets.

    Attributes:
        sets: their names, in the order of the merge.
        rights, texts, pictures: of each set, where they differ; else empty.
    """

    key: str
    sets: tuple[str, ...]
    rights: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """What differs: `different rights`, `different texts`, `different pictures`, or `nothing differs`."""
        named = {
            "different rights": self.rights,
            "different texts": self.texts,
            "different pictures": self.pictures,
        }
        return tuple(kind for kind, values in named.items() if values) or ("nothing differs",)

    def __str__(self) -> str:
        lines = [f"{self.key} in {', '.join(self.sets)}: {', '.join(self.kinds)}"]
        for values in (self.rights, self.texts, self.pictures):
            lines += [f"    {name}: {value}" for name, value in zip(self.sets, values, strict=False)]
        return "\n".join(lines)


class Conflicts:
    """All keys that occur in more than one of the sets of a merge.

    Args:
        sets: the sets, in order.
        policy: the policy of the merge, which decides which of two statements is the stricter one.
        withdrawn: keys that are in no result anyway.
    """

    def __init__(self, sets: Sequence[ShardSet], policy: PolicyName, withdrawn: frozenset[str]) -> None:
        self._policy = policy
        repeated = _repeated(sets)
        rows: dict[str, list[tuple[str, Row]]] = {}
        for name, one in zip(_names(sets), sets, strict=True) if len(repeated) else ():
            for row in one.rows(_COLUMNS):
                if row["key"] not in withdrawn and _is_among(repeated, _digest(row["key"])):
                    rows.setdefault(row["key"], []).append((name, row))
        self._rows = {key: found for key, found in rows.items() if len(found) > 1}
        self.found = [_conflict(key, found) for key, found in self._rows.items()]

    def __len__(self) -> int:
        return len(self.found)

    def summary(self) -> str:
        """The counts by kind, and the first ones."""
        kinds = Counter(", ".join(one.kinds) for one in self.found)
        counted = "; ".join(f"{count}: {kind}" for kind, count in kinds.most_common())
        shown = "".join(f"\n  {one}" for one in self.found[:NUM_SHOWN])
        more = f"\n  ... and {len(self) - NUM_SHOWN} more" if len(self) > NUM_SHOWN else ""
        what = "key occurs" if len(self) == 1 else "keys occur"
        return f"{len(self)} {what} in two sets ({counted}):{shown}{more}"

    def as_json(self) -> list[dict[str, Any]]:
        """Every conflict, for a report."""
        return [
            {
                "key": one.key,
                "sets": one.sets,
                "kinds": one.kinds,
                "rights": one.rights,
                "texts": one.texts,
                "pictures": one.pictures,
            }
            for one in self.found
        ]

    def strictest(self) -> dict[str, Statement]:
        """Of every key whose rights differ, the strictest statement, with all reservations together."""
        return {one.key: self._strictest(self._rows[one.key]) for one in self.found if one.rights}

    def _strictest(self, rows: list[tuple[str, Row]]) -> Statement:
        strict = min((row for _, row in rows), key=self._looseness)
        reservations = dict.fromkeys(mark for _, row in rows for mark in row["opt_out"] or ())
        return strict["rights_raw"], strict["rights_uri"], tuple(reservations)

    def _looseness(self, row: Row) -> tuple[int, int]:
        verdict = judged_again(rights_of(row, self._policy), self._policy)
        return _TRAIN[verdict.train], _DISPLAY[verdict.display]


def _names(sets: Sequence[ShardSet]) -> list[str]:
    """The names of sets; their folders where two have the same name."""
    counts = Counter(one.manifest.name for one in sets)
    return [one.manifest.name if counts[one.manifest.name] == 1 else one.base for one in sets]


def rights_of(row: Row, policy: PolicyName) -> Rights:
    """The statement of a row of the index; without the credit line, which is only in the record."""
    return Rights(
        raw=row["rights_raw"],
        uri=row["rights_uri"],
        policy=f"{policy}@{POLICY_VERSION}",
        train=row["train"],
        redistribute="no",
        display=row["display"],
        opt_out=tuple(row["opt_out"] or ()),
    )


def _conflict(key: str, rows: list[tuple[str, Row]]) -> Conflict:
    return Conflict(
        key,
        tuple(name for name, _ in rows),
        _differing([_statement(row) for _, row in rows]),
        _differing([_texts(row) for _, row in rows]),
        _differing([f"a file with the checksum {row['image_sha256'][:16]}" for _, row in rows]),
    )


def _differing(values: list[str]) -> tuple[str, ...]:
    return tuple(values) if len(set(values)) > 1 else ()


def _statement(row: Row) -> str:
    reserved = f", reserved by {', '.join(row['opt_out'])}" if row["opt_out"] else ""
    return f"{row['rights_uri'] or row['rights_raw'] or 'no statement'}{reserved}"[:200]


def _texts(row: Row) -> str:
    texts = [f"{one['text']} [{one['language']}]" for one in row["captions"] or ()]
    return json.dumps(" | ".join(texts), ensure_ascii=False)[:300]


def _repeated(sets: Sequence[ShardSet]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Digests of the keys that occur more than once, in ascending order. Eight bytes per sample in memory."""
    keys = [np.fromiter((_digest(row["key"]) for row in one.rows(("key",))), np.uint64) for one in sets]
    digests, counts = np.unique(np.concatenate(keys), return_counts=True)
    return digests[counts > 1]


def _is_among(digests: np.ndarray[Any, np.dtype[np.uint64]], digest: int) -> bool:
    place = int(np.searchsorted(digests, np.uint64(digest)))
    return place < len(digests) and int(digests[place]) == digest


def _digest(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "little")
