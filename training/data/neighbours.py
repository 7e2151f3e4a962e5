"""The nearest neighbours of each sample in embedding stores, as candidates for hard negatives.

The search is exact and has the same result on every machine, because the sums are exact: stores hold unit
vectors in float16, so each product of two numbers is a multiple of 2^-48, and a sum of them stays below 2.
float64 holds such sums without rounding, in whatever order a CPU or GPU adds them up. Among equal
similarities, earlier rows come first.

A neighbour must not be a false negative. Left out are samples of the same group, samples that share a
caption, and near copies.

Letters: N samples, C candidates, Q queries, D dimension, M neighbours of a sample, L labels of some samples,
P pairs of a query and a candidate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from iconoclip.embeddings import UNIT_TOLERANCE, EmbeddingStore, StoreManifest
from iconoclip.errors import BadInput, ConfigError, DamagedData
from training.data.samples import Samples

IntArray = npt.NDArray[np.int64]
QUERIES_TOGETHER = 1024
# A power of two: the place within a block takes the lowest bits of a number of 64.
BLOCK_BITS = 13
BLOCK = 2**BLOCK_BITS
# Similarities are multiples of 2^-48.
ONE = 2**48
NONE = -2 * ONE
# Pairs that are left out, held at the same time: half a gigabyte.
MOST_PAIRS = 2**24


class Vectors:
    """The vectors of the samples of a training set.

    Args:
        stores: embedding stores of images, all of one model; of a key in two of them, the first counts.
        keys: of the samples, in the order of their rows.

    Raises:
        ConfigError: the stores do not belong together, or have no vector of any sample.
    """

    def __init__(self, stores: Sequence[EmbeddingStore], keys: pa.Array) -> None:
        first = stores[0].manifest
        for store in stores:
            if store.manifest.side != "image" or store.manifest.model_digest != first.model_digest:
                raise ConfigError(
                    "the stores have vectors of texts, or of different models",
                    where=store.folder,
                    remedy="encode the pictures of all sets with one model",
                )
        self._stores = stores
        self.store_N = np.full(len(keys), -1, dtype=np.int32)
        """the number of the store that has each sample's vector; -1 if none has"""
        self._place_N = np.zeros(len(keys), dtype=np.int64)
        for number, store in enumerate(stores):
            known = pc.cast(store.key_column, pa.large_string())
            place_N = pc.fill_null(pc.index_in(keys, value_set=known), -1).to_numpy(zero_copy_only=False)
            new_N = (place_N >= 0) & (self.store_N < 0)
            self.store_N[new_N], self._place_N[new_N] = number, place_N[new_N]
        if (self.store_N < 0).all():
            raise ConfigError(
                "the embedding stores have no vector of any sample that is trained on",
                where=", ".join(str(one.folder) for one in stores),
                remedy="encode the sets of this run: `iconoclip encode MODEL SHARDSET --out STORE`",
            )

    @property
    def manifest(self) -> StoreManifest:
        """Of the first store: its model is that of all."""
        return self._stores[0].manifest

    def read(self, row_Q: IntArray) -> npt.NDArray[np.float16]:
        """The vectors of some rows that have one, [Q, D].

        Raises:
            DamagedData: a vector does not have unit length.
        """
        found = np.zeros((len(row_Q), self.manifest.dimension), dtype=np.float16)
        for number, store in enumerate(self._stores):
            is_here_Q = self.store_N[row_Q] == number
            found[is_here_Q] = store.vectors_ND[self._place_N[row_Q[is_here_Q]]]
        lengths_Q = np.linalg.norm(found.astype(np.float32), axis=1)
        if not np.all(np.abs(lengths_Q - 1) < UNIT_TOLERANCE):
            raise DamagedData(
                "a vector does not have unit length",
                where=self._stores[0].folder,
                remedy="run `iconoclip encode` again",
            )
        return found


@dataclass
class Found:
    """What a search found, over all rows."""

    num_samples: int = 0
    num_with_vector: int = 0
    num_with_neighbours: int = 0
    num_candidates: int = 0
    num_copies: int = 0
    """pairs that were left out because they are too similar"""
    sum_of_nearest: float = 0.0
    """of the similarities of the samples with their nearest neighbours"""


@dataclass(frozen=True)
class Search:
    """What is searched.

    Args:
        num: M, neighbours of each sample.
        max_similarity: pairs above it are left out.
        max_candidates: the number of samples among which neighbours are searched.
        same_notations: whether samples with the same Iconclass notations are left out as well.
    """

    num: int
    max_similarity: float
    max_candidates: int
    same_notations: bool = False


def nearest(
    samples: Samples, vectors: Vectors, search: Search, *, device: torch.device, found: Found
) -> Iterator[npt.NDArray[np.int32]]:
    """The rows of the neighbours of each sample, the nearest first and filled up with -1, in parts of
    [Q, M] in the order of the rows.

    Args:
        device: where it is computed.
        found: the facts of each part are added to it.

    Raises:
        BadInput: no two samples have a vector.
        DamagedData: a vector does not have unit length.
    """
    candidates = _Candidates(samples, vectors, search, device)
    found.num_candidates = len(candidates.row_C)
    for first in range(0, len(samples), QUERIES_TOGETHER):
        row_Q = np.arange(first, min(first + QUERIES_TOGETHER, len(samples)))
        has_Q = vectors.store_N[row_Q] >= 0
        part_QM = np.full((len(row_Q), search.num), -1, dtype=np.int32)
        part_QM[has_Q] = candidates.nearest(row_Q[has_Q], found)
        found.num_samples += len(row_Q)
        found.num_with_vector += int(has_Q.sum())
        found.num_with_neighbours += int((part_QM[:, 0] >= 0).sum())
        yield part_QM


