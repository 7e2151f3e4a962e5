"""Matrices laid out once give the features that they gave before."""

from __future__ import annotations

import open_clip
import pytest
import torch

from retrieval.encode.towers import pack

TEXT = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
VISION = {
    "transformer": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    # The armorial's own model is one: its pooling takes its matrices without calling them.
    "resnet": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16},
}


@pytest.mark.parametrize("kind", VISION)
def test_a_packed_model_says_what_it_said_before(kind: str) -> None:
    torch.manual_seed(0)
    model = open_clip.CLIP(embed_dim=32, vision_cfg=VISION[kind], text_cfg=TEXT).eval()
    side = VISION[kind]["image_size"]
    images, tokens = torch.randn(3, 3, side, side), torch.randint(1, 49_000, (3, 16))
    with torch.inference_mode():
        before = model.encode_image(images), model.encode_text(tokens)
        pack(model)
        after = model.encode_image(images), model.encode_text(tokens)
    for one, other in zip(before, after, strict=True):
        assert torch.nn.functional.cosine_similarity(one, other).min() > 0.9999
