"""Rendered scripts: golden files, a syntax check by bash, and hostile paths.

A golden file is written with `ICONOCLIP_WRITE_GOLDEN=1 pytest tests/slurm/test_render.py` and read by a
person.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iconoclip.errors import ConfigError
from slurm.plan import array_of, render
from slurm.stages import STAGES

from .conftest import plan_for

GOLDEN = Path(__file__).parent / "golden"
HOSTILE = """/scratch/it's a "run" #1 %j $HOME & é;"""

CASES = {
    "train-leonardo-4-nodes": lambda: plan_for(STAGES["train"], "leonardo", nodes=4, account="EUHPC_1"),
    "train-lumi": lambda: plan_for(STAGES["train"], "lumi", nodes=2, account="project_1", time="1-00:00:00"),
    "encode-lumi-container": lambda: plan_for(
        STAGES["encode"], "lumi-container", account="project_1", mail_user="you@example.org", exclude="nid1"
    ),
    "train-jean-zay": lambda: plan_for(STAGES["train"], "jean-zay", account="abc"),
    "train-local-hostile-path": lambda: plan_for(STAGES["train"], "local", HOSTILE, nodes=2),
    "harvest-array-snellius": lambda: plan_for(STAGES["harvest"], "snellius", num_tasks=8, max_running=2),
    "encode-array-generic-hostile-path": lambda: plan_for(STAGES["encode"], "generic", HOSTILE, num_tasks=3),
    "index-container": lambda: plan_for(STAGES["index"], "generic").model_copy(
        update={"container": "apptainer exec --nv '/images/my image.sif'", "setup": ("source /etc/profile",)}
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_scripts_are_the_golden_ones(name: str) -> None:
    script = render(CASES[name]())
    path = GOLDEN / f"{name}.sbatch"
    if os.environ.get("ICONOCLIP_WRITE_GOLDEN") == "1":
        path.write_text(script)
    assert script == path.read_text()


@pytest.mark.parametrize("name", CASES)
def test_bash_can_read_them(name: str) -> None:
    done = subprocess.run(
        ["bash", "-n"], input=render(CASES[name]()), text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@settings(deadline=None)
@given(
    st.text(
        st.characters(blacklist_characters="\0\n\r\\", blacklist_categories=("Cs",)), min_size=1, max_size=30
    )
)
def test_any_folder_name_reaches_the_shell_unchanged(name: str) -> None:
    run_dir = f"/runs/{name}"
    script = render(plan_for(STAGES["merge"], "generic").model_copy(update={"run_dir": run_dir}))
    line = next(line for line in script.splitlines() if line.startswith("run="))
    # A name may hold other line breaks than those of bash.
    assignment = script[script.index("\nrun=") + 1 : script.index("\n\nexport OMP_NUM_THREADS")]
    assert line.startswith("run=")
    done = subprocess.run(["bash", "-c", f'{assignment}\nprintf %s "$run"'], capture_output=True, check=True)
    assert done.stdout.decode() == run_dir


@pytest.mark.parametrize("letter", ["\n", "\r", "\\"])
def test_a_name_that_no_directive_can_hold_is_refused(letter: str) -> None:
    with pytest.raises(ConfigError, match="backslash or a line break"):
        render(plan_for(STAGES["merge"], "generic", f"/runs/a{letter}b"))


def test_values_of_a_site_are_filled_in_by_the_shell_and_run_nothing() -> None:
    values = {"A": "$HOME/x", "B": 'a "b" `id` $(id)', "C": "plain"}
    script = render(plan_for(STAGES["merge"], "generic").model_copy(update={"environment": values}))
    exports = [line for line in script.splitlines() if line[:9] in ("export A=", "export B=", "export C=")]
    program = "\n".join([*exports, 'printf "%s|" "$A" "$B" "$C"'])
    done = subprocess.run(
        ["bash", "-c", program], capture_output=True, text=True, check=True, env={"HOME": "/h"}
    )
    assert done.stdout == '/h/x|a "b" `id` $(id)|plain|'


def test_one_process_needs_no_rendezvous_and_many_need_one() -> None:
    assert "MASTER_PORT" not in render(plan_for(STAGES["merge"], "generic"))
    assert "MASTER_PORT" in render(plan_for(STAGES["train"], "generic", nodes=2))


def test_ports_of_jobs_that_may_share_a_node_differ() -> None:
    script = render(plan_for(STAGES["train"], "generic", nodes=2))
    line = next(line for line in script.splitlines() if line.startswith("export MASTER_PORT"))
    jobs = " ".join(map(str, range(4_000_000, 4_000_200)))
    restarts = f'for SLURM_RESTART_COUNT in 0 1 2; do {line}; echo "$MASTER_PORT"; done'
    program = f"for SLURM_JOB_ID in {jobs}; do {restarts}; done"
    ports = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert len(ports) == len(set(ports)) == 600
    # Below the range from which the kernel assigns ports (ip_local_port_range, from 32768).
    assert all(20000 <= int(port) < 32768 for port in ports)


@pytest.mark.parametrize(
    ("tasks", "max_running", "text"),
    [
        ([0, 1, 2, 5], None, "0-2,5"),
        ([3], 2, "3%2"),
        ([0, 2, 4], None, "0,2,4"),
        (list(range(9)), 4, "0-8%4"),
    ],
)
def test_arrays_are_written_as_sbatch_writes_them(
    tasks: list[int], max_running: int | None, text: str
) -> None:
    assert array_of(tasks, max_running) == text
