"""What an engine does, and how one is chosen by name."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from iconoclip.page_layout.findings import Finding

# A page of this many pixels needs about 1.2 GB to decode where the format knows no reduced scale.
MAX_PIXELS = 400_000_000


class PageEngine(Protocol):
    """Finds pictures on pages. `find` may be called by several threads at a time."""

    @property
    def name(self) -> str:
        """A short name for reports and captions."""

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of everything that decides its findings."""

    def find(self, page: bytes) -> Finding:
        """What is on a page.

        Args:
            page: the bytes of its image, in one of the formats of `iconoclip.pictures`.

        Raises:
            ImageRefused: the image cannot be decoded.
        """


def engine_called(name: str, model: str | None, least_score: float | None) -> PageEngine:
    """The engine of that name.

    Args:
        name: `shipped`, `hugging_face` or `none`.
        model: for `hugging_face`, a folder or the id of a model; for `shipped`, another ONNX file of the same
            format.
        least_score: boxes with a lower score are left out; None takes the engine's own threshold.

    Raises:
        MissingRequirement: the model, or a package that the engine needs, is not there.
        DamagedData: the file is no model of ours.
    """
    # Each engine brings libraries that the others do not need.
    if name == "none":
        from data_prep.segment.engines.classical import ClassicalEngine

        return ClassicalEngine(least_score)
    if name == "hugging_face":
        from data_prep.segment.engines.hugging_face import HuggingFaceEngine

        return HuggingFaceEngine(model or "", least_score)
    from data_prep.segment.engines.shipped import SHIPPED_MODEL, ShippedEngine

    return ShippedEngine(Path(model) if model else SHIPPED_MODEL, least_score)
