"""How many processes train: job scripts of users that start another number than the config sets, and jobs
that share a node.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from iconoclip.rundir import RunDir
from slurm.config import SubmitConfig
from slurm.job import JobDir
from slurm.local_cluster import LocalCluster
from slurm.submit import submit
from tests.commands import write_python

from .tiny import train_fields
from .waiting import wait_until_finished

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

# The second command is the remedy that the first one prints. It divides the CPUs: since SLURM 23.11, srun
# would give each process the two of the task. The third starts twice what trains by itself.
SCRIPT = """#!/bin/bash
#SBATCH --ntasks=1 --cpus-per-task=2
export PATH={programs}:{bin}:$PATH OMP_NUM_THREADS=1 MASTER_ADDR=127.0.0.1
export PYTHON_EXEC={programs}/python  # what torchrun starts
iconoclip train --config fields.yaml --run_dir half --hardware.devices 2 2> half.err
echo "half $?"
eval "$(sed -n 's/.*start them with \\(srun [^(]*\\).*/\\1/p' half.err)" 2> remedy.err
echo "remedy $?"
srun --ntasks=2 --cpus-per-task=1 iconoclip train --config fields.yaml --run_dir twice 2> twice.err
echo "twice $?"
torchrun --nproc-per-node=2 -m iconoclip.cli train --config fields.yaml --run_dir torchrun \\
    --hardware.devices 2 2> torchrun.err
echo "torchrun $?"
"""


def test_a_batch_script_trains_on_all_ranks_or_refuses(cluster: LocalCluster, tmp_path: Path) -> None:
    fields = train_fields(tmp_path, max_steps=2)
    (tmp_path / "fields.yaml").write_text(yaml.safe_dump(fields))
    python, iconoclip = write_python(tmp_path / "python"), tmp_path / "iconoclip"
    iconoclip.write_text(f'#!/bin/sh\nexec {python} -m iconoclip.cli "$@"\n')
    iconoclip.chmod(0o755)
    (tmp_path / "job.sh").write_text(SCRIPT.format(programs=tmp_path, bin=Path(sys.executable).parent))
    subprocess.run(["sbatch", "--wait", "--output=said", "job.sh"], cwd=tmp_path, check=True, timeout=600)
    logs = {path.stem: path.read_text() for path in tmp_path.glob("*.err")}
    # srun gives the highest exit code of its tasks.
    assert (tmp_path / "said").read_text().split() == [
        "half", "2", "remedy", "0", "twice", "2", "torchrun", "0",
    ], logs  # fmt: skip
    assert logs["twice"].count("srun started 2 processes") == 2
    assert not (tmp_path / "twice").exists()
    losses = [
        [line["loss"] for line in RunDir(tmp_path / run).metrics() if "loss" in line]
        for run in ("half", "torchrun")
    ]
    assert len(losses[0]) == 2
    assert losses[0] == losses[1]


@pytest.mark.long
def test_two_trainings_of_two_ranks_share_a_node(cluster: LocalCluster, tmp_path: Path) -> None:
    """Each has a port of its own, where its ranks meet, and a temporary folder."""
    config_file = tmp_path / "tiny.yaml"
    config_file.write_text(yaml.safe_dump(train_fields(tmp_path, max_steps=40)))
    runs = [tmp_path / name for name in ("first", "second")]
    for run in runs:
        submit(
            SubmitConfig(
                stage="train", config_file=str(config_file), run_dir=run, nodes=1, tasks_per_node=2,
                nodelist="node1",
            )
        )  # fmt: skip
    for run in runs:
        wait_until_finished(JobDir(run), seconds=600)
    first, second = (JobDir(run).work_of(None).attempts[0] for run in runs)
    assert first.nodes == second.nodes == "node1"
    # Both ran at the same time.
    assert first.started_at < (second.ended_at or "")
    assert second.started_at < (first.ended_at or "")
    losses = [[line["loss"] for line in RunDir(run).metrics() if "loss" in line] for run in runs]
    assert len(losses[0]) == 40
    assert losses[0] == losses[1]
