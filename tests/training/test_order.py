"""The order is a function of (seed, epoch): every sample once per epoch, with any number of readers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.order import EpochOrder, RankBatches, Schedule, quotas
from training.data.randomness import mix, uniform

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=6).map(tuple)


@given(LENGTHS, st.integers(0, 2**31), st.integers(0, 5), st.integers(1, 20), st.integers(1, 5))
def test_every_sample_comes_exactly_once_per_epoch(
    lengths: tuple[int, ...], seed: int, epoch: int, block: int, window: int
) -> None:
    rows = EpochOrder(lengths, seed, block, window).rows(epoch)
    assert sorted(rows.tolist()) == list(range(sum(lengths)))


@given(LENGTHS, st.integers(0, 100), st.integers(1, 8), st.sampled_from([1, 2, 3, 4]), st.floats(0.5, 3))
def test_ranks_share_each_batch_and_all_have_the_same_number_of_them(
    lengths: tuple[int, ...], seed: int, share: int, num_ranks: int, epochs: float
) -> None:
    order = EpochOrder(lengths, seed, 4, 2)
    alone = Schedule(order, share * num_ranks)
    num_steps = alone.num_steps(epochs)
    by_rank = [
        RankBatches(
            Schedule(order, share * num_ranks),
            first_step=0,
            num_steps=num_steps,
            rank=rank,
            num_ranks=num_ranks,
        )
        for rank in range(num_ranks)
    ]
    assert {len(batches) for batches in by_rank} == {num_steps}
    for step in range(num_steps):
        together = [pair for batches in by_rank for pair in batches[step]]
        assert together == alone.batch(step)
    stream = [row for step in range(num_steps) for _, row in alone.batch(step)]
    size = sum(lengths)
    for epoch in range(len(stream) // size):
        assert sorted(stream[epoch * size : (epoch + 1) * size]) == list(range(size))


def test_the_order_changes_with_the_epoch_and_the_seed() -> None:
    order, other = EpochOrder((50, 50), 0), EpochOrder((50, 50), 1)
    assert order.rows(0).tolist() == EpochOrder((50, 50), 0).rows(0).tolist()
    assert order.rows(0).tolist() != order.rows(1).tolist()
    assert order.rows(0).tolist() != other.rows(0).tolist()
    # Not only within a window: the blocks themselves come in another order each epoch.
    blocks = EpochOrder((10,) * 20, 0, block_samples=10, window_blocks=1)
    turns = [(blocks.rows(epoch)[::10] // 10).tolist() for epoch in range(3)]
    assert all(sorted(turn) == list(range(20)) for turn in turns)
    assert len(set(map(tuple, turns))) == 3


def test_reading_is_shard_sequential_within_a_window() -> None:
    order = EpochOrder((1000,) * 10, 0, block_samples=100, window_blocks=5)
    windows = order.rows(0).reshape(-1, 500)
    for rows in windows:
        assert len({int(row) // 100 for row in rows}) == 5


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.floats(0, 1))
def test_quotas_fill_the_epoch_and_spread_evenly_within_an_institution(
    institutions: list[int], alpha: float
) -> None:
    codes = np.array(institutions)
    found = quotas(codes, alpha)
    if alpha == 1.0:
        assert found is None
        return
    assert found is not None
    assert sum(quota for _, quota in found) == len(codes)
    order = EpochOrder((len(codes),), 0, institution_quotas=found)
    counts = np.bincount(order.rows(3), minlength=len(codes))
    for rows, quota in found:
        assert counts[rows].sum() == quota
        assert np.ptp(counts[rows]) <= 1


def test_equal_shares_by_hand() -> None:
    # 9 of one, 1 of another: n^0 gives each half of 10; n^0.5 gives 3 : 1, that is 7.5 : 2.5, remainders to
    # the larger fraction.
    codes = np.array([0] * 9 + [1])
    assert [quota for _, quota in quotas(codes, 0.0) or ()] == [5, 5]
    assert [quota for _, quota in quotas(codes, 0.5) or ()] in ([8, 2], [7, 3])


@given(LENGTHS, st.integers(0, 30), st.integers(1, 6))
def test_times_seen_counts_the_stream(lengths: tuple[int, ...], num_steps: int, batch: int) -> None:
    schedule = Schedule(EpochOrder(lengths, 7), batch)
    stream = [row for step in range(num_steps) for _, row in schedule.batch(step)]
    assert schedule.times_seen(0, num_steps) == stream.count(0)


def test_draws_are_uniform_and_unrelated() -> None:
    draws = uniform(0, 1, np.arange(100_000))
    # Standard errors: mean 0.0009, correlation 0.003.
    assert draws.min() >= 0
    assert draws.max() < 1
    assert draws.mean() == pytest.approx(0.5, abs=0.004)
    assert np.corrcoef(draws[:-1], draws[1:])[0, 1] == pytest.approx(0, abs=0.013)
    assert np.corrcoef(draws, uniform(1, 1, np.arange(100_000)))[0, 1] == pytest.approx(0, abs=0.013)
    assert len(np.unique(mix(0, np.arange(100_000)))) == 100_000
