"""Loads any open_clip model by one name: an architecture, a JSON file, a model
directory, or a hub repository.

Letters: B images or texts, D embedding dimension, L context length, S image side.
"""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import math
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from open_clip.transform import PreprocessCfg, image_transform_v2
from safetensors import SafetensorError
from torch import Tensor, nn

from iconoclip.config import nearest, shipped_config
from iconoclip.errors import BadInput, ConfigError, DamagedData, MissingRequirement
from training.model_files import CONFIG_NAME

MAX_CONFIG_BYTES = 1_000_000


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

    def changed(self, config: dict[str, Any]) -> dict[str, Any]:
        """The model config with the changes that a model directory must record."""
        config = copy.deepcopy(config)
        if self.image_size:
            config["vision_cfg"]["image_size"] = self.image_size
        return config | self._bias(config)

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
    name: str, *, pretrained: str | None = None, changes: Changes | None = None, load_weights: bool = True
) -> LoadedModel:
    """Create the model with this name and load its weights, if it has any.

    Args:
        name: an architecture of open_clip or iconoclip, optionally with the `:TAG` of its
            weights; the `.json` file of one; a model directory (with or without
            `local-dir:`); or `hf-hub:ORGANISATION/REPOSITORY`.
        pretrained: open_clip's tag of weights for the architecture, or a file of weights; only
            for a name without a scheme.
        changes: the changes to make.
        load_weights: False leaves the weights random.

    Raises:
        ConfigError: there is no such model; the message gives the nearest names.
        MissingRequirement: a model directory has no weights, or a download failed.
        BadInput: the weights do not fit the model; the message names the layers.
    """
    changes = changes or Changes()
    name, pretrained = _split_tag(name, pretrained)
    source = _source_of(name)
    if isinstance(source, Path):
        return _load_folder(source, name, changes, load_weights=load_weights)
    if isinstance(source, dict):
        return _build(source, name, changes, weights=pretrained)
    with _open_clip_errors(name):
        config = open_clip.get_model_config(source)
        model = open_clip.create_model(
            source,
            pretrained=pretrained,
            load_weights=load_weights,
            weights_only=True,
            **changes.options(config),
        )
        tokenizer = open_clip.get_tokenizer(source)
    has_weights = load_weights and (bool(pretrained) or source.startswith("hf-hub:"))
    return _loaded(model, changes.changed(config), tokenizer, name, has_weights=has_weights)


def load_weighted_model(name: str, pretrained: str | None = None) -> LoadedModel:
    """Load a model with trained weights, to evaluate or to interpolate with.

    Raises:
        ConfigError: the name is only an architecture.
        IconoclipError: the same cases as for `load_model`.
    """
    loaded = load_model(name, pretrained=pretrained)
    if not loaded.has_weights:
        tags = open_clip.list_pretrained_tags_by_model(name)
        known = f"`{name}:{tags[0]}` (open_clip has {', '.join(tags)})" if tags else "a model directory"
        raise ConfigError(
            f"'{name}' is an architecture without weights", where="model", remedy=f"give {known}"
        )
    return loaded


def _split_tag(name: str, pretrained: str | None) -> tuple[str, str | None]:
    """Split `ViT-B-32:laion2b_s34b_b79k` into an architecture and a tag of its weights."""
    architecture, _, tag = name.partition(":")
    is_architecture = architecture.replace("/", "-") in open_clip.list_models()
    return (architecture, tag) if tag and is_architecture and not pretrained else (name, pretrained)


def _loaded(
    model: nn.Module, config: dict[str, Any], tokenizer: Any, name: str, *, has_weights: bool
) -> LoadedModel:
    preprocess = dict(model.visual.preprocess_cfg)  # type: ignore[arg-type, union-attr]
    return LoadedModel(model, config, preprocess, tokenizer, name, has_weights)


def _source_of(name: str) -> str | Path | dict[str, Any]:
    """The source of a model: a hub or open_clip name unchanged, a folder as a path, a
    JSON config as its contents.
    """
    if name.startswith("hf-hub:"):
        return name
    if name.startswith("local-dir:"):
        return Path(name.removeprefix("local-dir:"))
    if name.endswith(".json"):
        return _read_json(Path(name))
    if Path(name).is_dir():
        return Path(name)
    with contextlib.suppress(MissingRequirement):
        return _read_json(shipped_config(f"models/{name}.json"))
    known = open_clip.list_models()
    if name.replace("/", "-") in known:
        return name
    raise ConfigError(
        f"no model is called '{name}'",
        where="model",
        remedy=f"{nearest(name, [*known, *_shipped_names()])} `local-dir:PATH`, `hf-hub:ID` and a .json "
        "file work too",
    )


def _shipped_names() -> list[str]:
    with contextlib.suppress(MissingRequirement):
        return [path.stem for path in shipped_config("models").glob("*.json")]
    return []


def _read_json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise DamagedData(
                "a model config is not that large", where=path, remedy="is this the right file?"
            )
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingRequirement("no such model config", where=path, remedy="check the path") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DamagedData(f"not JSON: {error}", where=path, remedy="correct the file") from error
    config = values.get("model_cfg", values) if isinstance(values, dict) else {}
    if not {"embed_dim", "vision_cfg", "text_cfg"} <= set(config):
        raise BadInput(
            "not an open_clip model config", where=path, remedy="it needs embed_dim, vision_cfg and text_cfg"
        )
    return {"model_cfg": config, "preprocess_cfg": values.get("preprocess_cfg", {})}


