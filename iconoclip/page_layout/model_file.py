"""The file of a page model: one ONNX file that carries its reading as JSON in its metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import numpy as np

from iconoclip.page_layout.inputs import INPUT_SIDE
from iconoclip.page_layout.kinds import CLASSES, PAGE_KINDS
from iconoclip.page_layout.reading import Reading

# The entry of the metadata that holds the JSON.
METADATA_NAME: Final = "iconoclip"


class OtherVersion(ValueError):
    """A page model whose maps or whose reading this version does not know."""


def reading_in(metadata: Mapping[str, str]) -> Reading:
    """The reading of a page model, from the metadata of its file.

    Raises:
        OtherVersion: its classes, its kinds of pages, its scale or the layout of its reading are others.
        ValueError: it is not the metadata of a page model.
    """
    try:
        values = json.loads(metadata[METADATA_NAME])
        described = values["classes"], values["page_kinds"], values["input_side"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"its metadata is not that of a page model ({_said(error)})") from error
    if described != (list(CLASSES), list(PAGE_KINDS), INPUT_SIDE):
        raise OtherVersion("its classes, kinds of pages or scale are others")
    try:
        reading = Reading.from_json(values)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise OtherVersion(f"its reading has another layout ({_said(error)})") from error
    kinds = reading.kinds
    numbers = (reading.score_weights, reading.box_weights, kinds.mean, kinds.deviation, kinds.weights)
    if not all(np.isfinite(one).all() for one in (*numbers, reading.least_score)):
        raise ValueError("numbers of its reading are infinite or none")
    return reading


def _said(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)[:200]
