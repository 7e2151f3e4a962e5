"""Patch dropout: the image tower sees a random part of the patches of each picture while it is trained.

With half of the patches a step takes about half the time, so more pictures are seen in the same time (FLIP;
Li et al. 2023, arXiv 2212.00794). The draws are functions of the step, the rank and the micro-batch.
"""

from __future__ import annotations

from typing import Any

import timm.layers
from open_clip.transformer import PatchDropout

from iconoclip.errors import ConfigError
from training.model import LoadedModel


def set_patch_dropout(loaded: LoadedModel, share: float) -> None:
    """Leave out this share of the patches in training; evaluation and export are not changed.

    Raises:
        ConfigError: the image tower has no patches that it could leave out.
    """
    tower: Any = loaded.model.visual
    trunk: Any = getattr(tower, "trunk", None)
    if hasattr(tower, "patch_dropout"):
        tower.patch_dropout = PatchDropout(share)
    elif hasattr(trunk, "patch_drop") and trunk.patch_drop is not None:
        trunk.patch_drop = timm.layers.PatchDropout(share, num_prefix_tokens=trunk.num_prefix_tokens)
    elif hasattr(trunk, "patch_drop"):
        # EVA: positions that rotate must follow the patches that are kept.
        trunk.patch_drop = timm.layers.PatchDropoutWithIndices(
            share, num_prefix_tokens=trunk.num_prefix_tokens
        )
    else:
        raise ConfigError(
            f"the image tower of '{loaded.name}' cannot leave out patches: it is not a ViT",
            where="model.patch_dropout",
            remedy="leave it out, or train a ViT",
        )
