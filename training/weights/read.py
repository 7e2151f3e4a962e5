"""Reads a file of weights in any format as tensors by name."""

from __future__ import annotations

import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from iconoclip.errors import BadInput, DamagedData, IconoclipError
from iconoclip.model_files import recognise
from iconoclip.model_files.folders import read_config
from iconoclip.model_files.names import by_names
from iconoclip.model_files.recognise import MAX_INDEX_BYTES
from training.weights.harmless import Ignored, harmless_types
from training.weights.torchscript import read_torchscript

State = dict[str, Tensor]
# The packages of models: a pickle that names one of their classes was made of a model as a whole.
MODELS = ("open_clip.", "clip.", "timm.", "torch.nn.", "torchvision.", "transformers.", "cn_clip.")
# Where programs put the weights in a checkpoint, in the order in which they are tried.
PLACES = (
    "state_dict", "model_state_dict", "model", "module", "net", "params", "ema_state_dict", "state_dict_ema",
    "model_ema", "ema",
)  # fmt: skip
# Programs put one checkpoint into another: the weights are in a place within a place.
DEEPEST_PLACE = 3


def read_weights(path: str | Path) -> State:
    """The tensors of a file of weights, with the names that they have in it.

    Args:
        path: safetensors, an index of sharded safetensors, a file of torch or a TorchScript archive.

    Raises:
        BadInput: the file is something else; the message says what.
        DamagedData: it is cut short, or holds more than data.
        MissingRequirement: there is no such file.
    """
    path = Path(path)
    found = recognise(path)
    try:
        if found.is_pickle:
            _read_torch(path)
        if not found.is_readable:
            raise found.error(path)
        if found.kind == "npz":
            raise BadInput(
                "weights of big_vision do not say their architecture",
                where=path,
                remedy="give the architecture as the model's name (ViT-B-16-SigLIP), and the file as "
                "`pretrained`",
            )
        return _with_numbers(_READERS[found.kind](path), path)
    except IconoclipError:
        raise
    except pickle.UnpicklingError as error:
        raise _more_than_data(path, error) from error
    # A damaged or hostile file makes torch raise errors of many classes.
    except Exception as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        remedy = "download it again, and compare its size with that at the source"
        raise DamagedData(f"the weights cannot be read: {reason}", where=path, remedy=remedy) from error


def _with_numbers(state: State, path: Path) -> State:
    """Weights, unless some have no numbers of their own, or have them in a form that no model loads.

    Raises:
        BadInput: a tensor is sparse, or on torch's device `meta`.
    """
    for name, tensor in state.items():
        if tensor.is_meta:
            raise BadInput(
                f"the file has names and shapes of weights, and no numbers: {name} is on the device 'meta'",
                where=path,
                remedy="save the model after its weights were loaded, or give the file that they come from",
            )
        if tensor.layout != torch.strided:
            raise BadInput(
                f"the file holds sparse weights: {name} is {str(tensor.layout).removeprefix('torch.')}",
                where=path,
                remedy="save it again with each tensor as `tensor.to_dense()`",
            )
    return state


def _read_script(path: Path) -> State:
    """The tensors of a TorchScript archive, if they are those of a CLIP model. In the file their names are
    in parts, so they are known only now.
    """
    state = read_torchscript(path)
    if (found := by_names(state)) is not None:
        raise found.error(path)
    return state


def _read_torch(path: Path) -> Any:
    # torch warns of the age of a file, which is why it is read so carefully.
    with harmless_types(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # torch takes the ending of a path for its format.
        if path.suffix == ".safetensors":
            with path.open("rb") as file:
                return torch.load(file, map_location="cpu", weights_only=True)
        # Mapped, so that an optimizer's state is not read; older files cannot be mapped.
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))


def _more_than_data(path: Path, error: Exception) -> DamagedData:
    """The refusal of a pickle that torch refuses. torch's advice to load it anyway is not shown."""
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    wants = f" (it calls {named[1]})" if named else ""
    if named and named[1].startswith(MODELS):
        return DamagedData(
            f"the file holds a model with its code ({named[1]}), not weights alone: it is not loaded",
            where=path,
            remedy="in the program that wrote it, save `model.state_dict()`, and give that file",
        )
    return DamagedData(
        f"the file of weights holds more than plain tensors{wants}: it may run code, and is not loaded",
        where=path,
        remedy="get the weights as .safetensors from a source you trust",
    )


def _only_tensors(found: Any, path: Path) -> State:
    """The tensors of a checkpoint, from the place where its program puts them."""
    state = _place_of_weights(found, DEEPEST_PLACE) or {}
    tensors = {str(name): value for name, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        if isinstance(found, Mapping) and all(isinstance(value, Ignored) for value in found.values()):
            raise BadInput(
                "the file holds arrays of NumPy by name, not tensors of torch",
                where=path,
                remedy="save `{name: torch.from_numpy(array)}` of it with torch.save(), and give that file",
            )
        keys = [str(key) for key in found][:5] if isinstance(found, Mapping) else []
        shown = f": it begins with {', '.join(keys)}" if keys else f": it is a {type(found).__name__}"
        raise BadInput(
            f"the file holds no weights by name in a place that is known{shown}",
            where=path,
            remedy="save `model.state_dict()` with torch.save() or as safetensors, and give that file",
        )
    return tensors


def _place_of_weights(found: Any, depth: int) -> Mapping[Any, Any] | None:
    """The mapping that holds the weights: the first place that has any, else the file's own top level."""
    if not isinstance(found, Mapping):
        return None
    for place in PLACES if depth else ():
        if (inner := _place_of_weights(found.get(place), depth - 1)) is not None:
            return inner
    return found if any(isinstance(value, Tensor) for value in found.values()) else None


def _read_sharded(index: Path) -> State:
    """The tensors of all files that an index names; all are in its folder."""
    names: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    refuse_missing_pieces(index)
    state: State = {}
    for name in sorted(set(names.values())):
        state |= _read_piece(index.with_name(name))
    if missing := [name for name in names if name not in state]:
        raise DamagedData(
            f"the files lack {len(missing)} tensors of the index, such as {missing[0]}",
            where=index,
            remedy="download the folder again",
        )
    return state


def refuse_missing_pieces(index: Path) -> None:
    """Refuse an index of sharded weights that names a file which is not next to it.

    Raises:
        DamagedData: a file is missing or would be in another folder, or the index is damaged.
    """
    names = read_config(index, max_bytes=MAX_INDEX_BYTES).get("weight_map")
    if not isinstance(names, dict):
        raise DamagedData("the index of the weights is damaged", where=index, remedy="get another copy")
    for name in sorted(set(map(str, names.values()))):
        if Path(name).name != name:
            raise DamagedData(
                f"the index names a file outside its folder: {name}", where=index, remedy="get another copy"
            )
        if not index.with_name(name).is_file():
            remedy = "download the folder again, with all files that its index names"
            raise DamagedData(
                "a file of the sharded weights is missing", where=index.with_name(name), remedy=remedy
            )


def _read_piece(path: Path) -> State:
    """The tensors of one file of several. Alone, it may hold one tower only."""
    if (damaged := recognise(path)).kind == "damaged":
        raise damaged.error(path)
    return load_file(path) if path.suffix == ".safetensors" else _only_tensors(_read_torch(path), path)


_READERS: dict[str, Callable[[Path], State]] = {
    "safetensors": load_file,
    "sharded": _read_sharded,
    "torchscript": _read_script,
    "torch": lambda path: _only_tensors(_read_torch(path), path),
}
