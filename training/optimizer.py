"""AdamW with weight decay for matrices only, and learning rates by layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from training.layers import layer_depths

SCALARS = ("logit_scale", "logit_bias")


def parameter_groups(
    model: nn.Module,
    *,
    learning_rate: float,
    weight_decay: float,
    layer_decay: float = 1.0,
    unfreeze_steps: Mapping[str, int] | None = None,
) -> list[dict[str, Any]]:
    """The trainable parameters in groups of equal learning rate and weight decay;
    scalars are a separate group.

    Norms, biases, embeddings and scalars are not decayed, because values near zero are not simpler for them
    (Loshchilov and Hutter 2019 leave it open; CLIP does the same, arXiv 2103.00020, section 2.5).

    Args:
        layer_decay: below 1, a layer n steps below the top of its tower learns at learning_rate *
            layer_decay^n (ELECTRA, Clark et al. 2020, arXiv 2003.10555).
        unfreeze_steps: for each parameter, the step before which its learning rate is zero.
    """
    depths = layer_depths(model) if layer_decay != 1.0 else {}
    groups: dict[tuple[float, float, int, bool], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        rate = learning_rate * layer_decay ** depths.get(name, 0)
        decay = weight_decay if is_decayed(name, parameter) else 0.0
        opens = (unfreeze_steps or {}).get(name, 0)
        facts = {"lr": rate, "initial_lr": rate, "weight_decay": decay, "unfreeze_step": opens}
        # A fused step takes either sliced or whole tensors, and sharding does not slice the scalars.
        group = groups.setdefault((rate, decay, opens, name in SCALARS), {"params": [], **facts})
        group["params"].append(parameter)
    return list(groups.values())


def is_decayed(name: str, parameter: nn.Parameter) -> bool:
    """Whether weight decay applies: to matrices and kernels, not to embeddings and position biases."""
    is_table = any(word in name for word in ("embedding", "embed_tokens", "embed_positions", "relative_"))
    return parameter.ndim >= 2 and not is_table and "embed" not in name.rsplit(".", 1)[-1]


def make_optimizer(
    groups: Iterable[dict[str, Any]], *, beta1: float, beta2: float, epsilon: float
) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101), one fused pass over all parameters."""
    return torch.optim.AdamW(list(groups), betas=(beta1, beta2), eps=epsilon, fused=True)
