"""What a model is made of, found by its name: its config, its weights and its tokenizer.

A name is an architecture of open_clip or iconoclip, the `.json` file of one, a file of OpenAI's weights, or a
folder that iconoclip, open_clip or transformers wrote. Names with `hf-hub:` and tags of weights stay with
open_clip, which downloads them.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import open_clip
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model
from torch import nn

from iconoclip.config import nearest, shipped_config
from iconoclip.errors import BadInput, ConfigError, DamagedData, IconoclipError, MissingRequirement
from iconoclip.model_files import recognise
from iconoclip.model_files.folders import NO_CODE, weights_in
from iconoclip.model_files.names import QUANTISED
from training.model_files import CONFIG_NAME, TOWERS
from training.weights.fit import load_file_into, load_into
from training.weights.names import unwrapped
from training.weights.openai import config_of_openai
from training.weights.read import read_weights, refuse_missing_pieces
from training.weights.transformers_folder import converted

MAX_CONFIG_BYTES = 1_000_000
# A tokenizer of transformers has at least one of these.
TOKENIZERS = (
    "tokenizer.json",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)


@dataclass(frozen=True)
class Blueprint:
    """What a model is made of.

    Args:
        model_cfg: open_clip's config of the model.
        tokenizer: makes the tokenizer.
        preprocess_cfg: open_clip's config of the preprocessing; its defaults where empty.
        load: loads the weights into the model that was made from the config; None for a model without.
        towers: configs of towers that `model_cfg` names by a folder next to it, by the name of that folder.
    """

    model_cfg: dict[str, Any]
    tokenizer: Callable[[], Any]
    preprocess_cfg: dict[str, Any] = field(default_factory=dict)
    load: Callable[[nn.Module], None] | None = None
    towers: dict[str, dict[str, Any]] = field(default_factory=dict)


def blueprint(name: str, pretrained: str | None = None) -> Blueprint | None:
    """What the model with this name is made of; None if open_clip must download it.

    Args:
        name: as for `load_model`.
        pretrained: a file of weights, or open_clip's tag of them.

    Raises:
        ConfigError: there is no such model; the message gives the nearest names.
        IconoclipError: the file or folder is none of a model; the message says what it is.
    """
    if name.startswith("hf-hub:"):
        return _of_hub(name.removeprefix("hf-hub:"))
    path = Path(name.removeprefix("local-dir:"))
    if name.startswith("local-dir:") or path.is_dir():
        return _of_folder(path)
    if name.endswith(".json"):
        return _of_config(_read_config(path), pretrained)
    if path.is_file():
        return _of_file(path)
    with contextlib.suppress(MissingRequirement):
        return _of_config(_read_config(shipped_config(f"models/{name}.json")), pretrained)
    return _of_architecture(name, pretrained)


def _of_hub(repository: str) -> Blueprint | None:
    """A repository without a config of open_clip, as a folder of transformers; None for one that has it."""
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import EntryNotFoundError

    patterns = ["*.json", "*.txt", "*.model", "*.safetensors"]
    try:
        hf_hub_download(repository, CONFIG_NAME)
        return None
    except EntryNotFoundError:
        pass
    # What cannot be reached, or is no name of a repository, open_clip reports.
    except (OSError, ValueError, RuntimeError):
        return None
    try:
        folder = Path(snapshot_download(repository, allow_patterns=patterns))
        if weights_in(folder) is None:
            folder = Path(snapshot_download(repository, allow_patterns=[*patterns, "pytorch_model*.bin"]))
    except (OSError, ValueError, RuntimeError):
        return None
    return _of_folder(folder)


def split_tag(name: str, pretrained: str | None) -> tuple[str, str | None]:
    """Split `ViT-B-32:laion2b_s34b_b79k` into an architecture and a tag of its weights."""
    architecture, _, tag = name.partition(":")
    is_architecture = architecture.replace("/", "-") in open_clip.list_models()
    return (architecture, tag) if tag and is_architecture and not pretrained else (name, pretrained)


def _of_architecture(name: str, pretrained: str | None) -> Blueprint | None:
    known = open_clip.list_models()
    cleaned = name.replace("/", "-")
    if cleaned not in known:
        raise _unknown(name, [*known, *_shipped_names()])
    if not pretrained or pretrained.replace("-", "_") in list_pretrained_tags_by_model(cleaned):
        return None
    if not Path(pretrained).exists():
        tags = list_pretrained_tags_by_model(cleaned)
        has = f"open_clip has {', '.join(tags)}" if tags else "open_clip has none"
        raise ConfigError(
            f"'{pretrained}' is neither a file nor a tag of weights for {name}",
            where="pretrained",
            remedy=f"give the path of a file of weights, or a tag ({has})",
        )
    return Blueprint(
        open_clip.get_model_config(cleaned),
        lambda: open_clip.get_tokenizer(cleaned),
        _preprocessing(cleaned),
        _loader(Path(pretrained), open_clip.get_model_config(cleaned)),
    )


def _unknown(name: str, known: list[str]) -> IconoclipError:
    if re.match(r"\w+:/", name) or Path(name).is_absolute() or name.startswith(("./", "../", "~")):
        return recognise(name).error(name)
    remedy = nearest(name, known)
    if name.count("/") == 1 and "did you mean" not in remedy:
        remedy = f"give a model of a hub as `hf-hub:{name}`;"
    return ConfigError(
        f"no model is called '{name}'",
        where="model",
        remedy=f"{remedy} `local-dir:PATH`, `hf-hub:ID` and a .json file work too",
    )


def _preprocessing(architecture: str) -> dict[str, Any]:
    """The preprocessing of an architecture, if all weights that open_clip knows for it agree. A file of
    weights does not state it, and SigLIP's differs from CLIP's.
    """
    tags = list_pretrained_tags_by_model(architecture)
    known = [get_pretrained_cfg(architecture, tag) for tag in tags]
    names = ("mean", "std", "interpolation", "resize_mode")
    found = [{name: one[name] for name in names if one.get(name) is not None} for one in known]
    return found[0] if found and all(one == found[0] for one in found) else {}


def _loader(path: Path, model_cfg: dict[str, Any]) -> Callable[[nn.Module], None]:
    """Loads a file of weights. What no model can be loaded from is refused before a model is built."""
    found = recognise(path)
    # A folder that is no model of its own either says what it is and how to get a file from it.
    if path.is_dir() and found.kind != "foreign":
        raise BadInput(
            "a file of weights is needed, and this is a folder",
            where=path,
            remedy="give the folder as the model's name, without `pretrained`",
        )
    if not found.is_readable and not found.is_pickle:
        raise found.error(path)
    return lambda model: load_file_into(model, path, quick_gelu=bool(model_cfg.get("quick_gelu")))


def _of_config(config: dict[str, Any], pretrained: str | None) -> Blueprint:
    text_cfg = config["model_cfg"]["text_cfg"]
    return Blueprint(
        config["model_cfg"],
        lambda: tokenizer_of(text_cfg),
        config["preprocess_cfg"],
        _loader(Path(pretrained), config["model_cfg"]) if pretrained else None,
    )


def known_tokenizer(name: str, config: dict[str, Any]) -> Any:
    """The tokenizer of a model that open_clip knows, or finds on the hub, with this config."""
    is_of_transformers = bool(config["text_cfg"].get("hf_tokenizer_name"))
    return open_clip.get_tokenizer(name, **(NO_CODE if is_of_transformers else {}))


def tokenizer_of(text_cfg: dict[str, Any], folder: Path | None = None) -> Any:
    """The tokenizer that a text config names, from the folder of the model if there is one."""
    context_length = text_cfg.get("context_length", 77)
    kwargs = text_cfg.get("tokenizer_kwargs") or {}
    if folder and text_cfg.get("hf_tokenizer_name"):
        _check_tokenizer(folder)
    if not text_cfg.get("hf_tokenizer_name"):
        return open_clip.SimpleTokenizer(context_length=context_length, **kwargs)
    return open_clip.tokenizer.HFTokenizer(
        str(folder or text_cfg["hf_tokenizer_name"]),
        context_length=context_length,
        tokenizer_mode=text_cfg.get("tokenizer_mode"),
        **kwargs | NO_CODE,
    )


def _check_tokenizer(folder: Path) -> None:
    if not any((folder / name).is_file() for name in TOKENIZERS):
        raise MissingRequirement(
            "the folder holds no tokenizer",
            where=folder,
            remedy="copy the tokenizer of the model too: tokenizer.json and tokenizer_config.json",
        )


def _of_file(path: Path) -> Blueprint:
    """A model by its file of weights alone: only OpenAI's tell the architecture."""
    state = unwrapped(read_weights(path))
    config = config_of_openai(state)
    if config is None:
        raise ConfigError(
            "a file of weights does not say its architecture",
            where=path,
            remedy="give the architecture as the model's name, and the file as `pretrained`",
        )
    return Blueprint(
        config, open_clip.SimpleTokenizer, {}, lambda model: load_into(model, state, path, quick_gelu=True)
    )


