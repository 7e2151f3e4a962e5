"""Work that is shared among ranks, and whose result every rank gets."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor, nn

T = TypeVar("T")


def is_distributed() -> bool:
    """Whether several ranks work together."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def is_first() -> bool:
    """Whether this is the first rank, which prints and writes."""
    return not is_distributed() or dist.get_rank() == 0


def share(num: int) -> slice:
    """This rank's part of `num` things: consecutive ones, and the same number per rank to within one."""
    if not is_distributed():
        return slice(0, num)
    rank, size = dist.get_rank(), dist.get_world_size()
    return slice(num * rank // size, num * (rank + 1) // size)


def joined_rows(parts: list[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """The rows of all ranks as one array, in rank order; a rank may have none."""
    own = [np.concatenate(parts)] if parts else []
    return np.concatenate(joined_list(own))


def joined_list(part: list[T]) -> list[T]:
    """The lists of all ranks, concatenated in rank order."""
    return [one for each in _of_all(part) for one in each] if is_distributed() else part


def _of_all(part: T) -> list[T]:
    parts: list[T] = [part] * dist.get_world_size()
    dist.all_gather_object(parts, part)
    return parts


def any_rank(is_so: bool) -> bool:
    """Whether a condition is true on any rank; all ranks must call this together."""
    if not is_distributed():
        return is_so
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    flag = torch.tensor(int(is_so), device=device)
    dist.all_reduce(flag, dist.ReduceOp.MAX)
    return bool(flag)


def share_buffers(module: nn.Module) -> None:
    """Give every rank the buffers of the first one, because the statistics of batch
    norms differ between ranks.
    """
    if is_distributed():
        for buffer in module.buffers():
            if isinstance(buffer, Tensor):
                dist.broadcast(buffer, 0)
