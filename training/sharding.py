"""Fully sharded training: each rank keeps a slice of the weights, the gradients and the optimizer's state.

This is torch's `fully_shard` (FSDP2; Zhao et al. 2023, arXiv 2304.11277) under Lightning's DDP strategy,
which still starts the ranks. Lightning's own sharded strategies need a GPU and their own checkpoint format.
Here a checkpoint is gathered completely. It is the same file for both strategies, so a run may continue with
the other one, and export needs no special case.

The logit scale and bias are scalars, which cannot be sliced. Every rank has them, and
their gradients are averaged.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
import torch.distributed as dist
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from training.layers import is_layer
from training.optimizer import SCALARS


def shard(module: nn.Module, device: torch.device) -> None:
    """Slice the weights of a module over all ranks: first each layer of a tower separately, then the rest."""
    # Slices are cut along the first dimension, and need the others to be contiguous.
    module.to(memory_format=torch.contiguous_format)
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    kept = {parameter for name, parameter in module.named_parameters() if name.rpartition(".")[2] in SCALARS}
    for layer in _layers(module):
        fully_shard(layer, mesh=mesh)
    fully_shard(module, mesh=mesh, ignored_params=kept)


def _layers(module: nn.Module) -> list[nn.Module]:
    """The layers of the towers: blocks, not the stages that contain them, because a weight is sliced once."""
    found = {name: part for name, part in module.named_modules() if is_layer(name)}
    containers = {name.rsplit(".", number)[0] for name in found for number in (1, 2)}
    return [part for name, part in found.items() if name not in containers]


def is_sharded(module: nn.Module) -> bool:
    """Whether a module's weights are sliced over ranks."""
    return any(isinstance(parameter, DTensor) for parameter in module.parameters())


def own_part(tensor: Tensor) -> Tensor:
    """The slice of this rank; a tensor that is not sliced is returned unchanged."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def sliced_like(tensor: Tensor, like: Tensor) -> Tensor:
    """A whole tensor, equal on every rank, sliced in the same way as another one."""
    if not isinstance(like, DTensor) or isinstance(tensor, DTensor) or tensor.shape != like.shape:
        return tensor
    tensor = tensor.to(like.device).contiguous()
    return distribute_tensor(tensor, like.device_mesh, like.placements, src_data_rank=None)


def gathered(value: Any) -> Any:
    """The same mappings and lists with every sliced tensor gathered; all ranks must call this together.

    Only the first rank, which writes the checkpoint, gets the gathered tensors.
    """
    if isinstance(value, DTensor):
        whole = value.full_tensor()
        # Kernels get the memory layout that they have without slicing, because the fused AdamW does not
        # check the layout of its state.
        layout = torch.channels_last if whole.ndim == 4 else torch.contiguous_format
        return whole.detach().cpu().contiguous(memory_format=layout) if dist.get_rank() == 0 else None
    if isinstance(value, Mapping):
        return {name: gathered(part) for name, part in value.items()}
    return [gathered(part) for part in value] if isinstance(value, list) else value


@torch.no_grad()
def average_scalars(module: nn.Module) -> None:
    """Average the gradients of the parameters that every rank has."""
    for parameter in module.parameters():
        if not isinstance(parameter, DTensor) and parameter.grad is not None:
            dist.all_reduce(parameter.grad)
            parameter.grad /= dist.get_world_size()


@torch.no_grad()
def clip_gradients(parameters: Iterable[nn.Parameter], limit: float | None) -> Tensor:
    """Scale all gradients down to a norm, as torch.nn.utils.clip_grad_norm_ does.
    Returns the norm before scaling.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    sliced = [own_part(gradient) for gradient in gradients if isinstance(gradient, DTensor)]
    kept = [gradient for gradient in gradients if not isinstance(gradient, DTensor)]
    square = torch.stack(torch._foreach_norm(sliced)).square().sum()
    dist.all_reduce(square)
    norm = (square + sum(gradient.square().sum() for gradient in kept)).sqrt()
    factor = ((limit if limit is not None else math.inf) / (norm + 1e-6)).clamp(max=1.0)
    torch._foreach_mul_(sliced + kept, factor)
    return norm


@contextlib.contextmanager
def whole(module: nn.Module) -> Iterator[None]:
    """Gather the weights: inside the block every rank has all of them, and may use any part
    of the module separately.
    """
    parts = [part for part in module.modules() if isinstance(part, FSDPModule)]
    for part in parts:
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    try:
        yield
    finally:
        for part in parts:
            part.reshard()
            # As fully_shard sets it: the root module keeps its weights from the forward to the backward pass.
            part.set_reshard_after_forward(part is not module, recurse=False)


class ShardedStrategy(DDPStrategy):
    """Lightning's DDP strategy with sliced weights instead of the wrapper that averages gradients."""

    def configure_ddp(self) -> None:
        """Slice the module, and its moving average if it has one."""
        assert self.model is not None
        shard(self.model, self.root_device)
        average = getattr(self.model, "average", None)
        if average is not None:
            average.slice_like(self.model.model)

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """The weights of all ranks as one state dict."""
        state: dict[str, Any] = gathered(super().lightning_module_state_dict())
        return state

    def optimizer_state(self, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
        """The gathered state of the optimizer."""
        state: dict[str, Tensor] = gathered(super().optimizer_state(optimizer))
        return state

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Slice the optimizer state of a checkpoint in the same way as the weights."""
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            parameters = [one for group in optimizer.param_groups for one in group["params"]]
            sliced = {
                number: {name: sliced_like(value, parameters[number]) for name, value in values.items()}
                for number, values in state["state"].items()
            }
            optimizer.load_state_dict({**state, "state": sliced})
