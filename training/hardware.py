"""What the machine can do: where to train, in which precision, with how many threads."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch

from iconoclip.errors import MissingRequirement
from training.config import Precision


def device_of(accelerator: str) -> torch.device:
    """The first device of the wanted kind.

    Raises:
        MissingRequirement: a GPU is wanted, and none is here.
    """
    has_gpu = torch.cuda.is_available()
    if accelerator == "gpu" and not has_gpu:
        raise MissingRequirement(
            "torch sees no GPU on this machine",
            where="accelerator",
            remedy="run on a machine that has one (`iconoclip submit`), or set accelerator to cpu",
        )
    return torch.device("cuda", 0) if has_gpu and accelerator != "cpu" else torch.device("cpu")


@contextlib.contextmanager
def launched(accelerator: str, devices: int, num_nodes: int) -> Iterator[torch.device | None]:
    """Start the other ranks, if there are any, and yield this one's device; None for a process alone."""
    if devices * num_nodes == 1:
        yield None
        return
    from lightning.fabric import Fabric
    from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

    cluster = SLURMEnvironment(auto_requeue=False) if SLURMEnvironment.detect() else None
    fabric = Fabric(
        accelerator=accelerator, devices=devices, num_nodes=num_nodes, strategy="ddp", plugins=cluster
    )
    fabric.launch()
    try:
        yield fabric.device
    finally:
        torch.distributed.destroy_process_group()


def resolve_precision(precision: Precision, device: torch.device) -> Precision:
    """`auto` is bf16 where the hardware multiplies it natively: recent GPUs, CPUs with AVX512-BF16 or AMX."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bf16" if _cpu_multiplies_bf16() else "float32"


def _cpu_multiplies_bf16() -> bool:
    tests = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in tests)


def set_threads(num_threads: int | None, num_ranks: int) -> int:
    """Give each rank on this machine its share of the cores that the process may use; returns the share."""
    share = num_threads or max(1, len(os.sched_getaffinity(0)) // num_ranks)
    torch.set_num_threads(share)
    return share


@contextlib.contextmanager
def autocast(precision: Precision, device: torch.device) -> Iterator[None]:
    """Compute matrix products in bf16 inside the block, if `precision` says so."""
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        yield


def peak_memory_megabytes(device: torch.device) -> float:
    """The most memory this process has held: on the GPU, or resident on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
