"""The fields of `train`, `evaluate`, `export` and `seen`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from iconoclip.config import Config, positional
from iconoclip.vocabulary import Device, PolicyName, Precision
from training.config_groups import (
    AdaptConfig,
    CheckpointConfig,
    DataConfig,
    DistillConfig,
    HardwareConfig,
    LogConfig,
    LossConfig,
    ModelConfig,
    OptimizerConfig,
    ScheduleConfig,
    ValidationConfig,
)
from training.negatives_config import HardNegativesConfig

# Names of groups that were once fields, and the present field for the value.
HEADS = {"model": "name", "loss": "function"}


# Options of open_clip's own training, with what to write here.
OF_OPEN_CLIP = {
    "train_data": "name shard sets, or tars with their rights in --data.sources",
    "train_num_samples": "leave it out: an epoch is all samples; --schedule.max_steps ends earlier",
    "dataset_type": "leave it out: shard sets and tars are recognised",
    "imagenet_val": "use `iconoclip evaluate --benchmark imagenet`",
    "lr": "write --optimizer.learning_rate", "wd": "write --optimizer.weight_decay",
    "eps": "write --optimizer.epsilon", "opt": "write --optimizer.name",
    "lr_scheduler": "write --schedule.shape",
    "siglip": "write --loss.function siglip",
    "accum_freq": "write --hardware.micro_batch_size: the batch is computed in parts of this size",
    "lock_image": "write --adapt.locked image", "lock_text": "write --adapt.locked text",
    "force_patch_dropout": "write --model.patch_dropout", "force_image_size": "write --model.image_size",
    "report_to": "write --log.wandb or --log.tensorboard", "wandb_project_name": "write --log.wandb_project",
    "save_frequency": "write --checkpoint.every", "val_frequency": "write --validation.every",
    "name": "write --run_dir; the model's name is --model.name", "logs": "write --run_dir",
    "resume": "leave it out: the same command continues the run in --run_dir",
    "torchcompile": "write --hardware.compile", "use_bn_sync": "write --hardware.sync_batch_norm",
    "local_loss": "leave it out: it changes no result",
    "gather_with_grad": "leave it out: it changes no result",
    "distill_pretrained": "write --distill.model ARCHITECTURE:TAG",
}  # fmt: skip


class TrainConfig(Config):
    """Train or fine-tune an OpenCLIP model on shard sets."""

    other_names: ClassVar[dict[str, str]] = OF_OPEN_CLIP
    shardsets: list[str] = Field(
        default_factory=list,
        description="shard sets to train on; with weights, or tars of other programs: data.sources",
        json_schema_extra=positional(),
    )
    run_dir: Path = Field(description="folder of the run; a run that stopped continues from here")
    data: DataConfig = Field(
        default_factory=DataConfig, description="which samples are used for training, and how they are read"
    )
    model: ModelConfig = Field(default_factory=ModelConfig, description="the model that is trained")
    loss: LossConfig = Field(
        default_factory=LossConfig, description="the loss, and which pairs of image and text are positive"
    )
    hard_negatives: HardNegativesConfig = Field(
        default_factory=HardNegativesConfig,
        description="captions of similar pictures, as further wrong answers of each step",
    )
    optimizer: OptimizerConfig = Field(
        default_factory=OptimizerConfig, description="the optimizer: learning rate, decay and limits"
    )
    schedule: ScheduleConfig = Field(
        default_factory=ScheduleConfig,
        description="the length of training, the batch size, and the schedule of the learning rate",
    )
    adapt: AdaptConfig = Field(
        default_factory=AdaptConfig, description="fine-tuning that preserves what the base model learned"
    )
    distill: DistillConfig = Field(default_factory=DistillConfig, description="learning from a larger model")
    hardware: HardwareConfig = Field(
        default_factory=HardwareConfig,
        description="where and how the run is computed; these fields change the result only by rounding",
    )
    validation: ValidationConfig = Field(
        default_factory=ValidationConfig, description="how often the run is validated, and on which samples"
    )
    checkpoint: CheckpointConfig = Field(
        default_factory=CheckpointConfig, description="when checkpoints are written"
    )
    log: LogConfig = Field(
        default_factory=LogConfig, description="what is recorded about the run, and where it is copied to"
    )
    seed: int = Field(0, ge=0, description="seed of the weights, the order, the captions and the crops")
    dry_run: bool = Field(False, description="measure what the run would need and cost, and stop")
    json: bool = Field(False, description="print the dry run as JSON")  # type: ignore[assignment]

    renamed: ClassVar[dict[str, str]] = {
        "policy": "data.policy",
        "split": "data.split",
        "institution_alpha": "data.institution_alpha",
        "captions_per_image": "data.captions_per_image",
        "language_temperature": "data.language_temperature",
        "field_weights": "data.field_weights",
        "origin_weights": "data.origin_weights",
        "min_crop_area": "data.min_crop_area",
        "crop_aspect_jitter": "data.crop_aspect_jitter",
        "num_workers": "data.num_workers",
        "cache_decoded_mb": "data.cache_decoded_mb",
        "block_samples": "data.block_samples",
        "window_blocks": "data.window_blocks",
        "verify_shards": "data.verify_shards",
        "max_damaged_samples": "data.max_damaged_samples",
        "pretrained": "model.pretrained",
        "image_size": "model.image_size",
        "resize_mode": "model.resize_mode",
        "repeated": "loss.repeated",
        "related_by": "loss.related_by",
        "max_logit_scale": "loss.max_logit_scale",
        "learning_rate": "optimizer.learning_rate",
        "weight_decay": "optimizer.weight_decay",
        "beta1": "optimizer.beta1",
        "beta2": "optimizer.beta2",
        "epsilon": "optimizer.epsilon",
        "clip_grad_norm": "optimizer.clip_grad_norm",
        "max_bad_steps": "optimizer.max_bad_steps",
        "epochs": "schedule.epochs",
        "max_steps": "schedule.max_steps",
        "batch_size": "schedule.batch_size",
        "warmup": "schedule.warmup",
        "min_learning_rate": "schedule.min_learning_rate",
        "locked": "adapt.locked",
        "unfreeze_from": "adapt.unfreeze_from",
        "unfreeze_until": "adapt.unfreeze_until",
        "layer_decay": "adapt.layer_decay",
        "lora_rank": "adapt.lora_rank",
        "lora_alpha": "adapt.lora_alpha",
        "lora_towers": "adapt.lora_towers",
        "ema_decay": "adapt.ema_decay",
        "accelerator": "hardware.device",
        "precision": "hardware.precision",
        "devices": "hardware.devices",
        "num_nodes": "hardware.num_nodes",
        "strategy": "hardware.strategy",
        "micro_batch_size": "hardware.micro_batch_size",
        "gradient_checkpointing": "hardware.gradient_checkpointing",
        "compile": "hardware.compile",
        "num_threads": "hardware.num_threads",
        "validate_every": "validation.every",
        "validation_split": "validation.split",
        "validation_samples": "validation.max_samples",
        "checkpoint_every": "checkpoint.every",
        "checkpoint_minutes": "checkpoint.minutes",
        "keep_checkpoints": "checkpoint.num_kept",
        "log_every": "log.every",
        "wandb": "log.wandb",
        "wandb_project": "log.wandb_project",
        "tensorboard": "log.tensorboard",
        "grams_co2_per_kwh": "log.grams_co2_per_kwh",
    }

    @classmethod
    def from_older(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Translate values that an earlier version wrote into a run's folder to the present names."""
        present = dict(values)
        for name, leaf in HEADS.items():
            if isinstance(present.get(name), str):
                present[name] = {leaf: present[name]}
        tree = super().from_older(present)
        # Earlier versions had one order, which had no name.
        tree["data"] = {"order": "windows", **tree.get("data", {})}
        return tree

    @model_validator(mode="before")
    @classmethod
    def _groups_are_mappings(cls, values: Any) -> Any:
        for name, leaf in HEADS.items():
            if isinstance(values, dict) and isinstance(values.get(name), str):
                raise ValueError(f"the field '{name}' is now called '{name}.{leaf}'")
        return values

    @model_validator(mode="after")
    def _sources_are_complete(self) -> TrainConfig:
        data = self.data
        if not self.shardsets and not data.sources:
            raise ValueError("nothing to train on: name shard sets, or sources in data.sources")
        if data.weights and len(data.weights) != len(self.shardsets):
            raise ValueError(
                f"data.weights has {len(data.weights)} weights for {len(self.shardsets)} shardsets"
            )
        own: list[float | None] = [None] * len(self.shardsets)
        weights = [*(data.weights or own), *(one.weight for one in data.sources)]
        if any(one is None for one in weights) and any(one is not None for one in weights):
            raise ValueError(
                "some sources have a weight and others none: give each one, those of `shardsets` in "
                "data.weights"
            )
        return self

    @model_validator(mode="after")
    def _slices_fit(self) -> TrainConfig:
        if self.hardware.strategy == "fsdp":
            if self.optimizer.name in ("muon", "adamw8bit"):
                raise ValueError(
                    f"optimizer.name {self.optimizer.name} needs whole weights: set hardware.strategy to "
                    "ddp, or optimizer.name to adamw or lion"
                )
            if self.hardware.sync_batch_norm:
                raise ValueError("hardware.sync_batch_norm needs whole weights: set hardware.strategy to ddp")
        return self

    @model_validator(mode="after")
    def _batch_divides(self) -> TrainConfig:
        ranks = self.hardware.devices * self.hardware.num_nodes
        if self.schedule.batch_size % ranks:
            raise ValueError(
                f"schedule.batch_size {self.schedule.batch_size} does not divide among {ranks} ranks"
            )
        return self


