"""Weights by the level of a caption, through the command: a book's title has the weight that the config
sets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from iconoclip.config import to_yaml
from iconoclip.record import Caption, CaptionLevel
from tests import commands
from training.config import TrainConfig

from .conftest import jpeg, make_record, write_set

MakeConfig = Callable[..., TrainConfig]
COLOURS = ("red", "green", "blue", "black", "orange", "gray", "brown", "pink")


def said(colour: str, level: CaptionLevel) -> Caption:
    text = f"a {colour} disc" if level == "page" else f"a book of {colour} shapes"
    return Caption(text=text, language="en", field="title", level=level, role="title")


def make_set(folder: Path, *levels: CaptionLevel) -> Path:
    samples = []
    for number, colour in enumerate(COLOURS):
        data = jpeg("white", colour, "disc")
        captions = tuple(said(colour, level) for level in levels)
        samples.append((make_record(number, data, {}, captions=captions, split="train"), data))
    return write_set(folder, samples)


@pytest.fixture
def losses(make_config: MakeConfig, tmp_path: Path) -> Callable[..., list[float]]:
    """The losses of two steps of `iconoclip train` on a set."""

    def trained(shardset: Path, **weights: float) -> list[float]:
        folder = tmp_path / f"run{len(list(tmp_path.glob('run*')))}"
        config = make_config(
            shardsets=[str(shardset)], run_dir=folder, max_steps=2, validation_split="none",
            captions_per_image=1, **{"data.level_weights": weights},
        )  # fmt: skip
        (tmp_path / "train.yaml").write_text(to_yaml(config))
        done = commands.run(["train", "--config", tmp_path / "train.yaml"])
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        return [line["loss"] for line in lines if "loss" in line]

    return trained


def test_a_level_with_weight_zero_is_ignored(losses: Callable[..., list[float]], tmp_path: Path) -> None:
    both = make_set(tmp_path / "both", "work", "page")
    of_pages = losses(make_set(tmp_path / "pages", "page"))
    of_works = losses(make_set(tmp_path / "works", "work"))
    assert len(of_pages) == 2
    assert of_pages != of_works
    assert losses(both, work=0.0) == of_pages
    assert losses(both, page=0.0) == of_works
