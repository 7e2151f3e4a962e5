"""The tensors of a TorchScript archive, such as those in which OpenAI published CLIP.

`torch.jit.load` compiles the code in the archive, and runs the `__setstate__` of its modules. So it is not
used: the list of tensors (`data.pkl`) is read by an unpickler that knows three names, all of them below, and
the numbers are copied from the zip archive. The code in the archive is never opened.
"""

from __future__ import annotations

import io
import itertools
import math
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from iconoclip.model_files.pickled import MAX_PICKLE_BYTES

MAX_MODULES, MAX_DEPTH = 100_000, 50

_DTYPES = {
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class _Module:
    """A module of the archive: its attributes, by name."""

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError("a module without attributes")
        self.attributes = state


def _a_list(values: list[Any]) -> list[Any]:
    """Take the place of torch's functions that build lists of numbers or tensors."""
    return values


def _as_it_is(value: Any, _type: str) -> Any:
    """Take the place of torch's function that gives a container its type."""
    return value


class _Unpickler(pickle.Unpickler):
    """Builds modules, lists and tensors, and nothing else."""

    def __init__(self, data: bytes, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(io.BytesIO(data))
        self._archive, self._root = archive, root
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a name; every name that is not known is refused."""
        if module.startswith("__torch__"):
            return _Module
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuilt
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        if module == "torch.jit._pickle" and name.startswith("build_"):
            return _a_list
        if (module, name) == ("torch.jit._pickle", "restore_type_tag"):
            return _as_it_is
        raise pickle.UnpicklingError(f"GLOBAL {module}.{name}")

    def persistent_load(self, found: Any) -> Tensor:
        """The numbers of a storage, as a flat tensor."""
        _, dtype, key, _location, num = found
        key = str(key)
        if key not in self._storages:
            info = self._archive.getinfo(f"{self._root}/data/{key}")
            # torch compresses nothing, so a file cannot become larger than it is.
            if info.file_size != num * dtype.itemsize or info.compress_type != zipfile.ZIP_STORED:
                raise pickle.UnpicklingError("a storage of another size than is stated")
            # A bytearray, because torch wants memory that it may write to.
            data = bytearray(self._archive.read(info))
            flat = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
            self._storages[key] = flat
        return self._storages[key]


def _rebuilt(flat: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    """A tensor over a storage, inside its bounds."""
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if min((offset, *size, *stride), default=0) < 0 or (0 not in size and last >= len(flat)):
        raise pickle.UnpicklingError("a tensor beyond its storage")
    # With strides of 0, a few bytes would become a tensor that fills the memory when it is converted.
    if math.prod(size) > len(flat):
        raise pickle.UnpicklingError("a tensor larger than its storage")
    return flat.as_strided(tuple(size), tuple(stride), offset)


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """The parameters and buffers of the archive's modules, by their dotted names.

    Raises:
        pickle.UnpicklingError: the archive's list of tensors names anything but modules and tensors.
        KeyError, ValueError, zipfile.BadZipFile: it is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        if archive.getinfo(name).file_size > MAX_PICKLE_BYTES:
            raise ValueError("the list of tensors is too large")
        root = name.removesuffix("/data.pkl")
        module = _Unpickler(archive.read(name), archive, root).load()
    return dict(_tensors(module, "", itertools.count(1)))


def _tensors(module: Any, prefix: str, visits: Iterator[int]) -> Iterator[tuple[str, Tensor]]:
    # A few modules that contain each other twice would be visited for ever.
    if next(visits) > MAX_MODULES:
        raise ValueError(f"more than {MAX_MODULES:,} modules")
    if not isinstance(module, _Module) or prefix.count(".") > MAX_DEPTH:
        return
    for name, value in module.attributes.items():
        if isinstance(value, Tensor):
            yield f"{prefix}{name}", value
        elif isinstance(value, _Module):
            yield from _tensors(value, f"{prefix}{name}.", visits)
