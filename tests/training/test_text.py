"""Skipping the padding changes nothing."""

from __future__ import annotations

import open_clip
import pytest
import torch
from open_clip.model import CLIP, CustomTextCLIP
from torch.nn import functional as F

from training import text

TEXTS = [
    "a",
    "azure, a chevron or between three mullets argent",
    "a lion",
    "per pale gules and vert, two keys in saltire",
    "",
] * 30


@pytest.mark.parametrize("kind", [CLIP, CustomTextCLIP])
@pytest.mark.parametrize("pool", ["argmax", "last"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("recomputed", [False, True], ids=["plain", "recomputed"])
def test_features_and_gradients_equal_open_clips(
    kind: type[CLIP] | type[CustomTextCLIP], pool: str, layers: int, recomputed: bool
) -> None:
    torch.manual_seed(0)
    vision = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16}
    model = kind(
        16, vision, {"context_length": 24, "width": 32, "heads": 2, "layers": layers, "pool_type": pool}
    ).double()
    model.set_grad_checkpointing(recomputed)
    tokens = open_clip.SimpleTokenizer(context_length=24)(TEXTS)
    ours = text.encode_texts(model, tokens)
    theirs = F.normalize(model.encode_text(tokens), dim=-1)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    weights = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1))
    found = torch.autograd.grad(
        (ours * weights).sum(), list(text_parameters(model)), retain_graph=True, allow_unused=True
    )
    wanted = torch.autograd.grad((theirs * weights).sum(), list(text_parameters(model)), allow_unused=True)
    assert any(grad is not None for grad in found)
    for one, other in zip(found, wanted, strict=True):
        if other is not None:
            torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def text_parameters(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    return [
        parameter for name, parameter in model.named_parameters() if not name.startswith(("visual", "logit"))
    ]
