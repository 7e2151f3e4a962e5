"""The files of a model directory, and the digest that identifies a model. Does not import torch."""

from __future__ import annotations

import hashlib
from pathlib import Path

from iconoclip.files import sha256_of
from iconoclip.model_files.folders import TRANSFORMERS_CONFIG, read_config, weights_in

CONFIG_NAME = "open_clip_config.json"
WEIGHTS_NAME = "open_clip_model.safetensors"
TEXT_TOWER, IMAGE_TOWER = "text_tower", "image_tower"
TOWERS = (TEXT_TOWER, IMAGE_TOWER)
"""folders in a model directory with the config.json of a tower that open_clip does not know by name"""


def model_digest(name: str) -> str | None:
    """The SHA-256 over a model's config and weights; None for a name that is no folder or file here."""
    folder = Path(name.removeprefix("local-dir:"))
    if folder.is_file():
        return sha256_of(folder)
    paths = _paths(folder)
    if len(paths) < 2 or not all(path.is_file() for path in paths):
        return None
    hashed = hashlib.sha256()
    for path in paths:
        hashed.update(f"{path.name} {sha256_of(path)}\n".encode())
    return hashed.hexdigest()


def _paths(folder: Path) -> list[Path]:
    """The config of a model in a folder, and its files of weights."""
    configs = [folder / name for name in (CONFIG_NAME, TRANSFORMERS_CONFIG) if (folder / name).is_file()]
    weights = sorted(folder.glob("*.safetensors"))
    if not weights and configs and (found := weights_in(folder)):
        pieces = read_config(found).get("weight_map", {}) if found.suffix == ".json" else {}
        weights = [found, *(folder / Path(name).name for name in sorted(set(pieces.values())))]
    return [*configs[:1], *weights]
