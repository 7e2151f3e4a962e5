"""The hardware to train on: device, precision, number of threads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from iconoclip.errors import MissingRequirement
from iconoclip.machine import num_cores
from iconoclip.vocabulary import Device, Precision
from training.world import Started, World


def device_of(kind: Device) -> torch.device:
    """The first device of the requested kind.

    Raises:
        MissingRequirement: a GPU is requested, and there is none.
    """
    has_gpu = torch.cuda.is_available()
    if kind == "cuda" and not has_gpu:
        raise MissingRequirement(
            "torch sees no GPU on this machine",
            where="device",
            remedy="run on a machine that has one (`iconoclip submit`), or set device to cpu",
        )
    return torch.device("cuda", 0) if has_gpu and kind != "cpu" else torch.device("cpu")


def check_gpus(kind: Device, asked: World, now: Started) -> None:
    """Check that each process sees the GPUs of all processes of its node, of which it takes its own.

    SLURM hides the others from a process where GPUs are requested per task: --gpus-per-task implies
    --tres-bind, and --gpu-bind says it (srun(1)).

    Raises:
        MissingRequirement: it sees fewer GPUs than the node has processes.
    """
    seen = torch.cuda.device_count() if kind != "cpu" and torch.cuda.is_available() else asked.devices
    if seen >= asked.devices:
        return
    remedy = f"set devices to {seen}"
    if now.launcher == "srun":
        remedy = (
            f"request GPUs per node (--gpus-per-node={asked.devices} or --gres=gpu:{asked.devices}), not per "
            "task, and give srun no --gpu-bind or --tres-bind"
        )
    raise MissingRequirement(
        f"this process sees {seen} of the {asked.devices} GPUs of its node", where="devices", remedy=remedy
    )


@contextlib.contextmanager
def launched(kind: Device, asked: World, now: Started) -> Iterator[torch.device | None]:
    """Start the other ranks, unless a launcher has done so, and yield the device of this one;
    None for a single process.
    """
    if asked.size == 1:
        yield None
        return
    check_gpus(kind, asked, now)
    from lightning.fabric import Fabric

    from training.launch import check_agreement, cluster_environment, rank_variables

    with rank_variables():
        fabric = Fabric(
            accelerator=kind,
            devices=asked.devices,
            num_nodes=asked.num_nodes,
            strategy="ddp",
            plugins=cluster_environment(asked, now),
        )
        fabric.launch()
        try:
            check_agreement(asked, {})
            yield fabric.device
        finally:
            torch.distributed.destroy_process_group()


def resolve_precision(precision: Precision, device: torch.device) -> Precision:
    """`auto` means bfloat16 if the hardware multiplies it natively: recent GPUs,
    CPUs with AVX512-BF16 or AMX.
    """
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bfloat16" if _cpu_multiplies_bf16() else "float32"


def _cpu_multiplies_bf16() -> bool:
    tests = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in tests)


def set_threads(num_threads: int | None, num_ranks: int) -> int:
    """Give each rank on this machine its share of the cores that the process may use; returns the share."""
    share = num_threads or max(1, num_cores() // num_ranks)
    torch.set_num_threads(share)
    return share


@contextlib.contextmanager
def autocast(precision: Precision, device: torch.device) -> Iterator[None]:
    """Compute matrix products in bfloat16 or float16 inside the block, if `precision` is one of them."""
    dtype = torch.float16 if precision == "float16" else torch.bfloat16
    with torch.autocast(device.type, dtype, enabled=precision in ("bfloat16", "float16")):
        yield


def peak_memory_megabytes(device: torch.device) -> float:
    """The peak memory of this process: on the GPU, or resident on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
