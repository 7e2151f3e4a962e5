"""A model directory in the format that open_clip loads with `local-dir:`, inspected
without loading the model.

open_clip_config.json         {"model_cfg": ..., "preprocess_cfg": ...}
open_clip_model.safetensors   the weights; no other format is accepted, because this one cannot contain code
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from iconoclip.errors import DamagedData, MissingRequirement

CONFIG_NAME, WEIGHTS_NAME = "open_clip_config.json", "open_clip_model.safetensors"
MAX_CONFIG_BYTES = 1_000_000
MAX_SIDE_PIXELS = 4_096

# OpenAI's CLIP statistics, which open_clip uses if a config gives none.
_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class Preprocess(BaseModel):
    """How an image becomes the model's input: the fields of `preprocess_cfg` that are used here."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    size: int | tuple[int, int] = 224
    mean: tuple[float, float, float] = _MEAN
    std: tuple[float, float, float] = _STD
    interpolation: str = Field("bicubic", pattern="^(bicubic|bilinear)$")
    resize_mode: str = Field("shortest", pattern="^(shortest|longest|squash)$")
    fill_color: int = Field(0, ge=0, le=255)

    @property
    def height_width(self) -> tuple[int, int]:
        """The model's input size in pixels."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size


class ModelDirectory:
    """A model directory whose files and config have been checked.

    Raises:
        MissingRequirement: no such folder, no config, or no weights.
        DamagedData: the config is not valid.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.config_path, self.weights_path = self.folder / CONFIG_NAME, self.folder / WEIGHTS_NAME
        for path, what in ((self.config_path, "config"), (self.weights_path, "weights")):
            if not path.is_file():
                raise MissingRequirement(
                    f"the model directory has no {what}",
                    where=path,
                    remedy="`iconoclip export` writes a whole one; copy all of its files",
                )
        self.config = self._read_config()
        self.preprocess = self._preprocess()

    @property
    def digest(self) -> str:
        """The SHA-256 of the weights' bytes followed by those of the config. It identifies the
        model that made a vector.
        """
        with self.weights_path.open("rb") as file:
            checksum = hashlib.file_digest(file, "sha256")
        checksum.update(self.config_path.read_bytes())
        return checksum.hexdigest()

    @property
    def dimension(self) -> int:
        """The dimension of the model's vectors."""
        return int(self.config["model_cfg"]["embed_dim"])

    def _read_config(self) -> dict[str, Any]:
        if self.config_path.stat().st_size > MAX_CONFIG_BYTES:
            raise self._damaged("larger than 1 MB")
        try:
            config = json.loads(self.config_path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise self._damaged("not JSON") from error
        model_cfg = config.get("model_cfg") if isinstance(config, dict) else None
        dimension = model_cfg.get("embed_dim") if isinstance(model_cfg, dict) else None
        if not isinstance(dimension, int) or not 0 < dimension <= 65_536:
            raise self._damaged("no model_cfg with an embed_dim")
        return dict(config)

    def _preprocess(self) -> Preprocess:
        given = self.config.get("preprocess_cfg") or {}
        vision = self.config["model_cfg"].get("vision_cfg")
        if not isinstance(given, dict) or not isinstance(vision, dict):
            raise self._damaged("no vision_cfg, or a preprocess_cfg that is not an object")
        # In open_clip the size of the tower takes precedence over the one in preprocess_cfg.
        size = vision.get("image_size") or given.get("size")
        known = {key: value for key, value in {**given, "size": size}.items() if value is not None}
        try:
            preprocess = Preprocess.model_validate(known)
        except ValidationError as error:
            raise self._damaged(f"preprocess_cfg: {error.errors()[0]['msg']}") from error
        if not all(0 < side <= MAX_SIDE_PIXELS for side in preprocess.height_width):
            raise self._damaged(f"an input size of {preprocess.height_width} pixels")
        return preprocess

    def _damaged(self, what: str) -> DamagedData:
        return DamagedData(
            f"not an open_clip config: {what}", where=self.config_path, remedy="export the model again"
        )