class EvaluateConfig(Config):
    """An evaluation of one model's retrieval on shard sets."""

    model: str = Field(
        description="model directory, a folder of transformers, hf-hub:ID, or an open_clip architecture with "
        "its weights as NAME:TAG",
        json_schema_extra=positional(),
    )
    shardsets: list[str] = Field(
        default_factory=list,
        description="shard sets to evaluate on; none with a benchmark",
        json_schema_extra=positional(),
    )
    out: Path = Field(description="folder for evaluation.json and report.html")
    pretrained: str | None = Field(
        None, description="with an architecture: the file of its weights, or open_clip's tag of them"
    )
    benchmark: str | None = Field(
        None,
        description="a public benchmark in place of shard sets: a name of configs/benchmarks, such as "
        "semart, or a YAML file like those there",
    )
    data: Path | None = Field(
        None, description="with a benchmark: the folder of its official files and pictures"
    )
    split: str = Field(
        "test",
        description="the part of the split to evaluate on: train, val, test or all; a benchmark may have "
        "others",
    )
    probes: list[str] = Field(
        default_factory=list,
        description="classes that a linear probe and nearest neighbours separate, trained on the split train:"
        " institution, object_type, iconclass (its ten divisions), century, or field:NAME (a caption field)",
    )
    probe_samples: int = Field(
        20_000, ge=10, description="train probes on at most this many samples, the first of a fixed shuffle"
    )
    policy: PolicyName = Field("open", description="rights policy that every sample must pass")
    caption_fields: list[str] = Field(
        default_factory=list,
        description="fields to take captions from, the first found of each language; all fields if none is "
        "given",
    )
    languages: list[str] = Field(
        default_factory=list, description="languages to evaluate; every one if none is given"
    )
    max_samples: int | None = Field(
        None, ge=1, description="evaluate on at most this many samples, the first of a fixed shuffle"
    )
    labels: list[Path] = Field(
        default_factory=list, description="label sets for zero-shot classification, as YAML"
    )
    before: str | None = Field(
        None,
        description="a model to compare with, such as the one this was tuned from: both, and the "
        "difference, in one table",
    )
    interpolate_with: str | None = Field(
        None,
        description="the model this one was tuned from: scores on the line between the two are measured "
        "too (WiSE-FT)",
    )
    interpolation_points: int = Field(
        6, ge=2, le=21, description="number of points on that line, including both ends"
    )
    num_examples: int = Field(
        3,
        ge=0,
        le=50,
        description="queries answered well, and as many answered badly, that the report shows of each "
        "language",
    )
    batch_size: int = Field(128, ge=1, description="images or texts encoded at once")
    num_workers: int = Field(
        0, ge=0, description="processes that load images; 0 loads in the calling process"
    )
    precision: Precision = Field(
        "float32", description="float32 or bfloat16; auto takes bfloat16 where the hardware computes it"
    )
    device: Device = Field("auto", description="the device to compute on")
    devices: int = Field(1, ge=1, description="processes on each node, one per device; each does its share")
    num_nodes: int = Field(1, ge=1, description="nodes")
    renamed: ClassVar[dict[str, str]] = {"accelerator": "device"}

    @model_validator(mode="after")
    def _inputs_are_complete(self) -> EvaluateConfig:
        if self.benchmark is None:
            if not self.shardsets:
                raise ValueError("nothing to evaluate on: name shard sets, or a benchmark and its data")
            if self.split not in ("train", "val", "test", "all"):
                raise ValueError(f"a shard set has no split '{self.split}': train, val, test or all")
        elif self.shardsets or self.data is None:
            raise ValueError("a benchmark needs `data`, the folder of its files, and no shard sets")
        if self.probes and self.split in ("train", "all"):
            raise ValueError("probes learn from the split train: measure them on val or test")
        return self

    force: bool = Field(False, description="evaluate again even if the folder contains the same evaluation")


