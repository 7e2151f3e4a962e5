"""The gradient of a batch, computed whole and in parts."""

from __future__ import annotations

import pytest
import torch

from training.data.loader import Batch
from training.module import ContrastiveModule


def assert_parts_make_the_whole(module: ContrastiveModule, batch: Batch, part: int) -> float:
    """The loss of a batch, after a check that its gradient is the same in parts of `part` samples."""
    module.manual_backward = lambda value: value.backward()  # type: ignore[method-assign, misc]
    type(module).global_rank = 0  # type: ignore[assignment, method-assign]
    loss = module.backward_whole(batch)
    whole = [one.grad.clone() for one in module.parameters() if one.grad is not None]
    module.zero_grad()
    module._unsynchronised = lambda: torch.enable_grad()  # type: ignore[method-assign]
    assert module._backward_in_parts(batch, part) == pytest.approx(loss, rel=1e-5)
    parts = [one.grad for one in module.parameters() if one.grad is not None]
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)
    return loss
