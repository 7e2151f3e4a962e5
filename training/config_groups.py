"""The groups of fields of a training run's config, as `optimizer.learning_rate`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from iconoclip.config import Config
from iconoclip.vocabulary import Device, PolicyName, Precision
from training.source_config import SourceConfig

Relation = Literal["group", "iconclass"]
Tower = Literal["image", "text"]
Weight = Annotated[float, Field(ge=0)]


class DataConfig(Config):
    """Which samples are used for training, and how they are read."""

    policy: PolicyName = Field(
        "open", description="rights policy that every sample must pass, whatever its set records"
    )
    split: Literal["train", "val", "test", "all"] = Field(
        "train", description="the part of the split to train on"
    )
    sources: list[SourceConfig] = Field(
        default_factory=list,
        description="further shard sets and tars of other programs, each with its weight: "
        '[{shards: "laion-{00000..00041}.tar", weight: 1, rights: CC0}]',
    )
    weights: list[Annotated[float, Field(gt=0)]] = Field(
        default_factory=list, description="the weight of each of `shardsets`, in their order, as in sources"
    )
    institution_alpha: float = Field(
        1.0,
        ge=0,
        le=1,
        description="an institution with n samples is drawn in proportion to n^alpha; 1 takes every sample "
        "once per epoch",
    )
    captions_per_image: int = Field(
        1,
        ge=1,
        le=16,
        description="captions of each image in one step, drawn without replacement; the image is encoded "
        "once",
    )
    language_temperature: float = Field(
        1.0, gt=0, description="above 1, rare languages are drawn more often than they occur"
    )
    field_weights: dict[str, Weight] = Field(
        default_factory=dict,
        description="weight of captions by field, e.g. {title: 1, subject: 0.3}; 1 where not listed",
    )
    origin_weights: dict[str, Weight] = Field(
        default_factory=dict,
        description="weight of captions by origin: institution, iconclass, machine; 1 where not listed",
    )
    level_weights: dict[str, Weight] = Field(
        default_factory=lambda: {"work": 0.3, "collection": 0.1},
        description="weight of captions by what they are about: region, page, item, work, collection; 1 where"
        " not listed. A whole book's title is true of each of its pages and describes none",
    )
    role_weights: dict[str, Weight] = Field(
        default_factory=dict,
        description="weight of captions by what they do, e.g. {title: 1, subject: 0.5}; 1 where not listed",
    )
    long_captions: Literal["start", "span", "subset"] = Field(
        "start",
        description="tokens that are kept of captions longer than the model's context: the first; a random "
        "run of neighbours; or random ones in their order",
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
        description="keep decoded images in memory, in each loading process, when the whole set fits in "
        "this many megabytes",
    )
    order: Literal["streams", "windows"] = Field(
        "streams",
        description="streams: each part of a batch reads shards of its own, and pages of one object come far "
        "apart; windows: the order of runs of earlier versions",
    )
    streams: int = Field(
        64, ge=1, description="parts of a batch that each read shards of their own; at least the ranks"
    )
    stream_samples: int = Field(
        131_072,
        ge=1,
        description="samples of a stream that are shuffled together; their shards are read at the same time",
    )
    block_samples: int = Field(
        256, ge=1, description="with order windows: neighbouring samples of a shard that are read together"
    )
    window_blocks: int = Field(
        64, ge=1, description="with order windows: blocks whose samples are shuffled together"
    )
    verify_shards: bool = Field(
        True,
        description="compare every shard with its checksum: all ranks together for half a minute before the "
        "first step, and then each picture of the others when it is read",
    )
    max_damaged_samples: int = Field(
        100,
        ge=0,
        description="samples whose pictures cannot be decoded that are replaced by a neighbour before the "
        "run stops",
    )


class ModelConfig(Config):
    """The model that is trained."""

    name: str = Field(
        "ViT-B-32",
        description="an open_clip architecture, a .json file of one, a model directory, a folder of "
        "transformers, OpenAI's file of a CLIP, or hf-hub:ID",
    )
    pretrained: str | None = Field(
        None, description="open_clip's tag of pretrained weights, or a file of them"
    )
    image_size: int | None = Field(
        None,
        gt=0,
        description="side of the model's input in pixels, where it differs from the architecture's",
    )
    context_length: int | None = Field(
        None,
        ge=4,
        le=2048,
        description="tokens of a text that the model reads, where it differs from the architecture's; the "
        "dry run shows how many captions are cut",
    )
    patch_dropout: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="share of an image's patches that each training step leaves out (FLIP), in ViTs; half of "
        "them halves the time of the image tower",
    )
    resize_mode: Literal["squash", "shortest", "longest"] | None = Field(
        None, description="how pictures become square; the model's own way if not given"
    )


class LossConfig(Config):
    """The loss, and which pairs of image and text are positive."""

    function: Literal["clip", "siglip"] = Field(
        "clip", description="softmax over the batch, or one yes-or-no question per pair"
    )
    repeated: Literal["negative", "ignore", "positive"] = Field(
        "ignore", description="how the loss treats two samples with the same caption"
    )
    related_by: list[Relation] = Field(
        default_factory=list, description="further relations that count as the same caption: group, iconclass"
    )
    max_logit_scale: float = Field(100.0, gt=1, description="the logit scale is kept below this")
    max_logit_bias: float | None = Field(
        None, gt=0, description="the logit bias is kept between minus this and this"
    )
    z_loss: float = Field(
        0.0,
        ge=0,
        description="weight of the squared logarithm of each softmax's sum, which keeps logits of long runs "
        "small; 1e-4 is usual",
    )

    @model_validator(mode="after")
    def _terms_fit(self) -> LossConfig:
        if self.z_loss and self.function == "siglip":
            raise ValueError(
                "z_loss is for the softmax of function clip; for siglip set max_logit_bias and "
                "max_logit_scale"
            )
        return self


class OptimizerConfig(Config):
    """The optimizer: learning rate, decay and limits."""

    name: Literal["adamw", "lion", "muon", "adamw8bit"] = Field(
        "adamw",
        description="lion wants a third to a tenth of adamw's learning rate and 3 to 10 times its decay; "
        "muon is for the matrices of the layers, with adamw for the rest; adamw8bit needs bitsandbytes",
    )
    learning_rate: float = Field(5e-4, gt=0, description="peak learning rate")
    weight_decay: float = Field(
        0.1, ge=0, description="of matrices; norms, biases and embeddings are not decayed"
    )
    beta1: float = Field(0.9, ge=0, lt=1, description="first decay rate of AdamW and Lion")
    beta2: float = Field(0.98, ge=0, lt=1, description="second decay rate of AdamW and Lion")
    momentum: float = Field(0.95, ge=0, lt=1, description="Muon's momentum")
    epsilon: float = Field(1e-6, gt=0, description="AdamW's epsilon")
    clip_grad_norm: float | None = Field(1.0, gt=0, description="gradients are scaled down to this norm")
    max_bad_steps: int = Field(
        10, ge=0, description="steps with a non-finite loss or gradient that are skipped before the run stops"
    )


class ScheduleConfig(Config):
    """The length of training, the batch size, and the schedule of the learning rate."""

    epochs: float = Field(1.0, gt=0, description="how many times each sample is used")
    max_steps: int | None = Field(
        None, gt=0, description="stop after this many steps; the schedule still covers all epochs"
    )
    batch_size: int = Field(256, ge=2, description="samples in the whole batch, over all ranks")
    warmup: float = Field(
        0.05, ge=0, lt=1, description="share of the steps during which the learning rate rises"
    )
    min_learning_rate: float = Field(0.0, ge=0, description="learning rate at the end of the schedule")
    shape: Literal["cosine", "constant", "cooldown"] = Field(
        "cosine",
        description="the learning rate after the warm-up: cosine falls to the end, constant does not fall, "
        "cooldown falls at the end only",
    )
    cooldown: float = Field(
        0.2, gt=0, le=1, description="with shape cooldown: share of the steps during which it falls"
    )
    cooldown_curve: Literal["sqrt", "linear"] = Field(
        "sqrt", description="with shape cooldown: it falls as one minus a square root, or linearly"
    )

    @model_validator(mode="after")
    def _shares_fit(self) -> ScheduleConfig:
        if self.shape == "cooldown" and self.warmup + self.cooldown > 1:
            raise ValueError(
                f"warmup {self.warmup} and cooldown {self.cooldown} are more than all steps together"
            )
        return self


class DistillConfig(Config):
    """Learning from a larger model."""

    model: str | None = Field(
        None, description="the teacher: a model directory, hf-hub:ID, or NAME:TAG; none if not given"
    )
    weight: float = Field(1.0, gt=0, description="weight of the distillation next to the contrastive loss")


class AdaptConfig(Config):
    """Fine-tuning that preserves what the base model learned."""

    locked: list[Tower] = Field(
        default_factory=list,
        description="towers that keep their weights: image, text (LiT locks the image tower)",
    )
    unfreeze_from: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="share of the steps after which locked towers are unlocked, the top layers first; "
        "never if not given",
    )
    unfreeze_until: float = Field(
        1.0, gt=0, le=1, description="share of the steps after which all their layers are unlocked"
    )
    layer_decay: float = Field(
        1.0, gt=0, le=1, description="a layer learns at this factor of the rate of the layer above it"
    )
    lora_rank: int = Field(
        0, ge=0, description="rank of the adapters (LoRA) that are trained instead of the weights; 0 for none"
    )
    lora_alpha: float = Field(16.0, gt=0, description="adapters are scaled by lora_alpha / lora_rank")
    lora_towers: list[Tower] = Field(
        default_factory=lambda: list[Tower](("image", "text")), description="towers that get adapters"
    )
    ema_decay: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="decay of the moving average of the weights, which validation and export then use; 0 "
        "for none",
    )


class HardwareConfig(Config):
    """Where and how the run is computed. These fields change the result only by rounding."""

    device: Device = Field("auto", description="the device to train on")
    precision: Precision = Field(
        "auto",
        description="auto takes bfloat16 where the hardware computes it, else float32; float16 is for GPUs "
        "without bfloat16 (V100, T4)",
    )
    devices: int = Field(1, ge=1, description="processes on each node, one per device")
    num_nodes: int = Field(1, ge=1, description="nodes")
    strategy: Literal["ddp", "fsdp"] = Field(
        "ddp",
        description="ddp: every rank holds the whole model; fsdp: weights, gradients and optimizer state "
        "are sliced over the ranks",
    )
    micro_batch_size: int | None = Field(
        None,
        ge=1,
        description="samples that one rank encodes at once; below its share of the batch, features are "
        "cached and "
        "gradients stay those of the whole batch",
    )
    gradient_checkpointing: bool = Field(
        False, description="compute activations twice instead of keeping them: less memory, more time"
    )
    compile: bool = Field(
        False, description="compile the towers with torch.compile; the first steps take minutes"
    )
    sync_batch_norm: bool = Field(
        False,
        description="statistics of batch norms over all ranks, for ResNets on GPUs; unlike the other fields "
        "here, it changes the result",
    )
    num_threads: int | None = Field(
        None, ge=1, description="CPU threads of a rank; all cores divided by the ranks if not given"
    )


class ValidationConfig(Config):
    """How often the run is validated, and on which samples."""

    every: int = Field(0, ge=0, description="steps between validations; 0 validates at the end only")
    split: Literal["train", "val", "test", "all", "none"] = Field(
        "val", description="the part of the split to validate on; none skips validation"
    )
    max_samples: int = Field(2000, ge=1, description="use at most this many samples for validation")


class CheckpointConfig(Config):
    """When checkpoints are written, and how many are kept."""

    every: int = Field(200, ge=1, description="steps between checkpoints")
    minutes: float = Field(15.0, gt=0, description="minutes after which a checkpoint is written anyway")
    in_background: bool = Field(
        True,
        description="write a checkpoint while the training continues; the first rank then keeps a second "
        "copy of weights and optimizer state in memory",
    )
    num_kept: int = Field(
        2, ge=2, description="checkpoints to keep; with two, there is another one if the last is damaged"
    )


class LogConfig(Config):
    """What is recorded about the run, and where it is copied to."""

    every: int = Field(10, ge=1, description="steps between lines of metrics.jsonl")
    wandb: bool = Field(
        True, description="mirror the metrics to wandb; offline, unless WANDB_MODE is set to something else"
    )
    wandb_project: str = Field("iconoclip", description="wandb project")
    tensorboard: bool = Field(
        False, description="mirror the metrics to TensorBoard files in the run's folder"
    )
    grams_co2_per_kwh: float = Field(
        250.0, ge=0, description="carbon intensity of the electricity, for the estimate in the model card"
    )
