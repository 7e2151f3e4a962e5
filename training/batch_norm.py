"""Batch norms whose statistics are those of all ranks' samples, for ResNets."""

from __future__ import annotations

import timm.layers
import torch
from torch import nn

from iconoclip.errors import ConfigError
from training.config_groups import HardwareConfig


def synchronise(model: nn.Module, hardware: HardwareConfig, device: torch.device) -> None:
    """Replace the batch norms, in place, if the config sets this; their weights and names stay the same.

    One rank has all samples, so nothing is replaced then.

    Raises:
        ConfigError: the model has no batch norms, or the ranks have no GPU, which torch's norms need.
    """
    if not hardware.sync_batch_norm:
        return
    if not any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in model.modules()):
        raise ConfigError(
            "the model has no batch norms",
            where="hardware.sync_batch_norm",
            remedy="leave it out: only ResNets and some convolutional towers have them",
        )
    if hardware.devices * hardware.num_nodes == 1:
        return
    if device.type != "cuda":
        raise ConfigError(
            "torch computes statistics over ranks only on GPUs",
            where="hardware.sync_batch_norm",
            remedy="leave it out on a CPU",
        )
    timm.layers.convert_sync_batchnorm(model)
