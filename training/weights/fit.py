"""Puts weights that were read into an open_clip model."""

from __future__ import annotations

from pathlib import Path

import torch
from open_clip.convert import convert_state_dict, load_big_vision_weights
from torch import nn

from iconoclip.errors import BadInput, DamagedData
from iconoclip.model_files import recognise
from training.model_errors import explained
from training.weights.names import fitted, is_openai, unwrapped
from training.weights.npz import check_arrays
from training.weights.positions import resize_positions
from training.weights.read import State, read_weights

FLOAT_BYTES, MEGABYTE = 4, 2**20
LOGITS = ("logit_scale", "logit_bias")


def load_file_into(model: nn.Module, path: str | Path, *, quick_gelu: bool) -> None:
    """Load a file of weights into a model.

    Args:
        model: of the architecture that the weights were trained with.
        path: as for `read_weights`, or SigLIP weights of big_vision (.npz).
        quick_gelu: whether the model has OpenAI's activation.

    Raises:
        BadInput: the weights do not fit the model; the message names the layers.
        IconoclipError: as for `read_weights`.
    """
    if recognise(path).kind == "npz":
        _load_big_vision(model, Path(path))
        return
    load_into(model, unwrapped(read_weights(path)), path, quick_gelu=quick_gelu)


def _load_big_vision(model: nn.Module, path: Path) -> None:
    own_bytes = sum(one.numel() for one in model.parameters()) * FLOAT_BYTES
    # Three times as much again: an optimizer's state, or a table of positions of larger pictures.
    check_arrays(path, most_bytes=4 * own_bytes + MEGABYTE)
    if not hasattr(model.visual, "trunk"):
        raise BadInput(
            "the weights of big_vision do not fit this model, whose image tower is not one of SigLIP",
            where=path,
            remedy="name the architecture that they were trained with, such as ViT-B-16-SigLIP",
        )
    try:
        load_big_vision_weights(model, str(path))
    # The reader takes the names and shapes of the arrays for granted.
    except Exception as error:
        raise BadInput(
            f"the weights of big_vision do not fit this model: {type(error).__name__}: {error}",
            where=path,
            remedy="name the architecture that they were trained with, such as ViT-B-16-SigLIP",
        ) from error


def load_into(model: nn.Module, state: State, where: str | Path, *, quick_gelu: bool) -> None:
    """Load weights that were read and unwrapped into a model.

    A logit bias that the weights lack keeps the value that the model was made with, and so does the scale
    then: both are those of a loss that the weights were not trained with.
    """
    if is_openai(state) and not quick_gelu:
        raise BadInput(
            "these are OpenAI's weights, which were trained with another activation (QuickGELU)",
            where=where,
            remedy="give the architecture that has it: its name ends in -quickgelu, as ViT-B-32-quickgelu",
        )
    state = fitted(_converted(state, model, where), model)
    resize_positions(state, model)
    own = model.state_dict()
    if "logit_bias" in own and "logit_bias" not in state:
        state |= {name: own[name] for name in LOGITS if name in own}
    if "logit_bias" in state and "logit_bias" not in own:
        del state["logit_bias"]
    # What does not fit is refused as it is: a view of one number may claim to be larger than the memory.
    fitting = {name for name, tensor in state.items() if name in own and own[name].shape == tensor.shape}
    for name in fitting:
        _refuse_other_numbers(name, state[name], own[name], where)
        state[name] = state[name].to(_dtype(state[name]))
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise explained(str(where), str(error)) from error
    _refuse_infinite(model, where)


def _converted(state: State, model: nn.Module, where: str | Path) -> State:
    try:
        converted: State = convert_state_dict(model, state)
        return converted
    # open_clip knows the layout by a name, and takes it for granted that the model has that layout too.
    except (AttributeError, KeyError, IndexError, TypeError) as error:
        raise BadInput(
            "the weights do not fit the model: they are those of another kind of tower",
            where=where,
            remedy="give the architecture they were trained with",
        ) from error


def _refuse_other_numbers(name: str, found: torch.Tensor, own: torch.Tensor, where: str | Path) -> None:
    """Refuse weights in 8 bits: torch would take the integers for the weights, without their scale."""
    if own.is_floating_point() and not found.is_floating_point():
        raise BadInput(
            f"the weights are no floating-point numbers, as after quantisation: {name} is "
            f"{str(found.dtype).removeprefix('torch.')}",
            where=where,
            remedy="give the model from before, in float32, float16 or bfloat16",
        )


def _refuse_infinite(model: nn.Module, where: str | Path) -> None:
    """Refuse weights of a training that diverged: every feature would be NaN."""
    for name, weight in model.named_parameters():
        # The sum is much quicker than a test of each number, and may be infinite without any that is.
        if not weight.sum().isfinite() and not weight.isfinite().all():
            raise DamagedData(
                f"the weights hold numbers that are not finite: {name}",
                where=where,
                remedy="give an earlier checkpoint; this training has diverged, or the file is damaged",
            )


def _dtype(tensor: torch.Tensor) -> torch.dtype:
    return torch.float32 if tensor.is_floating_point() and tensor.dtype != torch.float64 else tensor.dtype
