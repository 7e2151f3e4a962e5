"""Chooses an engine by its name."""

from __future__ import annotations

from pathlib import Path

from data_prep.segment.engines.interface import SHIPPED_MODEL, PageEngine


def engine_called(name: str, model: str | None, least_score: float | None) -> PageEngine:
    """The engine of that name.

    Args:
        name: `shipped`, `hugging_face` or `none`.
        model: for `hugging_face`, a folder or the id of a model; for `shipped`, another ONNX file of the same
            format.
        least_score: boxes with a lower score are left out; None takes the engine's own threshold.

    Raises:
        MissingRequirement: the model, or a package that the engine needs, is not there.
        DamagedData: the file is not a model made by iconoclip.
    """
    # Each engine brings libraries that the others do not need.
    if name == "none":
        from data_prep.segment.engines.classical import ClassicalEngine

        return ClassicalEngine(least_score)
    if name == "hugging_face":
        from data_prep.segment.engines.hugging_face import HuggingFaceEngine

        return HuggingFaceEngine(model or "", least_score)
    from data_prep.segment.engines.shipped import ShippedEngine

    return ShippedEngine(Path(model) if model else SHIPPED_MODEL, least_score)
