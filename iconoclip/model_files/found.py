"""The answer of the recogniser, and the error that is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from iconoclip.errors import BadInput, DamagedData, IconoclipError, MissingRequirement

Kind = Literal[
    "safetensors",
    "sharded",
    "torch",
    "torchscript",
    "npz",
    "open_clip folder",
    "transformers folder",
    "foreign",
    "damaged",
    "absent",
]


@dataclass(frozen=True)
class Found:
    """What a file or folder is.

    Args:
        kind: how it is read; `foreign` is something else than a CLIP model, `damaged` a file that is cut
            short or is no file of weights at all, `absent` something that is not there or lacks its weights.
        what: in words, with an article: "a PEFT adapter".
        remedy: the one thing to do, for a kind that is not read.
        is_pickle: whether it is a pickle with names that no table knows, so perhaps one that runs code.
    """

    kind: Kind
    what: str
    remedy: str = ""
    is_pickle: bool = False

    @property
    def is_readable(self) -> bool:
        """Whether it may be weights or a model that training reads."""
        return self.kind not in ("foreign", "damaged", "absent")

    def error(self, where: str | Path) -> IconoclipError:
        """The refusal of something that is not read."""
        if self.kind == "absent":
            return MissingRequirement(self.what, where=where, remedy=self.remedy)
        if self.kind == "damaged":
            what = f"the weights cannot be read: this is {self.what}"
            return DamagedData(what, where=where, remedy=self.remedy)
        return BadInput(f"not a CLIP model: this is {self.what}", where=where, remedy=self.remedy)
