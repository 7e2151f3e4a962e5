"""The fields of a run are in groups; an old name is refused with the new one, and old runs stay readable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from iconoclip import cli
from iconoclip.config import Config, build, load, load_stored, to_yaml
from iconoclip.errors import ConfigError
from iconoclip.rundir import RunDir
from training.config import HEADS, ExportConfig, TrainConfig
from training.export import export
from training.resume import FREE_TO_CHANGE
from training.seen import times_seen
from training.train import train

from .conftest import changed

MakeConfig = Callable[..., TrainConfig]


# Fields that were in a group from the beginning.
LATER_FIELDS = {
    "hard_negatives.captions", "hard_negatives.max_candidates", "hard_negatives.max_similarity",
    "hard_negatives.neighbours", "hard_negatives.stores",
    "data.level_weights", "data.role_weights", "data.order", "data.streams", "data.stream_samples",
    "checkpoint.in_background", "data.sources", "data.weights", "data.long_captions",
    "model.context_length",
    "distill.model", "distill.weight", "hardware.sync_batch_norm", "loss.max_logit_bias", "loss.z_loss",
    "model.patch_dropout", "optimizer.momentum", "optimizer.name", "schedule.cooldown",
    "schedule.cooldown_curve", "schedule.shape",
}  # fmt: skip


def old_names() -> dict[str, str]:
    """Every name of the version without groups, with its present one."""
    heads = {name: f"{name}.{leaf}" for name, leaf in HEADS.items()}
    return TrainConfig.renamed | heads


def flat(config: TrainConfig) -> dict[str, Any]:
    """A run's config.yaml as the version without groups wrote it."""
    values = config.model_dump(mode="json")
    found = {name: value for name, value in values.items() if not isinstance(getattr(config, name), Config)}
    for old, new in old_names().items():
        group, _, leaf = new.partition(".")
        found[old] = values[group][leaf]
    # Fields that came later, and words that were others.
    del found["max_damaged_samples"]
    words = {"cuda": "gpu", "bfloat16": "bf16"}
    return {
        name: words.get(value, value) if isinstance(value, str) else value for name, value in found.items()
    }


def test_every_field_is_in_one_group_and_no_name_is_lost(make_config: MakeConfig) -> None:
    config = make_config()
    in_groups = {
        f"{name}.{leaf}" for name in TrainConfig.model_fields
        if isinstance(group := getattr(config, name), Config) for leaf in type(group).model_fields
    }  # fmt: skip
    assert in_groups == set(old_names().values()) | LATER_FIELDS
    assert {name.split(".")[0] for name in FREE_TO_CHANGE} <= set(TrainConfig.model_fields)
    assert {name for name in FREE_TO_CHANGE if "." in name} <= in_groups


def test_an_old_name_is_refused_with_the_new_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for old, new in TrainConfig.renamed.items():
        with pytest.raises(ConfigError, match=f"the field '{old}' is now called '{new}'"):
            build(TrainConfig, {"shardsets": ["a"], "run_dir": "b", old: 1}, "a file")
    assert cli.main(["train", "shards", "--run_dir", str(tmp_path / "run"), "--learning_rate", "1"]) == 2
    assert "--learning_rate is now called --optimizer.learning_rate" in capsys.readouterr().err


@pytest.mark.parametrize("name", HEADS)
def test_a_group_is_not_a_single_value(name: str) -> None:
    with pytest.raises(ConfigError, match=f"the field '{name}' is now called '{name}.{HEADS[name]}'"):
        build(TrainConfig, {"shardsets": ["a"], "run_dir": "b", name: "clip"}, "a file")


def test_groups_round_trip(make_config: MakeConfig, tmp_path: Path) -> None:
    config = make_config(lora_rank=4, field_weights={"title": 0.5}, related_by=["group"])
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(config))
    assert load(TrainConfig, path) == config
    # The order of that version had no name.
    old = changed(config, **{"data.order": "windows"})
    assert build(TrainConfig, TrainConfig.from_older(flat(config)), "old") == old


def test_a_run_of_the_version_without_groups_is_continued_exported_and_asked(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    config = make_config(
        validation_split="none", lora_rank=2, precision="bfloat16", institution_alpha=0.5,
        **{"data.order": "windows"},
    )  # fmt: skip
    train(changed(config, max_steps=3))
    run = RunDir(config.run_dir)
    run.config_path.write_text(yaml.safe_dump(flat(changed(config, max_steps=3))))
    assert load_stored(TrainConfig, run.config_path).hardware.precision == "bfloat16"
    export(ExportConfig(run_dir=config.run_dir, out=tmp_path / "model"))
    assert "parametrizations" not in (tmp_path / "model" / "README.md").read_text()
    with pytest.raises(ConfigError, match=r"started with optimizer.learning_rate 0\.001, not 0\.002"):
        train(changed(config, learning_rate=2e-3))
    # With another order, the rest of the epoch would repeat some samples and leave out others.
    with pytest.raises(ConfigError, match=r"started with data\.order 'windows', not 'streams'") as caught:
        train(changed(config, **{"data.order": "streams"}))
    assert "continue this one with --data.order windows" in str(caught.value.remedy)
    train(changed(config, max_steps=5))
    assert [line["step"] for line in run.metrics() if "loss" in line] == [1, 2, 3, 4, 5]
    key = "north-0000000000000000"
    assert times_seen(run, [key], 5) == {key: 0}
