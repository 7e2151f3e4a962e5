"""The schedule of the learning rate: a function of the step alone, so a run that resumes continues it."""

from __future__ import annotations

import math

from training.config_groups import ScheduleConfig


def rate_factor(step: int, schedule: ScheduleConfig, *, num_steps: int, floor: float = 0.0) -> float:
    """The factor on the peak learning rate at `step` (from 0).

    It rises linearly during the warm-up. Then it follows half a cosine down to `floor`, or stays at 1, or
    stays at 1 and falls to `floor` in a cooldown at the end: in a line, as open_clip's `const-cooldown`, or
    as one minus a square root (Hägele et al. 2024, arXiv 2405.18392).
    """
    num_warmup = round(schedule.warmup * num_steps)
    if step < num_warmup:
        return (step + 1) / num_warmup
    if schedule.shape == "cosine":
        progress = _progress(step, num_warmup, num_steps)
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))
    if schedule.shape == "constant":
        return 1.0
    progress = _progress(step, num_steps - max(1, round(schedule.cooldown * num_steps)), num_steps)
    fallen = math.sqrt(progress) if schedule.cooldown_curve == "sqrt" else progress
    return floor + (1 - floor) * (1 - fallen)


def _progress(step: int, start: int, end: int) -> float:
    return min(1.0, max(0, step - start) / max(1, end - start))
