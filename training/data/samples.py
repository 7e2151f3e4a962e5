"""The samples that a run may use, with their places in the shards and their captions.

Which rows these are, `selection.py` decides; `row_cache.py` keeps the answer for the next process.

Letters: N samples, C captions of all samples together, B some samples, M captions of a sample at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from iconoclip.shardset import ShardSet
from iconoclip.shardset_open import open_set
from iconoclip.vocabulary import PolicyName
from training.data.columns import NO_YEAR, Columns, Kind
from training.data.mixing import Mix
from training.data.row_cache import identity_of, rows_of

# The number of captions of an image that are compared with the texts of a batch.
MOST_CAPTIONS = 32
IntArray = npt.NDArray[np.int64]


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
    columns: Columns
    identity: str = ""
    """equal where the same rows of the same sets were selected"""
    mix: Mix | None = None
    """the weights of the sources, if they have any"""

    def __len__(self) -> int:
        return self.columns.facts.num_rows

    @cached_property
    def shards(self) -> tuple[Shard, ...]:
        """The shards, in the order of the rows."""
        weights = [{one.name: one.weight or 1.0 for one in each.manifest.shards} for each in self.sets]
        return tuple(
            Shard(number, name, num, weights[number].get(name, 1.0))
            for number, name, num in self.columns.facts.shards
        )

    @property
    def left_out(self) -> dict[str, int]:
        """How many rows of the indexes were left out, by reason."""
        return self.columns.facts.left_out

    @property
    def shard_N(self) -> npt.NDArray[np.int32]:
        """The number of each sample's shard."""
        return self.columns["shard"]

    @property
    def offset_N(self) -> IntArray:
        """The offset of each image's bytes in its shard."""
        return self.columns["offset"]

    @property
    def size_N(self) -> IntArray:
        """The number of bytes of each image."""
        return self.columns["size"]

    @property
    def checksum_N(self) -> npt.NDArray[np.uint64]:
        """The first 64 bits of the SHA-256 of each image's bytes."""
        return self.columns["checksum"]

    @cached_property
    def keys(self) -> pa.Array:
        """The sample keys, in the order of the rows."""
        return _texts(self.columns, "key")

    @property
    def institution_N(self) -> npt.NDArray[np.int32]:
        """A number for each sample's institution."""
        return self.columns["institution"]

    @cached_property
    def weight_N(self) -> npt.NDArray[np.float64] | None:
        """How many times as often each sample is drawn; None if all are drawn alike."""
        weights = [shard.weight for shard in self.shards]
        if self.mix is None:
            return None if all(one == 1.0 for one in weights) else np.array(weights)[self.shard_N]
        return self.mix.sample_weights(self.source_N, self.institution_N, np.array(weights)[self.shard_N])

    @property
    def source_N(self) -> IntArray:
        """The number of each sample's source in the mix; without a mix, of its set."""
        source_of_set = self.mix.source_of_set if self.mix else tuple(range(len(self.sets)))
        found: IntArray = np.array([source_of_set[one.set_number] for one in self.shards])[self.shard_N]
        return found

    @property
    def group_N(self) -> IntArray:
        """A number for each sample's group."""
        return self.columns["group"]

    @property
    def notation_N(self) -> IntArray:
        """A number for each sample's set of Iconclass notations; -1 - row if it has none."""
        return self.columns["notations"]

    @property
    def num_pixels(self) -> int:
        """The pixels of all pictures together."""
        return int(np.dot(self.columns["width"].astype(np.int64), self.columns["height"]))

    @cached_property
    def captions(self) -> Captions:
        """The captions of all samples in one flat table."""
        return Captions(self.columns)

    def values(self, name: str, rows: Sequence[int] | None = None) -> list[Any]:
        """A field of some samples, or of every one, as Python values, for evaluation: `institution`,
        `object_type`, `display`, `earliest`, `latest`, or `iconclass` with a list for each.
        """
        chosen = np.arange(len(self)) if rows is None else np.asarray(rows, dtype=np.int64)
        if name == "iconclass":
            names, code_L = self.columns.facts.vocabularies["notation"], self.columns["notation"]
            first_N = self.columns["notation_first"]
            bounds = zip(first_N[chosen].tolist(), first_N[chosen + 1].tolist(), strict=True)
            return [[names[code] for code in code_L[start:end].tolist()] for start, end in bounds]
        column = self.columns[name][chosen].tolist()
        if name in ("earliest", "latest"):
            return [None if year == NO_YEAR else year for year in column]
        names = self.columns.facts.vocabularies[name]
        return [names[code] if code >= 0 else None for code in column]

    @property
    def shard_lengths(self) -> tuple[int, ...]:
        """The number of samples of each shard."""
        return tuple(num for _, _, num in self.columns.facts.shards)

    def counts(self) -> dict[str, Any]:
        """The number of samples per institution and rights statement, and of captions per language."""
        return {
            "num_samples": len(self),
            "by_institution": self._counted("institution"),
            "by_rights": self.columns.facts.by_rights,
            "by_language": self.columns.facts.by_language(),
            "left_out": self.left_out,
            **({"shares": self.shares()} if self.mix else {}),
        }

    def shares(self) -> dict[str, float]:
        """The part of the samples that each source of the mix gives, by the names of its sets."""
        assert self.mix
        names: dict[int, list[str]] = {}
        for number, one in zip(self.mix.source_of_set, self.sets, strict=True):
            names.setdefault(number, []).append(one.manifest.name)
        found: dict[str, float] = {}
        for number, share in enumerate(self.mix.shares(self.source_N)):
            name = ", ".join(names[number])
            found[name if name not in found else f"{name} ({number + 1})"] = share
        return found

    def _counted(self, name: str) -> dict[str, int]:
        names = self.columns.facts.vocabularies[name]
        counts = np.bincount(self.columns[name], minlength=len(names)).tolist()
        return dict(sorted(zip(names, counts, strict=True)))


