"""The schedule of a run from its config, for the training and for `iconoclip seen` alike."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.config import TrainConfig
from training.data.order import EpochOrder, Schedule, quotas
from training.data.streams import StreamOrder


def make_schedule(
    config: TrainConfig,
    shard_lengths: tuple[int, ...],
    institution_N: npt.NDArray[np.integer],
    weight_N: npt.NDArray[np.float64] | None,
) -> Schedule:
    """The schedule of a run.

    Args:
        config: the config of the run.
        shard_lengths: the number of samples of each shard.
        institution_N: a number for each sample's institution.
        weight_N: how many times as often each sample is drawn; None if all are drawn alike.
    """
    data, batch_size = config.data, config.schedule.batch_size
    shares = quotas(institution_N, data.institution_alpha, weight_N)
    order: EpochOrder | StreamOrder
    if data.order == "windows":
        order = EpochOrder(shard_lengths, config.seed, data.block_samples, data.window_blocks, shares)
    else:
        order = StreamOrder(shard_lengths, config.seed, batch_size, data.streams, data.stream_samples, shares)
    return Schedule(order, batch_size)
