"""The preprocessing of a folder of transformers, as open_clip's config of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD

from iconoclip.model_files.folders import read_config

BILINEAR = 2
"""in PIL.Image.Resampling, which the files of transformers use"""


def preprocessing(folder: Path, model_type: str) -> dict[str, Any]:
    """open_clip's `preprocess_cfg`: from preprocessor_config.json, or what the family uses."""
    found = (
        read_config(folder / "preprocessor_config.json") if _has(folder, "preprocessor_config.json") else {}
    )
    if not found and _has(folder, "processor_config.json"):
        found = read_config(folder / "processor_config.json").get("image_processor", {})
    is_siglip = model_type == "siglip"
    half = [0.5, 0.5, 0.5]
    return {
        "mean": list(found.get("image_mean") or (half if is_siglip else OPENAI_DATASET_MEAN)),
        "std": list(found.get("image_std") or (half if is_siglip else OPENAI_DATASET_STD)),
        "interpolation": "bilinear" if found.get("resample") == BILINEAR else "bicubic",
        "resize_mode": "squash" if _is_squashed(found, is_siglip=is_siglip) else "shortest",
    }


def _has(folder: Path, name: str) -> bool:
    return (folder / name).is_file()


def _is_squashed(found: dict[str, Any], *, is_siglip: bool) -> bool:
    """Whether the whole picture is pressed into the square, instead of cut to it."""
    size = found.get("size")
    if isinstance(size, dict):
        return "shortest_edge" not in size and not found.get("do_center_crop", False)
    return is_siglip
