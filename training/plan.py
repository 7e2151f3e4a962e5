"""The plan of a training run: the config with its data opened and its schedule computed.

`fit.py` executes a plan, `dry_run.py` measures it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch

from iconoclip.errors import BadInput
from training.base_model import refuse_captioner, start_sigmoid
from training.config import TrainConfig
from training.config_groups import LossConfig, ModelConfig
from training.context import set_context_length
from training.data.captions import CaptionSampler, WeightsByKind, caption_weights
from training.data.hard_negatives import HardNegatives
from training.data.images import Crop
from training.data.loader import Tokenize, TrainingSamples
from training.data.long_captions import LongTexts
from training.data.neighbour_cache import Neighbours, find_neighbours
from training.data.order import Schedule
from training.data.samples import Samples
from training.data.sources import load_for
from training.data.verification import VerifiedShards
from training.distill import Teacher
from training.hardware import device_of
from training.model import Changes, LoadedModel, load_model
from training.module import Recipe
from training.patch_dropout import set_patch_dropout
from training.schedule import make_schedule
from training.world import World, asked_of


@dataclass(frozen=True)
class Plan:
    """Everything that is decided before the first step."""

    config: TrainConfig
    samples: Samples
    schedule: Schedule
    num_steps: int
    """of the schedule, whatever max_steps is"""
    neighbours: Neighbours | None = None
    """where hard negatives come from"""

    @property
    def last_step(self) -> int:
        """The step that this command stops at."""
        return min(self.num_steps, self.config.schedule.max_steps or self.num_steps)

    @property
    def num_ranks(self) -> int:
        """Processes that train together."""
        return self.world.size

    @property
    def world(self) -> World:
        """The ranks that the config requests."""
        return asked_of(self.config.hardware)

    @property
    def recipe(self) -> Recipe:
        """What the steps need to know of the config."""
        config = self.config
        return Recipe(
            config.loss,
            config.optimizer,
            config.schedule,
            config.adapt,
            config.hardware,
            config.seed,
            self.num_steps,
            config.distill,
        )


def make_plan(config: TrainConfig) -> Plan:
    """Open the data and compute the schedule.

    Raises:
        BadInput: there are fewer samples than the batch needs, or than there are ranks.
        IconoclipError: the data cannot be opened, or the stores of hard negatives not be searched.
    """
    samples = load_for(config)
    where = ", ".join([*config.shardsets, *(one.shards[0] for one in config.data.sources)])
    num_ranks = asked_of(config.hardware).size
    if num_ranks > len(samples):
        raise BadInput(
            f"{num_ranks} ranks are more than the {len(samples)} samples",
            where=where,
            remedy="ask for fewer devices or nodes, or add shard sets",
        )
    if len(samples) < config.schedule.batch_size:
        raise BadInput(
            f"a batch of {config.schedule.batch_size} needs as many samples; there are {len(samples)}"
            f"{_left_out(samples)}",
            where=where,
            remedy=f"set schedule.batch_size to {len(samples)} or less, or add shard sets",
        )
    schedule = make_schedule(config, samples.shard_lengths, samples.institution_N, samples.weight_N)
    neighbours = find_neighbours(samples, config.hard_negatives, config.loss, _search_device(config))
    return Plan(config, samples, schedule, schedule.num_steps(config.schedule.epochs), neighbours)


def _left_out(samples: Samples) -> str:
    reasons = [f"{count:,}: {reason}" for reason, count in samples.left_out.items()]
    return f" (left out: {'; '.join(reasons)})" if reasons else ""


def _search_device(config: TrainConfig) -> torch.device:
    is_elsewhere = config.hardware.device == "cuda" and not torch.cuda.is_available()
    return torch.device("cpu") if is_elsewhere else device_of(config.hardware.device)


def load_for_training(model: ModelConfig, loss: LossConfig, seed: int) -> LoadedModel:
    """The model that a run starts from; random weights are a function of the seed.

    Raises:
        ConfigError: there is no such model, or it cannot be trained.
    """
    torch.manual_seed(seed)
    preprocess = {"resize_mode": model.resize_mode} if model.resize_mode else None
    changes = Changes(preprocess, model.image_size, logit_bias=loss.function == "siglip")
    check = partial(refuse_captioner, model.name)
    loaded = load_model(model.name, pretrained=model.pretrained, changes=changes, check=check)
    if model.context_length:
        set_context_length(loaded, model.context_length)
    if model.patch_dropout is not None:
        set_patch_dropout(loaded, model.patch_dropout)
    start_sigmoid(loaded, loss)
    return loaded


def make_dataset(
    plan: Plan,
    loaded: LoadedModel,
    verified: VerifiedShards | None = None,
    teacher: Teacher | None = None,
) -> TrainingSamples:
    """The training samples, with captions and crops as the config sets them, from verified shards."""
    config, data, samples = plan.config, plan.config.data, plan.samples
    weights = caption_weights(
        samples.captions, language_temperature=data.language_temperature,
        field_weights=data.field_weights, origin_weights=data.origin_weights,
        level_weights=data.level_weights, role_weights=data.role_weights,
    )  # fmt: skip
    crop = Crop(
        loaded.image_size,
        loaded.preprocess["resize_mode"],
        "bilinear" if loaded.preprocess["interpolation"] == "bilinear" else "bicubic",
        data.min_crop_area,
        data.crop_aspect_jitter,
        loaded.preprocess["fill_color"],
    )
    sampler = CaptionSampler(
        samples.captions, weights, num_captions=data.captions_per_image, seed=config.seed
    )
    return TrainingSamples(
        samples,
        sampler,
        crop,
        _tokenize(loaded, config),
        seed=config.seed,
        relations=config.loss.related_by,
        cache_megabytes=data.cache_decoded_mb,
        verified=verified,
        teacher_tokenize=teacher.tokenize if teacher else None,
        negatives=_negatives(plan, weights),
    )


def _negatives(plan: Plan, weights: WeightsByKind) -> HardNegatives | None:
    if plan.neighbours is None:
        return None
    num, seed = plan.config.hard_negatives.captions, plan.config.seed
    return HardNegatives(plan.neighbours, plan.samples.captions, weights, num=num, seed=seed)


def _tokenize(loaded: LoadedModel, config: TrainConfig) -> Tokenize:
    kept = config.data.long_captions
    return loaded.tokenize if kept == "start" else LongTexts(loaded.tokenizer, kept, config.seed)
