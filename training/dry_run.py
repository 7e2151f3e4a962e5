"""`iconoclip train --dry-run`: size, time and memory of the run, measured on real samples."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from torch import Tensor, nn

from training.data.loader import Batch
from training.data.long_captions import LongTexts, token_counts
from training.distill import load_teacher
from training.hardware import autocast, device_of, resolve_precision, set_threads
from training.model import num_parameters
from training.module import ContrastiveModule, quick_attention
from training.optimizer import state_bytes
from training.plan import Plan, load_for_training, make_dataset

FLOAT_BYTES = 4
LANGUAGES_SHOWN = 12
# The number of samples that are tried first on a CPU, and only these if the GPU is in another machine.
TRIED_FIRST = 2
# The time for trying more of them on a CPU.
CPU_SECONDS = 20.0


def dry_run(plan: Plan) -> int:
    """Measure and print the facts of the run; nothing is written.

    Returns:
        0.
    """
    facts = measure(plan)
    if plan.config.json:
        print(json.dumps(facts, indent=2))
        return 0
    table = Table(show_header=False, box=None)
    for name, text in _lines(facts):
        table.add_row(f"[bold]{name}[/]", escape(text))
    Console(emoji=False).print(table)
    return 0


def measure(plan: Plan) -> dict[str, Any]:
    """The facts of the dry run: sizes in bytes or megabytes, times in seconds."""
    # Compiling takes minutes, and its gain is not known before.
    config = plan.config
    recipe = replace(plan.recipe, hardware=config.hardware.model_copy(update={"compile": False}))
    is_elsewhere = config.hardware.device == "cuda" and not torch.cuda.is_available()
    device = torch.device("cpu") if is_elsewhere else device_of(config.hardware.device)
    precision = resolve_precision(config.hardware.precision, device)
    threads = set_threads(config.hardware.num_threads, config.hardware.devices if device.type == "cpu" else 1)
    loaded = load_for_training(config.model, config.loss, config.seed)
    teacher = load_teacher(config.distill, loaded)
    module = ContrastiveModule(loaded, recipe, teacher).to(device)
    share = config.schedule.batch_size // plan.num_ranks
    micro = min(config.hardware.micro_batch_size or share, share)
    dataset = make_dataset(plan, loaded, teacher=teacher)
    optimizer = module.configure_optimizers()

    def trial(num: int) -> Trial:
        """A trial with this many samples of the first two batches."""
        parts = [plan.schedule.batch(step, 0, plan.num_ranks)[:num] for step in range(2)]
        batches = [dataset.__getitems__(part) for part in parts]
        if problem := next((one.problem for one in batches if one.problem is not None), None):
            raise problem
        with autocast(precision, device), quick_attention(device):
            return _try(module, optimizer, [one.to(device) for one in batches])

    tried = trial(micro) if device.type == "cuda" else tried_on_cpu(trial, micro, more=not is_elsewhere)
    # Cached features need a second forward pass, about a third of the time of forward and backward together.
    rate = micro * plan.num_ranks / tried.seconds * (3 / 4 if micro < share else 1)
    size = num_parameters(loaded.model)
    return {
        "model": config.model.name,
        "num_parameters": size,
        "num_trainable_parameters": _num_trainable(loaded.model),
        "num_samples": len(plan.samples),
        "left_out": plan.samples.left_out,
        "shares": plan.samples.shares() if plan.samples.mix else {},
        "context_length": loaded.tokenizer.context_length,
        "tokens": token_counts(plan.samples.captions, LongTexts(loaded.tokenizer, "start", 0)),
        "hard_negatives": _hard_negatives(plan),
        "num_steps": plan.last_step,
        "epochs": plan.last_step * config.schedule.batch_size / plan.schedule.order.num_samples,
        "num_ranks": plan.num_ranks,
        "device": str(device),
        "is_elsewhere": is_elsewhere,
        "num_threads": threads,
        "num_tried": tried.num_samples,
        "num_together": micro,
        "precision": precision,
        "samples_per_second": rate,
        "seconds": plan.last_step * config.schedule.batch_size / rate,
        "memory_mb": memory_estimate(
            plan,
            loaded.model,
            tried.activation_bytes,
            num_parameters(teacher.model) * FLOAT_BYTES if teacher else 0,
        ),
        "disk_mb": disk_estimate(plan, loaded.model),
    }


def _hard_negatives(plan: Plan) -> dict[str, Any]:
    if plan.neighbours is None:
        return {}
    return plan.neighbours.facts | {"captions_per_sample": plan.config.hard_negatives.captions}


def memory_estimate(
    plan: Plan, model: nn.Module, activation_bytes: float, teacher_bytes: int = 0
) -> dict[str, float]:
    """The megabytes that a rank needs: weights (with a teacher's), gradients with the optimizer's state (and
    the average), activations.
    """
    config = plan.config
    num_slices = plan.num_ranks if config.hardware.strategy == "fsdp" else 1
    learning = _num_trainable(model) * FLOAT_BYTES * (1 + bool(config.adapt.ema_decay))
    parts = {
        "weights": num_parameters(model) * FLOAT_BYTES / num_slices + teacher_bytes,
        "learning": (learning + state_bytes(model, config.optimizer)) / num_slices,
        "activations": activation_bytes,
    }
    found = {name: size / 1e6 for name, size in parts.items()}
    return {**found, "total": sum(found.values())}


def disk_estimate(plan: Plan, model: nn.Module) -> float:
    """The megabytes of the run's folder: checkpoints with all weights, and with the state of the optimizer
    and the average for the trainable weights.

    This includes one checkpoint more than are kept, because the next is complete
    before the oldest is removed.
    """
    config = plan.config
    average = _num_trainable(model) * FLOAT_BYTES * bool(config.adapt.ema_decay)
    checkpoint = num_parameters(model) * FLOAT_BYTES + average + state_bytes(model, config.optimizer)
    return checkpoint * (config.checkpoint.num_kept + 1) / 1e6


def _num_trainable(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


class Trial(NamedTuple):
    """What a step took, measured or extrapolated."""

    num_samples: int
    """that were tried"""
    seconds: float
    activation_bytes: float


def tried_on_cpu(trial: Callable[[int], Trial], num: int, *, more: bool) -> Trial:
    """A step with `num` samples, extrapolated from as many as fit into about 20 seconds.

    A few samples are tried first, then more. If not all fit, the time of a step is a line through two trials:
    the optimizer takes the same time for any number of samples.

    Args:
        trial: tries two steps with a number of samples.
        num: the samples of a step.
        more: whether to try more than the first few.
    """
    trials = [trial(min(num, TRIED_FIRST))]
    while more and trials[-1].num_samples < num:
        fixed, each = _line(trials)
        # A trial takes two steps.
        left = CPU_SECONDS - sum(2 * one.seconds for one in trials)
        fitting = min(num, int((left / 2 - fixed) / each)) if each else num
        if fitting < min(num, 2 * trials[-1].num_samples):
            break
        trials.append(trial(fitting))
    last = trials[-1]
    seconds = last.seconds + _line(trials)[1] * (num - last.num_samples)
    return Trial(last.num_samples, seconds, last.activation_bytes * num / last.num_samples)


def _line(trials: list[Trial]) -> tuple[float, float]:
    """The seconds of a step without samples, and of each sample, through the last two trials.

    Clocks are not exact: a sample takes at most its share of the last trial, and never less than nothing.
    """
    last = trials[-1]
    each = share = last.seconds / last.num_samples
    if len(trials) > 1:
        before = trials[-2]
        slope = (last.seconds - before.seconds) / (last.num_samples - before.num_samples)
        each = min(max(slope, 0.0), share)
    return last.seconds - each * last.num_samples, each


def _try(module: ContrastiveModule, optimizer: torch.optim.Optimizer, batches: list[Batch]) -> Trial:
    """The time of a step, without the first one, and the bytes that it stores for the backward pass."""
    known = {parameter.untyped_storage().data_ptr() for parameter in module.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    elapsed = 0.0
    for batch in batches:
        kept.clear()
        started = time.perf_counter()
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            images_BD, texts_BKD = module(batch)
            taught = module.taught(batch, len(batch))
            loss = module.loss_of(images_BD, texts_BKD, module.scale(), module.bias(), batch, taught)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if batch.rows_B.device.type == "cuda":
            torch.cuda.synchronize()
        elapsed = time.perf_counter() - started
    return Trial(len(batches[-1]), elapsed, sum(kept.values()))


def _lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    left_out = "; ".join(f"{count:,} left out: {reason}" for reason, count in facts["left_out"].items())
    return [
        (
            "model",
            f"{facts['model']}, {facts['num_parameters'] / 1e6:.1f} M parameters, "
            f"{facts['num_trainable_parameters'] / 1e6:.1f} M trained",
        ),
        ("data", f"{facts['num_samples']:,} samples" + (f" ({left_out})" if left_out else "")),
        *[("shares", ", ".join(f"{100 * share:.1f} % {name}" for name, share in facts["shares"].items()))][
            : bool(facts["shares"])
        ],
        ("captions", _captions_lines(facts)),
        *([("hard negatives", _hard_negatives_line(found))] if (found := facts["hard_negatives"]) else []),
        (
            "schedule",
            f"{facts['num_steps']:,} steps, {facts['epochs']:.1f} epochs, {facts['num_ranks']} rank(s)",
        ),
        (
            "speed",
            f"{facts['samples_per_second']:.3g} samples/s on one batch ({facts['device']}, "
            f"{facts['precision']}, {facts['num_threads']} thread(s))"
            + _extrapolated(facts)
            + ("; the GPU that the config sets is not here" if facts["is_elsewhere"] else ""),
        ),
        (
            "time",
            f"about {_duration(facts['seconds'])}" + (" if it ran here" if facts["is_elsewhere"] else ""),
        ),
        ("memory", _memory_line(facts["memory_mb"])),
        ("disk", f"{facts['disk_mb']:,.0f} MB"),
    ]


def _captions_lines(facts: dict[str, Any]) -> str:
    """A line for each language, those with most captions first."""
    found = sorted(facts["tokens"].items(), key=lambda one: -one[1]["captions"])
    lines = [
        f"{language}: {one['captions']:,} captions, {one['tokens_per_word']:.1f} tokens per word, "
        f"{100 * one['share_cut']:.1f} % longer than {facts['context_length']} tokens"
        for language, one in found[:LANGUAGES_SHOWN]
    ]
    more = [f"{len(found) - LANGUAGES_SHOWN} more languages: --json"] if len(found) > LANGUAGES_SHOWN else []
    return "\n".join(lines + more)


def _hard_negatives_line(found: dict[str, Any]) -> str:
    return (
        f"{found['captions_per_sample']} caption(s) of neighbours with each sample, in the time and memory "
        f"below; {found['num_with_neighbours']:,} samples have neighbours, the nearest at a mean similarity "
        f"of {found['mean_similarity']:.2f}; {found['num_copies']:,} pairs left out as copies; "
        f"{found['num_bytes'] / 1e6:,.1f} MB in the cache, searched in {_duration(found['seconds'])}"
    )


def _extrapolated(facts: dict[str, Any]) -> str:
    num, num_together = facts["num_tried"], facts["num_together"]
    return f", extrapolated from {num} samples to {num_together}" if num < num_together else ""


def _memory_line(parts: dict[str, float]) -> str:
    return (
        f"about {parts['total']:,.0f} MB per rank: weights {parts['weights']:,.0f}, gradients and optimizer "
        f"{parts['learning']:,.0f}, "
        f"activations {parts['activations']:,.0f}; the program itself comes on top"
    )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
