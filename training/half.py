"""Training in float16, for GPUs without bfloat16 (V100, T4).

A gradient below 6e-8 is zero in float16. So the loss is multiplied by a large scale, and the gradient
divided by it. The scale is halved when a gradient overflows, and doubled after many steps without that
(Micikevicius et al. 2018, arXiv 1710.03740). The rules are those of torch.amp.GradScaler. That class is not
used, because it decides for each rank and optimizer; here all ranks decide together, also about slices of
weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import nn

from training.sharding import own_part

FIRST_SCALE, SMALLEST_SCALE = 2.0**16, 1.0
GROWTH_STEPS = 2000


class Float16(MixedPrecision):
    """Lightning's mixed precision with float16, where our module scales the loss, not Lightning.

    Args:
        device: the kind of device, "cuda" or "cpu".
    """

    def __init__(self, device: str) -> None:
        super().__init__("bf16-mixed", device)

    def autocast_context_manager(self) -> torch.autocast:
        """Autocast to float16, without a cache of weights, as Lightning does."""
        return torch.autocast(self.device, dtype=torch.float16, cache_enabled=False)


class LossScaler:
    """The scale of the loss. It is a power of two, so that multiplying and dividing are exact.

    Args:
        growth_steps: applied steps after which the scale is doubled.
    """

    def __init__(self, growth_steps: int = GROWTH_STEPS) -> None:
        self.scale, self.num_good_steps, self._growth_steps = FIRST_SCALE, 0, growth_steps

    @torch.no_grad()
    def unscale(self, parameters: Iterable[nn.Parameter]) -> None:
        """Divide the gradients by the scale; of sliced weights, this rank's slices."""
        gradients = [own_part(parameter.grad) for parameter in parameters if parameter.grad is not None]
        torch._foreach_mul_(gradients, 1 / self.scale)

    def update(self, *, is_finite: bool) -> bool:
        """Adjust the scale after a step.

        Returns:
            Whether a smaller scale may help: gradients were not finite, and the scale was above the smallest.
        """
        if is_finite:
            self.num_good_steps += 1
            if self.num_good_steps == self._growth_steps:
                self.scale, self.num_good_steps = self.scale * 2, 0
            return False
        was_too_large = self.scale > SMALLEST_SCALE
        self.scale, self.num_good_steps = max(SMALLEST_SCALE, self.scale / 2), 0
        return was_too_large

    def state(self) -> dict[str, float]:
        """The state for a checkpoint."""
        return {"scale": self.scale, "num_good_steps": self.num_good_steps}

    def load(self, state: Mapping[str, float]) -> None:
        """Restore the state from a checkpoint."""
        self.scale, self.num_good_steps = float(state["scale"]), int(state["num_good_steps"])
