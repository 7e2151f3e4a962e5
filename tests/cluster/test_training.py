"""Real training on a real SLURM: two nodes give what one process gives, and a requeue changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from iconoclip.rundir import RunDir
from slurm.job import JobDir

from .tiny import NUM_STEPS
from .trainings import Trained
from .waiting import log_of

# Timeouts for hanging jobs, not measurements: a shared machine may be slow.
pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(900)]


def losses_of(run: Path) -> list[float]:
    lines = [line for line in RunDir(run).metrics() if "loss" in line]
    assert [line["step"] for line in lines] == list(range(1, NUM_STEPS + 1))
    return [line["loss"] for line in lines]


def test_two_nodes_give_the_losses_of_one_process(trained: Trained) -> None:
    assert losses_of(trained.two_nodes) == pytest.approx(losses_of(trained.alone), abs=1e-5)
    # The loss falls: runs that learn nothing would agree trivially.
    assert losses_of(trained.alone)[-1] < losses_of(trained.alone)[0] - 0.01


def test_sharded_weights_on_two_nodes_give_the_losses_of_one_process(trained: Trained) -> None:
    assert losses_of(trained.sliced) == pytest.approx(losses_of(trained.alone), abs=1e-5)
    assert yaml.safe_load((trained.sliced / "config.yaml").read_text())["hardware"]["strategy"] == "fsdp"


def test_two_requeues_in_the_middle_of_an_epoch_change_no_loss(trained: Trained) -> None:
    assert losses_of(trained.requeued) == losses_of(trained.two_nodes)


def test_the_requeued_run_is_one_run(trained: Trained) -> None:
    job_dir = JobDir(trained.requeued)
    attempts = job_dir.work_of(None).attempts
    assert [(attempt.exit_code, attempt.stop) for attempt in attempts] == [
        (75, "warned"),
        (75, "ended"),
        (0, "none"),
    ]
    assert len({attempt.job_id for attempt in attempts}) == 1
    assert log_of(trained.requeued).count("attempt ") == 3
    record = job_dir.run.job
    assert record["state"] == "finished"
    # wandb writes a folder for each start; all of them are the same run to its server.
    folders = [path.name for path in (trained.requeued / "wandb").glob("offline-run-*")]
    assert len(folders) == 3
    assert all(name.endswith(record["wandb_id"]) for name in folders)


def test_both_ranks_ran_on_their_own_node(trained: Trained) -> None:
    assert JobDir(trained.two_nodes).work_of(None).attempts[0].nodes == "node[1-2]"
    assert yaml.safe_load((trained.two_nodes / "config.yaml").read_text())["hardware"]["num_nodes"] == 2
