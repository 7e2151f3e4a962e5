"""Words of a command line reach the fields of nested configs, or are refused with a message."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import ClassVar, Literal

import pytest
from pydantic import Field

from iconoclip.command_line import read_command_line
from iconoclip.commented_yaml import commented_yaml
from iconoclip.config import Config, build, positional, read_yaml
from iconoclip.errors import ConfigError


class Rates(Config):
    """A group of fields, nested in another."""

    renamed: ClassVar[dict[str, str]] = {"lr": "learning_rate"}
    learning_rate: float = Field(1e-3, gt=0, description="peak")
    betas: tuple[float, float] = Field((0.9, 0.98), description="decay rates")


class Item(Config):
    """One of a list of models."""

    name: str
    num: int = 1


class Weights(Config):
    """A group with a mapping."""

    by_field: dict[str, float] = Field({}, description="weight of each field")
    workers: int | None = Field(None, description="processes; the machine chooses if not given")


class Nested(Config):
    """Every kind of field that a config may have."""

    renamed: ClassVar[dict[str, str]] = {"learning_rate": "rates.learning_rate", "accelerator": "device"}
    shardsets: list[Path] = Field(description="shard sets", min_length=1, json_schema_extra=positional())
    out: Path | None = Field(None, description="where to")
    device: Literal["auto", "cpu"] = Field("auto", description="where it runs")
    columns: str | list[str] = Field("file", description="one or several")
    reusable: bool | None = Field(None, description="yes, no or either")
    rates: Rates = Field(default_factory=Rates, description="learning rates")
    weights: Weights = Field(default_factory=Weights, description="weights")
    items: list[Item] = Field([], description="a list of models")
    second: Rates | None = Field(None, description="a group that may be left out")


def read(line: str) -> Nested:
    return build(Nested, read_command_line(Nested, shlex.split(line)).values, "here")


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("A --rates.learning_rate 1e-4 B", {"rates": {"learning_rate": 1e-4}, "shardsets": ["A", "B"]}),
        ("A --rates.learning-rate=2", {"rates": {"learning_rate": 2}}),
        ("A --rates.betas 0.1 0.2 --out x", {"rates": {"betas": (0.1, 0.2)}, "out": "x"}),
        ("A --rates '{learning_rate: 2}' --rates.betas 0.1 0.2",
         {"rates": {"learning_rate": 2, "betas": (0.1, 0.2)}}),
        ("A --weights.by_field '{title: 1, b: 2}'", {"weights": {"by_field": {"title": 1, "b": 2}}}),
        ("A --weights.by_field.title 1 --weights.by_field.b=2",
         {"weights": {"by_field": {"title": 1, "b": 2}}}),
        ("A --weights.workers null", {"weights": {"workers": None}}),
        ("A --items '{name: a}' '{name: b, num: 3}'", {"items": [{"name": "a"}, {"name": "b", "num": 3}]}),
        ("A --items '[{name: a}]'", {"items": [{"name": "a"}]}),
        ("A --second.learning_rate 3", {"second": {"learning_rate": 3}}),
        ("A --columns a b", {"columns": ["a", "b"]}),
        ("A --columns 'Azure, a chevron'", {"columns": "Azure, a chevron"}),
        ("--shardset A --shardset B --shardsets C D", {"shardsets": ["A", "B", "C", "D"]}),
        ("--shardsets=A --shardsets B C --out x", {"shardsets": ["A", "B", "C"], "out": "x"}),
        ("--out x -- A --b", {"shardsets": ["A", "--b"], "out": "x"}),
        ("A --reusable", {"reusable": True}),
        ("A --no-reusable", {"reusable": False}),
        ("A --reusable null", {"reusable": None}),
        ("A --reusable false --out x B", {"reusable": False, "out": "x", "shardsets": ["A", "B"]}),
    ],
)  # fmt: skip
def test_words_reach_the_fields_they_belong_to(line: str, wanted: dict[str, object]) -> None:
    config = read(line)
    assert config == Nested.model_validate({"shardsets": "A", **wanted})
    assert config.model_fields_set == {"shardsets", *wanted}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("A --out x --out y", "--out is given more than once"),
        ("A --out", "--out lacks its value"),
        ("--shardsets", "--shardsets lacks its value"),
        ("--shardset A -- B", "unexpected argument 'B'"),
        ("A --learning_rate 3", "--learning_rate is now called --rates.learning_rate"),
        ("A --accelerator gpu", "--accelerator is now called --device"),
        ("A --rates.lr 3", "--rates.lr is now called --rates.learning_rate"),
        ("A --rates '{lr: 3}'", "'rates.lr' is now called 'rates.learning_rate'"),
        ("A --rates.learning_rate abc", "rates.learning_rate: 'abc' is not a number"),
        ("A --rates.learning_rate inf", "rates.learning_rate: 'inf' is not a finite number"),
        ("A --rates.learning_rate 0", "rates.learning_rate: '0' is too small: more than 0"),
        ("A --weights.workers 1.5", "weights.workers: '1.5' is not a whole number"),
        ("A --device gpu", "device: 'gpu' is not one of auto, cpu"),
        ("A --items '{nam: a}'", "unknown config key 'items.nam'"),
        ("A --weights.by_field '{title: ['", "weights.by_field: '{title: [' is not valid YAML"),
        ("A --weights.by_field '{title: 1}' --weights.by_field.b 2", "as a whole and key by key"),
        ("A --betas 3", "unknown option '--betas'"),
        ("", "shardsets: is required"),
    ],
)
def test_words_that_would_be_lost_or_misread_are_refused_with_a_message(line: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(line)
    message = str(caught.value)
    assert words in message
    assert not re.search(r"pydantic|validation error|cyclopts|input_type", message, re.IGNORECASE)


def test_a_field_that_moved_into_a_group_is_suggested_there() -> None:
    for word in ("--by_field", "--rates.by_field"):
        with pytest.raises(ConfigError, match=f"unknown option '{word}'") as caught:
            read(f"A {word} x")
        assert caught.value.remedy == "did you mean 'weights.by_field'?"


@pytest.mark.parametrize(
    "line", ["", "A B --rates.learning_rate 2 --reusable --weights.by_field.title 1 --columns a"]
)
def test_a_printed_config_is_read_back(line: str, tmp_path: Path) -> None:
    values = read_command_line(Nested, shlex.split(line)).values
    printed = commented_yaml(Nested, values, "here")
    assert "# learning rates" in printed
    path = tmp_path / "c.yaml"
    path.write_text(printed)
    again = read_yaml(path)
    assert commented_yaml(Nested, again, "here") == printed
    if values:
        assert build(Nested, again, "here") == build(Nested, values, "here")
