"""Prepares the model that a run starts from: refuses what cannot be trained, and sets what its loss needs."""

from __future__ import annotations

import math
from typing import Any

import torch

from iconoclip.errors import ConfigError
from training.config_groups import LossConfig
from training.model import LoadedModel

# Where SigLIP starts (Zhai et al. 2023, arXiv 2303.15343, section 3.2).
SIGLIP_SCALE, SIGLIP_BIAS = 10.0, -10.0


def refuse_captioner(name: str, config: dict[str, Any]) -> None:
    """Refuse CoCa, whose text decoder learns from a caption loss that is not implemented here.

    Args:
        name: the name by which the model was requested.
        config: its model config.

    Raises:
        ConfigError: the model has a text decoder.
    """
    if "multimodal_cfg" in config:
        raise ConfigError(
            f"'{name}' is a CoCa model: it has a text decoder, which only a caption loss trains, and "
            "iconoclip has no caption loss",
            where="model.name",
            remedy="train a model of two towers, such as ViT-B-32 or ViT-L-14; for the caption loss use "
            "open_clip_train (--model coca_ViT-B-32), and `iconoclip evaluate` for its result",
        )


@torch.no_grad()
def start_sigmoid(loaded: LoadedModel, loss: LossConfig) -> None:
    """Give the logit scale and bias SigLIP's first values, unless the weights have a bias of their own.

    A checkpoint of CLIP has none. open_clip then sets it to 0 and keeps CLIP's scale of up to 100, so the
    loss of the first steps is about 0.7 for each pair instead of 0.00005, and its gradient undoes what the
    towers have learned. A bias of exactly 0 or -10 was set by a program; a learned one has other digits.
    """
    bias = getattr(loaded.model, "logit_bias", None)
    if loss.function != "siglip" or bias is None or not loaded.has_weights:
        return
    if float(bias.mean()) in (0.0, SIGLIP_BIAS):
        bias.fill_(SIGLIP_BIAS)
        loaded.model.logit_scale.fill_(math.log(SIGLIP_SCALE))  # type: ignore[operator]
