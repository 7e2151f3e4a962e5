"""Configs: strict, with a suggestion for a misspelt key, and a digest that depends on values alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field

from iconoclip.config import Config, build, digest, find_config, load, read_yaml, shipped_config, to_yaml
from iconoclip.errors import ConfigError, MissingRequirement


class Limits(Config):
    rate_per_minute: float = Field(60, gt=0, description="requests per minute")


class Visit(Config):
    sources: list[str] = Field(default=[], description="where from")
    limits: Limits = Limits()
    limit: int | None = None


def test_a_misspelt_key_is_named_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="unknown config key 'limt'") as caught:
        build(Visit, {"limt": 3}, "visit.yaml")
    assert "did you mean 'limit'?" in str(caught.value)
    assert "visit.yaml" in str(caught.value)


def test_a_misspelt_nested_key_is_named_with_its_path() -> None:
    with pytest.raises(ConfigError, match=r"unknown config key 'limits\.rate_per_minut'"):
        build(Visit, {"limits": {"rate_per_minut": 3}}, "visit.yaml")


def test_every_wrong_value_is_listed() -> None:
    with pytest.raises(
        ConfigError, match=r"limit: .*limits\.rate_per_minute: |limits\.rate_per_minute: .*limit: "
    ):
        build(Visit, {"limit": "many", "limits": {"rate_per_minute": 0}}, "visit.yaml")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [", "not valid YAML"),
        ("a: 2026-13-45", "not valid YAML: month must be in 1..12"),
        ("a: 1\nb: 2\na: 3", "line 3, column 1: the key 'a' comes twice"),
        ("a: {b: 1, b: 2}", "line 1, column 11: the key 'b' comes twice"),
        pytest.param("[" * 200_000, "not valid YAML: line 1", id="nested"),
        pytest.param("a: " + "{a: " * 200_000, "not valid YAML: line 1", id="nested mappings"),
        ("- 1", "a config is a mapping"),
        ("!!python/object/apply:os.system ['true']", "not valid YAML"),
    ],
)
def test_what_is_not_a_mapping_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem):
        read_yaml(path)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(MissingRequirement, match="no such config file"):
        load(Visit, tmp_path / "none.yaml")
    with pytest.raises(MissingRequirement, match="no shipped config"):
        shipped_config("no/such.yaml")


def test_a_missing_config_is_named_with_the_files_next_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        find_config("configs/train/demo.yaml")
        == find_config("train/demo.yaml")
        == shipped_config("train/demo.yaml")
    )
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "demo.yaml").touch()
    assert find_config("train/demo.yaml") == Path("train/demo.yaml")
    with pytest.raises(MissingRequirement) as caught:
        find_config("configs/train/finetune-vit-b-32.yaml")
    assert "train/vit-b-32-finetune.yaml" in str(caught.value.remedy)
    for name in ("none.yaml", "nowhere/none.yaml"):
        with pytest.raises(MissingRequirement, match="no such config file"):
            find_config(name)


def test_a_folder_is_no_config_and_what_is_in_it_is_named() -> None:
    shipped = sorted(f"train/{path.name}" for path in shipped_config("train").glob("*.yaml"))
    for name in ("train", "configs/train", "train/"):
        with pytest.raises(MissingRequirement, match="no such config file") as caught:
            find_config(name)
        assert str(caught.value.remedy) == f"in that folder: {', '.join(shipped)}"


def test_a_folder_of_the_users_is_not_shipped(tmp_path: Path) -> None:
    """Files next to a missing path may be private, and `FOLDER/FILE` is no path to them."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "demo.yaml").touch()
    with pytest.raises(MissingRequirement, match="no such config file") as caught:
        find_config(str(tmp_path / "mine" / "demos.yaml"))
    assert caught.value.remedy == "check the path"
    for name in (str(tmp_path / "mine"), "../pyproject.toml"):
        with pytest.raises(MissingRequirement, match="no shipped config"):
            shipped_config(name)


def test_a_config_survives_its_yaml_and_keeps_its_digest(tmp_path: Path) -> None:
    visit = Visit(sources=["https://example.org/é"], limit=4)
    (tmp_path / "c.yaml").write_text(to_yaml(visit))
    again = load(Visit, tmp_path / "c.yaml")
    assert again == visit
    assert digest(again) == digest(visit)
    assert digest(load(Visit, tmp_path / "c.yaml", limit=5)) != digest(visit)
