"""The training run: Lightning executes the steps of a plan."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from torch.utils.data import DataLoader

from iconoclip import clock
from iconoclip.config import digest
from iconoclip.errors import TryAgainLater
from iconoclip.rundir import RunDir
from iconoclip.vocabulary import Precision
from training.batch_norm import synchronise
from training.callbacks import (
    BadStepGuard,
    Checkpointer,
    Mirror,
    Recorder,
    SampleGuard,
    StepLimit,
    StopSignals,
    Stopwatch,
    bar,
)
from training.checkpoint import folder as checkpoints
from training.checkpoint.background import BackgroundCheckpointIO
from training.config import TrainConfig
from training.config_groups import HardwareConfig
from training.cost import EnergyMeter, seconds_recorded
from training.data.loader import Ahead, Batch, TrainingSamples, make_loader
from training.data.long_captions import LongTexts, token_counts
from training.data.neighbour_cache import check_same_stores
from training.data.sources import described, own_sets
from training.data.verification import VerifiedShards
from training.distill import Teacher, check_same_teacher, load_teacher
from training.evaluation.nearest import NearestCaptions
from training.half import Float16
from training.hardware import check_gpus, device_of, resolve_precision, set_threads
from training.launch import cluster_environment, rank_variables
from training.model import LoadedModel
from training.module import ContrastiveModule
from training.plan import Plan, load_for_training, make_dataset, make_plan
from training.resume import existing, is_finished
from training.seen import keep_keys
from training.sharding import ShardedStrategy
from training.start_checks import Agreement, ShardCheck
from training.tensorboard_mirror import TensorBoardMirror
from training.troubles import machine_troubles
from training.validation import Validation, validation_samples
from training.wandb_mirror import WandbMirror
from training.world import Started, asked_of

SMALLER = (
    "set hardware.micro_batch_size lower (gradients stay those of the whole batch), "
    "hardware.gradient_checkpointing to true, "
    "hardware.precision to bfloat16, or hardware.strategy to fsdp over more devices; `--dry-run` shows "
    "what each needs"
)


def fit(config: TrainConfig, run: RunDir, found: Path | None, now: Started) -> int:
    """Train from the checkpoint `found`, or from the start.

    Args:
        config: the config of the run.
        run: the folder of the run.
        found: the checkpoint to continue from, if any.
        now: how this process was started.

    Returns:
        0.

    Raises:
        TryAgainLater: a signal stopped the run, which has been saved.
        IconoclipError: the data, rights, model or config do not allow training.
    """
    _quiet_libraries()
    stop = StopSignals()
    with stop.installed(), rank_variables():
        if now.rank > 0:
            return _fit(make_plan(config), run, found, stop, now)
        with run.locked():
            # Another process may have trained here since `found` was looked up.
            found = existing(run, config)
            if is_finished(run, config.schedule, found):
                return 0
            return _fit(make_plan(config), run, found, stop, now)


def _fit(plan: Plan, run: RunDir, found: Path | None, stop: StopSignals, now: Started) -> int:
    config = plan.config
    is_first_rank = now.rank == 0
    device = device_of(config.hardware.device)
    check_gpus(config.hardware.device, asked_of(config.hardware), now)
    precision = resolve_precision(config.hardware.precision, device)
    set_threads(config.hardware.num_threads, config.hardware.devices if device.type == "cpu" else 1)
    loaded = load_for_training(config.model, config.loss, config.seed)
    teacher = load_teacher(config.distill, loaded)
    module = ContrastiveModule(loaded, plan.recipe, teacher)
    synchronise(module.model, config.hardware, device)
    first_step = checkpoints.step_of(found) if found else 0
    if is_first_rank:
        _open_run(run, plan, loaded, teacher, first_step, resuming=found is not None)
    mirrors = _mirrors(run, config, first_step) if is_first_rank else []
    stopwatch, energy = Stopwatch(), _energy_meter(plan, run)
    num_samples = (plan.last_step - first_step) * config.schedule.batch_size
    with bar("train", num_samples, "samples", is_shown=is_first_rank) as meter:
        recorder = Recorder(
            run, config.log.every, config.schedule.batch_size, stopwatch, energy, meter, mirrors
        )
        when = config.checkpoint
        files = BackgroundCheckpointIO(when.num_kept, in_background=when.in_background)
        saver = Checkpointer(run, when, stopwatch, files, first_step)
        verified = VerifiedShards(plan.samples.sets) if config.data.verify_shards else None
        callbacks = [
            Agreement(plan.world, _facts(plan, first_step, teacher)),
            ShardCheck(run, verified, plan.samples.identity),
            *_watchers(plan, run, recorder, stopwatch),
            _validation(config, loaded, precision, recorder, stopwatch, run),
            saver,
            StepLimit(plan.last_step),
            stop,
        ]
        trainer = _trainer(config.hardware, run.folder, precision, files, now, callbacks)
        loader = _loader(plan, make_dataset(plan, loaded, verified, teacher), first_step, trainer)
        with machine_troubles(run.folder, SMALLER), contextlib.closing(files):
            trainer.fit(module, loader, ckpt_path=found, weights_only=True)
            saver.finish(trainer, module)
    if is_first_rank:
        _close_run(run, plan, module, stopwatch, energy)
    for mirror in mirrors:
        mirror.close()
    if module.step < plan.last_step:
        raise _stopped(stop, module.step, plan.last_step, run)
    return 0


def _energy_meter(plan: Plan, run: RunDir) -> EnergyMeter:
    return EnergyMeter(
        seconds_before=run.job.get("train_seconds", 0.0),
        num_ranks=plan.num_ranks,
        grams_per_kwh=plan.config.log.grams_co2_per_kwh,
    )


def _watchers(plan: Plan, run: RunDir, recorder: Recorder, stopwatch: Stopwatch) -> list[pl.Callback]:
    """What measures and judges each step, in the order in which it is called."""
    return [
        SampleGuard(run, plan.samples, recorder, plan.config.data.max_damaged_samples),
        stopwatch,
        recorder,
        BadStepGuard(plan.samples, recorder, plan.config.optimizer.max_bad_steps),
    ]


def _facts(plan: Plan, first_step: int, teacher: Teacher | None) -> dict[str, Any]:
    """What all ranks must agree on before the first step."""
    return {
        "config": digest(plan.config),
        "samples": plan.samples.identity,
        "first step": first_step,
        "teacher": teacher.digest if teacher else None,
        "hard negatives": plan.neighbours.digest if plan.neighbours else None,
    }


def _stopped(stop: StopSignals, step: int, last_step: int, run: RunDir) -> TryAgainLater:
    reason = stop.received.name if stop.received else "a request to stop"
    return TryAgainLater(
        f"stopped by {reason} after step {step} of {last_step}; the run is saved",
        where=run.folder,
        remedy="run the same command again; it continues from here",
    )


def _validation(
    config: TrainConfig,
    loaded: LoadedModel,
    precision: Precision,
    recorder: Recorder,
    stopwatch: Stopwatch,
    run: RunDir,
) -> Validation:
    found = validation_samples(own_sets(config), config.validation, config.data.policy)
    fields = [name for name, weight in config.data.field_weights.items() if weight > 0]
    every, nearest = config.validation.every, NearestCaptions(run.folder)
    return Validation(loaded, found, every, fields, precision, recorder, stopwatch, nearest)


def _mirrors(run: RunDir, config: TrainConfig, first_step: int) -> list[Mirror]:
    found: list[Mirror] = []
    if config.log.wandb:
        found.append(WandbMirror(run, config.log.wandb_project, config.model_dump(mode="json")))
    if config.log.tensorboard:
        found.append(TensorBoardMirror(run, first_step))
    return found


def _start(first_step: int) -> dict[str, Any]:
    """What is remembered of each start of a run: when, where, and from which step."""
    job = os.environ.get("SLURM_JOB_ID")
    return {"at": clock.wall_now(), "step": first_step, "host": socket.gethostname(), "job": job}


def _open_run(
    run: RunDir, plan: Plan, loaded: LoadedModel, teacher: Teacher | None, first_step: int, *, resuming: bool
) -> None:
    if resuming:
        check_same_teacher(run, teacher)
        check_same_stores(run, plan.neighbours)
        # Before the metrics of steps that are repeated are dropped: their energy was used as well.
        run.update_job(train_seconds=seconds_recorded(run))
    data = {
        "shardsets": described(plan.config, plan.samples),
        "policy": plan.config.data.policy,
        **plan.samples.counts(),
        "context_length": loaded.tokenizer.context_length,
        "tokens": token_counts(plan.samples.captions, LongTexts(loaded.tokenizer, "start", 0)),
        **({"hard_negatives": plan.neighbours.facts} if plan.neighbours else {}),
    }
    if run.config_path.exists() and not resuming:
        # A run that was stopped before its first checkpoint starts from the beginning.
        run.config_path.unlink()
    run.start(plan.config, data=data, resuming=resuming)
    run.rewind(first_step)
    if keep_keys(run, plan.samples, first_step):
        notice = (
            "the training set has changed since the run began; from here the order of samples is different"
        )
        run.log(step=first_step, event=notice)
        print(f"{run.folder}: {notice}", file=sys.stderr)
    run.update_job(
        state="running",
        num_steps=plan.num_steps,
        starts=[*run.job.get("starts", []), _start(first_step)],
        started_at=run.job.get("started_at", clock.wall_now()),
        config_digest=digest(plan.config),
        iconoclip=version("iconoclip"),
        has_first_weights=loaded.has_weights,
        model_config=loaded.model_config,
        preprocess=loaded.preprocess,
        **({"teacher_digest": teacher.digest} if teacher else {}),
        **({"stores_digest": plan.neighbours.stores_digest} if plan.neighbours else {}),
    )


def _close_run(
    run: RunDir, plan: Plan, module: ContrastiveModule, stopwatch: Stopwatch, energy: EnergyMeter
) -> None:
    is_done = module.step >= plan.last_step
    run.update_job(
        cost=energy.read(stopwatch.seconds, module.device),
        state="finished" if is_done else "stopped", step=module.step, updated_at=clock.wall_now(),
        train_seconds=energy.run_seconds(stopwatch.seconds),
        samples_per_second=stopwatch.samples_per_second, data_wait_share=stopwatch.data_wait_share,
    )  # fmt: skip
    print(
        f"{'trained' if is_done else 'saved'}: {run.folder}, step {module.step}, "
        f"{stopwatch.samples_per_second:.0f} samples/s, {100 * stopwatch.data_wait_share:.1f} % of the time "
        "waiting for data",
        file=sys.stderr,
    )


def _loader(
    plan: Plan, dataset: TrainingSamples, first_step: int, trainer: pl.Trainer
) -> DataLoader[Batch] | Ahead:
    return make_loader(
        dataset,
        plan.schedule,
        first_step=first_step,
        num_steps=plan.last_step,
        rank=trainer.global_rank,
        num_ranks=plan.num_ranks,
        num_workers=plan.config.data.num_workers,
        pin_memory=trainer.strategy.root_device.type == "cuda",
    )


def _trainer(
    hardware: HardwareConfig,
    folder: Path,
    precision: Precision,
    files: BackgroundCheckpointIO,
    now: Started,
    callbacks: list[pl.Callback],
) -> pl.Trainer:
    half = [Float16(device_of(hardware.device).type)] if precision == "float16" else []
    return pl.Trainer(
        accelerator=hardware.device,
        devices=hardware.devices,
        num_nodes=hardware.num_nodes,
        strategy=_strategy(hardware) if asked_of(hardware).size > 1 else "auto",
        precision=None if precision == "float16" else "bf16-mixed" if precision == "bfloat16" else "32-true",
        max_epochs=1,  # one Lightning epoch is the whole run; the real epochs are in the schedule
        callbacks=callbacks,
        plugins=[files, cluster_environment(asked_of(hardware), now), *half],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        default_root_dir=folder,
    )


def _strategy(hardware: HardwareConfig) -> str | ShardedStrategy:
    return ShardedStrategy() if hardware.strategy == "fsdp" else "ddp"


def _quiet_libraries() -> None:
    """Silence Lightning's own messages; a run reports through its progress bar and our messages."""
    for name in (
        "lightning.pytorch",
        "lightning.fabric",
        "lightning.pytorch.utilities.rank_zero",
        "lightning.fabric.utilities.seed",
    ):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
    # Features are views of what the towers return; nothing here changes them in place.
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module")