def _load_folder(folder: Path, name: str, changes: Changes, *, load_weights: bool) -> LoadedModel:
    if not (folder / CONFIG_NAME).is_file():
        remedy = f"a model directory holds {CONFIG_NAME}; `iconoclip export` makes one"
        raise MissingRequirement("no model directory here", where=folder, remedy=remedy)
    config = _read_json(folder / CONFIG_NAME)["model_cfg"]
    if load_weights and not list(folder.glob("*.safetensors")):
        kinds = "only safetensors are loaded from a folder: other formats can run code"
        raise MissingRequirement(
            "the model directory holds no weights", where=folder, remedy=f"export it again; {kinds}"
        )
    scheme = f"local-dir:{folder}"
    with _open_clip_errors(name):
        model = open_clip.create_model(scheme, load_weights=load_weights, **changes.options(config))
        tokenizer = open_clip.get_tokenizer(scheme)
    return _loaded(model, changes.changed(config), tokenizer, name, has_weights=load_weights)


def _build(config: dict[str, Any], name: str, changes: Changes, *, weights: str | None) -> LoadedModel:
    """Build a model from a config's contents, through a temporary folder that open_clip reads."""
    model_config = config["model_cfg"]
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch, CONFIG_NAME).write_text(json.dumps(config))
        scheme = f"local-dir:{scratch}"
        with _open_clip_errors(name):
            model = open_clip.create_model(scheme, load_weights=False, **changes.options(model_config))
            if weights:
                open_clip.load_checkpoint(model, weights, weights_only=True)
            # A Hugging Face tokenizer is where the config names it, not in the temporary folder.
            wanted = model_config["text_cfg"].get("hf_tokenizer_name")
            tokenizer = (
                _hub_tokenizer(model_config["text_cfg"]) if wanted else open_clip.get_tokenizer(scheme)
            )
    return _loaded(model, changes.changed(model_config), tokenizer, name, has_weights=bool(weights))


def _hub_tokenizer(text_config: dict[str, Any]) -> Any:
    return open_clip.tokenizer.HFTokenizer(
        text_config["hf_tokenizer_name"],
        context_length=text_config.get("context_length", 77),
        **text_config.get("tokenizer_kwargs", {}),
    )


def load_tokenizer(name: str) -> Any:
    """The tokenizer of the model with this name.

    Raises:
        ConfigError: no such model.
        MissingRequirement: it cannot be downloaded.
    """
    source = _source_of(_split_tag(name, None)[0])
    if isinstance(source, dict):
        config = source["model_cfg"]["text_cfg"]
        if config.get("hf_tokenizer_name"):
            return _hub_tokenizer(config)
        return open_clip.SimpleTokenizer(context_length=config.get("context_length", 77))
    with _open_clip_errors(name):
        return open_clip.get_tokenizer(f"local-dir:{source}" if isinstance(source, Path) else source)


@contextlib.contextmanager
def _open_clip_errors(name: str) -> Iterator[None]:
    """Turn open_clip's errors into ours, and suppress its log of every step."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    except UnpicklingError as error:
        # torch refuses everything that is not a tensor. Its advice to load it anyway is not shown.
        raise DamagedData(
            "the file of weights holds more than plain tensors: it may run code, and is not loaded",
            where=name,
            remedy="get the weights as .safetensors from a source you trust",
        ) from error
    except SafetensorError as error:
        raise DamagedData(
            f"the weights cannot be read: {error}", where=name, remedy="copy or download them again"
        ) from error
    except (RuntimeError, FileNotFoundError, ValueError, OSError, KeyError, TypeError) as error:
        raise _explained(name, str(error)) from error
    finally:
        logging.disable(previous)


def _explained(name: str, message: str) -> BadInput | MissingRequirement:
    layers = re.findall(r"size mismatch for ([\w.]+)", message)
    for kind in ("Missing", "Unexpected"):
        for found in re.findall(rf'{kind} key\(s\) in state_dict: ((?:"[^"]+"(?:, )?)+)', message):
            layers += [f"{layer} ({kind.lower()})" for layer in re.findall(r'"([^"]+)"', found)]
    if layers:
        shown = ", ".join(layers[:6]) + (f" and {len(layers) - 6} more" if len(layers) > 6 else "")
        return BadInput(
            f"the weights do not fit the model: {shown}",
            where=name,
            remedy="give the architecture they were trained with",
        )
    if "hub" in message.lower() or "download" in message.lower() or "connection" in message.lower():
        return MissingRequirement(
            f"the model cannot be downloaded: {message.splitlines()[0][:300]}",
            where=name,
            remedy="download it once and give its folder",
        )
    return BadInput(
        f"the model cannot be made: {message.splitlines()[0][:300] if message else 'unknown reason'}",
        where=name,
        remedy="check its config",
    )


def num_parameters(module: nn.Module) -> int:
    """All parameters, trainable or not."""
    return sum(parameter.numel() for parameter in module.parameters())


def at_least_float32(tensor: Tensor) -> Tensor:
    """Convert results of autocast back to float32; float64, which exact tests use, is kept."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def encode_images(model: nn.Module, pixels_B3SS: Tensor) -> Tensor:
    """Unit-length image features in float32, [B, D]."""
    return F.normalize(at_least_float32(model.encode_image(pixels_B3SS)), dim=-1)  # type: ignore[operator]