class ExportConfig(Config):
    """A run's checkpoint, or a model of another format, as a model directory."""

    run_dir: Path = Field(
        description="the run to export; or a model to convert: a folder of transformers or open_clip, an "
        "architecture, or OpenAI's file",
        json_schema_extra=positional(),
    )
    out: Path = Field(description="the model directory to write")
    pretrained: str | None = Field(
        None, description="with an architecture: the file of its weights, or open_clip's tag of them"
    )
    step: int | None = Field(
        None, ge=0, description="the checkpoint to export; by default the last one that is not damaged"
    )
    weights: Literal["auto", "last", "average"] = Field(
        "auto",
        description="the last weights or their moving average; auto takes the average if the run kept one",
    )
    interpolate_with: str | None = Field(
        None, description="a model to interpolate with, by weight: the one the run started from"
    )
    interpolation: float = Field(0.5, ge=0, le=1, description="0 is that model, 1 the run's")
    licence: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]*$",
        description="licence of the weights for the model card, as an SPDX identifier such as CC-BY-4.0; "
        "your decision, none is assumed",
    )
    evaluations: list[Path] = Field(
        default_factory=list,
        description="evaluation.json files of this very model: their scores go into the card",
    )
    push: str | None = Field(
        None,
        description="repository to upload the folder to, as OWNER/NAME; on huggingface.co or $HF_ENDPOINT",
    )
    public: bool = Field(False, description="make a new repository of --push public")
    force: bool = Field(False, description="write again even if the folder contains the same export")


class SeenConfig(Config):
    """Report how often runs have trained on some items."""

    run_dir: Path = Field(
        description="the run to check, or a folder: then every checkpoint of the runs below it that saw one",
        json_schema_extra=positional(),
    )
    keys: list[str] = Field([], description="sample keys", json_schema_extra=positional())
    keys_file: Path | None = Field(
        None, description="a file with one key per line, or a list of withdrawn keys (withdrawn.parquet)"
    )
    step: int | None = Field(
        None, ge=0, description="up to which step; by default that of the last checkpoint that is not damaged"
    )
    json: bool = Field(False, description="print JSON")  # type: ignore[assignment]
