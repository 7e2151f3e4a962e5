"""Which rows of the shard sets' indexes a run may use: those that neither rights nor withdrawals forbid.

The indexes are read a few thousand rows at a time, so that memory does not grow with their size, except for
the keys of all rows, which are compared with each other.

A permission that a shard set records is not trusted: each row is checked again from its rights statement
under the run's policy (iconoclip.rights.may_train). A key that is withdrawn from one set is withdrawn
from all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from iconoclip.errors import BadInput, RightsForbid
from iconoclip.record import Rights
from iconoclip.rights import POLICY_VERSION, may_train
from iconoclip.shardset import ShardSet
from iconoclip.vocabulary import PolicyName
from training.data.columns import NO_YEAR, Array, Facts, Kind, RightsFacts
from training.data.numbers import (
    bytes_of,
    caption_numbers,
    checksum_numbers,
    notation_numbers,
    text_numbers,
)
from training.data.tar_index import IndexedTars

COLUMNS = [
    "key",
    "shard",
    "image_offset",
    "image_size",
    "image_sha256",
    "institution",
    "captions",
    "iconclass",
    "group",
    "split",
    "rights_raw",
    "rights_uri",
    "train",
    "opt_out",
    "earliest",
    "latest",
    "width",
    "height",
    "object_type",
    "display",
]
# Statement, URI, `train` and opt-outs of a row.
RightsKey = tuple[str | None, str | None, str, tuple[str, ...]]
IN_TWO_SETS, NO_CAPTION = "in two sets", "no caption"


class Sink(Protocol):
    """Takes the parts of columns."""

    def append(self, name: str, values: Array) -> None:
        """Add a part to the end of a column."""


def select(sets: Sequence[ShardSet], *, split: str, policy: PolicyName, sink: Sink) -> Facts:
    """Write the rows of `split` that `policy` allows to train on to `sink`.

    Raises:
        RightsForbid: the policy allows no sample.
        BadInput: the split has no sample, or none with a caption.
        DamagedData: an index is damaged.
    """
    selection = _Selection(sets, split, policy)
    writer = RowWriter(sink)
    is_out_N, start = _repeated_or_withdrawn(sets, selection.withdrawn), 0
    for number, one in enumerate(sets):
        for table in one.batches(COLUMNS):
            kept = selection.kept(table, is_out_N[start : start + len(table)])
            start += len(table)
            if len(kept):
                writer.write(number, kept)
    selection.refuse_nothing()
    return writer.finish(selection.left_out, selection.judged)


class _Selection:
    """Filters tables of rows, and counts what it leaves out."""

    def __init__(self, sets: Sequence[ShardSet], split: str, policy: PolicyName) -> None:
        self._split, self._policy = split, policy
        self._where = ", ".join(str(one.base) for one in sets)
        self.withdrawn = frozenset[str]().union(*(one.withdrawn for one in sets))
        self._not_indexed = {
            f"{one.manifest.name}: {reason}": count
            for one in sets
            if isinstance(one, IndexedTars)
            for reason, count in one.left_out.items()
        }
        self._counts = Counter[str]()
        self._in_split = self._num_kept = 0
        self._reason = f"rights: the policy '{policy}' says no"
        self.judged: dict[RightsKey, bool] = {}

    @property
    def left_out(self) -> dict[str, int]:
        """How many rows were left out, by reason."""
        first = {"withdrawn": len(self.withdrawn)} if self.withdrawn else {}
        names = (IN_TWO_SETS, self._reason, NO_CAPTION)
        return first | {name: self._counts[name] for name in names if self._counts[name]} | self._not_indexed

    def kept(self, table: pa.Table, is_out_N: npt.NDArray[np.bool_]) -> pa.Table:
        """The rows that may be used."""
        table = self._without(table, is_out_N, IN_TWO_SETS)
        if self._split != "all":
            table = table.filter(pc.equal(table["split"], self._split))
        self._in_split += len(table)
        table = self._without(table, self._is_forbidden(table), self._reason)
        no_caption = pc.equal(pc.fill_null(pc.list_value_length(table["captions"]), 0), 0)
        table = self._without(table, no_caption.to_numpy(), NO_CAPTION)
        self._num_kept += len(table)
        return table

    def refuse_nothing(self) -> None:
        """Raise the error that says why no row is left, if none is."""
        if not self._in_split:
            raise BadInput(
                f"no sample in the split '{self._split}'",
                where=self._where,
                remedy="choose another split, or harvest with a share for it",
            )
        if self._counts[self._reason] == self._in_split:
            raise RightsForbid(
                f"the policy '{self._policy}' leaves none of the {self._in_split} samples",
                where=self._where,
                remedy="harvest items with open rights; `iconoclip check` counts them by statement",
            )
        if not self._num_kept:
            raise BadInput(
                "no sample has a caption", where=self._where, remedy="map more metadata fields to captions"
            )

    def _without(self, table: pa.Table, is_out_N: npt.NDArray[np.bool_], reason: str) -> pa.Table:
        if not is_out_N.any():
            return table
        self._counts[reason] += int(is_out_N.sum())
        return table.filter(pa.array(~is_out_N))

    def _is_forbidden(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        """Check each distinct combination of rights values once."""
        if not len(table):
            return np.zeros(0, dtype=np.bool_)
        opt_out = pc.binary_join(pc.cast(table["opt_out"], pa.list_(pa.string())), "\n")
        columns = (table["rights_raw"], table["rights_uri"], table["train"], opt_out)
        combined_N, first_of = _combinations([codes(one) for one in columns])
        names = ["rights_raw", "rights_uri", "train", "opt_out"]
        facts = table.select(names).take(pa.array(first_of)).to_pylist()
        forbidden = np.array([not self._allows(*(one[name] for name in names)) for one in facts])
        found: npt.NDArray[np.bool_] = forbidden[combined_N]
        return found

    def _allows(self, raw: str | None, uri: str | None, train: str, opt_out: Sequence[str] | None) -> bool:
        facts = (raw, uri, train, tuple(opt_out or ()))
        if facts not in self.judged:
            self.judged[facts] = allows(*facts, self._policy)
        return self.judged[facts]


def allows(
    raw: str | None, uri: str | None, train: str, opt_out: tuple[str, ...], policy: PolicyName
) -> bool:
    """Whether a row with these rights may be used for training under a policy."""
    if train != "yes":
        return False
    rights = Rights.model_validate(
        {
            "raw": raw,
            "uri": uri,
            "policy": f"{policy}@{POLICY_VERSION}",
            "train": train,
            "redistribute": "no",
            "display": "link",
            "opt_out": opt_out,
        }
    )
    return may_train(rights, policy)


def _repeated_or_withdrawn(sets: Sequence[ShardSet], withdrawn: frozenset[str]) -> npt.NDArray[np.bool_]:
    """For each row of all sets, whether its key came before or is withdrawn."""
    keys = pa.chunked_array(
        [part for one in sets for table in one.batches(["key"]) for part in table["key"].chunks], pa.string()
    )
    code_N = codes(keys)
    # Codes are numbered by first appearance, so a code that is not larger than all before it is a repetition.
    highest_N = np.maximum.accumulate(np.append(-1, code_N))[:-1]
    is_withdrawn = pc.is_in(keys, value_set=pa.array(sorted(withdrawn), pa.string()))
    found: npt.NDArray[np.bool_] = (code_N <= highest_N) | is_withdrawn.to_numpy()
    return found


def codes(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """A number for each distinct value of a column, including null, in the order of first appearance."""
    encoded = column.dictionary_encode(null_encoding="encode")
    chunks = encoded.chunks if isinstance(column, pa.ChunkedArray) else [encoded]
    parts: list[npt.NDArray[np.int64]] = [one.indices.to_numpy().astype(np.int64) for one in chunks]
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])


class _Vocabulary:
    """Numbers values in the order of their first appearance, over any number of parts."""

    def __init__(self) -> None:
        self.number_of: dict[Any, int] = {}

    def codes(self, column: pa.Array) -> npt.NDArray[np.int64]:
        """The number of each value; -1 for null."""
        encoded = column.dictionary_encode()
        numbers = [*self.add(encoded.dictionary.to_pylist()), -1]
        at_N = pc.fill_null(encoded.indices, len(numbers) - 1).to_numpy()
        found: npt.NDArray[np.int64] = np.array(numbers, dtype=np.int64)[at_N]
        return found

    def add(self, values: Sequence[Any]) -> list[int]:
        """The numbers of distinct values, of which new ones come after all others."""
        return [self.number_of.setdefault(value, len(self.number_of)) for value in values]


class RowWriter:
    """Turns tables of rows into parts of columns."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._facts = Facts()
        self._shards, self._kinds = _Vocabulary(), _Vocabulary()
        self._names = {name: _Vocabulary() for name in ("institution", "object_type", "display", "notation")}
        self._rights = Counter[str]()
        self._num_of_shard = np.zeros(0, dtype=np.int64)
        self._num_of_kind = np.zeros(0, dtype=np.int64)
        self._ends: dict[str, int] = {}
        for name in ("key", "notation", "caption", "text"):
            self._start(name)

    def _start(self, name: str) -> None:
        self._ends[name] = 0
        self._sink.append(f"{name}_first", np.zeros(1, dtype=np.int64))

    def write(self, set_number: int, table: pa.Table) -> None:
        """Append rows of one set.

        Raises:
            BadInput: the rows of a shard are not neighbours.
        """
        column: Callable[[str], pa.Array] = lambda name: _one_array(table[name])  # noqa: E731
        self._write_shards(set_number, column("shard"))
        for name in ("image_offset", "image_size", "width", "height"):
            self._sink.append(name.removeprefix("image_"), column(name).to_numpy())
        self._sink.append("checksum", checksum_numbers(column("image_sha256")))
        for name in ("earliest", "latest"):
            self._sink.append(name, pc.fill_null(column(name), NO_YEAR).to_numpy())
        for name in ("institution", "object_type", "display"):
            self._sink.append(name, self._names[name].codes(column(name)))
        self._sink.append("group", text_numbers(column("group")))
        self._sink.append("notations", notation_numbers(column("iconclass"), self._facts.num_rows))
        self._write_bytes("key", column("key"))
        self._write_notations(column("iconclass"))
        self._write_captions(column("captions"))
        rights = pc.fill_null(column("rights_uri"), "none").value_counts().to_pylist()
        self._rights.update({one["values"]: one["counts"] for one in rights})
        self._facts.num_rows += len(table)

    def _write_shards(self, set_number: int, names: pa.Array) -> None:
        encoded = names.dictionary_encode()
        numbers = self._shards.add([(set_number, name) for name in encoded.dictionary.to_pylist()])
        shard_N = np.array(numbers, dtype=np.int64)[encoded.indices.to_numpy()]
        if (np.diff(shard_N, prepend=max(len(self._num_of_shard) - 1, 0)) < 0).any():
            raise BadInput(
                "the rows of one shard are scattered over the index",
                remedy="harvest or merge the set again",
            )
        self._num_of_shard = _added(self._num_of_shard, shard_N)
        self._sink.append("shard", shard_N)

    def _write_bytes(self, name: str, texts: pa.Array) -> None:
        data, first_N = bytes_of(texts)
        self._sink.append(name, data)
        self._write_ends(name, first_N[1:])

    def _write_ends(self, name: str, ends_N: npt.NDArray[np.int64]) -> None:
        self._sink.append(f"{name}_first", ends_N + self._ends[name])
        self._ends[name] += int(ends_N[-1]) if len(ends_N) else 0

    def _write_notations(self, lists: pa.Array) -> None:
        self._sink.append("notation", self._names["notation"].codes(pc.list_flatten(lists)))
        self._write_ends("notation", np.cumsum(_lengths(lists)))

    def _write_captions(self, lists: pa.Array) -> None:
        flat, counts_N = pc.list_flatten(lists), _lengths(lists)
        parts = [pc.fill_null(flat.field(name), "").dictionary_encode() for name in Kind._fields]
        combined_C, first_of = _combinations([one.indices.to_numpy().astype(np.int64) for one in parts])
        values = [one.take(pa.array(first_of)).to_pylist() for one in parts]
        kinds = [Kind(*one) for one in zip(*values, strict=True)]
        kind_C = np.array(self._kinds.add(kinds), dtype=np.int64)[combined_C]
        self._num_of_kind = _added(self._num_of_kind, kind_C)
        self._sink.append("caption_kind", kind_C)
        self._sink.append("caption_number", caption_numbers(flat.field("text")))
        self._write_bytes("text", flat.field("text"))
        self._write_ends("caption", np.cumsum(counts_N))
        self._facts.most_captions = max(self._facts.most_captions, int(counts_N.max()))

    def finish(self, left_out: dict[str, int], judged: dict[RightsKey, bool]) -> Facts:
        """The facts of all rows that were written."""
        facts = self._facts
        facts.left_out = left_out
        facts.shards = [
            (number, name, int(num))
            for (number, name), num in zip(self._shards.number_of, self._num_of_shard, strict=True)
        ]
        facts.vocabularies = {name: list(one.number_of) for name, one in self._names.items()}
        facts.kinds = list(self._kinds.number_of)
        facts.num_of_kind = self._num_of_kind.tolist()
        facts.by_rights = dict(sorted(self._rights.items()))
        facts.rights = [RightsFacts(*known, is_allowed) for known, is_allowed in judged.items()]
        return facts


def _combinations(
    columns: Sequence[npt.NDArray[np.int64]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """A number for each distinct combination of codes, [N], and the first row of each combination."""
    combined_N = np.zeros(len(columns[0]), dtype=np.int64)
    for code_N in columns:
        # Numbered again each time: the product of all sizes may have more than 64 bits.
        combined_N = codes(pa.array(combined_N * (code_N.max(initial=0) + 1) + code_N))
    return combined_N, np.unique(combined_N, return_index=True)[1]


def _added(counts: npt.NDArray[np.int64], code_N: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Counts of codes with those of some more."""
    more = np.bincount(code_N, minlength=len(counts))
    more[: len(counts)] += counts
    return more


def _lengths(lists: pa.Array) -> npt.NDArray[np.int64]:
    found: npt.NDArray[np.int64] = pc.fill_null(pc.list_value_length(lists), 0).to_numpy().astype(np.int64)
    return found


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()
