"""The SLURM commands that are used, and the interpretation of their output. No other module calls them."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from iconoclip.errors import BadInput, MissingRequirement, TryAgainLater

SECONDS_TO_ANSWER = 60
# What every command says where there is no slurm.conf.
NO_CLUSTER = "configuration source"
# sbatch(1), --parsable: the id, and in a federation the cluster.
_PARSABLE = re.compile(r"(\d+)(;\S+)?")
# What scancel says of a job that has ended, or is ending.
_GONE = ("Invalid job id", "already completing or completed")
# squeue's fields: array job id (or job id), array task (or N/A), state, reason, time left, time limit, nodes,
# job id.
_FORMAT = "%F|%K|%T|%r|%N|%A"
# Of the variables that SLURM sets in a job, and reads in another: those that say where the cluster is.
_OF_CLUSTER = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_JWT")
# sbatch(1), INPUT ENVIRONMENT VARIABLES: where the name of a variable is not that of the option.
_OTHERWISE_CALLED = {
    "SBATCH_TIMELIMIT": "time", "SBATCH_MEM_PER_NODE": "mem", "SBATCH_ARRAY_INX": "array",
    "SBATCH_NO_REQUEUE": "requeue",
}  # fmt: skip
# squeue(1), JOB STATE CODES, and slurm.schedmd.com/job_state_codes.html: the states of a job that no longer
# runs and is still in the queue.
ENDING = frozenset(
    ("COMPLETING", "COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED",
     "BOOT_FAIL", "DEADLINE", "STAGE_OUT", "REVOKED", "LAUNCH_FAILED", "RECONFIG_FAIL", "UPDATE_DB")
)  # fmt: skip


@dataclass(frozen=True)
class QueuedJob:
    """One line of the queue: a job, or one task of a job array (several waiting tasks share a line)."""

    job_id: int
    task: str | None
    state: str
    reason: str
    nodes: str

    @property
    def is_ending(self) -> bool:
        """Whether its processes are being ended. It leaves the queue then, or waits in it again after a
        requeue.
        """
        return self.state in ENDING


def is_here() -> bool:
    """Whether this machine has SLURM's commands."""
    return shutil.which("sbatch") is not None


def require(purpose: str) -> None:
    """Refuse to continue if there is no SLURM.

    Raises:
        MissingRequirement: no sbatch on the PATH.
    """
    if not is_here():
        raise MissingRequirement(
            f"SLURM is not on this machine (no sbatch): {purpose} needs it",
            remedy="log in to a cluster, or start a small one here: "
            "python -m slurm.local_cluster start FOLDER",
        )


def _call(*command: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS_TO_ANSWER,
            env=environment,
        )
    except FileNotFoundError:
        raise MissingRequirement(
            f"SLURM is not on this machine (no {command[0]})", remedy="log in to a cluster"
        ) from None
    except subprocess.TimeoutExpired:
        raise TryAgainLater(
            f"{command[0]} did not answer in {SECONDS_TO_ANSWER} s", remedy="the scheduler is busy; try again"
        ) from None


def _message_of(done: subprocess.CompletedProcess[str]) -> str:
    # "sbatch: error: invalid partition specified: x" -> "invalid partition specified: x"
    lines = [re.sub(r"^\w+: (error: )?", "", line) for line in done.stderr.splitlines() if line.strip()]
    return "; ".join(lines) or f"exit code {done.returncode}"


def _refusal(done: subprocess.CompletedProcess[str], where: Path | str) -> Exception:
    message = _message_of(done)
    if NO_CLUSTER in message:
        return _no_cluster()
    # Messages if slurmctld is down or overloaded; all others are about the request.
    if any(
        text in message for text in ("Unable to contact", "timed out", "Connection refused", "temporarily")
    ):
        return TryAgainLater(
            f"the scheduler does not answer: {message}", where=where, remedy="try again in a while"
        )
    return BadInput(
        f"SLURM refuses the job: {message}",
        where=where,
        remedy="`sinfo` lists the partitions, your project's manager knows account and qos; "
        "--dry-run shows the script",
    )


