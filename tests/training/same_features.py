"""Compares two models by what they compute."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from training.model import LoadedModel

TEXTS = ["red, a disc blue", "white, a square black"]


def features(loaded: LoadedModel, side: int = 32) -> tuple[Tensor, Tensor]:
    """What the two towers compute of fixed pixels and texts."""
    pixels = torch.linspace(-2, 2, 2 * 3 * side * side).reshape(2, 3, side, side).sin()
    model: Any = loaded.model.eval()
    with torch.no_grad():
        return model.encode_image(pixels), model.encode_text(loaded.tokenize(TEXTS))


def same(one: LoadedModel, other: LoadedModel, atol: float = 0, side: int = 32) -> None:
    for ours, theirs in zip(features(one, side), features(other, side), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=atol)
