"""With identical weights and batches, the training step agrees with open_clip's: float64 to rounding, float32
to 1e-6.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from open_clip.loss import ClipLoss, SigLipLoss
from open_clip.transform import Normalize

from training.config import TrainConfig
from training.module import ContrastiveModule
from training.plan import load_for_training, make_dataset, make_plan

from .conftest import SMALL_MODEL

RESNET = {
    "embed_dim": 16,
    "vision_cfg": {
        "image_size": 32,
        "layers": [1, 1, 1, 1],
        "width": 8,
        "head_width": 16,
        "patch_size": None,
    },
    "text_cfg": SMALL_MODEL["model_cfg"]["text_cfg"],  # type: ignore[index]
}


@pytest.mark.parametrize("loss", ["clip", "siglip"])
@pytest.mark.parametrize(
    # A ResNet's batch norms over eight samples amplify float32's rounding to a few millionths, in either
    # program.
    ("architecture", "dtype"),
    [("vit", torch.float64), ("vit", torch.float32), ("resnet", torch.float64)],
)
def test_loss_and_gradients_are_open_clips(
    dtype: torch.dtype, loss: Any, architecture: str, make_config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    changes: dict[str, Any] = {"loss": loss, "repeated": "negative", "captions_per_image": 1}
    if architecture == "resnet":
        path = tmp_path / "resnet.json"
        path.write_text(json.dumps({"model_cfg": RESNET, "preprocess_cfg": SMALL_MODEL["preprocess_cfg"]}))
        changes["model"] = str(path)
    config = make_config(**changes)
    plan = make_plan(config)
    loaded = load_for_training(config.model, config.loss, config.seed)
    theirs = copy.deepcopy(loaded.model).to(dtype)
    module = ContrastiveModule(loaded, plan.recipe).to(dtype)
    module.manual_backward = lambda value: value.backward()  # type: ignore[method-assign, misc]
    type(module).global_rank = 0  # type: ignore[assignment, method-assign]
    batch = make_dataset(plan, loaded).__getitems__(plan.schedule.batch(0))
    value = module.backward_whole(batch)

    # open_clip's own way from the same pixels and tokens: its normalisation, its forward pass, its loss.
    preprocess = loaded.preprocess
    pixels = Normalize(preprocess["mean"], preprocess["std"])(
        batch.images_BSS3.permute(0, 3, 1, 2).to(dtype) / 255
    )
    images, texts, scale, *bias = theirs(pixels, batch.tokens_BKL[:, 0])
    wanted = (
        SigLipLoss()(images, texts, scale, *bias) if loss == "siglip" else ClipLoss()(images, texts, scale)
    )
    wanted.backward()
    limit = 1e-6 if dtype == torch.float32 else 1e-12
    assert value == pytest.approx(wanted.item(), abs=limit)
    pairs = list(zip(module.model.parameters(), theirs.parameters(), strict=True))
    assert all(one.grad is not None and other.grad is not None for one, other in pairs)
    ours, reference = (torch.cat([pair[side].grad.flatten() for pair in pairs]) for side in (0, 1))
    # Of the whole gradient: float32 rounds single entries by more than a millionth of themselves.
    assert float((ours - reference).norm() / reference.norm()) < limit
