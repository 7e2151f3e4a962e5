"""From a folder of transformers to the parts of an open_clip model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from iconoclip.errors import BadInput, MissingRequirement
from training.model_errors import open_clip_errors
from training.weights.read import State
from training.weights.transformers_folder import alt_clip, chinese_clip, clip, siglip
from training.weights.transformers_folder.preprocessing import preprocessing


@dataclass(frozen=True)
class Converted:
    """A model of transformers as parts of an open_clip model.

    Args:
        model_cfg: open_clip's config.
        preprocess_cfg: that of the preprocessing.
        weights: loads and converts the weights.
        towers: configs of towers that open_clip knows by no name, by the folder that `model_cfg` names.
    """

    model_cfg: dict[str, Any]
    preprocess_cfg: dict[str, Any]
    weights: Callable[[], State]
    towers: dict[str, dict[str, Any]] = field(default_factory=dict)


FAMILIES = {"clip": clip, "siglip": siglip, "altclip": alt_clip, "chinese_clip": chinese_clip}


def converted(folder: Path) -> Converted:
    """The parts of the open_clip model that computes what the model in a folder of transformers does.

    Raises:
        BadInput: open_clip has no such model, or the folder's config is not valid.
    """
    from transformers import AutoConfig

    with open_clip_errors(str(folder)), _quiet():
        config = AutoConfig.from_pretrained(folder)
    family = FAMILIES[config.model_type]
    try:
        model_cfg, towers = family.model_cfg(config)
    except NotImplementedError as error:
        raise BadInput(
            f"this {config.model_type} model cannot become one of open_clip: {error}",
            where=folder,
            remedy="give another model; docs/training.md lists what can be given",
        ) from None
    return Converted(
        model_cfg, preprocessing(folder, config.model_type), partial(_weights, folder, family), towers
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress transformers' bar, and its warnings of what open_clip does not use."""
    from transformers.utils import logging

    verbosity, has_bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if has_bar:
            logging.enable_progress_bar()


def _weights(folder: Path, family: Any) -> State:
    from transformers import AutoModel

    # The model is made with random weights first, which must not change those that a run draws.
    with open_clip_errors(str(folder)), _quiet(), torch.random.fork_rng():
        model, report = AutoModel.from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True, local_files_only=True
        )
    if missing := sorted(report["missing_keys"]):
        raise MissingRequirement(
            f"the folder lacks {len(missing)} of the model's weights, such as {missing[0]}",
            where=folder,
            remedy="download the folder again",
        )
    state: State = family.weights(model)
    return state
