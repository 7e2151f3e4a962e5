"""Shared by the tests of `iconoclip pack`: pictures, the command, and what it wrote."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from iconoclip.cli import main
from iconoclip.shardset import ShardSet

CC0 = "http://creativecommons.org/publicdomain/zero/1.0/"


def picture(path: Path, number: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.effect_noise((48, 36), 60 + number).convert("RGB").save(path)
    return path


def pack(*words: object) -> int:
    return main(["pack", *map(str, words), "--institution", "ours.profile.yaml", "--num_workers", "1"])


def records(folder: str = "set") -> dict[str, object]:
    return {record.source.id: record for record, _ in ShardSet(folder).samples()}


def refused(folder: str = "set") -> list[tuple[str, str]]:
    lines = (Path(folder) / "refused.jsonl").read_text().splitlines()
    return [(line["source"], line["reason"]) for line in map(json.loads, lines)]
