"""A model directory in the format that open_clip loads with `local-dir:`, inspected
without loading the model.

open_clip_config.json         {"model_cfg": ..., "preprocess_cfg": ...}
open_clip_model.safetensors   the weights, also under the other names that open_clip knows; no other format is
                              accepted, because this one cannot contain code
text_tower/, image_tower/     the config.json of a tower that open_clip knows by no name, if there is one
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from iconoclip.errors import BadInput, DamagedData, IconoclipError, MissingRequirement
from iconoclip.model_files import recognise
from iconoclip.model_files.folders import weights_in

CONFIG_NAME, WEIGHTS_NAME = "open_clip_config.json", "open_clip_model.safetensors"
MAX_CONFIG_BYTES = 1_000_000
MAX_SIDE_PIXELS = 4_096
# Part of the config, field that names a tower, and what is before the name of a folder.
_NAMES_OF_TOWERS = (("text_cfg", "hf_model_name", ""), ("vision_cfg", "timm_model_name", "local-dir:"))

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
        self.config_path, found = self.folder / CONFIG_NAME, None
        if self.config_path.is_file():
            found = weights_in(self.folder)
        if found is None or found.suffix != ".safetensors":
            raise self._refusal(found)
        self.weights_path = found
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

    @property
    def towers(self) -> dict[str, dict[str, Any]]:
        """The parts of `model_cfg` whose towers are in folders next to it, with paths of these folders."""
        found: dict[str, dict[str, Any]] = {}
        for part, name, prefix in _NAMES_OF_TOWERS:
            config = self.config["model_cfg"].get(part)
            value = str(config.get(name) or "").removeprefix(prefix) if isinstance(config, dict) else ""
            if value in ("./text_tower", "./image_tower"):
                found[part] = config | {name: f"{prefix}{self.folder / value}"}
        return found

    def _refusal(self, weights: Path | None) -> IconoclipError:
        """Why the folder is not a model directory that retrieval reads, and what to do."""
        convert = f"convert it: `iconoclip export {self.folder} --out MODEL`, and give MODEL"
        found = recognise(self.folder)
        if not self.folder.exists():
            remedy = "check the path; a model of others becomes a model directory by `iconoclip export`"
            return MissingRequirement("no such model directory", where=self.folder, remedy=remedy)
        if found.kind == "transformers folder" or weights is not None:
            what = found.what if weights is None else f"a model directory with its weights in {weights.name}"
            return BadInput(
                f"only model directories with safetensors can be used here, and this is {what}",
                where=self.folder,
                remedy=convert,
            )
        # Training can be told the architecture; here the folder has to be whole.
        alone = None if self.config_path.exists() else weights_in(self.folder)
        is_half = alone is not None and alone.suffix == ".safetensors"
        if found.kind in ("foreign", "damaged") and not is_half:
            return found.error(self.folder)
        missing = "weights" if self.config_path.is_file() else "config"
        return MissingRequirement(
            f"the model directory has no {missing}",
            where=self.folder / (WEIGHTS_NAME if missing == "weights" else CONFIG_NAME),
            remedy="`iconoclip export` writes a whole one; copy all of its files",
        )

    def _read_config(self) -> dict[str, Any]:
        if self.config_path.stat().st_size > MAX_CONFIG_BYTES:
            raise self._damaged("larger than 1 MB")
        try:
            config = json.loads(self.config_path.read_bytes())
        except (ValueError, RecursionError) as error:
            found = recognise(self.folder)
            raise (
                found.error(self.folder) if found.kind == "damaged" else self._damaged("not JSON")
            ) from error
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
