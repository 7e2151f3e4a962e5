"""Submission without SLURM: dry runs anywhere, all checks first, and what is frozen."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from iconoclip.cli import main
from iconoclip.config import Config, read_yaml, shipped_config, to_yaml
from iconoclip.errors import ConfigError, IconoclipError, MissingRequirement
from slurm import scheduler
from slurm.config import CancelConfig, ResumeConfig, SubmitConfig
from slurm.freeze import code_facts, differing_fields, digest_of, freeze, freeze_code, package_folders
from slurm.job import JobDir
from slurm.plan import render
from slurm.stages import STAGES, Stage
from slurm.submit import Submission, cancel, dependencies_of, place, prepare, resume, submit
from training.config import TrainConfig

from .conftest import plan_for


def submission_for(run_dir: Path, num_tasks: int | None = None, **fields: object) -> Submission:
    config = SubmitConfig(stage="count", site="generic", run_dir=run_dir, num_tasks=num_tasks)
    return prepare(config, None, dict(fields), ())


@pytest.mark.usefixtures("no_slurm", "count_stage")
def test_a_dry_run_prints_the_script_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(tmp_path.rglob("*"))
    asked = SubmitConfig(stage="count", overrides=["num_steps=7"], dry_run=True)
    assert submit(asked) == 0
    printed = capsys.readouterr()
    assert printed.out == render(prepare(asked, None, {"num_steps": 7}, ()).plan)
    assert printed.out.startswith("#!/bin/bash\n")
    assert "num_steps: 7" in printed.err
    assert "sbatch --parsable" in printed.err
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.usefixtures("no_slurm", "count_stage")
@pytest.mark.parametrize(
    "words",
    [
        ["submit", "merge", "shardsets=[a]"],
        ["doctor"],
        ["chain", "chain.yaml"],
        ["resume", "run"],
        ["cancel", "run"],
    ],
)
def test_without_slurm_each_verb_says_so_in_a_line(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    freeze(*submission_for(tmp_path / "run"))
    (tmp_path / "chain.yaml").write_text("folder: runs\nsteps: {merge: {fields: {shardsets: [a]}}}\n")
    assert main(words) == 4
    printed = capsys.readouterr()
    text = printed.out + printed.err
    assert sum("no sbatch" in line for line in text.splitlines()) == 1
    assert "Traceback" not in text


@pytest.mark.usefixtures("no_slurm", "count_stage")
def test_status_and_logs_read_the_run_s_own_records_without_slurm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    freeze(*submission_for(tmp_path / "runs" / "run"))
    (tmp_path / "runs/run/job/logs/1.log").write_text("hello\n")
    assert main(["status", "runs"]) == 0
    printed = capsys.readouterr()
    assert "submitted" in printed.out
    assert "SLURM is not on this machine" in printed.err
    assert main(["logs", "runs/run", "-f"]) == 0
    assert capsys.readouterr().out == "hello\n"


@pytest.mark.usefixtures("no_slurm", "count_stage")
@pytest.mark.parametrize(
    ("config", "says"),
    [
        (SubmitConfig(stage="cuont"), "unknown stage 'cuont'"),
        (SubmitConfig(stage="count", overrides=["num_stpes=3"]), "unknown config key 'num_stpes'"),
        (SubmitConfig(stage="count", overrides=["num_steps=many"]), "num_steps"),
        (SubmitConfig(stage="count", overrides=["num_steps"]), "the field 'num_steps' has no value"),
        (
            SubmitConfig(stage="count", overrides=["num_nodes=3"], nodes=2),
            "num_nodes=3 does not match the job",
        ),
        (
            SubmitConfig(stage="count", overrides=["devices=2"], tasks_per_node=1),
            "devices=2 does not match the job",
        ),
        (SubmitConfig(stage="merge", overrides=["shardsets=[a]"], nodes=2), "runs on one node"),
        (SubmitConfig(stage="merge", overrides=["shardsets=[a]"], num_tasks=2), "cannot be shared"),
        (SubmitConfig(stage="count", after="nowhere"), "no job was submitted"),
    ],
)
def test_mistakes_are_found_before_anything_is_sent_to_slurm(config: SubmitConfig, says: str) -> None:
    with pytest.raises((ConfigError, MissingRequirement), match=says):
        submit(config.model_copy(update={"dry_run": True}))


@pytest.mark.usefixtures("count_stage")
def test_the_job_s_size_reaches_the_stage_s_own_fields(tmp_path: Path) -> None:
    asked = SubmitConfig(stage="count", site="leonardo", account="a", nodes=2, run_dir=tmp_path)
    request, plan = prepare(asked, None, {}, ())
    assert (plan.nodes, plan.tasks_per_node, plan.gpu_option) == (2, 4, "--gres=gpu:4")
    assert request.config.model_dump() == {
        "out": str(tmp_path / "out"), "num_steps": 3, "num_nodes": 2, "devices": 4, "num_tasks": 1,
        "task": None, "inputs": [],
    }  # fmt: skip


@pytest.mark.usefixtures("count_stage")
def test_config_code_and_script_are_frozen(tmp_path: Path) -> None:
    submission = submission_for(tmp_path / "run", num_steps=5)
    freeze(*submission)
    job_dir = JobDir(tmp_path / "run")
    assert yaml.safe_load(job_dir.config_path.read_text())["num_steps"] == 5
    assert job_dir.script_path.read_text() == render(submission.plan)
    facts = code_facts(job_dir)
    assert facts["digest"] == digest_of(job_dir.code)
    commit = subprocess.run(
        ["git", "-C", str(package_folders()["iconoclip"]), "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert facts["commit"] == (commit.stdout.strip() or None)
    # The copy is enough to run: another folder, nothing of the checkout on the path.
    where = subprocess.run(
        [sys.executable, "-c", "import iconoclip.cli, slurm.attempt; print(iconoclip.__file__)"],
        env={"PYTHONPATH": str(job_dir.code)}, cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.strip() == str(job_dir.code / "iconoclip" / "__init__.py")


@pytest.mark.usefixtures("count_stage")
def test_new_code_replaces_the_frozen_copy(tmp_path: Path) -> None:
    freeze(*submission_for(tmp_path / "run"))
    job_dir = JobDir(tmp_path / "run")
    (job_dir.code / "slurm" / "__init__.py").write_text("old = True\n")
    (job_dir.code / "gone.py").touch()
    freeze_code(job_dir)
    assert (job_dir.code / "slurm" / "__init__.py").read_text() == (
        package_folders()["slurm"] / "__init__.py"
    ).read_text()
    assert not (job_dir.code / "gone.py").exists()
    assert code_facts(job_dir)["digest"] == digest_of(job_dir.code)


@pytest.mark.usefixtures("count_stage", "no_slurm")
@pytest.mark.parametrize(
    ("num_tasks", "num_steps", "says"),
    [
        (2, 6, "another num_steps: 5, not 6"),
        (3, 5, "began with 2 tasks and cannot continue with 3"),
        (None, 5, "cannot continue with none"),
    ],
)
def test_a_run_continues_with_the_config_and_the_tasks_it_began_with(
    tmp_path: Path, num_tasks: int | None, num_steps: int, says: str
) -> None:
    freeze(*submission_for(tmp_path / "run", 2, num_steps=5))
    before = JobDir(tmp_path / "run").config_path.read_text()
    with pytest.raises(ConfigError, match=says):
        place(submission_for(tmp_path / "run", num_tasks, num_steps=num_steps))
    assert JobDir(tmp_path / "run").config_path.read_text() == before


@pytest.mark.usefixtures("count_stage", "no_slurm")
def test_a_finished_run_is_submitted_by_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    submission = submission_for(tmp_path / "run")
    freeze(*submission)
    (tmp_path / "run" / "out").mkdir()
    (tmp_path / "run" / "out" / "done.json").touch()
    assert place(submission) is None
    assert resume(ResumeConfig(run_dir=tmp_path / "run")) == 0
    assert cancel(CancelConfig(run_dir=tmp_path / "run")) == 0
    assert capsys.readouterr().out.count("finished already") == 3


@pytest.mark.parametrize(
    ("line", "job_id", "task"),
    [
        ("41|N/A|RUNNING|None|node1|41", 41, None),
        ("40|1|RUNNING|None|node1|42", 40, "1"),
        ("40|2-5|PENDING|(Priority)||40", 40, "2-5"),
        # With a throttle, and cut short as Slurm cuts long lists.
        ("40|6-99%8|PENDING|JobArrayTaskLimit||40", 40, "6-99%8"),
        ("40|0,2,4,...|PENDING|Dependency||40", 40, "0,2,4,..."),
        # Slurm 23.02 and later: states and reasons that 22.05 does not know.
        ("52|N/A|REQUEUE_HOLD|launch_failed_requeued_held||52", 52, None),
        ("53|N/A|PENDING|(Nodes required for job are DOWN, DRAINED)||53", 53, None),
    ],
)
def test_a_line_of_the_queue_is_the_job_s_and_not_the_task_s(
    line: str, job_id: int, task: str | None
) -> None:
    """squeue(1): %F is the array's id, %A the additional id of each of its tasks."""
    queued = scheduler._queued(line)
    assert (queued.job_id, queued.task) == (job_id, task)
    assert "(" not in queued.reason


