"""The one definition of every retrieval number the project publishes.

Shapes: Q queries, N items, K cut-off, R resamples, C clusters. Ranks start at 1. Ties are counted against the
query: an item with the same score as the relevant one is placed before it, so that a model that gives every
item the same score gets no credit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.integer]
BoolArray = npt.NDArray[np.bool_]
# Draws of a bootstrap that are held at once: 16 MB.
MAX_DRAWS = 1_000_000


def relevant_ranks(scores_QN: FloatArray, relevant_QN: BoolArray) -> list[IntArray]:
    """The ranks of each query's relevant items, ascending, ties counted against the query.

    Args:
        scores_QN: finite scores, higher is better.
        relevant_QN: which items answer the query.

    Returns:
        For each query an int array with one rank for each of its relevant items; empty when it has none.

    Raises:
        ValueError: a score is not finite, or the shapes differ.
    """
    if scores_QN.shape != relevant_QN.shape:
        raise ValueError(f"scores {scores_QN.shape} and relevance {relevant_QN.shape} differ in shape")
    return ranks_of(scores_QN, [np.flatnonzero(relevant_N) for relevant_N in relevant_QN])


def ranks_of(scores_QN: FloatArray, relevant: Sequence[IntArray]) -> list[IntArray]:
    """Like `relevant_ranks`, but each query's relevant items are given by their positions.

    It counts instead of sorting: a query with few relevant items needs one pass over its scores per item.

    Raises:
        ValueError: a score is not finite, or there are not as many queries as rows.
    """
    if len(scores_QN) != len(relevant):
        raise ValueError(f"{len(scores_QN)} rows of scores, {len(relevant)} queries")
    if not np.isfinite(scores_QN).all():
        raise ValueError("a score is not finite")
    ranks: list[IntArray] = []
    for scores_N, positions in zip(scores_QN, relevant, strict=True):
        own = np.sort(scores_N[positions])[::-1]
        num_at_least = np.array([np.count_nonzero(scores_N >= score) for score in own], dtype=np.int64)
        # Relevant items among those do not count; all others rank before, including ties.
        num_own_at_least = np.array([np.count_nonzero(own >= score) for score in own], dtype=np.int64)
        ranks.append(num_at_least - num_own_at_least + np.arange(1, len(own) + 1))
    return ranks


def recall_at_k(ranks: Sequence[IntArray], k: int) -> float:
    """The share of queries with a relevant item among the first k, as in the literature on CLIP.

    (Karpathy and Fei-Fei 2015, arXiv 1412.2306; clip-benchmark counts the same.) Queries without a relevant
    item are left out; NaN when none is left.
    """
    return _mean([float(r[0] <= k) for r in ranks if len(r)])


def mean_reciprocal_rank(ranks: Sequence[IntArray]) -> float:
    """The mean of 1 / rank of the first relevant item (Voorhees 1999, TREC-8)."""
    return _mean([1.0 / float(r[0]) for r in ranks if len(r)])


def mean_average_precision(ranks: Sequence[IntArray]) -> float:
    """Mean average precision over queries (Manning et al. 2008, ch. 8.4)."""
    return _mean([float(np.mean(np.arange(1, len(r) + 1) / r)) for r in ranks if len(r)])


def ndcg_at_k(ranks: Sequence[IntArray], k: int) -> float:
    """Normalised discounted cumulative gain with binary relevance (Järvelin and Kekäläinen 2002)."""
    values = []
    for r in ranks:
        if len(r):
            gain = float(np.sum(1.0 / np.log2(1.0 + r[r <= k])))
            ideal = float(np.sum(1.0 / np.log2(1.0 + np.arange(1, min(len(r), k) + 1))))
            values.append(gain / ideal)
    return _mean(values)


def bootstrap_interval(
    values_Q: FloatArray,
    *,
    cluster_Q: npt.NDArray[np.int64] | None = None,
    confidence: float = 0.95,
    num_resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """A percentile bootstrap interval of the mean (Efron 1979), over queries.

    Args:
        cluster_Q: queries with the same number are drawn together (Field and Welsh 2007, Bootstrapping
            clustered data): members of one cluster are one piece of evidence. A single cluster is ignored: it
            would give no interval.

    Returns:
        (low, high); (NaN, NaN) without values.
    """
    if not len(values_Q):
        return float("nan"), float("nan")
    generator = np.random.default_rng(seed)
    sums: FloatArray = np.asarray(values_Q, dtype=np.float64)
    sizes: FloatArray = np.ones(len(sums))
    if cluster_Q is not None and len(np.unique(cluster_Q)) > 1:
        number_Q = np.unique(cluster_Q, return_inverse=True)[1]
        sums = np.bincount(number_Q, weights=sums).astype(np.float64)
        sizes = np.bincount(number_Q).astype(np.float64)
    # All resamples at once would need num_resamples times the memory.
    num_at_once = max(1, MAX_DRAWS // len(sums))
    means: list[float] = []
    for start in range(0, num_resamples, num_at_once):
        shape = (min(num_at_once, num_resamples - start), len(sums))
        draws_RC = generator.integers(0, len(sums), shape)
        means += (sums[draws_RC].sum(axis=1) / sizes[draws_RC].sum(axis=1)).tolist()
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
