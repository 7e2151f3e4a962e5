"""The samples that a run may use: the rows of the shard sets' indexes that neither
rights nor withdrawals forbid.

A permission that a shard set records is not trusted: each row is checked again from its rights
statement under the run's policy (iconoclip.rights.may_train). A key that is withdrawn from one
set is withdrawn from all.

Letters: N samples, C captions of all samples together, B some samples, M captions of a sample at most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from iconoclip.errors import BadInput, RightsForbid
from iconoclip.record import Rights
from iconoclip.rights import POLICY_VERSION, may_train
from iconoclip.shardset import ShardSet
from iconoclip.shardset_open import open_set
from iconoclip.vocabulary import PolicyName

COLUMNS = [
    "key",
    "shard",
    "image_offset",
    "image_size",
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
# The number of captions of an image that are compared with the texts of a batch.
MOST_CAPTIONS = 32


@dataclass(frozen=True)
class Shard:
    """A tar of one of the sets."""

    set_number: int
    name: str
    num_samples: int
    weight: float = 1.0


@dataclass(frozen=True)
class Samples:
    """The rows in shard order, with the position of each one's bytes."""

    sets: tuple[ShardSet, ...]
    table: pa.Table
    shards: tuple[Shard, ...]
    shard_N: npt.NDArray[np.int32]
    left_out: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.shard_N)

    @cached_property
    def offset_N(self) -> npt.NDArray[np.int64]:
        """The offset of each image's bytes in its shard."""
        return _numbers(self.table["image_offset"])

    @cached_property
    def size_N(self) -> npt.NDArray[np.int64]:
        """The number of bytes of each image."""
        return _numbers(self.table["image_size"])

    @cached_property
    def keys(self) -> pa.Array:
        """The sample keys, in the order of the rows."""
        return _one_array(self.table["key"])

    @cached_property
    def institution_N(self) -> npt.NDArray[np.int64]:
        """A number for each sample's institution."""
        return codes(self.table["institution"])

    @cached_property
    def weight_N(self) -> npt.NDArray[np.float64] | None:
        """How many times as often each sample is drawn; None if all are drawn alike."""
        weights = [shard.weight for shard in self.shards]
        return None if all(one == 1.0 for one in weights) else np.array(weights)[self.shard_N]

    @cached_property
    def group_N(self) -> npt.NDArray[np.int64]:
        """A number for each sample's group."""
        return codes(self.table["group"])

    @cached_property
    def notation_N(self) -> npt.NDArray[np.int64]:
        """A number for each sample's set of Iconclass notations; -1 - row if it has none."""
        joined = _joined_sorted(_one_array(self.table["iconclass"]))
        none_N = pc.equal(joined, "").to_numpy(zero_copy_only=False)
        code_N = codes(joined)
        return np.where(none_N, -1 - np.arange(len(code_N)), code_N)

    @cached_property
    def captions(self) -> Captions:
        """The captions of all samples in one flat table."""
        return Captions.of(_one_array(self.table["captions"]))

    @property
    def shard_lengths(self) -> tuple[int, ...]:
        """The number of samples of each shard."""
        return tuple(shard.num_samples for shard in self.shards)

    def counts(self) -> dict[str, Any]:
        """The number of samples per institution and rights statement, and of captions per language."""
        return {
            "num_samples": len(self),
            "by_institution": _sorted_counts(self.table["institution"]),
            "by_rights": _sorted_counts(self.table["rights_uri"]),
            "by_language": _sorted_counts(self.captions.language),
            "left_out": self.left_out,
        }


