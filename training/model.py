"""Loads any CLIP model by one name: an architecture, a JSON file, a folder, or a hub repository. Which parts
a name stands for is in `blueprint.py`.

Letters: B images or texts, D embedding dimension, L context length, S image side.
"""

from __future__ import annotations

import copy
import json
import math
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from open_clip.transform import PreprocessCfg, image_transform_v2
from torch import Tensor, nn

from iconoclip.errors import ConfigError
from training.blueprint import Blueprint, blueprint, known_tokenizer, split_tag
from training.model_errors import open_clip_errors
from training.model_files import CONFIG_NAME
from training.towers import Towers, resized, with_paths, write_towers


@dataclass
class LoadedModel:
    """A model with everything else that a model directory contains."""

    model: nn.Module
    model_config: dict[str, Any]
    """as open_clip's `model_cfg`"""
    preprocess: dict[str, Any]
    """as open_clip's `preprocess_cfg`: size, mean, std, interpolation, resize mode"""
    tokenizer: Any
    name: str
    """the name by which it was requested"""
    has_weights: bool = True
    """False when they are random"""
    towers: Towers = field(default_factory=dict)
    """configs of towers that open_clip knows by no name, by the folder of each in a model directory"""

    @property
    def image_size(self) -> int:
        """S, the side of the square input in pixels."""
        size = self.preprocess["size"]
        return int(size if isinstance(size, int) else size[0])

    def evaluation_transform(self) -> Any:
        """open_clip's own transform for this preprocess config: PIL image -> float [3, S, S]."""
        return image_transform_v2(PreprocessCfg(**self.preprocess), is_train=False)

    def tokenize(self, texts: list[str]) -> Tensor:
        """Token ids, int64 [B, L]."""
        ids: Tensor = self.tokenizer(texts)
        return ids

    def write_companions(self, folder: Path) -> None:
        """Write what a model directory needs besides config and weights: the tokenizer, configs of towers."""
        if self.model_config["text_cfg"].get("hf_tokenizer_name"):
            self.tokenizer.save_pretrained(folder)
        write_towers(self.towers, folder)


@dataclass(frozen=True)
class Changes:
    """The changes that a run may make to a model before its weights are loaded.

    Args:
        preprocess: entries that replace those of the preprocess config.
        image_size: side of the input in pixels; position embeddings are interpolated.
        logit_bias: give the model a logit bias if it has none, for the sigmoid loss,
            with SigLIP's initial value.
    """

    preprocess: dict[str, Any] | None = None
    image_size: int | None = None
    logit_bias: bool = False

    def recorded(self, config: dict[str, Any], towers: Towers) -> tuple[dict[str, Any], Towers]:
        """The model config and the towers with the changes that a model directory must record."""
        if self.image_size:
            config, towers = resized(config, towers, self.image_size)
        return copy.deepcopy(config) | self._bias(config), towers

    def options(self, config: dict[str, Any]) -> dict[str, Any]:
        """The arguments of `open_clip.create_model` for these changes."""
        # A Hugging Face tower starts from its own weights, unless its config sets something else.
        has_weights = config["text_cfg"].get("hf_model_pretrained", True)
        return {
            "force_preprocess_cfg": self.preprocess,
            "force_image_size": self.image_size,
            "pretrained_text": has_weights,
            **self._bias(config),
        }

    def _bias(self, config: dict[str, Any]) -> dict[str, float]:
        if not self.logit_bias or config.get("init_logit_bias") is not None:
            return {}
        return {"init_logit_scale": math.log(10), "init_logit_bias": -10.0}


def load_model(
    name: str,
    *,
    pretrained: str | None = None,
    changes: Changes | None = None,
    load_weights: bool = True,
    check: Callable[[dict[str, Any]], None] | None = None,
) -> LoadedModel:
    """Create the model with this name and load its weights, if it has any.

    Args:
        name: an architecture of open_clip or iconoclip, optionally with the `:TAG` of its
            weights; the `.json` file of one; a folder that iconoclip, open_clip or transformers
            wrote (with or without `local-dir:`); OpenAI's file of a CLIP; or
            `hf-hub:ORGANISATION/REPOSITORY`.
        pretrained: open_clip's tag of weights for the architecture, or a file of weights; only
            for an architecture.
        changes: the changes to make.
        load_weights: False leaves the weights random.
        check: is given the model config before a model is built from it, and may raise.

    Raises:
        ConfigError: there is no such model; the message gives the nearest names.
        MissingRequirement: a model directory has no weights, or a download failed.
        BadInput: the weights do not fit the model; the message names the layers. Or the file or
            folder is none of a CLIP model; the message says what it is.
    """
    changes = changes or Changes()
    name, pretrained = split_tag(name, pretrained)
    parts = blueprint(name, pretrained)
    if parts is not None:
        if check:
            check(parts.model_cfg)
        return _build(parts, name, changes, load_weights=load_weights)
    source = name if name.startswith("hf-hub:") else name.replace("/", "-")
    known = None if source.startswith("hf-hub:") else open_clip.get_model_config(source)
    with open_clip_errors(f"{name}:{pretrained}" if pretrained else name, known):
        config = known or open_clip.get_model_config(source)
        if check:
            check(config)
        _warn_of_activation(source, pretrained, config)
        model = open_clip.create_model(
            source,
            pretrained=pretrained,
            load_weights=load_weights,
            weights_only=True,
            **changes.options(config),
        )
        tokenizer = known_tokenizer(source, config)
    has_weights = load_weights and (bool(pretrained) or source.startswith("hf-hub:"))
    return _loaded(model, changes.recorded(config, {}), tokenizer, name, has_weights=has_weights)