class Captions:
    """The captions of all samples, flat; those of row n are first_N[n] up to first_N[n + 1]."""

    def __init__(self, columns: Columns) -> None:
        self._facts = columns.facts
        self.text: pa.Array = _texts(columns, "text")
        self.first_N: IntArray = columns["caption_first"]
        self.text_C: IntArray = columns["caption_number"]
        """a number for each distinct text; case and spacing are ignored"""
        self.kind_C: npt.NDArray[np.int32] = columns["caption_kind"]
        """the number of each caption's kind"""

    def __len__(self) -> int:
        return len(self.text)

    @property
    def kinds(self) -> Sequence[Kind]:
        """What captions are weighed by: the distinct combinations."""
        return self._facts.kinds

    @property
    def num_of_kind(self) -> Sequence[int]:
        """The number of captions of each kind."""
        return self._facts.num_of_kind

    def kind_of(self, number: int) -> Kind:
        """What a caption is weighed by."""
        return self._facts.kinds[int(self.kind_C[number])]

    def of_row(self, row: int) -> range:
        """The caption numbers of a row."""
        return range(int(self.first_N[row]), int(self.first_N[row + 1]))

    @property
    def most(self) -> int:
        """M, the largest number of captions of a sample, but at most MOST_CAPTIONS."""
        return max(1, min(MOST_CAPTIONS, self._facts.most_captions))

    def texts_of(self, row_B: IntArray) -> IntArray:
        """The text numbers of some rows' captions, filled up with -1, [B, M]."""
        first_B, last_B = self.first_N[row_B], self.first_N[row_B + 1]
        caption_BM = first_B[:, None] + np.arange(self.most)
        is_there_BM = caption_BM < last_B[:, None]
        return np.where(is_there_BM, self.text_C[np.minimum(caption_BM, len(self) - 1)], -1)


def _texts(columns: Columns, name: str) -> pa.Array:
    """A column of texts over its own bytes, of which nothing is copied."""
    first_N = columns[f"{name}_first"]
    buffers = [None, pa.py_buffer(first_N), pa.py_buffer(columns[name])]
    return pa.Array.from_buffers(pa.large_string(), len(first_N) - 1, buffers)


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
    return samples_of(tuple(open_set(folder) for folder in folders), split=split, policy=policy)


def samples_of(
    sets: tuple[ShardSet, ...], *, split: str, policy: PolicyName, mix: Mix | None = None
) -> Samples:
    """The samples of open sets; the same as `load` otherwise."""
    return Samples(sets, rows_of(sets, split=split, policy=policy), identity_of(sets, split, policy), mix)
