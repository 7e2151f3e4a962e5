"""The words after `iconoclip submit STAGE`, through the real command: which config they make, and which are
refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import Field

from iconoclip.cli import main
from iconoclip.config import Config
from slurm.stages import STAGES, Stage

pytestmark = pytest.mark.usefixtures("no_slurm")


class Hardware(Config):
    """A group of fields, nested in another."""

    num_nodes: int = 1
    devices: int | str = "auto"


class Optimizer(Config):
    """Another group of nested fields."""

    learning_rate: float = 1e-4
    betas: list[float] = Field([0.9, 0.98])


class Sharing(Config):
    """The group of what a job array shares."""

    num_tasks: int = 1
    task: int | None = None


class NestedConfig(Config):
    """A config in groups, as the large stages have them."""

    out: str
    name: str = ""
    language: str | None = None
    sources: list[str] = Field([])
    weights: dict[str, float] = Field({})
    hardware: Hardware = Hardware()
    optimizer: Optimizer = Optimizer()
    sharing: Sharing = Sharing()


@pytest.fixture(autouse=True)
def nested_stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A stage called `nested`, and a file for it in the working folder."""
    world = ("num_nodes", "devices")
    stage = Stage("nested", "gpu", "done.json", multi_node=True, shares=True, joins=True, world=world)
    monkeypatch.setitem(
        STAGES, "nested", Stage(**{**vars(stage), "program": ("nested",), "model": NestedConfig})
    )
    (tmp_path / "nested.yaml").write_text("name: from the file\noptimizer: {betas: [0.5]}\n")
    (tmp_path / "a=b.yaml").write_text("name: with a sign in its name\n")
    (tmp_path / "four.yaml").write_text("hardware: {num_nodes: 4, devices: 2}\n")


def submitted(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[dict[str, Any], str]:
    """The config that a dry run would freeze, and the script."""
    code = main(["submit", *words, "--dry-run"])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    lines = [line[4:] for line in printed.err.splitlines() if line.startswith("    ")]
    return yaml.safe_load("\n".join(lines)), printed.out


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        # A single value for a list is a list of one; several are several; repeated ones add up.
        (["sources=a"], "sources", ["a"]),
        (["sources=[a, b]"], "sources", ["a", "b"]),
        (["sources=a", "sources=b"], "sources", ["a", "b"]),
        (["sources=[a,b]", "sources=c"], "sources", ["a", "b", "c"]),
        (["optimizer.betas=0.9"], "optimizer.betas", [0.9]),
        # A comma is one of the value's own, unless the value is a list.
        (["sources=https://a.example/?q=1,2"], "sources", ["https://a.example/?q=1,2"]),
        (["sources=['a, b', c]"], "sources", ["a, b", "c"]),
        (["name=one, two"], "name", "one, two"),
        (['name="one, two"'], "name", "one, two"),
        # Text stays text where the field holds text.
        (["language=no"], "language", "no"),
        (["name=007"], "name", "007"),
        (["name=a: b = c # d"], "name", "a: b = c # d"),
        (["name="], "name", ""),
        (["language=null"], "language", None),
        # Nested fields have dotted names; numbers are written as people write them.
        (["optimizer.learning_rate=1e-3"], "optimizer.learning_rate", 0.001),
        (["optimizer.learning-rate=2"], "optimizer.learning_rate", 2.0),
        (["weights={title: 2}"], "weights", {"title": 2.0}),
        (["weights.title=2", "weights.note=0"], "weights", {"title": 2.0, "note": 0.0}),
        # The order of the words is free, and a word overrides the file.
        (["nested.yaml"], "name", "from the file"),
        (["nested.yaml", "name=typed"], "name", "typed"),
        (["name=typed", "nested.yaml"], "name", "typed"),
        (["name=typed", "nested.yaml", "language=fr"], "language", "fr"),
        (["name=typed", "nested.yaml"], "optimizer.betas", [0.5]),
        (["a=b.yaml"], "name", "with a sign in its name"),
        # The size of the job reaches the stage's own fields, and theirs the job.
        (["--nodes", "2"], "hardware.num_nodes", 2),
        (["hardware.num_nodes=2"], "hardware.num_nodes", 2),
        (["hardware.num_nodes=2", "--nodes", "2"], "hardware.num_nodes", 2),
        (["four.yaml"], "hardware.num_nodes", 4),
        (["four.yaml", "--nodes", "2"], "hardware.num_nodes", 2),
        (["four.yaml"], "hardware.devices", 2),
        (["--num_tasks", "3"], "sharing.num_tasks", 3),
    ],
)
def test_words_make_the_config(
    words: list[str], field: str, value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    config, _ = submitted(capsys, "nested", *words)
    for part in field.split("."):
        config = config[part]
    assert config == value


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["optimizer.learning_rat=1"], "did you mean 'optimizer.learning_rate'?"),
        (["learning_rate=1"], "did you mean 'optimizer.learning_rate'?"),
        (["naem=x"], "did you mean 'name'?"),
        (["config=x"], "unknown config key 'config'"),
        (["no_name=true"], "unknown config key 'no_name'"),
        (["name=a", "name=b"], "more than once"),
        (["name"], "the field 'name' has no value"),
        (["nested.yaml", "four.yaml"], "two config files: nested.yaml and four.yaml"),
        (["nowhere.yaml"], "no such config file"),
        (["na me=x"], "is not NAME=VALUE"),
        (["optimizer.learning_rate=many"], "optimizer.learning_rate"),
        (["hardware.num_nodes=2", "--nodes", "3"], "hardware.num_nodes=2 does not match the job: --nodes 3"),
    ],
)
def test_invalid_words_are_refused_with_a_message(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["submit", "nested", *words, "--dry-run"])
    printed = capsys.readouterr()
    assert code in (2, 4)
    assert says in printed.err
    assert printed.out == ""
    assert "bug" not in printed.err
    assert "validation error" not in printed.err