def _warn_of_activation(architecture: str, tag: str | None, config: dict[str, Any]) -> None:
    """Report weights that were trained with another activation than the architecture has."""
    known = open_clip.get_pretrained_cfg(architecture, tag) if tag else {}
    if known and bool(known.get("quick_gelu")) != bool(config.get("quick_gelu")):
        other = (
            architecture.removesuffix("-quickgelu")
            if config.get("quick_gelu")
            else f"{architecture}-quickgelu"
        )
        print(
            f"the weights {tag} were trained with another activation than {architecture} has: give {other}",
            file=sys.stderr,
        )


def load_weighted_model(name: str, pretrained: str | None = None) -> LoadedModel:
    """Load a model with trained weights, to evaluate or to interpolate with.

    Raises:
        ConfigError: the name is only an architecture.
        IconoclipError: the same cases as for `load_model`.
    """
    known_name, tag = split_tag(name, pretrained)
    is_name = not Path(known_name).exists() and not known_name.startswith(("hf-hub:", "local-dir:"))
    # An unknown name is refused as such, and a known one before a large model is built for nothing.
    if is_name and not tag and blueprint(known_name) is None:
        raise _without_weights(name)
    loaded = load_model(name, pretrained=pretrained)
    if not loaded.has_weights:
        raise _without_weights(name)
    return loaded


def _without_weights(name: str) -> ConfigError:
    tags = open_clip.list_pretrained_tags_by_model(name)
    known = f"`{name}:{tags[0]}` (open_clip has {', '.join(tags)})" if tags else "a model directory"
    return ConfigError(f"'{name}' is an architecture without weights", where="model", remedy=f"give {known}")


def _loaded(
    model: nn.Module,
    recorded: tuple[dict[str, Any], Towers],
    tokenizer: Any,
    name: str,
    *,
    has_weights: bool,
) -> LoadedModel:
    preprocess = dict(model.visual.preprocess_cfg)  # type: ignore[arg-type, union-attr]
    config, towers = recorded
    return LoadedModel(model, config, preprocess, tokenizer, name, has_weights, towers)


def _build(parts: Blueprint, name: str, changes: Changes, *, load_weights: bool) -> LoadedModel:
    """Build a model from its parts, through a temporary folder that open_clip reads."""
    config, has_weights = parts.model_cfg, load_weights and parts.load is not None
    options = changes.options(config)
    # The weights of a tower are loaded only if those of the whole model are not.
    options["pretrained_text"] = options["pretrained_text"] and parts.load is None
    with tempfile.TemporaryDirectory() as scratch, open_clip_errors(name, config):
        written = {"model_cfg": with_paths(config, scratch), "preprocess_cfg": parts.preprocess_cfg}
        Path(scratch, CONFIG_NAME).write_text(json.dumps(written))
        # First, because a missing file of the tokenizer is found in a moment.
        tokenizer = parts.tokenizer()
        write_towers(parts.towers, Path(scratch))
        model = open_clip.create_model(f"local-dir:{scratch}", load_weights=False, **options)
        if load_weights and parts.load is not None:
            parts.load(model)
    recorded = changes.recorded(config, parts.towers)
    return _loaded(model, recorded, tokenizer, name, has_weights=has_weights)


def write_companions(name: str, changes: Changes, folder: Path) -> None:
    """Write the tokenizer and the configs of towers of a model with changes, without loading its weights.

    Raises:
        IconoclipError: the model is not there any more, or its tokenizer cannot be read.
    """
    name, _ = split_tag(name, None)
    with open_clip_errors(name):
        parts = blueprint(name)
        config = parts.model_cfg if parts else open_clip.get_model_config(name)
        if config["text_cfg"].get("hf_tokenizer_name"):
            tokenizer = parts.tokenizer() if parts else known_tokenizer(name, config)
            tokenizer.save_pretrained(folder)
    write_towers(changes.recorded(config, parts.towers if parts else {})[1], folder)


def num_parameters(module: nn.Module) -> int:
    """All parameters, trainable or not."""
    return sum(parameter.numel() for parameter in module.parameters())


def at_least_float32(tensor: Tensor) -> Tensor:
    """Convert results of autocast back to float32; float64, which exact tests use, is kept."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def encode_images(model: nn.Module, pixels_B3SS: Tensor) -> Tensor:
    """Unit-length image features in float32, [B, D]."""
    return F.normalize(at_least_float32(model.encode_image(pixels_B3SS)), dim=-1)  # type: ignore[operator]
