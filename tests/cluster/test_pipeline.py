"""All stages on a real SLURM: from a harvest whose task is killed to an index that is searched."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest

from slurm import scheduler
from slurm.config import StatusConfig
from slurm.job import JobDir
from slurm.status import status
from tests import commands

from .chains import Chained, submit_chain
from .waiting import log_of, wait_until

# Timeouts for hanging jobs, not measurements: a shared machine may be slow.
pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(900)]


def num_fetched(ledger: Path) -> int:
    """Images that a task's ledger holds."""
    with contextlib.closing(sqlite3.connect(ledger)) as database:
        found: int = database.execute("SELECT count(*) FROM items WHERE state = 'fetched'").fetchone()[0]
    return found


def test_a_harvest_redoes_only_the_killed_task(chained: Chained) -> None:
    harvest = JobDir(chained.runs / "iiif")
    wait_until(harvest.is_finished, "harvested", seconds=300)
    wait_until(lambda: harvest.work_of(1).state == "finished", "joined")
    assert [len(harvest.work_of(task).attempts) for task in (0, 1)] == [1, 2]
    assert harvest.work_of(1).attempts[0].exit_code == 137
    submissions = [json.loads(line) for line in harvest.submissions_path.read_text().splitlines()]
    assert [line["array"] for line in submissions] == ["0-1", "1"]
    ledgers = [harvest.run.folder / f"out/.harvest/task-{task:05d}-of-00002/ledger.sqlite" for task in (0, 1)]
    fetched = [num_fetched(ledger) for ledger in ledgers]
    assert all(fetched)
    whole = json.loads((harvest.run.folder / "out/shardset.json").read_text())
    assert whole["totals"]["num_samples"] == sum(fetched)


def test_the_chain_ends_in_an_index_that_is_searched(
    chained: Chained, capsys: pytest.CaptureFixture[str]
) -> None:
    index = JobDir(chained.runs / "index")
    wait_until(lambda: not scheduler_has(chained), "the chain's end", seconds=600)
    assert index.is_finished(), "\n".join(log_of(run) for run in sorted(chained.runs.iterdir()))
    capsys.readouterr()
    status(StatusConfig(folder=chained.runs, json=True))
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["run"] for row in rows} == {
        "iiif",
        "oai",
        "merge",
        "check",
        "train",
        "weights",
        "evaluate",
        "model",
        "encode",
        "index",
    }
    assert {row["state"] for row in rows} == {"finished"}
    done = commands.run(["search", "azure", "--index", chained.runs / "index/out", "--json"])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


def test_the_chain_ends_in_a_card_with_scores_and_licence(chained: Chained) -> None:
    wait_until(JobDir(chained.runs / "model").is_finished, "the model", seconds=600)
    card = (chained.runs / "model/out/README.md").read_text()
    measured = json.loads((chained.runs / "evaluate/out/evaluation.json").read_text())
    assert "\nlicense: cc-by-4.0\n" in card
    for language, entry in measured["languages"].items():
        assert f"| {language}, text to image | {entry['text_to_image']['recall@1']['value']:.3f} (" in card
    drafted = (chained.runs / "weights/out/README.md").read_text()
    assert "text to image" not in drafted


def scheduler_has(chained: Chained) -> bool:
    ours = {job_id for run in chained.runs.iterdir() for job_id in JobDir(run).job_ids()}
    return any(job.job_id in ours for job in scheduler.queue())


def test_a_finished_chain_submits_nothing(chained: Chained) -> None:
    wait_until(JobDir(chained.runs / "index").is_finished, "the chain's end", seconds=600)
    wait_until(lambda: not scheduler_has(chained), "the queue empty", seconds=60)
    assert submit_chain(chained.file).count("finished already") == 10
