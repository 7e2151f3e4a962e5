"""The program that `iconoclip doctor` runs on the nodes: reports host, Python and
GPUs, and does an all-reduce.

It is not imported by the package, and is the only program here that needs torch. Each rank writes one JSON
file into the given folder; rank 0 writes `finished.json` if the sum was correct on every rank.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import socket
import sys
import time
from pathlib import Path
from typing import Any


def main() -> int:
    """Report this rank, do the all-reduce, and report the result."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    # The script of every job passes the frozen config, which is not needed here.
    parser.add_argument("--config")
    out = parser.parse_args().out
    rank, world = int(os.environ.get("SLURM_PROCID", 0)), int(os.environ.get("SLURM_NTASKS", 1))
    facts = whoami(rank)
    write(out / f"rank-{rank:05d}.json", facts)
    facts |= reduce(rank, world)
    write(out / f"rank-{rank:05d}.json", facts)
    if rank == 0:
        write(out / "finished.json", {"world": world})
    return 0


def whoami(rank: int) -> dict[str, Any]:
    """The host, its clock, and the Python and package in use."""
    import iconoclip

    return {
        "rank": rank,
        "host": socket.gethostname(),
        "node": os.environ.get("SLURMD_NODENAME", ""),
        "clock": time.time(),
        "python": platform.python_version(),
        "interpreter": sys.executable,
        "package": str(Path(iconoclip.__file__).parent),
    }


def reduce(rank: int, world: int) -> dict[str, Any]:
    """The GPUs that this rank sees and, if there are other ranks, whether the sum over all is correct."""
    import torch
    import torch.distributed as dist

    has_gpus = torch.cuda.is_available()
    facts: dict[str, Any] = {
        "torch": torch.__version__,
        "num_gpus": torch.cuda.device_count() if has_gpus else 0,
    }
    if world == 1:
        return facts
    started = time.monotonic()
    backend = "nccl" if has_gpus else "gloo"
    dist.init_process_group(backend, rank=rank, world_size=world, timeout=datetime.timedelta(minutes=2))
    device = "cpu"
    if has_gpus:
        device = f"cuda:{int(os.environ.get('SLURM_LOCALID', 0)) % torch.cuda.device_count()}"
        torch.cuda.set_device(device)
    total = torch.ones(1 << 20, device=device)
    dist.all_reduce(total)
    is_right = bool((total == world).all())
    dist.barrier()
    dist.destroy_process_group()
    return {
        **facts,
        "backend": backend,
        "all_reduce": is_right,
        "seconds": round(time.monotonic() - started, 3),
    }


def write(path: Path, facts: dict[str, Any]) -> None:
    """Write JSON atomically, because the doctor reads while ranks write."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(facts))
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(main())
