"""Chains: references become paths and dependencies, which give the order, and mistakes are found before any
job.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from iconoclip.errors import ConfigError, TryAgainLater
from slurm.chain import Chain, chain, filled_in, in_order, submissions_of
from slurm.config import ChainConfig

pytestmark = pytest.mark.usefixtures("count_stage")


def described(**steps: object) -> Chain:
    return Chain.model_validate({"folder": "runs/c", "site": "generic", "steps": steps})


def test_a_reference_is_a_path_and_a_dependency(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    submissions = submissions_of(
        described(
            last={"stage": "count", "fields": {"inputs": ["{first}", "x/{second}/y"]}},
            first={"stage": "count"},
            second={"stage": "count", "after": ["first"], "num_tasks": 2},
        ),
        "c.yaml",
    )
    assert list(submissions) == ["first", "second", "last"]
    runs = {name: str(tmp_path / "runs/c" / name) for name in submissions}
    assert submissions["last"].request.needs == (runs["first"], runs["second"])
    assert submissions["second"].request.needs == (runs["first"],)
    assert submissions["last"].request.config.model_dump()["inputs"] == [
        f"{runs['first']}/out", f"x/{runs['second']}/out/y"
    ]  # fmt: skip
    assert submissions["second"].plan.array == "0-1"


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        (
            {"a": {"stage": "count", "after": ["b"]}, "b": {"stage": "count", "after": ["a"]}},
            "wait for each other",
        ),
        (
            {"a": {"stage": "count", "fields": {"inputs": ["{bb}"]}}, "b": {"stage": "count"}},
            "a step 'bb' that is not",
        ),
        ({"a": {"stage": "count", "fields": {"num_stpes": 1}}}, "unknown config key 'num_stpes'"),
    ],
)
def test_mistakes_in_a_chain_are_named(steps: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        submissions_of(described(**steps), "c.yaml")
    assert str(caught.value.where).startswith("c.yaml")


def test_a_mistake_says_which_step_it_is_in() -> None:
    steps = {"first": {"stage": "count"}, "second": {"stage": "count", "fields": {"num_steps": "many"}}}
    with pytest.raises(ConfigError) as caught:
        submissions_of(described(**steps), "c.yaml")
    assert caught.value.where == "c.yaml, step 'second', iconoclip submit count"


def test_a_dry_run_says_what_would_be_submitted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        f"folder: {tmp_path}/runs\nsite: leonardo\naccount: a\nsteps:\n"
        "  one: {stage: count, nodes: 2}\n  two: {stage: count, after: [one], time: '30:00'}\n"
    )
    assert chain(ChainConfig(chain=str(file), dry_run=True)) == 0
    assert capsys.readouterr().out.splitlines() == [
        "one: would be submitted: count on boost_usr_prod, 2 nodes of 4, 24:00:00 per job",
        "two: would be submitted: count on boost_usr_prod, 1 node of 4, 0:30:00 per job, after one",
    ]


def test_misspelt_keys_of_a_step_are_named(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("folder: runs\nsteps:\n  one: {stgae: count}\n")
    with pytest.raises(ConfigError, match="stgae"):
        chain(ChainConfig(chain=str(file), dry_run=True))


def test_values_without_references_stay_what_they_are() -> None:
    assert filled_in({"a": [1, "x", {"b": None}], "c": "{UPPER} {}"}, {}) == {
        "a": [1, "x", {"b": None}],
        "c": "{UPPER} {}",
    }
    assert in_order(described(a={"stage": "count"}).steps, "c") == ["a"]


def test_what_a_chain_sets_holds_for_steps_that_set_nothing_else(tmp_path: Path) -> None:
    values = {"folder": str(tmp_path), "site": "generic", "mail_user": "a@b.example", "exclude": "n1"}
    steps = {"a": {"stage": "count", "memory": "8G"}, "b": {"stage": "count", "exclude": "n2"}}
    found = submissions_of(Chain.model_validate({**values, "steps": steps}), "c")
    plans = [found[name].plan for name in ("a", "b")]
    assert [(plan.mail_user, plan.exclude, plan.memory) for plan in plans] == [
        ("a@b.example", "n1", "8G"),
        ("a@b.example", "n2", None),
    ]


def test_a_step_that_fails_while_others_are_submitted_is_no_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first job has failed when the third is submitted: SLURM has dropped the second, and no job
    may name it any more. The queue of this stub is always empty."""
    monkeypatch.setenv("ICONOCLIP_SITE", "generic")
    for name, line in (("sbatch", "echo 4"), ("squeue", ":")):
        (tmp_path / name).write_text(f"#!/bin/bash\n{line}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    file = tmp_path / "c.yaml"
    file.write_text(
        f"folder: {tmp_path}/runs\nsteps:\n  one: {{stage: count}}\n  two: {{stage: count, after: [one]}}\n"
        "  three: {stage: count, after: [two]}\n  other: {stage: count}\n"
    )
    with pytest.raises(TryAgainLater, match="not submitted: two, three, because") as caught:
        chain(ChainConfig(chain=str(file)))
    assert caught.value.exit_code == 75
    assert capsys.readouterr().out.count("job 4") == 2


def test_a_step_that_checks_a_set_is_named_for_the_set() -> None:
    fields = {"shardset": "/sets/a"}
    steps = {
        "check": {"fields": fields},
        "publish": {"fields": {"shardset": "{check}", "to": "/public"}},
        "train": {"fields": {"shardsets": ["{publish}"]}},
    }
    found = submissions_of(described(**steps), "c.yaml")
    assert found["train"].request.config.model_dump()["shardsets"] == ["/sets/a"]
    assert [Path(need).name for need in found["train"].request.needs] == ["publish"]
    with pytest.raises(ConfigError, match="shardset"):
        submissions_of(described(check={}), "c.yaml")
