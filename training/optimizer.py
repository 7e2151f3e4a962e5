"""The optimizers, with weight decay for matrices only and learning rates by layer.

adamw      Loshchilov and Hutter 2019, arXiv 1711.05101
lion       Chen et al. 2023, arXiv 2302.06675: the sign of a moving average; half of AdamW's state
muon       Jordan et al. 2024, with the step sizes of Liu et al. 2025, arXiv 2502.16982: orthogonalised
           momentum for the matrices of the layers, AdamW for everything else
adamw8bit  Dettmers et al. 2022, arXiv 2110.02861: AdamW whose state takes a byte per number
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from timm.optim import Lion, Muon
from torch import nn

from iconoclip.errors import MissingRequirement
from training.config_groups import OptimizerConfig
from training.layers import layer_depths, layer_place

SCALARS = ("logit_scale", "logit_bias")


def parameter_groups(
    model: nn.Module,
    *,
    learning_rate: float,
    weight_decay: float,
    layer_decay: float = 1.0,
    unfreeze_steps: Mapping[str, int] | None = None,
    muon: bool = False,
) -> list[dict[str, Any]]:
    """The trainable parameters in groups of equal learning rate and weight decay;
    scalars are a separate group.

    Norms, biases, embeddings and scalars are not decayed, because values near zero are not simpler for them
    (Loshchilov and Hutter 2019 leave it open; CLIP does the same, arXiv 2103.00020, section 2.5).

    Args:
        layer_decay: below 1, a layer n steps below the top of its tower learns at learning_rate *
            layer_decay^n (ELECTRA, Clark et al. 2020, arXiv 2003.10555).
        unfreeze_steps: for each parameter, the step before which its learning rate is zero.
        muon: mark the groups that Muon orthogonalises.
    """
    depths = layer_depths(model) if layer_decay != 1.0 else {}
    groups: dict[tuple[float, float, int, bool, bool], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        rate = learning_rate * layer_decay ** depths.get(name, 0)
        decay = weight_decay if is_decayed(name, parameter) else 0.0
        opens = (unfreeze_steps or {}).get(name, 0)
        facts = {"lr": rate, "initial_lr": rate, "weight_decay": decay, "unfreeze_step": opens}
        is_muons = muon and is_layer_matrix(name, parameter)
        if muon:
            # With Nesterov's momentum, timm would use NAdamW for the others.
            facts |= {"use_muon": is_muons, "nesterov": is_muons}
        # A fused step takes either sliced or whole tensors, and sharding does not slice the scalars.
        group = groups.setdefault((rate, decay, opens, name in SCALARS, is_muons), {"params": [], **facts})
        group["params"].append(parameter)
    return list(groups.values())


def is_decayed(name: str, parameter: nn.Parameter) -> bool:
    """Whether weight decay applies: to matrices and kernels, not to embeddings and position biases."""
    is_table = any(word in name for word in ("embedding", "embed_tokens", "embed_positions", "relative_"))
    return parameter.ndim >= 2 and not is_table and "embed" not in name.rsplit(".", 1)[-1]


def is_layer_matrix(name: str, parameter: nn.Parameter) -> bool:
    """Whether a parameter is a matrix inside a layer: what Muon and adapters are for."""
    return parameter.ndim == 2 and is_decayed(name, parameter) and layer_place(name) is not None


def check_optimizer(config: OptimizerConfig) -> None:
    """Check that the optimizer can be made.

    Raises:
        MissingRequirement: its package is not installed.
    """
    if config.name == "adamw8bit" and importlib.util.find_spec("bitsandbytes") is None:
        raise MissingRequirement(
            "optimizer.name adamw8bit needs the package bitsandbytes",
            where="optimizer.name",
            remedy="pip install 'iconoclip[adamw8bit]', or set optimizer.name to adamw or lion",
        )


def make_optimizer(groups: Iterable[dict[str, Any]], config: OptimizerConfig) -> torch.optim.Optimizer:
    """The optimizer of a run; AdamW is one fused pass over all parameters."""
    params, betas, epsilon = list(groups), (config.beta1, config.beta2), config.epsilon
    found: torch.optim.Optimizer
    if config.name == "lion":
        found = Lion(params, betas=betas)
    elif config.name == "muon":
        found = Muon(params, momentum=config.momentum, betas=betas, eps=epsilon, ns_coefficients="original")
    elif config.name == "adamw8bit":
        from bitsandbytes import optim

        found = optim.AdamW8bit(params, betas=betas, eps=epsilon)
    else:
        found = torch.optim.AdamW(params, betas=betas, eps=epsilon, fused=True)
    return found


def state_bytes(model: nn.Module, config: OptimizerConfig) -> int:
    """The bytes of the optimizer's state once it has done a step."""
    return sum(
        _state_bytes_each(name, parameter, config) * parameter.numel()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    )


def _state_bytes_each(name: str, parameter: nn.Parameter, config: OptimizerConfig) -> int:
    if config.name == "lion" or (config.name == "muon" and is_layer_matrix(name, parameter)):
        return 4
    # bitsandbytes keeps small tensors in 32 bits.
    return 2 if config.name == "adamw8bit" and parameter.numel() >= 4096 else 8
