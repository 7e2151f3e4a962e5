"""The types that checkpoints hold besides tensors, and that are data: numbers of numpy, options, paths.

open_clip's own training writes its optimizer and sometimes its options into a checkpoint. torch refuses a
file with any type that it does not know. These are known here by name; in their place an object is made that
keeps nothing. So neither numpy nor any other package is called with what a file contains.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch


class Ignored:
    """Takes the place of a value that is not a tensor, and keeps nothing of it."""

    def __new__(cls, *args: Any, **named: Any) -> Ignored:
        """Make one, whatever the arguments of the value were."""
        return super().__new__(cls)

    def __init__(self, *args: Any, **named: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...

    def __setitem__(self, key: Any, value: Any) -> None: ...

    def append(self, value: Any) -> None:
        """Take the place of a list."""

    def extend(self, values: Any) -> None:
        """Take the place of a list."""


_INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
_NUMPY_TYPES = ("bool_", "bool", *_INTEGERS, "float16", "float32", "float64", "str_", "bytes_")
_NUMPY_DTYPES = [
    *(f"{sign}{bits}DType" for sign in ("Int", "UInt") for bits in (8, 16, 32, 64)),
    *(f"Float{bits}DType" for bits in (16, 32, 64)),
    *(f"{name}DType" for name in ("Bool", "Str", "Bytes", "Object", "Long")),
]
_PATHS = ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath", "Path")
_BUILTINS = ("dict", "list", "tuple", "int", "float", "str", "bool", "slice", "frozenset", "range", "object")
HARMLESS = (
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    *(f"numpy.{core}.numeric._frombuffer" for core in ("core", "_core")),
    "numpy.dtype",
    "numpy.ndarray",
    *(f"numpy.{name}" for name in _NUMPY_TYPES),
    *(f"numpy.dtypes.{name}" for name in _NUMPY_DTYPES),
    "argparse.Namespace",
    "types.SimpleNamespace",
    *(f"{module}.{name}" for module in ("pathlib", "pathlib._local") for name in _PATHS),
    "collections.defaultdict",
    "collections.deque",
    *(f"datetime.{name}" for name in ("datetime", "date", "time", "timedelta", "timezone")),
    *(f"builtins.{name}" for name in _BUILTINS),
    "typing.Any",
    "easydict.EasyDict",
    "yacs.config.CfgNode",
    "ml_collections.config_dict.config_dict.ConfigDict",
    "omegaconf.dictconfig.DictConfig",
    "omegaconf.listconfig.ListConfig",
    "omegaconf.base.ContainerMetadata",
    "omegaconf.base.Metadata",
    "omegaconf.nodes.AnyNode",
    "torch.torch_version.TorchVersion",
)


@contextlib.contextmanager
def harmless_types() -> Iterator[None]:
    """Let `torch.load(..., weights_only=True)` skip these types while the block runs."""
    with torch.serialization.safe_globals([(Ignored, name) for name in HARMLESS]):
        yield