def test_the_script_asks_for_what_the_config_sets(capsys: pytest.CaptureFixture[str]) -> None:
    """Four nodes of two processes: the script starts them, each task of an array gets its number by name."""
    _, script = submitted(capsys, "nested", "four.yaml")
    assert "#SBATCH --nodes=4\n#SBATCH --ntasks-per-node=2\n" in script
    _, script = submitted(capsys, "nested", "--num_tasks", "2")
    assert '--config "$run/job/stage.yaml" --sharing.task "$task"' in script


def test_a_shipped_training_starts_on_the_nodes_it_names(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "train/vit-b-16-scratch.yaml", "shardsets=demo/shards"]
    config, script = submitted(capsys, *words, "--site", "leonardo", "--account", "a")
    # 16 nodes of 4 GPUs: what the file sets.
    assert "#SBATCH --nodes=16\n#SBATCH --ntasks-per-node=4\n" in script
    assert "- demo/shards\n" in yaml.safe_dump(config)


def test_one_shard_set_may_be_written_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    config, _ = submitted(capsys, "train", "train/demo.yaml", "shardsets=demo/shards")
    assert "shardsets:\n- demo/shards\n" in yaml.safe_dump(config).replace("  ", "")


def test_stage_options_and_words_come_in_any_order(capsys: pytest.CaptureFixture[str]) -> None:
    first = submitted(capsys, "nested", "nested.yaml", "name=x", "--nodes", "2")
    assert first == submitted(capsys, "--nodes", "2", "name=x", "nested", "nested.yaml")
    assert first == submitted(capsys, "nested.yaml", "--nodes=2", "nested", "name=x")
    assert first[0]["name"] == "x"


def folder_of(capsys: pytest.CaptureFixture[str], *words: str) -> Path:
    config, script = submitted(capsys, "nested", *words)
    run = Path(config["out"]).parent
    assert f"/{run}/job/logs/" in script
    return run