class _Candidates:
    """The samples among which neighbours are searched."""

    def __init__(self, samples: Samples, vectors: Vectors, search: Search, device: torch.device) -> None:
        self._samples, self._vectors, self._search, self._device = samples, vectors, search, device
        rows = np.flatnonzero(vectors.store_N >= 0)
        if len(rows) < 2:
            raise BadInput(
                "only one sample has a vector, so it has no neighbours",
                remedy="encode the sets of this run, or leave out hard_negatives.stores",
            )
        some = np.linspace(0, len(rows) - 1, min(len(rows), search.max_candidates)).astype(np.int64)
        self.row_C = rows[np.unique(some)]
        parts = np.array_split(self.row_C, -(-len(self.row_C) // BLOCK))
        self._vectors_CD = torch.cat([torch.from_numpy(vectors.read(part)) for part in parts]).to(device)
        owner_L, label_L = self._labels(self.row_C)
        order = np.argsort(label_L, kind="stable")
        self._label_L, self._owner_L = label_L[order], owner_L[order]

    def _labels(self, row_Q: IntArray) -> tuple[IntArray, IntArray]:
        """What two samples must not share: for each label the place of its sample in `row_Q`, and its number.

        The numbers are hashes of 63 bits of texts, groups and notations.
        """
        captions = self._samples.captions
        first_Q = captions.first_N[row_Q]
        count_Q = captions.first_N[row_Q + 1] - first_Q
        own_L = np.repeat(np.arange(len(row_Q)), count_Q)
        within_L = np.arange(len(own_L)) - np.repeat(np.cumsum(count_Q) - count_Q, count_Q)
        owners = [own_L, np.arange(len(row_Q))]
        labels = [captions.text_C[first_Q[own_L] + within_L], self._samples.group_N[row_Q]]
        if self._search.same_notations:
            owners.append(np.arange(len(row_Q)))
            labels.append(self._samples.notation_N[row_Q])
        return np.concatenate(owners), np.concatenate(labels)

    def nearest(self, row_Q: IntArray, found: Found) -> IntArray:
        """The rows of the neighbours, [Q, M], filled up with -1."""
        if not len(row_Q):
            return np.zeros((0, self._search.num), dtype=np.int64)
        owner_L, label_L = self._labels(row_Q)
        start_L = np.searchsorted(self._label_L, label_L, side="left")
        count_L = np.searchsorted(self._label_L, label_L, side="right") - start_L
        if count_L.sum() > MOST_PAIRS and len(row_Q) > 1:
            half = len(row_Q) // 2
            return np.concatenate([self.nearest(row_Q[:half], found), self.nearest(row_Q[half:], found)])
        at_P = np.repeat(start_L - (np.cumsum(count_L) - count_L), count_L) + np.arange(count_L.sum())
        query_P, candidate_P = np.repeat(owner_L, count_L), self._owner_L[at_P]
        order = np.argsort(candidate_P, kind="stable")
        return self._best(row_Q, query_P[order], candidate_P[order], found)

    def _best(self, row_Q: IntArray, query_P: IntArray, candidate_P: IntArray, found: Found) -> IntArray:
        """The same, without the pairs that are given in the order of the candidates."""
        queries_QD = torch.from_numpy(self._vectors.read(row_Q)).to(self._device).double()
        queries, candidates = (torch.from_numpy(one).to(self._device) for one in (query_P, candidate_P))
        shape = (len(row_Q), self._search.num)
        best_QM = torch.full(shape, NONE, device=self._device)
        place_QM = torch.zeros(shape, dtype=torch.int64, device=self._device)
        firsts = range(0, len(self.row_C), BLOCK)
        bounds = np.searchsorted(candidate_P, [*firsts, len(self.row_C)])
        for number, first in enumerate(firsts):
            pairs = slice(int(bounds[number]), int(bounds[number + 1]))
            scores_QC = _exact_scores(queries_QD, self._vectors_CD[first : first + BLOCK])
            scores_QC[queries[pairs], candidates[pairs] - first] = NONE
            is_copy_QC = scores_QC > int(self._search.max_similarity * ONE)
            found.num_copies += int(is_copy_QC.sum())
            score_QM, at_QM = _top(scores_QC.masked_fill_(is_copy_QC, NONE), self._search.num)
            # Stable: among equals, those of earlier blocks come first.
            both = torch.cat([best_QM, score_QM], 1).sort(dim=1, descending=True, stable=True)
            best_QM = both.values[:, : self._search.num]
            place_QM = torch.cat([place_QM, at_QM + first], 1).gather(1, both.indices[:, : self._search.num])
        is_there_QM = (best_QM > NONE).cpu().numpy()
        found.sum_of_nearest += float(best_QM[:, 0][best_QM[:, 0] > NONE].double().sum()) / ONE
        return np.where(is_there_QM, self.row_C[place_QM.cpu().numpy()], -1)


def _exact_scores(queries_QD: Tensor, vectors_CD: Tensor) -> Tensor:
    """Similarities as whole multiples of 2^-48, int64 [Q, C]."""
    return (queries_QD @ vectors_CD.double().T).mul_(ONE).to(torch.int64)


def _top(scores_QC: Tensor, num: int) -> tuple[Tensor, Tensor]:
    """The largest scores of a block and their places, [Q, M]; among equals the first places.

    The place takes the lowest bits, so that no two numbers are equal: topk may choose any of equal ones.
    """
    places = torch.arange(scores_QC.shape[1], device=scores_QC.device)
    distinct_QC = scores_QC.mul_(BLOCK).add_(BLOCK - 1 - places)
    top = distinct_QC.topk(min(num, scores_QC.shape[1]), dim=1)
    return top.values >> BLOCK_BITS, top.indices
