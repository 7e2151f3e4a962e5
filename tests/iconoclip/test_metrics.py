"""The published numbers: against sums by hand, against naive definitions, and with ties."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iconoclip.metrics import (
    bootstrap_interval,
    mean_average_precision,
    mean_reciprocal_rank,
    ndcg_at_k,
    ranks_of,
    recall_at_k,
    relevant_ranks,
)

# Two queries over five items. The first finds its items at ranks 1 and 4, the second its only one at rank 3.
SCORES = np.array([[0.9, 0.1, 0.8, 0.3, 0.5], [0.2, 0.4, 0.9, 0.8, 0.1]])
RELEVANT = np.array([[1, 0, 0, 1, 0], [0, 1, 0, 0, 0]], dtype=bool)


def test_by_hand() -> None:
    ranks = relevant_ranks(SCORES, RELEVANT)
    assert [r.tolist() for r in ranks] == [[1, 4], [3]]
    assert [recall_at_k(ranks, k) for k in (1, 2, 3)] == [0.5, 0.5, 1.0]
    assert mean_reciprocal_rank(ranks) == pytest.approx((1 + 1 / 3) / 2)
    # Precision at rank 1 is 1 of 1, at rank 4 it is 2 of 4; at rank 3 it is 1 of 3.
    assert mean_average_precision(ranks) == pytest.approx(((1 + 2 / 4) / 2 + 1 / 3) / 2)
    # Gains of 1 / log2(rank + 1): 1 at rank 1, 0.5 at rank 3, 1 / log2(5) at rank 4.
    first = (1 + 1 / math.log2(5)) / (1 + 1 / math.log2(3))
    assert ndcg_at_k(ranks, 5) == pytest.approx((first + 0.5) / 2)
    assert ndcg_at_k(ranks, 1) == pytest.approx((1 + 0) / 2)


def test_a_model_with_equal_scores_for_everything_gets_no_credit() -> None:
    ranks = relevant_ranks(np.zeros((1, 100)), np.eye(1, 100, dtype=bool))
    assert ranks[0].tolist() == [100]
    # Two right answers of one score are at the last two places.
    assert ranks_of(np.zeros((1, 10)), [np.array([3, 7])])[0].tolist() == [9, 10]


@st.composite
def questions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Scores of few values, so that many are equal, and any items relevant."""
    num_queries, num_items = draw(st.integers(1, 4)), draw(st.integers(1, 8))
    size = num_queries * num_items
    scores = draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))
    relevant = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    shape = (num_queries, num_items)
    return np.array(scores, dtype=np.float64).reshape(shape), np.array(relevant).reshape(shape)


def naive_order(scores: Sequence[float], relevant: Sequence[bool]) -> list[bool]:
    """Whether each place of the list is a right answer: best score first, wrong ones first among equals."""
    places = sorted(range(len(scores)), key=lambda item: (-scores[item], relevant[item]))
    return [bool(relevant[item]) for item in places]


@given(questions(), st.integers(1, 9))
def test_every_number_is_that_of_the_sorted_list(question: tuple[np.ndarray, np.ndarray], k: int) -> None:
    scores, relevant = question
    ranks = relevant_ranks(scores, relevant)
    orders = [naive_order(*pair) for pair in zip(scores.tolist(), relevant.tolist(), strict=True)]
    assert [r.tolist() for r in ranks] == [
        [place for place, right in enumerate(order, 1) if right] for order in orders
    ]
    answerable = [order for order in orders if any(order)]
    if not answerable:
        assert all(
            math.isnan(value) for value in (recall_at_k(ranks, k), mean_reciprocal_rank(ranks),
            mean_average_precision(ranks), ndcg_at_k(ranks, k))
        )  # fmt: skip
        return
    assert recall_at_k(ranks, k) == pytest.approx(np.mean([any(order[:k]) for order in answerable]))
    assert mean_reciprocal_rank(ranks) == pytest.approx(
        np.mean([1 / (order.index(True) + 1) for order in answerable])
    )
    assert mean_average_precision(ranks) == pytest.approx(
        np.mean([naive_precision(order) for order in answerable])
    )
    assert ndcg_at_k(ranks,
    k) == pytest.approx(np.mean([naive_gain(order, k) / naive_gain(sorted(order, reverse=True),
    k) for order in answerable]))  # fmt: skip


def naive_precision(order: list[bool]) -> float:
    return float(np.mean([sum(order[:place]) / place for place, right in enumerate(order, 1) if right]))


def naive_gain(order: list[bool], k: int) -> float:
    return sum(1 / math.log2(place + 1) for place, right in enumerate(order[:k], 1) if right)


def test_what_has_no_rank_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        relevant_ranks(np.array([[0.1, np.nan]]), np.array([[True, False]]))
    with pytest.raises(ValueError, match="differ in shape"):
        relevant_ranks(SCORES, RELEVANT[:, :4])
    with pytest.raises(ValueError, match="2 rows of scores, 1 queries"):
        ranks_of(SCORES, [np.array([0])])


def test_an_interval_holds_the_mean_and_narrows_with_the_number_of_queries() -> None:
    few, many = np.arange(25) % 2.0, np.arange(2_500) % 2.0
    for values in (few, many):
        low, high = bootstrap_interval(values)
        assert low < values.mean() < high
    # Normal approximation: half the width is 1.96 * 0.5 / sqrt(n), 0.0196 for 2,500.
    low, high = bootstrap_interval(many)
    assert (high - low) / 2 == pytest.approx(0.0196, rel=0.15)
    assert bootstrap_interval(many) == (low, high)
    assert bootstrap_interval(np.ones(5)) == (1.0, 1.0)
    assert all(math.isnan(bound) for bound in bootstrap_interval(np.array([])))
