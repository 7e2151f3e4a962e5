"""The schedules by hand, and compared with those of open_clip_train."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from open_clip_train import scheduler

from iconoclip.errors import ConfigError
from training.config_groups import ScheduleConfig
from training.learning_rate import rate_factor

from .conftest import config_of


def factors(num_steps: int, floor: float = 0.0, **values: Any) -> list[float]:
    """The factor at each step."""
    schedule = ScheduleConfig(**values)
    return [rate_factor(step, schedule, num_steps=num_steps, floor=floor) for step in range(num_steps)]


def test_the_schedules_by_hand() -> None:
    # Up in halves, then 0.1 + 0.9 (1 + cos(pi t / 4)) / 2 for t = 0, 1, 2, 3.
    assert factors(6, 0.1, warmup=1 / 3) == pytest.approx(
        [0.5, 1.0, 1.0, 0.1 + 0.45 * (1 + 2**-0.5), 0.55, 0.1 + 0.45 * (1 - 2**-0.5)]
    )
    assert factors(5, 0.1, warmup=0.4, shape="constant") == [0.5, 1, 1, 1, 1]
    # The last four of eight steps: 1 - sqrt(t / 4) for t = 0, 1, 2, 3, between 1 and 0.2.
    falling = [0.2 + 0.8 * (1 - math.sqrt(t / 4)) for t in range(4)]
    assert factors(8, 0.2, warmup=0.25, shape="cooldown", cooldown=0.5) == pytest.approx(
        [0.5, 1, 1, 1, *falling]
    )


def test_the_schedules_are_open_clips() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = {
        "cosine": scheduler.cosine_lr(optimizer, 1.0, 10, 100),
        "constant": scheduler.const_lr(optimizer, 1.0, 10, 100),
        "cooldown": scheduler.const_lr_cooldown(optimizer, 1.0, 10, 100, 30, 1.0, 0.25),
    }
    for shape, adjust in theirs.items():
        values = {"warmup": 0.1, "shape": shape, "cooldown": 0.3, "cooldown_curve": "linear"}
        floor = 0.25 if shape == "cooldown" else 0.0
        assert factors(100, floor, **values) == pytest.approx([adjust(step) for step in range(100)]), shape


def test_a_warmup_and_a_cooldown_that_overlap_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"warmup 0\.5 and cooldown 0\.6"):
        config_of(
            shardsets=["x"],
            run_dir="r",
            warmup=0.5,
            **{"schedule.shape": "cooldown", "schedule.cooldown": 0.6},
        )
