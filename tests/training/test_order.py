"""The order is a function of (seed, epoch): every sample once per epoch, with any number of readers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.order import EpochOrder, RankBatches, Schedule, quotas
from training.data.randomness import mix, uniform
from training.data.streams import StreamOrder

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=6).map(tuple)


@given(LENGTHS, st.integers(0, 2**31), st.integers(0, 5), st.integers(1, 20), st.integers(1, 5))
def test_every_sample_comes_exactly_once_per_epoch(
    lengths: tuple[int, ...], seed: int, epoch: int, block: int, window: int
) -> None:
    rows = EpochOrder(lengths, seed, block, window).rows(epoch)
    assert sorted(rows.tolist()) == list(range(sum(lengths)))


@given(
    LENGTHS, st.integers(0, 100), st.integers(1, 8), st.sampled_from([1, 2, 3, 4]), st.floats(0.5, 3),
    st.sampled_from([0, 1, 5, 40]), st.integers(1, 5),
)  # fmt: skip
def test_ranks_share_each_batch_and_all_have_the_same_number_of_them(
    lengths: tuple[int, ...], seed: int, share: int, num_ranks: int, epochs: float, window: int, streams: int
) -> None:
    order: EpochOrder | StreamOrder = EpochOrder(lengths, seed, 4, 2)
    if window:
        order = StreamOrder(lengths, seed, share * num_ranks, streams, window)
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


def test_an_epoch_of_streams_with_quotas_has_each_row_as_often_as_it_should() -> None:
    institutions = np.repeat([0, 1, 2], [500, 60, 7])
    shares = quotas(institutions, 0.3)
    order = StreamOrder((300, 200, 60, 7), 5, 12, 4, 50, shares)
    for epoch in (0, 3):
        wanted = EpochOrder((300, 200, 60, 7), 5, institution_quotas=shares).repeats(epoch)
        assert wanted is not None
        assert wanted.max() > 10
        assert np.bincount(order.rows(epoch), minlength=567).tolist() == wanted.tolist()


# 240 shards of 400 pages, in books of 20: 96,000 samples, 16 streams of 8 samples.
BOOKS = StreamOrder((400,) * 240, 1, 128, 16, 3_000)
NUM_STEPS = 96_000 // 128


def shards_and_books(order: StreamOrder | EpochOrder, epoch: int = 0) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """The shard and the book of each sample, a row for each batch of 128."""
    rows = order.rows(epoch).reshape(-1, 128)
    return rows // 400, rows // 20


def same_book(book_TB: np.ndarray) -> float:  # type: ignore[type-arg]
    """The mean number of pairs of one book in a batch."""
    counts = [np.unique(book_B, return_counts=True)[1] for book_B in book_TB]
    return float(np.mean([(one * (one - 1) // 2).sum() for one in counts]))


def test_a_node_reads_its_own_shards_and_each_once() -> None:
    assert BOOKS.num_streams == 16
    for num_nodes in (1, 2, 4, 8):
        shard_TB, _ = shards_and_books(BOOKS)
        by_node = [np.unique(part) for part in np.split(shard_TB, num_nodes, axis=1)]
        # A shard that is cut between two streams may be read by two nodes.
        assert 240 <= sum(map(len, by_node)) <= 240 + 15
        # From the first batch that needs a shard to the last one, no more passes than two windows.
        for shards_TB in np.split(shard_TB, num_nodes, axis=1):
            for shard in np.unique(shards_TB)[:20]:
                steps = np.flatnonzero((shards_TB == shard).any(axis=1))
                assert np.ptp(steps) <= 2 * 1.5 * 3_000 / 8


def test_a_rank_takes_several_samples_of_each_shard_that_it_reads() -> None:
    def mean_run(order: StreamOrder | EpochOrder) -> float:
        ranks_TRB = shards_and_books(order)[0].reshape(NUM_STEPS, 2, 64)
        return 64 / float(np.mean([len(np.unique(one)) for step in ranks_TRB for one in step]))

    # 8 streams with windows of 7.5 shards each read from about 8 x 8.5; a stream takes 8 of them.
    one_stream = np.mean([len(np.unique(step[:8])) for step in shards_and_books(BOOKS)[0]])
    assert one_stream < 8
    few = StreamOrder((400,) * 240, 1, 128, 16, 800)
    # Windows of two shards lie over three (over four where a window is long): 8 samples of 3 shards.
    assert mean_run(few) > 2
    assert mean_run(few) > 1.3 * mean_run(BOOKS)
    # Before: 64 draws of 64 blocks, of 40.6 distinct ones on average.
    assert mean_run(EpochOrder((400,) * 240, 1, 64, 64)) < 1.8


def test_pages_of_a_book_come_far_apart() -> None:
    uniform_pairs = 128 * 127 / 2 * 19 / 95_999
    shuffled = np.random.default_rng(0).permutation(96_000).reshape(-1, 128) // 20
    assert same_book(shuffled) == pytest.approx(uniform_pairs, rel=0.1)
    # Of the order before, ten times as many; of streams, no more than of a uniform shuffle.
    assert same_book(shards_and_books(EpochOrder((400,) * 240, 1, 64, 64))[1]) > 10 * uniform_pairs
    for epoch in (0, 1):
        assert same_book(shards_and_books(BOOKS, epoch)[1]) < uniform_pairs


def test_which_samples_meet_differs_from_epoch_to_epoch() -> None:
    first, second = (BOOKS.rows(epoch) for epoch in (0, 1))
    steps = np.empty((2, 96_000), dtype=np.int64)
    for number, rows in enumerate((first, second)):
        steps[number, rows] = np.arange(96_000) // 128
    # Samples of one batch of the first epoch are in as many batches of the second as if drawn at random.
    apart = [len(np.unique(steps[1][steps[0] == step])) for step in range(0, NUM_STEPS, 50)]
    # 128 draws of 750 batches hit 118 of them.
    assert np.mean(apart) > 100


def test_a_small_set_is_shuffled_as_a_whole() -> None:
    order = StreamOrder((50,), 3, 8)
    assert order.num_streams == 1
    assert sorted(order.rows(0).tolist()) == list(range(50))
    # Of neighbouring samples, as many meet as in a uniform shuffle at most.
    meet = [np.abs(np.diff(np.sort(order.rows(epoch)[:48].reshape(6, 8)))) == 1 for epoch in range(200)]
    assert np.mean(meet) < 8 / 50
