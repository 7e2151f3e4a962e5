"""The checkpoints of a run: names, checksums, and which ones are undamaged. Does not import torch.

A checkpoint is `step-00001200.ckpt` with `step-00001200.ckpt.sha256`. The checksum is written
first, so that there is never a checkpoint without one. A checkpoint that does not match is kept,
but the previous one is used.
"""

from __future__ import annotations

import re
from pathlib import Path

from iconoclip.files import sha256_of

_NAME = re.compile(r"step-(\d{8})\.ckpt")


def checkpoint_path(folder: Path, step: int) -> Path:
    """The path of the checkpoint of a step."""
    return folder / f"step-{step:08d}.ckpt"


def checksum_path(path: Path) -> Path:
    """The path of a checkpoint's checksum."""
    return path.with_name(f"{path.name}.sha256")


def step_of(path: Path) -> int:
    """The step in a checkpoint's name."""
    match = _NAME.fullmatch(path.name)
    assert match, path
    return int(match[1])


def checkpoints_in(folder: Path) -> list[Path]:
    """Every checkpoint, the latest step first."""
    found = [path for path in folder.glob("step-*.ckpt") if _NAME.fullmatch(path.name)]
    return sorted(found, key=step_of, reverse=True)


def is_sound(path: Path) -> bool:
    """Whether a checkpoint matches its checksum."""
    try:
        return checksum_path(path).read_text().split()[0] == sha256_of(path)
    except (OSError, IndexError):
        return False


def latest_sound(folder: Path) -> tuple[Path | None, list[Path]]:
    """The latest checkpoint that matches its checksum, and the later ones that do not."""
    damaged: list[Path] = []
    for path in checkpoints_in(folder):
        if is_sound(path):
            return path, damaged
        damaged.append(path)
    return None, damaged


def prune(folder: Path, keep: int) -> None:
    """Remove all but the latest `keep` sound checkpoints."""
    for path in checkpoints_in(folder)[keep:]:
        path.unlink(missing_ok=True)
        checksum_path(path).unlink(missing_ok=True)
