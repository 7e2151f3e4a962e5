"""What a person can set: of a training run, of an evaluation, of an export."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from iconoclip.config import Config, positional
from iconoclip.rights import PolicyName

Precision = Literal["auto", "float32", "bf16"]
Relation = Literal["group", "iconclass"]
Tower = Literal["image", "text"]


class TrainConfig(Config):
    """A training run: data, model, loss, schedule, and what is kept."""

    shardsets: list[str] = Field(
        description="shard sets to train on", min_length=1, json_schema_extra=positional()
    )
    run_dir: Path = Field(description="where the run is kept; a run that stopped goes on from here")

    # Data
    policy: PolicyName = Field(
        "open", description="rights policy that every sample must pass, whatever its set says"
    )
    split: Literal["train", "val", "test", "all"] = Field(
        "train", description="the side of the split to train on"
    )
    institution_alpha: float = Field(
        1.0,
        ge=0,
        le=1,
        description="an institution with n samples is drawn in proportion to n^alpha; 1 takes every sample once an epoch",
    )
    captions_per_image: int = Field(
        1,
        ge=1,
        le=16,
        description="captions of each image in one step, drawn without replacement; the image is encoded once",
    )
    language_temperature: float = Field(
        1.0, gt=0, description="above 1, rare languages are drawn more often than they occur"
    )
    field_weights: dict[str, float] = Field(
        default_factory=dict,
        description="weight of captions by field, e.g. {title: 1, subject: 0.3}; 1 where not listed",
    )
    origin_weights: dict[str, float] = Field(
        default_factory=dict,
        description="weight of captions by origin: institution, iconclass, machine; 1 where not listed",
    )
    min_crop_area: float = Field(
        0.9, gt=0, le=1, description="the smallest share of the picture that a random crop keeps"
    )
    crop_aspect_jitter: float = Field(
        1.0, ge=1, le=2, description="a crop's aspect ratio varies by up to this factor"
    )
    num_workers: int = Field(
        2, ge=0, description="processes that load data, on each rank; 0 loads in the training process"
    )
    cache_decoded_mb: int = Field(
        0,
        ge=0,
        description="keep decoded images in memory, in each loading process, when the whole set fits in this many megabytes",
    )
    block_samples: int = Field(
        256, ge=1, description="neighbouring samples of a shard that are read together"
    )
    window_blocks: int = Field(64, ge=1, description="blocks whose samples are shuffled together")
    verify_shards: bool = Field(
        True, description="compare every shard with its checksum before the first step"
    )

    # Model
    model: str = Field(
        "ViT-B-32",
        description="an open_clip architecture, a .json file of one, a model directory, or hf-hub:ID",
    )
    pretrained: str | None = Field(
        None, description="open_clip's tag of pretrained weights, or a file of them"
    )
    image_size: int | None = Field(
        None,
        gt=0,
        description="side of the model's input in pixels, where it differs from the architecture's",
    )
    resize_mode: Literal["squash", "shortest", "longest"] | None = Field(
        None, description="how pictures become square; the model's own way if not given"
    )

    # Learning
    loss: Literal["clip", "siglip"] = Field(
        "clip", description="softmax over the batch, or one yes-or-no question a pair"
    )
    repeated: Literal["negative", "ignore", "positive"] = Field(
        "ignore", description="what two samples with the same caption are to each other"
    )
    related_by: list[Relation] = Field(
        default_factory=list, description="what counts as the same caption too: group, iconclass"
    )
    epochs: float = Field(1.0, gt=0, description="how often every sample is seen")
    max_steps: int | None = Field(
        None, gt=0, description="stop after this many steps, though the schedule is for all epochs"
    )
    batch_size: int = Field(256, ge=2, description="of the whole batch, over all ranks")
    micro_batch_size: int | None = Field(
        None,
        ge=1,
        description="samples a rank encodes at once; below its share of the batch, features are cached and gradients stay those of the whole batch",
    )
    learning_rate: float = Field(5e-4, gt=0, description="peak learning rate")
    min_learning_rate: float = Field(0.0, ge=0, description="learning rate at the end of the schedule")
    warmup: float = Field(0.05, ge=0, lt=1, description="share of the steps in which the learning rate rises")
    weight_decay: float = Field(
        0.1, ge=0, description="of matrices; norms, biases and embeddings are not decayed"
    )
    beta1: float = Field(0.9, ge=0, lt=1, description="AdamW's first decay rate")
    beta2: float = Field(0.98, ge=0, lt=1, description="AdamW's second decay rate")
    epsilon: float = Field(1e-6, gt=0, description="AdamW's epsilon")
    clip_grad_norm: float | None = Field(1.0, gt=0, description="gradients are scaled down to this norm")
    max_logit_scale: float = Field(100.0, gt=1, description="the logit scale is kept below this")
    max_bad_steps: int = Field(
        10, ge=0, description="steps with a non-finite loss or gradient that are skipped before the run stops"
    )
    seed: int = Field(0, ge=0, description="of the weights, the order, the captions and the crops")

    # Fine-tuning
    locked: list[Tower] = Field(
        default_factory=list,
        description="towers that keep their weights: image, text (LiT locks the image tower)",
    )
    unfreeze_from: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="share of the steps after which locked towers open, the top layers first; never if not given",
    )
    unfreeze_until: float = Field(
        1.0, gt=0, le=1, description="share of the steps after which they are open to the bottom"
    )
    layer_decay: float = Field(
        1.0, gt=0, le=1, description="a layer learns at this factor of the rate of the layer above it"
    )
    lora_rank: int = Field(
        0, ge=0, description="rank of the adapters that learn in place of the weights; 0 for none"
    )
    lora_alpha: float = Field(16.0, gt=0, description="adapters are scaled by lora_alpha / lora_rank")
    lora_towers: list[Tower] = Field(
        default_factory=lambda: list[Tower](("image", "text")), description="towers that get adapters"
    )
    ema_decay: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="decay of the moving average of the weights, which validation and export then use; 0 for none",
    )

    # Machine
    precision: Precision = Field(
        "auto", description="auto takes bf16 where the hardware computes it, else float32"
    )
    devices: int = Field(1, ge=1, description="processes on each node, one a device")
    num_nodes: int = Field(1, ge=1, description="nodes")
    accelerator: Literal["auto", "cpu", "gpu"] = Field("auto", description="what to train on")
    strategy: Literal["ddp", "fsdp"] = Field(
        "ddp",
        description="ddp: every rank holds the whole model; fsdp: weights, gradients and optimizer state are sliced over the ranks",
    )
    gradient_checkpointing: bool = Field(
        False, description="compute activations twice instead of keeping them: less memory, more time"
    )
    compile: bool = Field(
        False, description="compile the towers with torch.compile; the first steps take minutes"
    )
    num_threads: int | None = Field(
        None, ge=1, description="CPU threads of a rank; all cores divided by the ranks if not given"
    )

    # Knowing
    validate_every: int = Field(0, ge=0, description="steps between validations; 0 validates at the end only")
    validation_split: Literal["train", "val", "test", "all", "none"] = Field(
        "val", description="the side of the split to validate on; none skips validation"
    )
    validation_samples: int = Field(2000, ge=1, description="at most this many samples are validated on")
    checkpoint_every: int = Field(200, ge=1, description="steps between checkpoints")
    checkpoint_minutes: float = Field(
        15.0, gt=0, description="minutes after which a checkpoint is written anyway"
    )
    keep_checkpoints: int = Field(
        2, ge=2, description="checkpoints that are kept; two, so that a damaged one has a predecessor"
    )
    log_every: int = Field(10, ge=1, description="steps between lines of metrics.jsonl")
    wandb: bool = Field(
        True, description="mirror the metrics to wandb; offline, unless WANDB_MODE says otherwise"
    )
    grams_co2_per_kwh: float = Field(
        250.0, ge=0, description="carbon intensity of the electricity, for the estimate in the model card"
    )
    wandb_project: str = Field("iconoclip", description="wandb project")
    tensorboard: bool = Field(
        False, description="mirror the metrics to TensorBoard files in the run's folder"
    )
    dry_run: bool = Field(False, description="say what the run would be and cost, and stop")
    json: bool = Field(False, description="print the dry run as JSON")  # type: ignore[assignment]

    @model_validator(mode="after")
    def _batch_divides(self) -> TrainConfig:
        ranks = self.devices * self.num_nodes
        if self.batch_size % ranks:
            raise ValueError(f"batch_size {self.batch_size} does not divide among {ranks} ranks")
        return self


class EvaluateConfig(Config):
    """An evaluation of one model's retrieval on shard sets."""

    model: str = Field(
        description="model directory, hf-hub:ID, or an open_clip architecture with its weights as NAME:TAG",
        json_schema_extra=positional(),
    )
    shardsets: list[str] = Field(
        description="shard sets to evaluate on", min_length=1, json_schema_extra=positional()
    )
    out: Path = Field(description="folder for evaluation.json and report.html")
    pretrained: str | None = Field(
        None, description="open_clip's tag of pretrained weights, with an architecture's name"
    )
    split: Literal["train", "val", "test", "all"] = Field(
        "test", description="the side of the split to evaluate on"
    )
    policy: PolicyName = Field("open", description="rights policy that every sample must pass")
    caption_fields: list[str] = Field(
        default_factory=list,
        description="fields to take captions from, the first found of each language; all fields if none is given",
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
        description="a model to compare with, such as the one this was tuned from: both, and the difference, in one table",
    )
    interpolate_with: str | None = Field(
        None,
        description="the model this one was tuned from: scores on the line between the two are measured too (WiSE-FT)",
    )
    interpolation_points: int = Field(
        6, ge=2, le=21, description="how many points of that line, both ends included"
    )
    num_examples: int = Field(
        3,
        ge=0,
        le=50,
        description="queries answered well, and as many answered badly, that the report shows of each language",
    )
    batch_size: int = Field(128, ge=1, description="images or texts encoded at once")
    num_workers: int = Field(0, ge=0, description="processes that load images; 0 loads in this one")
    precision: Precision = Field(
        "float32", description="float32 or bf16; auto takes bf16 where the hardware computes it"
    )
    accelerator: Literal["auto", "cpu", "gpu"] = Field("auto", description="what to compute on")
    devices: int = Field(1, ge=1, description="processes on each node, one a device; each does its share")
    num_nodes: int = Field(1, ge=1, description="nodes")
    force: bool = Field(False, description="evaluate again though the folder holds the same evaluation")


class ExportConfig(Config):
    """A run's checkpoint as a model directory."""

    run_dir: Path = Field(description="the run to export", json_schema_extra=positional())
    out: Path = Field(description="the model directory to write")
    step: int | None = Field(
        None, ge=0, description="the checkpoint to export; the last sound one if not given"
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
        description="licence of the weights for the model card, as an SPDX identifier such as CC-BY-4.0; your decision, none is assumed",
    )
    evaluations: list[Path] = Field(
        default_factory=list,
        description="evaluation.json files of this very model: their scores go into the card",
    )
    push: str | None = Field(
        None,
        description="repository to upload the folder to, as OWNER/NAME; on huggingface.co or $HF_ENDPOINT",
    )
    public: bool = Field(False, description="make a repository that --push creates public")
    force: bool = Field(False, description="write again though the folder holds the same export")


class SeenConfig(Config):
    """Say whether a run has trained on some items."""

    run_dir: Path = Field(description="the run to ask", json_schema_extra=positional())
    keys: list[str] = Field(description="sample keys", min_length=1, json_schema_extra=positional())
    step: int | None = Field(
        None, ge=0, description="up to which step; that of the last sound checkpoint if not given"
    )
    json: bool = Field(False, description="print JSON")  # type: ignore[assignment]