@pytest.mark.parametrize(
    ("command", "prints", "code", "expected"),
    [
        # slurm 22.05 and 24.11; one of a federation; scripts of sites around sbatch.
        ("sbatch", "9", 0, 9),
        ("sbatch", "9;cluster", 0, 9),
        ("sbatch", "---- Welcome ----\nverifying project 12345 ... OK\n\n9;cluster", 0, 9),
        ("sbatch", "your project has 3 hours left", 0, "does not say the job's id"),
        # A job that is not there any more, and one that is ending.
        ("scancel", "scancel: error: Kill job error on job id 9: Invalid job id specified", 1, None),
        (
            "scancel",
            "scancel: error: Kill job error on job id 9: Job/step already completing or completed",
            1,
            None,
        ),
        ("scancel", "scancel: error: Unable to contact slurm controller (connect failure)", 1, "try again"),
    ],
)
def test_what_sbatch_and_scancel_print_is_understood(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str, prints: str, code: int, expected: object
) -> None:
    stream = ">&2" if command == "scancel" else ""
    (tmp_path / command).write_text(f"#!/bin/bash\ncat {stream} <<'END'\n{prints}\nEND\nexit {code}\n")
    (tmp_path / command).chmod(0o755)
    (tmp_path / "script").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def call() -> object:
        return scheduler.sbatch(tmp_path / "script") if command == "sbatch" else scheduler.cancel([9])

    if isinstance(expected, str):
        with pytest.raises(IconoclipError) as caught:
            call()
        assert expected in str(caught.value)
    else:
        assert call() == expected