def test_default_folders_are_those_of_their_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """The same fields, however they are written, give the same folder; all others give one of their own."""
    plain = folder_of(capsys, "nested.yaml")
    assert plain.name.startswith("nested-nested-")
    same = [["nested.yaml", "--nodes", "1"], ["hardware.num_nodes=1", "nested.yaml"]]
    # `num_nodes=1` and `betas` of the file are what holds without these words.
    same += [["nested.yaml", "optimizer.betas=[0.50]"], ["nested.yaml", "--time", "10", "--exclude", "n3"]]
    assert {folder_of(capsys, *words) for words in same} == {plain}
    others = [
        ["four.yaml"], ["nested.yaml", "name=x"], ["nested.yaml", "name=y"], ["nested.yaml", "--nodes", "2"],
        ["nested.yaml", "--num_tasks", "3"], ["nested.yaml", "optimizer.learning_rate=1e-3"], [],
    ]  # fmt: skip
    found = [folder_of(capsys, *words) for words in others]
    assert len({plain, *found}) == len(others) + 1
    assert folder_of(capsys, "nested.yaml", "optimizer.learning_rate=0.001") == folder_of(
        capsys, "optimizer.learning_rate=1e-3", "nested.yaml"
    )


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["--memory", "64G", "--cpus_per_task", "6"], ["--cpus-per-task=6", "--mem=64G"]),
        (["--constraint", "a100&ib"], ['--constraint="a100&ib"']),
        (["--reservation", "course"], ["--reservation=course"]),
        (["--nodelist", "n[1-3]", "--exclude", "n9"], ['--nodelist="n[1-3]"', "--exclude=n9"]),
        (["--mail_user", "a@b.example"], ["--mail-user=a@b.example", "--mail-type=END,FAIL"]),
        (["--mail_type", "begin, time_limit_80"], ["--mail-type=BEGIN,TIME_LIMIT_80"]),
        (["--num_tasks", "9", "--max_running", "2"], ["--array=0-8%2"]),
    ],
)
def test_options_become_directives(
    words: list[str], lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _, script = submitted(capsys, "nested", *words)
    directives = [line.removeprefix("#SBATCH ") for line in script.splitlines() if line.startswith("#SBATCH")]
    assert set(lines) <= set(directives)
    assert ("export OMP_NUM_THREADS=6" in script) == ("--cpus_per_task" in words)


def test_options_that_cannot_be_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for words, says in (
        (["--mail_type", "OFTEN"], "OFTEN is no event"),
        (["--memory", "much"], "memory"),
        (["--reservation", "a\n#SBATCH --account=b"], "line break"),
        # As sbatch calls them, and a field of the stage as an option.
        (["-N", "2"], "write --nodes"),
        (["-p", "gpu"], "write --partition"),
        (["--gres", "gpu:4"], "write --gpus_per_node"),
        (["--mem=64G"], "write --memory"),
        (["--job-name", "x"], "write --run_dir"),
        (["--hardware.devices", "4"], "as NAME=VALUE"),
        (["--site", "leonardo", "--account", "a", "--gpus_per_node", "8"], "a node of this queue has 4 GPUs"),
    ):
        assert main(["submit", "nested", *words, "--dry-run"]) == 2
        assert says in capsys.readouterr().err


def test_inputs_that_are_not_there_are_said_before_the_job_waits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only what is a path here: a hub, an address or an architecture is found by the job."""
    words = ["submit", "--site", "local", "--dry-run"]
    (tmp_path / "shards" / "mine").mkdir(parents=True)
    for stage, fields, missing in (
        ("train", ["shardsets=[shards/mine, shards/mien]"], "shards/mien"),
        ("train", ["shardsets=[shards/mine, s3://bucket/set, https://a.example/set]"], ""),
        ("encode", ["model=models/first", "shardset=shards/mine"], "models/first"),
        ("encode", ["model=ViT-B/32", "shardset=shards/mine"], ""),
        ("encode", ["model=hf-hub:a/b", "shardset=shards/mine"], ""),
        ("merge", ["shardsets=[shards/a, shards/b]"], "shards/a, shards/b"),
    ):
        assert main([*words, stage, *fields]) == 0
        said = capsys.readouterr().err
        assert (f"not there: {missing}. " in said) if missing else ("not there" not in said)
    assert main([*words, "encode", "model=models/first", "shardset=shards/mine", "--after", "7"]) == 0
    assert "not there" not in capsys.readouterr().err