@dataclass(frozen=True)
class Captions:
    """The captions of all samples, flat; those of row n are first_N[n] up to first_N[n + 1]."""

    text: pa.Array
    language: pa.Array
    field: pa.Array
    origin: pa.Array
    level: pa.Array
    role: pa.Array
    first_N: npt.NDArray[np.int64]

    @classmethod
    def of(cls, lists: pa.Array) -> Captions:
        """Flatten a column of lists of captions."""
        counts = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
        flat = pc.list_flatten(lists)
        text, language, kind, origin = (flat.field(name) for name in ("text", "language", "field", "origin"))
        # Older versions marked neither; an empty text has the weight 1.
        level, role = (pc.fill_null(flat.field(name), "") for name in ("level", "role"))
        first_N = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        return cls(text, language, kind, origin, level, role, first_N)

    def __len__(self) -> int:
        return len(self.text)

    def of_row(self, row: int) -> range:
        """The caption numbers of a row."""
        return range(int(self.first_N[row]), int(self.first_N[row + 1]))

    @cached_property
    def most(self) -> int:
        """M, the largest number of captions of a sample, but at most MOST_CAPTIONS."""
        return int(min(MOST_CAPTIONS, np.diff(self.first_N).max(initial=1)))

    def texts_of(self, row_B: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The text numbers of some rows' captions, filled up with -1, [B, M]."""
        first_B, last_B = self.first_N[row_B], self.first_N[row_B + 1]
        caption_BM = first_B[:, None] + np.arange(self.most)
        is_there_BM = caption_BM < last_B[:, None]
        return np.where(is_there_BM, self.text_C[np.minimum(caption_BM, len(self) - 1)], -1)

    @cached_property
    def text_C(self) -> npt.NDArray[np.int64]:
        """A number for each distinct text; case and spacing are ignored."""
        plain = pc.utf8_trim_whitespace(pc.utf8_lower(self.text))
        return codes(pc.replace_substring_regex(plain, r"\s+", " "))


def load(folders: Sequence[str], *, split: str, policy: PolicyName) -> Samples:
    """Open shard sets and keep the samples of `split` that `policy` allows to train on.

    Args:
        folders: shard sets, by path or address. If a key is in two of them, that of the first is used.
        split: train, val, test, or all.
        policy: see iconoclip.rights.

    Raises:
        MissingRequirement, DamagedData: a folder contains no shard set, or a damaged one.
        RightsForbid: the policy allows no sample.
        BadInput: the split has no sample, or none with a caption.
    """
    sets = tuple(open_set(folder) for folder in folders)
    withdrawn = frozenset[str]().union(*(one.withdrawn for one in sets))
    left_out: Counter[str] = Counter()
    num_withdrawn = len(withdrawn)
    if num_withdrawn:
        left_out["withdrawn"] = num_withdrawn
    tables = [with_long_texts(one.table(COLUMNS)) for one in sets]
    numbers = [pa.array(np.full(len(t), n, dtype=np.int32)) for n, t in enumerate(tables)]
    table = pa.concat_tables([t.append_column("set_number", n) for t, n in zip(tables, numbers, strict=True)])
    table = _drop(table, _is_repeated_or_withdrawn(table["key"], withdrawn), left_out, "in two sets")
    in_split = table if split == "all" else table.filter(pc.equal(table["split"], split))
    if not len(in_split):
        raise BadInput(
            f"no sample in the split '{split}'",
            where=", ".join(folders),
            remedy="choose another split, or harvest with a share for it",
        )
    allowed = _drop(
        in_split, _is_forbidden(in_split, policy), left_out, f"rights: the policy '{policy}' says no"
    )
    if not len(allowed):
        raise RightsForbid(
            f"the policy '{policy}' leaves none of the {len(in_split)} samples",
            where=", ".join(folders),
            remedy="harvest items with open rights; `iconoclip check` counts them by statement",
        )
    no_caption = pc.equal(pc.fill_null(pc.list_value_length(allowed["captions"]), 0), 0)
    kept = _drop(allowed, no_caption.to_numpy(), left_out, "no caption")
    if not len(kept):
        raise BadInput(
            "no sample has a caption", where=", ".join(folders), remedy="map more metadata fields to captions"
        )
    shards, shard_N = _number_shards(kept, sets)
    return Samples(sets, kept.combine_chunks(), shards, shard_N, dict(left_out))


def with_long_texts(table: pa.Table) -> pa.Table:
    """The table with 64-bit offsets where all texts of a column together may exceed 2 GiB.

    Arrow's plain strings have 32-bit offsets: the captions of ten million pictures do not fit into one array.
    """
    schema = table.schema
    one_caption = schema.field("captions").type.value_type
    fields = [
        field.with_type(pa.large_string()) if field.name == "text" else field
        for field in (one_caption.field(number) for number in range(one_caption.num_fields))
    ]
    types = {"captions": pa.large_list(pa.struct(fields)), "rights_raw": pa.large_string()}
    return table.cast(pa.schema([field.with_type(types.get(field.name, field.type)) for field in schema]))


def _drop(table: pa.Table, is_out_N: npt.NDArray[np.bool_], left_out: Counter[str], reason: str) -> pa.Table:
    num_out = int(is_out_N.sum())
    if not num_out:
        return table
    left_out[reason] += num_out
    return table.filter(pa.array(~is_out_N))


def _is_repeated_or_withdrawn(keys: pa.ChunkedArray, withdrawn: frozenset[str]) -> npt.NDArray[np.bool_]:
    code_N = codes(keys)
    # Codes are numbered by first appearance, so a code that is not larger than all before it is a repetition.
    highest_N = np.maximum.accumulate(np.append(-1, code_N))[:-1]
    is_withdrawn = pc.is_in(_one_array(keys), value_set=pa.array(sorted(withdrawn), pa.string()))
    found: npt.NDArray[np.bool_] = (code_N <= highest_N) | is_withdrawn.to_numpy(zero_copy_only=False)
    return found


def _is_forbidden(table: pa.Table, policy: PolicyName) -> npt.NDArray[np.bool_]:
    """Check each distinct combination of rights values once."""
    opt_out = pc.binary_join(pc.cast(table["opt_out"], pa.list_(pa.string())), "\n")
    columns = [
        codes(column) for column in (table["rights_raw"], table["rights_uri"], table["train"], opt_out)
    ]
    combined_N = np.zeros(len(table), dtype=np.int64)
    for code_N in columns:
        combined_N = codes(pa.array(combined_N * (code_N.max() + 1) + code_N))
    first_of = np.unique(combined_N, return_index=True)[1]
    facts = (
        table.select(["rights_raw", "rights_uri", "train", "opt_out"]).take(pa.array(first_of)).to_pylist()
    )
    forbidden = np.array([
        not _allows(one["rights_raw"], one["rights_uri"], one["train"], tuple(one["opt_out"] or ()), policy)
        for one in facts
    ])  # fmt: skip
    verdicts: npt.NDArray[np.bool_] = forbidden[combined_N]
    return verdicts


def _allows(
    raw: str | None, uri: str | None, train: str, opt_out: tuple[str, ...], policy: PolicyName
) -> bool:
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


def _number_shards(
    table: pa.Table, sets: Sequence[ShardSet]
) -> tuple[tuple[Shard, ...], npt.NDArray[np.int32]]:
    """Number the shards in the order of their first row. The rows of a shard must be neighbours."""
    name_N, set_N = codes(table["shard"]), _numbers(table["set_number"])
    shard_N = codes(pa.array(set_N * (name_N.max() + 1) + name_N))
    if (np.diff(shard_N) < 0).any():
        raise BadInput(
            "the rows of one shard are scattered over the index", remedy="harvest or merge the set again"
        )
    first_S, length_S = np.unique(shard_N, return_index=True, return_counts=True)[1:]
    names = table["shard"].take(pa.array(first_S)).to_pylist()
    facts = zip(set_N[first_S].tolist(), names, length_S.tolist(), strict=True)
    weights = [{one.name: one.weight or 1.0 for one in each.manifest.shards} for each in sets]
    shards = tuple(Shard(*one, weights[one[0]].get(one[1], 1.0)) for one in facts)
    return shards, shard_N.astype(np.int32)


def codes(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """A number for each distinct value of a column, including null, in the order of first appearance."""
    return _numbers(_one_array(column).dictionary_encode(null_encoding="encode").indices)


def _joined_sorted(lists: pa.Array) -> pa.Array:
    """The texts of each list in alphabetical order, joined to one; a null is an empty list."""
    counts_N = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    encoded = pc.list_flatten(lists).dictionary_encode()
    rank_of = np.empty(len(encoded.dictionary), dtype=np.int64)
    rank_of[pc.array_sort_indices(encoded.dictionary).to_numpy()] = np.arange(len(rank_of))
    row_C = np.repeat(np.arange(len(lists)), counts_N)
    order_C = np.lexsort((rank_of[encoded.indices.to_numpy()], row_C))
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts_N)]), pa.int32())
    in_order = encoded.dictionary.take(encoded.indices.take(pa.array(order_C)))
    return pc.binary_join(pa.ListArray.from_arrays(offsets, in_order), " | ")


def _numbers(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int64]:
    numbers: npt.NDArray[np.int64] = _one_array(column).to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers


def _one_array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _sorted_counts(column: pa.Array | pa.ChunkedArray) -> dict[str, int]:
    counts = pc.value_counts(pc.fill_null(column, "none")).to_pylist()
    return {one["values"]: one["counts"] for one in sorted(counts, key=lambda one: str(one["values"]))}