def test_a_job_inherits_no_other_job_and_no_option_that_its_script_states(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sbatch").write_text(f"#!/bin/bash\nenv > {tmp_path}/inherited\necho 9\n")
    (tmp_path / "sbatch").chmod(0o755)
    (tmp_path / "script").write_text(render(plan_for(STAGES["train"], "leonardo", account="a", qos="q")))
    # What a shell of `srun --pty`, a notebook and a user's ~/.bashrc contain.
    kept = {"SLURM_CONF": "/a/slurm.conf", "SLURM_CLUSTERS": "west", "SBATCH_WCKEY": "key", "LANG": "C"}
    dropped = {
        "SLURM_CPU_BIND": "quiet,mask_cpu:0x1", "SLURM_GPUS_PER_TASK": "1", "SLURM_MEM_PER_CPU": "50",
        "SLURM_HINT": "multithread", "SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SBATCH_PARTITION": "other",
        "SBATCH_TIMELIMIT": "1", "SBATCH_ACCOUNT": "b", "SBATCH_QOS": "r", "SBATCH_NO_REQUEUE": "1",
    }  # fmt: skip
    for name, value in {**kept, **dropped, "PATH": f"{tmp_path}:/usr/bin:/bin"}.items():
        monkeypatch.setenv(name, value)
    assert scheduler.sbatch(tmp_path / "script") == 9
    inherited = dict(line.split("=", 1) for line in (tmp_path / "inherited").read_text().splitlines())
    assert kept.items() <= inherited.items()
    assert not dropped.keys() & inherited.keys()


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """SLURM's commands as stubs: each squeue prints the next line of a file, sbatch gives job 9."""
    folder, lines = tmp_path / "bin", tmp_path / "lines"
    folder.mkdir()
    scripts = {
        "squeue": f'head -n 1 {lines}; sed -i 1d {lines}',
        "sbatch": "echo '9;cluster'",
    }  # fmt: skip
    for name, line in scripts.items():
        (folder / name).write_text(f"#!/bin/bash\n{line}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return lines


@pytest.mark.usefixtures("count_stage")
def test_resume_waits_until_a_job_has_ended(
    answers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    freeze(*submission_for(tmp_path / "run"))
    job_dir = JobDir(tmp_path / "run")
    job_dir.note_submission(7, None)
    submitted = job_dir.submissions_path.read_text()
    monkeypatch.setattr("slurm.submit.SECONDS_BETWEEN_LOOKS", 0.01)
    for lines, says in (
        # It ends and is gone: the missing work is submitted.
        (["7|N/A|COMPLETING|None|node1|7", "7|N/A|COMPLETING|None|node1|7", ""], "job 9"),
        # It ends and comes back, because it was requeued: nothing is submitted twice.
        (["7|N/A|COMPLETING|None|node1|7", "7|N/A|PENDING|BeginTime||7"], "job 7 is in the queue already"),
        (["7|N/A|RUNNING|None|node1|7"], "job 7 is in the queue already"),
        (["8|N/A|RUNNING|None|node1|8"], "job 9"),
    ):
        job_dir.submissions_path.write_text(submitted)
        answers.write_text("".join(f"{line}\n" for line in lines))
        assert resume(ResumeConfig(run_dir=tmp_path / "run")) == 0
        assert says in capsys.readouterr().out


@pytest.mark.usefixtures("count_stage")
def test_the_same_run_is_submitted_once_however_many_submit_it(
    answers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Threads instead of processes: a file lock belongs to the open file, not to the process."""
    # The queue lists job 9 from the moment when sbatch has given that number.
    (answers.parent / "bin" / "sbatch").write_text(
        f"#!/bin/bash\nsleep 0.1\nyes '9|N/A|PENDING|None||9' | head -n 2 > {answers}\necho 9\n"
    )
    answers.write_text("")
    submission = submission_for(tmp_path / "run")
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda _: place(submission), range(3)))
    assert found == [9, 9, 9]
    out = capsys.readouterr().out
    assert (out.count("job 9 is in the queue already"), out.count("run: job 9\n")) == (2, 1)
    assert len((tmp_path / "run/job/submissions.jsonl").read_text().splitlines()) == 1


@pytest.mark.usefixtures("count_stage")
def test_a_run_continues_with_the_time_and_memory_that_are_asked_for(
    answers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers.write_text("")
    run, words = tmp_path / "run", ["--site", "lumi", "--account", "a", "--run_dir", str(tmp_path / "run")]

    def directives() -> list[str]:
        script = JobDir(run).script_path.read_text().splitlines()
        return [line.removeprefix("#SBATCH ") for line in script if "--mem" in line or "--time" in line]

    encode = ["submit", "encode", "model=m", "shardset=s", *words]
    assert main([*encode, "--time", "10"]) == 0
    assert directives() == ["--time=10", "--mem-per-gpu=60G"]
    frozen = code_facts(JobDir(run))
    assert main(["resume", str(run), "--memory", "120G"]) == 0
    assert directives() == ["--mem=120G", "--time=10"]
    # The same command with other options, not silently with those of before.
    assert main([*encode, "--time", "20", "--memory", "80G"]) == 0
    assert directives() == ["--mem=80G", "--time=20"]
    assert code_facts(JobDir(run)) == frozen
    assert capsys.readouterr().out.count("job 9") == 3


@pytest.mark.usefixtures("count_stage", "no_slurm")
def test_a_run_that_is_neither_finished_nor_queued_cannot_be_waited_for(tmp_path: Path) -> None:
    freeze(*submission_for(tmp_path / "run"))
    assert dependencies_of((str(tmp_path / "run"),), (7,), ask=False) == [
        "--dependency=afterok:7",
        "--kill-on-invalid-dep=yes",
    ]
    (tmp_path / "run" / "out").mkdir()
    (tmp_path / "run" / "out" / "done.json").touch()
    assert dependencies_of((str(tmp_path / "run"),), (), ask=False) == []


def test_an_unwritable_folder_is_said_to_be_one(tmp_path: Path, count_stage: Stage) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MissingRequirement, match="cannot be written"):
        freeze(*submission_for(tmp_path / "file" / "run"))


@pytest.mark.usefixtures("count_stage")
def test_a_run_continues_with_its_config_when_a_newer_version_has_more_fields(tmp_path: Path) -> None:
    config = submission_for(tmp_path / "run", num_steps=5).request.config
    frozen = config.model_dump(mode="json")
    assert differing_fields(frozen, config) == []
    del frozen["inputs"]
    assert differing_fields(frozen, config) == []
    del frozen["num_steps"]
    assert differing_fields(frozen, config) == [("num_steps", 3, 5)]
    assert differing_fields({**frozen, "num_steps": 4, "gone": 1}, config) == [("num_steps", 4, 5)]


@pytest.mark.parametrize("path", sorted(shipped_config("train").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_frozen_config_is_the_one_that_was_frozen(path: Path, tmp_path: Path) -> None:
    """Also where a field is a mapping, such as `field_weights`."""

    def asked(**fields: object) -> Config:
        asked = SubmitConfig(stage="train", site="generic", run_dir=tmp_path / "run")
        return prepare(asked, str(path), {"shardsets": ["a"], **fields}, ()).request.config

    (tmp_path / "stage.yaml").write_text(to_yaml(asked()))
    frozen = TrainConfig.from_older(read_yaml(tmp_path / "stage.yaml"))
    assert differing_fields(frozen, asked()) == []
    weighted = asked(**{"data.field_weights": {"title": 0.25}})
    [(name, before, present)] = differing_fields(frozen, weighted)
    assert (name, before) == ("data.field_weights", frozen["data"]["field_weights"])
    assert present == before | {"title": 0.25}
