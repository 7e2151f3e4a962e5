"""A run with missing ranks never reports success: what was started is compared with what was requested, for
every launcher.
"""

from __future__ import annotations

import os

import pytest

from iconoclip.errors import ConfigError
from training.world import PARENT_VARIABLE, World, check_world, started, tasks_per_node

COMMAND = "iconoclip train set --run_dir run"
# As a real SLURM 22.05 sets them: in a batch script, in a task of srun, in the shell of salloc.
JOB = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "1", "SLURM_JOB_NAME": "half", "SLURM_NODELIST": "node1"}
BATCH = JOB | {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
SALLOC = JOB | {"SLURM_NTASKS": "2"}
ARRAY = BATCH | {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "2"}


def task(rank: int, layout: str, **changes: str) -> dict[str, str]:
    """A task of srun; `layout` is its tasks per node as SLURM writes them."""
    counts = tasks_per_node(layout)
    node = next(number for number in range(len(counts)) if rank < sum(counts[: number + 1]))
    return BATCH | {
        "SLURM_PROCID": str(rank),
        "SLURM_NODEID": str(node),
        "SLURM_LOCALID": str(rank - sum(counts[:node])),
        "SLURM_STEP_ID": "0",
        "SLURM_STEP_NUM_TASKS": str(sum(counts)),
        "SLURM_STEP_TASKS_PER_NODE": layout,
        **changes,
    }


def elastic(rank: int, size: int, on_node: int) -> dict[str, str]:
    """The variables of a process of torchrun."""
    return {
        "RANK": str(rank),
        "WORLD_SIZE": str(size),
        "LOCAL_RANK": str(rank % on_node),
        "LOCAL_WORLD_SIZE": str(on_node),
        "GROUP_RANK": str(rank // on_node),
        "TORCHELASTIC_RUN_ID": "none",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "1",
    }


TWO, FOUR_BY_TWO = World(2), World(4, 2)
SRUN_TWO = f"srun --nodes=1 --ntasks=2 --ntasks-per-node=2 {COMMAND}"
# What the environment says, what is requested, and what the remedy must contain; None where the run may
# start.
CASES: list[tuple[str, dict[str, str], World, str | None]] = [
    ("a plain process", {}, World(1), None),
    ("a plain process that starts its ranks itself", {}, TWO, None),
    ("one node of two", {}, FOUR_BY_TWO, "torchrun --nnodes=2 --nproc-per-node=4 -m iconoclip.cli train set"),
    ("one node of two, numbered by hand", {"NODE_RANK": "1", "MASTER_ADDR": "a"}, FOUR_BY_TWO, None),
    ("a rank started by hand", {"LOCAL_RANK": "1"}, TWO, "torchrun --nproc-per-node=2"),
    ("a batch script", BATCH, World(1), None),
    ("half a batch script", BATCH, TWO, SRUN_TWO),
    ("a batch script with room for two", BATCH | {"SLURM_NTASKS": "2"}, TWO, SRUN_TWO),
    ("a batch script over two nodes", BATCH, FOUR_BY_TWO, "srun --nodes=2 --ntasks=8 --ntasks-per-node=4"),
    (
        "a batch script with CPUs for one",
        BATCH | {"SLURM_CPUS_PER_TASK": "7", "SLURM_JOB_CPUS_PER_NODE": "7"},
        TWO,
        f"{SRUN_TWO.removesuffix(COMMAND)}--cpus-per-task=3 {COMMAND} (and give the job "
        "#SBATCH --nodes=1 --ntasks-per-node=2 --cpus-per-task=3)",
    ),
    (
        "a batch script with CPUs for all",
        BATCH | {"SLURM_CPUS_PER_TASK": "4", "SLURM_JOB_CPUS_PER_NODE": "8(x2)"},
        TWO,
        SRUN_TWO,
    ),
    (
        "the smaller of two nodes",
        BATCH | {"SLURM_CPUS_PER_TASK": "8", "SLURM_JOB_CPUS_PER_NODE": "32,8"},
        FOUR_BY_TWO,
        "--ntasks-per-node=4 --cpus-per-task=2 iconoclip",
    ),
    (
        "fewer CPUs than processes",
        BATCH | {"SLURM_CPUS_PER_TASK": "1", "SLURM_JOB_CPUS_PER_NODE": "1"},
        TWO,
        SRUN_TWO,
    ),
    ("a notebook server in a batch script", BATCH | {"JPY_PARENT_PID": "1"}, TWO, SRUN_TWO),
    ("a task of a job array", ARRAY, World(1), None),
    ("a task of a job array that wants more", ARRAY, TWO, SRUN_TWO),
    ("srun as asked", task(1, "2"), TWO, None),
    ("srun over two nodes as asked", task(5, "4(x2)"), FOUR_BY_TWO, None),
    ("srun with one task", task(0, "1"), TWO, SRUN_TWO),
    ("two tasks, each of which would train all of it", task(0, "2"), World(1), "set devices to 2"),
    ("two tasks, the second", task(1, "2"), World(1), "set devices to 2 and num_nodes to 1"),
    ("srun with a task too many", task(2, "3"), TWO, SRUN_TWO),
    ("the right number on the wrong nodes", task(0, "6,2"), FOUR_BY_TWO, "--ntasks-per-node=4"),
    ("two nodes instead of one", task(0, "1(x2)"), TWO, SRUN_TWO),
    ("the shell of salloc", SALLOC, TWO, None),
    ("the shell of salloc for one", SALLOC, World(1), None),
    (
        "the shell of salloc for two nodes",
        SALLOC,
        FOUR_BY_TWO,
        "srun --nodes=2 --ntasks=8 --ntasks-per-node=4",
    ),
    ("salloc's own step", SALLOC | {"SLURM_PROCID": "0", "SLURM_STEP_ID": "4294967290"}, TWO, None),
    ("the shell of srun --pty", task(0, "1", SLURM_PTY_PORT="1"), TWO, None),
    (
        "srun typed into the shell of srun --pty",
        task(1, "2", SLURM_PTY_PORT="1"),
        World(1),
        "set devices to 2",
    ),
    ("torchrun", elastic(1, 2, 2), TWO, None),
    ("torchrun with one", elastic(0, 1, 1), TWO, "torchrun --nproc-per-node=2 -m iconoclip.cli train set"),
    ("torchrun with two, each of which would train all", elastic(1, 2, 2), World(1), "set devices to 2"),
    ("torchrun laid out otherwise", elastic(1, 2, 2), World(1, 2), "torchrun --nnodes=2 --nproc-per-node=1"),
    ("torchrun in a batch script", BATCH | elastic(1, 2, 2), TWO, None),
    ("torchrun in a batch script with one", BATCH | elastic(0, 1, 1), TWO, "torchrun --nproc-per-node=2"),
    ("srun of torchrun on each node", task(1, "1(x2)") | elastic(5, 8, 4), FOUR_BY_TWO, None),
    ("srun of torchrun on one node", task(0, "1") | elastic(0, 4, 4), FOUR_BY_TWO, "torchrun --nnodes=2"),
    (
        "mpirun",
        {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"},
        TWO,
        "torchrun --nproc-per-node=2",
    ),
    (
        "mpirun of several whole runs",
        {"PMI_SIZE": "2", "PMI_RANK": "1"},
        World(1),
        "torchrun --nproc-per-node=1",
    ),
    ("mpirun of one", {"OMPI_COMM_WORLD_SIZE": "1"}, World(1), None),
    ("srun with MPI's variables", task(1, "2", PMI_SIZE="2", PMI_RANK="1"), TWO, None),
]


@pytest.mark.parametrize(("what", "environment", "asked", "remedy"), CASES, ids=[case[0] for case in CASES])
def test_what_was_started_is_compared_with_what_was_asked_for(
    what: str, environment: dict[str, str], asked: World, remedy: str | None
) -> None:
    if remedy is None:
        check_world(asked, environment, command=COMMAND, is_notebook=False)
        return
    with pytest.raises(ConfigError) as caught:
        check_world(asked, environment, command=COMMAND, is_notebook=False)
    assert caught.value.exit_code == 2
    assert remedy in (caught.value.remedy or ""), caught.value.remedy


def test_a_notebook_is_one_process() -> None:
    check_world(World(1), {}, command=COMMAND, is_notebook=True)
    with pytest.raises(ConfigError, match="a notebook") as caught:
        check_world(TWO, {}, command=COMMAND, is_notebook=True)
    assert COMMAND in (caught.value.remedy or "")


def test_only_one_rank_is_the_first() -> None:
    """Two first ranks would write into one folder; the launcher numbers the ranks."""
    child = {PARENT_VARIABLE: str(os.getppid()), "LOCAL_RANK": "1", "NODE_RANK": "0", "WORLD_SIZE": "2"}
    for first, second in (
        (task(0, "1(x2)"), task(1, "1(x2)")),
        (elastic(0, 2, 2), elastic(1, 2, 2)),
        (task(0, "1(x2)") | elastic(0, 8, 4), task(1, "1(x2)") | elastic(4, 8, 4)),
        ({}, child),
        ({"NODE_RANK": "0"}, {"NODE_RANK": "1"}),
    ):
        assert (started(first).rank, started(second).rank > 0) == (0, True)
    # A mark that was inherited from further up is none.
    assert started(child | {PARENT_VARIABLE: "1"}).rank == 0
    check_world(TWO, child)
    with pytest.raises(ConfigError):
        check_world(World(3), child)


def test_tasks_per_node_as_slurm_writes_them() -> None:
    assert tasks_per_node("2") == (2,)
    assert tasks_per_node("2(x3),1,4(x2)") == (2, 2, 2, 1, 4, 4)
