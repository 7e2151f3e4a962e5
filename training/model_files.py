"""The files of a model directory, and the digest that identifies a model. Does not import torch."""

from __future__ import annotations

import hashlib
from pathlib import Path

from iconoclip.files import sha256_of

CONFIG_NAME = "open_clip_config.json"
WEIGHTS_NAME = "open_clip_model.safetensors"


def model_digest(name: str) -> str | None:
    """The SHA-256 over a model directory's config and weights; None for a model that is not a directory."""
    folder = Path(name.removeprefix("local-dir:"))
    paths = [folder / CONFIG_NAME, *sorted(folder.glob("*.safetensors"))]
    if len(paths) < 2 or not all(path.is_file() for path in paths):
        return None
    hashed = hashlib.sha256()
    for path in paths:
        hashed.update(f"{path.name} {sha256_of(path)}\n".encode())
    return hashed.hexdigest()
