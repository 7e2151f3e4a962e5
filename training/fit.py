"""The training run: a Plan contains all decisions, then Lightning executes the steps."""

from __future__ import annotations

import logging
import sys
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader

from iconoclip import clock
from iconoclip.config import digest
from iconoclip.errors import BadInput, TryAgainLater
from iconoclip.rundir import RunDir
from iconoclip.vocabulary import Precision
from training.callbacks import (
    Agreement,
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
from training.checkpoint.file import AtomicCheckpointIO
from training.config import TrainConfig
from training.cost import EnergyMeter
from training.data import remote
from training.data.captions import CaptionSampler, caption_weights
from training.data.images import Crop
from training.data.loader import Ahead, Batch, TrainingSamples, make_loader
from training.data.order import EpochOrder, Schedule, quotas
from training.data.samples import Samples
from training.data.samples import load as load_samples
from training.hardware import device_of, resolve_precision, set_threads
from training.launch import cluster_environment, rank_variables
from training.model import Changes, LoadedModel, load_model
from training.module import ContrastiveModule
from training.resume import existing, is_finished
from training.seen import keep_keys
from training.sharding import ShardedStrategy
from training.tensorboard_mirror import TensorBoardMirror
from training.troubles import machine_troubles
from training.validation import Validation
from training.wandb_mirror import WandbMirror
from training.world import Started, World

SMALLER = (
    "set hardware.micro_batch_size lower (gradients stay those of the whole batch), "
    "hardware.gradient_checkpointing to true, "
    "hardware.precision to bfloat16, or hardware.strategy to fsdp over more devices; `--dry-run` shows "
    "what each needs"
)


@dataclass(frozen=True)
class Plan:
    """Everything that is decided before the first step."""

    config: TrainConfig
    samples: Samples
    schedule: Schedule
    num_steps: int
    """of the schedule, whatever max_steps is"""

    @property
    def last_step(self) -> int:
        """The step that this command stops at."""
        return min(self.num_steps, self.config.schedule.max_steps or self.num_steps)

    @property
    def num_ranks(self) -> int:
        """Processes that train together."""
        return asked_of(self.config).size


def asked_of(config: TrainConfig) -> World:
    """The ranks that a config requests."""
    return World(config.hardware.devices, config.hardware.num_nodes)


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
            if is_finished(run, config, found):
                return 0
            return _fit(make_plan(config), run, found, stop, now)


def make_plan(config: TrainConfig) -> Plan:
    """Open the data and compute the schedule.

    Raises:
        BadInput: there are fewer samples than the batch needs, or than there are ranks.
    """
    samples = load_samples(config.shardsets, split=config.data.split, policy=config.data.policy)
    num_ranks = asked_of(config).size
    if num_ranks > len(samples):
        raise BadInput(
            f"{num_ranks} ranks are more than the {len(samples)} samples",
            where=", ".join(config.shardsets),
            remedy="ask for fewer devices or nodes, or add shard sets",
        )
    if len(samples) < config.schedule.batch_size:
        raise BadInput(
            f"a batch of {config.schedule.batch_size} needs as many samples; there are {len(samples)}",
            where=", ".join(config.shardsets),
            remedy=f"set schedule.batch_size to {len(samples)} or less, or add shard sets",
        )
    order = EpochOrder(
        samples.shard_lengths,
        config.seed,
        config.data.block_samples,
        config.data.window_blocks,
        quotas(samples.institution_N, config.data.institution_alpha),
    )
    schedule = Schedule(order, config.schedule.batch_size)
    return Plan(config, samples, schedule, schedule.num_steps(config.schedule.epochs))


def _fit(plan: Plan, run: RunDir, found: Path | None, stop: StopSignals, now: Started) -> int:
    config = plan.config
    is_first_rank = now.rank == 0
    device = device_of(config.hardware.device)
    precision = resolve_precision(config.hardware.precision, device)
    set_threads(config.hardware.num_threads, config.hardware.devices if device.type == "cpu" else 1)
    if config.data.verify_shards and not found and is_first_rank:
        for one in plan.samples.sets:
            if not remote.is_cached(one):
                one.verify()
    loaded = load_for_training(config)
    module = ContrastiveModule(loaded, config, plan.num_steps)
    first_step = checkpoints.step_of(found) if found else 0
    if is_first_rank:
        _open_run(run, plan, loaded, first_step, resuming=found is not None)
    mirrors = _mirrors(run, config, first_step) if is_first_rank else []
    stopwatch = Stopwatch()
    energy = EnergyMeter(
        seconds_before=run.job.get("train_seconds", 0.0),
        num_ranks=plan.num_ranks,
        grams_per_kwh=config.log.grams_co2_per_kwh,
    )
    num_samples = (plan.last_step - first_step) * config.schedule.batch_size
    with bar("train", num_samples, "samples", is_shown=is_first_rank) as meter:
        recorder = Recorder(run, config, stopwatch, energy, meter, mirrors)
        files = AtomicCheckpointIO()
        saver = Checkpointer(run, config.checkpoint, stopwatch, files, first_step)
        agreement = Agreement(asked_of(config), {"config": digest(config), "first step": first_step})
        trainer = _trainer(
            config,
            precision,
            files,
            now,
            [
                agreement,
                SampleGuard(run, plan.samples, recorder, config.data.max_damaged_samples),
                stopwatch,
                recorder,
                BadStepGuard(plan.samples, recorder, config.optimizer.max_bad_steps),
                Validation(loaded, config, precision, recorder, stopwatch),
                saver,
                StepLimit(plan.last_step),
                stop,
            ],
        )
        loader = _loader(plan, loaded, first_step, trainer)
        with machine_troubles(run.folder, SMALLER):
            trainer.fit(module, loader, ckpt_path=found, weights_only=True)
            saver.save(trainer, module)
    if is_first_rank:
        _close_run(run, plan, module, stopwatch, energy)
    for mirror in mirrors:
        mirror.close()
    if module.step < plan.last_step:
        reason = stop.received.name if stop.received else "a request to stop"
        raise TryAgainLater(
            f"stopped by {reason} after step {module.step} of {plan.last_step}; the run is saved",
            where=run.folder,
            remedy="run the same command again; it continues from here",
        )
    return 0


def _mirrors(run: RunDir, config: TrainConfig, first_step: int) -> list[Mirror]:
    found: list[Mirror] = []
    if config.log.wandb:
        found.append(WandbMirror(run, config.log.wandb_project, config.model_dump(mode="json")))
    if config.log.tensorboard:
        found.append(TensorBoardMirror(run, first_step))
    return found


def load_for_training(config: TrainConfig) -> LoadedModel:
    """The model that a run starts from; random weights are a function of the seed."""
    torch.manual_seed(config.seed)
    preprocess = {"resize_mode": config.model.resize_mode} if config.model.resize_mode else None
    changes = Changes(preprocess, config.model.image_size, logit_bias=config.loss.function == "siglip")
    return load_model(config.model.name, pretrained=config.model.pretrained, changes=changes)


def _open_run(run: RunDir, plan: Plan, loaded: LoadedModel, first_step: int, *, resuming: bool) -> None:
    data = {
        "shardsets": [
            {"folder": str(one.folder), "name": one.manifest.name, "digest": one.digest}
            for one in plan.samples.sets
        ],
        "policy": plan.config.data.policy,
        **plan.samples.counts(),
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
        started_at=run.job.get("started_at", clock.wall_now()),
        config_digest=digest(plan.config),
        iconoclip=version("iconoclip"),
        model_config=loaded.model_config,
        preprocess=loaded.preprocess,
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
    plan: Plan, loaded: LoadedModel, first_step: int, trainer: pl.Trainer
) -> DataLoader[Batch] | Ahead:
    return make_loader(
        make_dataset(plan, loaded),
        plan.schedule,
        first_step=first_step,
        num_steps=plan.last_step,
        rank=trainer.global_rank,
        num_ranks=plan.num_ranks,
        num_workers=plan.config.data.num_workers,
        pin_memory=trainer.strategy.root_device.type == "cuda",
    )


def make_dataset(plan: Plan, loaded: LoadedModel) -> TrainingSamples:
    """The training samples, with captions and crops as the config sets them."""
    config, samples = plan.config, plan.samples
    weights = caption_weights(
        samples.captions, language_temperature=config.data.language_temperature,
        field_weights=config.data.field_weights, origin_weights=config.data.origin_weights,
        level_weights=config.data.level_weights, role_weights=config.data.role_weights,
    )  # fmt: skip
    crop = Crop(
        loaded.image_size,
        loaded.preprocess["resize_mode"],
        "bilinear" if loaded.preprocess["interpolation"] == "bilinear" else "bicubic",
        config.data.min_crop_area,
        config.data.crop_aspect_jitter,
        loaded.preprocess["fill_color"],
    )
    sampler = CaptionSampler(
        samples.captions, weights, num_captions=config.data.captions_per_image, seed=config.seed
    )
    return TrainingSamples(
        samples,
        sampler,
        crop,
        loaded.tokenize,
        seed=config.seed,
        relations=config.loss.related_by,
        cache_megabytes=config.data.cache_decoded_mb,
    )


def _trainer(
    config: TrainConfig,
    precision: Precision,
    files: AtomicCheckpointIO,
    now: Started,
    callbacks: list[pl.Callback],
) -> pl.Trainer:
    return pl.Trainer(
        accelerator=config.hardware.device,
        devices=config.hardware.devices,
        num_nodes=config.hardware.num_nodes,
        strategy=_strategy(config) if asked_of(config).size > 1 else "auto",
        precision="bf16-mixed" if precision == "bfloat16" else "32-true",
        max_epochs=1,  # one Lightning epoch is the whole run; the real epochs are in the schedule
        callbacks=callbacks,
        plugins=[files, cluster_environment(asked_of(config), now)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        default_root_dir=config.run_dir,
    )


def _strategy(config: TrainConfig) -> str | ShardedStrategy:
    return ShardedStrategy() if config.hardware.strategy == "fsdp" else "ddp"


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
