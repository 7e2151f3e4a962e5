"""`iconoclip train --dry-run`: what the run would be, measured on two real batches, and what it would cost."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console
from rich.table import Table

from training.data.loader import Batch
from training.hardware import autocast, device_of, peak_memory_megabytes, resolve_precision, set_threads
from training.model import num_parameters
from training.module import ContrastiveModule, quick_attention

if TYPE_CHECKING:
    from training.fit import Plan

# A checkpoint holds the weights and AdamW's two moments, all float32.
BYTES_A_PARAMETER_ON_DISK = 12


def dry_run(plan: Plan) -> int:
    """Measure and print; writes nothing.

    Returns:
        0.
    """
    facts = measure(plan)
    if plan.config.json:
        print(json.dumps(facts, indent=2))
        return 0
    table = Table(show_header=False, box=None)
    for name, text in _lines(facts):
        table.add_row(f"[bold]{name}[/]", text)
    Console().print(table)
    return 0


def measure(plan: Plan) -> dict[str, Any]:
    """The facts of the dry run: sizes in bytes or megabytes, times in seconds."""
    from training.fit import load_for_training, make_dataset

    config = plan.config
    device = device_of(config.accelerator)
    precision = resolve_precision(config.precision, device)
    threads = set_threads(config.num_threads, config.devices if device.type == "cpu" else 1)
    loaded = load_for_training(config)
    module = ContrastiveModule(loaded, config, plan.num_steps).to(device)
    dataset = make_dataset(plan, loaded)
    rank_batches = [plan.schedule.batch(step, 0, plan.num_ranks) for step in range(2)]
    batches = [dataset.__getitems__(pairs).to(device) for pairs in rank_batches]
    with autocast(precision, device), quick_attention(device):
        seconds = _seconds_a_step(module, batches)
    rate = config.batch_size / seconds
    size = num_parameters(loaded.model)
    return {
        "model": config.model,
        "num_parameters": size,
        "num_trainable_parameters": sum(p.numel() for p in loaded.model.parameters() if p.requires_grad),
        "num_samples": len(plan.samples),
        "left_out": plan.samples.left_out,
        "num_steps": plan.last_step,
        "epochs": plan.last_step * config.batch_size / plan.schedule.order.num_samples,
        "num_ranks": plan.num_ranks,
        "device": str(device),
        "num_threads": threads,
        "precision": precision,
        "samples_per_second": rate,
        "seconds": plan.last_step * seconds,
        "memory_mb": peak_memory_megabytes(device),
        "disk_mb": size * BYTES_A_PARAMETER_ON_DISK * (config.keep_checkpoints + 1) / 1e6,
    }


def _seconds_a_step(module: ContrastiveModule, batches: list[Batch]) -> float:
    """The time of a step on this rank, the first one not counted."""
    optimizer = module.configure_optimizers()
    elapsed = 0.0
    for batch in batches:
        started = time.perf_counter()
        images_BD, texts_BKD = module(batch)
        module.loss_of(images_BD, texts_BKD, module.scale(), module.bias(), batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if batch.rows_B.device.type == "cuda":
            torch.cuda.synchronize()
        elapsed = time.perf_counter() - started
    return elapsed


def _lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    left_out = "; ".join(f"{count:,} left out: {reason}" for reason, count in facts["left_out"].items())
    return [
        (
            "model",
            f"{facts['model']}, {facts['num_parameters'] / 1e6:.1f} M parameters, {facts['num_trainable_parameters'] / 1e6:.1f} M trained",
        ),
        ("data", f"{facts['num_samples']:,} samples" + (f" ({left_out})" if left_out else "")),
        (
            "schedule",
            f"{facts['num_steps']:,} steps, {facts['epochs']:.1f} epochs, {facts['num_ranks']} rank(s)",
        ),
        (
            "speed",
            f"{facts['samples_per_second']:.0f} samples/s on one batch ({facts['device']}, {facts['precision']}, {facts['num_threads']} thread(s))",
        ),
        ("time", f"about {_duration(facts['seconds'])}"),
        ("memory", f"{facts['memory_mb']:,.0f} MB a rank"),
        ("disk", f"{facts['disk_mb']:,.0f} MB"),
    ]


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