def _of_folder(folder: Path) -> Blueprint:
    if not folder.is_dir():
        remedy = f"a model directory holds {CONFIG_NAME}; `iconoclip export` makes one"
        raise MissingRequirement("no model directory here", where=folder, remedy=remedy)
    found = recognise(folder)
    lacks_weights = found.kind == "absent" and (folder / CONFIG_NAME).is_file()
    if not found.is_readable and not lacks_weights:
        raise found.error(folder)
    if found.kind == "transformers folder":
        return _of_transformers(folder)
    config = _read_config(folder / CONFIG_NAME)
    path = weights_in(folder)

    def refuse(model: nn.Module) -> None:
        raise found.error(folder)

    return Blueprint(
        config["model_cfg"],
        lambda: tokenizer_of(config["model_cfg"]["text_cfg"], folder),
        config["preprocess_cfg"],
        _loader(path, config["model_cfg"]) if path else refuse,
        {name: _read_json(folder / name / "config.json") for name in TOWERS if (folder / name).is_dir()},
    )


def _of_transformers(folder: Path) -> Blueprint:
    # transformers' message for such a file does not say what it is.
    for path in (*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin")):
        if (piece := recognise(path)).kind == "damaged" or piece == QUANTISED:
            raise piece.error(path)
    for index in folder.glob("*.index.json"):
        refuse_missing_pieces(index)
    found = converted(folder)
    quick_gelu = bool(found.model_cfg.get("quick_gelu"))
    return Blueprint(
        found.model_cfg,
        lambda: tokenizer_of(found.model_cfg["text_cfg"], folder),
        found.preprocess_cfg,
        lambda model: load_into(model, found.weights(), folder, quick_gelu=quick_gelu),
        found.towers,
    )


def _shipped_names() -> list[str]:
    with contextlib.suppress(MissingRequirement):
        return [path.stem for path in shipped_config("models").glob("*.json")]
    return []


def _read_json(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise DamagedData(
                "a model config is not that large", where=path, remedy="is this the right file?"
            )
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingRequirement("no such model config", where=path, remedy="check the path") from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedData(f"not JSON: {error}", where=path, remedy="correct the file") from error


def _read_config(path: Path) -> dict[str, Any]:
    values = _read_json(path)
    config = values.get("model_cfg", values) if isinstance(values, dict) else {}
    if not {"embed_dim", "vision_cfg", "text_cfg"} <= set(config):
        raise BadInput(
            "not an open_clip model config", where=path, remedy="it needs embed_dim, vision_cfg and text_cfg"
        )
    return {"model_cfg": config, "preprocess_cfg": values.get("preprocess_cfg", {})}