def _no_cluster() -> MissingRequirement:
    return MissingRequirement(
        "this machine has SLURM's commands, but belongs to no cluster",
        remedy="log in to a cluster, or name its slurm.conf in $SLURM_CONF",
    )


def environment_for(script: Path) -> dict[str, str]:
    """The environment for sbatch: without the variables of a job in which this process runs, and without
    those that would override what the script states.

    A job inherits the environment. In one that is submitted from a notebook or `srun --pty`, the CPU binding
    or GPUs per task of that job would be applied by srun, which then fails or starts on one core.
    """
    stated = set(re.findall(r"^#SBATCH --(?:no-)?([a-z-]+)", script.read_text(), re.MULTILINE))
    kept = {}
    for name, value in os.environ.items():
        option = _OTHERWISE_CALLED.get(name, name.removeprefix("SBATCH_").lower().replace("_", "-"))
        is_of_job = name.startswith("SLURM_") and name not in _OF_CLUSTER
        if not is_of_job and not (name.startswith("SBATCH_") and option in stated):
            kept[name] = value
    return kept


def sbatch(script: Path, *options: str) -> int:
    """Submit a script and return the job's id.

    Raises:
        BadInput: SLURM refuses it; the message is SLURM's.
        TryAgainLater: the scheduler does not answer.
    """
    done = _call("sbatch", "--parsable", *options, str(script), environment=environment_for(script))
    if done.returncode:
        raise _refusal(done, script)
    # The sbatch of some sites is a script of their own, which prints more: notes about quotas or checks.
    found = [found for line in done.stdout.splitlines() if (found := _PARSABLE.fullmatch(line.strip()))]
    if not found:
        raise BadInput(
            f"sbatch does not say the job's id; it prints {done.stdout.strip()[:200]!r}",
            where=script,
            remedy="look for the job with `squeue --me`; `scancel` it if it is there",
        )
    return int(found[-1][1])


def would_accept(script: Path, *options: str) -> str:
    """Submit a script with --test-only: SLURM's message when and where it would start.

    Raises:
        BadInput: SLURM would refuse it.
    """
    done = _call("sbatch", "--test-only", *options, str(script), environment=environment_for(script))
    if done.returncode:
        raise _refusal(done, script)
    return _message_of(done)


def queue(user: str | None = None) -> list[QueuedJob]:
    """The user's jobs that wait, run or are ending.

    Raises:
        TryAgainLater: the scheduler does not answer.
        MissingRequirement: this machine belongs to no cluster.
    """
    done = _call("squeue", "--noheader", "--user", user or getpass.getuser(), "--format", _FORMAT)
    if NO_CLUSTER in done.stderr:
        raise _no_cluster()
    if done.returncode:
        raise TryAgainLater(f"squeue: {_message_of(done)}", remedy="try again in a while")
    return [_queued(line) for line in done.stdout.splitlines() if line.count("|") == _FORMAT.count("|")]


def queued_ids() -> set[int]:
    """The ids of the user's jobs that wait, run or are ending; of a job array, the id of the array.

    Raises:
        TryAgainLater: the scheduler does not answer.
    """
    return {job.job_id for job in queue()}


def _queued(line: str) -> QueuedJob:
    array, task, state, reason, nodes, job = line.split("|")
    return QueuedJob(
        job_id=int(array or job),
        task=None if task in ("N/A", "") else task,
        state=state,
        reason=reason.strip("()"),
        nodes=nodes,
    )


def cancel(job_ids: Iterable[int]) -> None:
    """Cancel jobs; a job that has already ended is not an error.

    Raises:
        TryAgainLater: the scheduler does not answer.
    """
    ids = [str(job_id) for job_id in job_ids]
    if not ids:
        return
    done = _call("scancel", *ids)
    if done.returncode and not any(text in done.stderr for text in _GONE):
        raise TryAgainLater(f"scancel: {_message_of(done)}", remedy="try again in a while")


def version() -> str:
    """The output of `sbatch --version`.

    Raises:
        MissingRequirement: this machine belongs to no cluster.
    """
    done = _call("sbatch", "--version")
    if NO_CLUSTER in done.stderr:
        raise _no_cluster()
    return done.stdout.strip() or _message_of(done)
