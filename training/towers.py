"""Towers that open_clip knows by no name: their configs are in folders of the model directory.

text_tower/config.json    of transformers, for a text tower
image_tower/config.json   of timm, for an image tower, also one of a fixed size that was given another
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from training.model_files import IMAGE_TOWER, TEXT_TOWER

Towers = dict[str, dict[str, Any]]
IN_FOLDER = f"local-dir:./{IMAGE_TOWER}"


def with_paths(config: dict[str, Any], folder: str | Path) -> dict[str, Any]:
    """A model config whose towers in folders next to it are named by their paths in this folder."""
    config = copy.deepcopy(config)
    text, vision = config["text_cfg"], config["vision_cfg"]
    if text.get("hf_model_name") == f"./{TEXT_TOWER}":
        text["hf_model_name"] = str(Path(folder, TEXT_TOWER))
    if vision.get("timm_model_name") == IN_FOLDER:
        vision["timm_model_name"] = f"local-dir:{Path(folder, IMAGE_TOWER)}"
    return config


def write_towers(towers: Towers, folder: Path) -> None:
    """Write the configs of towers into a model directory."""
    for name, config in towers.items():
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(config, indent=2))


def resized(config: dict[str, Any], towers: Towers, image_size: int) -> tuple[dict[str, Any], Towers]:
    """The model config and the towers for another image size.

    open_clip makes a timm tower with the size that timm knows under its name. Weights for another size would
    not fit when the model directory is loaded, so the tower gets a config of its own, with the size.
    """
    config, towers = copy.deepcopy(config), copy.deepcopy(towers)
    vision = config["vision_cfg"]
    vision["image_size"] = image_size
    name = vision.get("timm_model_name")
    if not name or (name != IN_FOLDER and not _has_fixed_size(name)):
        return config, towers
    tower = towers.get(IMAGE_TOWER) or {"architecture": name, "model_args": {}}
    tower["model_args"]["img_size"] = image_size
    sizes = {"input_size": [3, image_size, image_size], "fixed_input_size": True}
    towers[IMAGE_TOWER] = tower | {"pretrained_cfg": sizes}
    vision["timm_model_name"] = IN_FOLDER
    return config, towers


def _has_fixed_size(name: str) -> bool:
    import timm

    known = timm.get_pretrained_cfg(name)
    return bool(known and known.fixed_input_size)


def note(folder: Path) -> str:
    """What the card of a model directory says of its towers; empty if open_clip knows them all by name."""
    names = [f"`{name}/`" for name in (TEXT_TOWER, IMAGE_TOWER) if (folder / name).is_dir()]
    if not names:
        return ""
    return (
        f"The config of a tower is in {' and '.join(names)}. iconoclip finds it; open_clip itself finds it "
        "if this folder is its working directory (`local-dir:.`).\n"
    )
