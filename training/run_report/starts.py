"""The starts of a run: from the records of its jobs, or from what training noted of each start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# What the job's record says of how an attempt ended (docs/researcher-guide.md).
STOPS = {"warned": "before its time limit", "ended": "nodes taken away", "lost": "srun was killed"}


@dataclass(frozen=True)
class Start:
    """One start of the training.

    Attributes:
        at: when.
        step: the step it continued from.
        where: job and nodes, as far as they are known.
        ended: how it ended, in words; empty if nothing was recorded.
    """

    at: str
    step: int
    where: str
    ended: str = ""


def starts_of(job: Mapping[str, Any]) -> list[Start]:
    """The starts in their order. A job's attempt that failed before training began is among them."""
    noted = [Start(one["at"], int(one["step"]), _where(one)) for one in job.get("starts", [])]
    attempts = job.get("slurm", {}).get("work", {}).get("attempts", [])
    if not attempts:
        return noted
    steps = [0, *(int(one["progress"]) for one in attempts[:-1])]
    found = []
    for attempt, step in zip(attempts, steps, strict=True):
        where = f"job {attempt['job_id']} on {attempt['nodes']}"
        # The step that training noted is exact; the job's record knows the last one that was recorded.
        within = [
            one.step for one in noted if attempt["started_at"] <= one.at <= (attempt["ended_at"] or "9")
        ]
        found.append(Start(attempt["started_at"], within[0] if within else step, where, _ended(attempt)))
    return found


def _where(one: Mapping[str, Any]) -> str:
    return f"job {one['job']} on {one['host']}" if one.get("job") else str(one.get("host", ""))


def _ended(attempt: Mapping[str, Any]) -> str:
    if attempt["ended_at"] is None:
        return ""
    why = STOPS.get(attempt["stop"])
    return f"{attempt['ended_at']}, exit code {attempt['exit_code']}" + (f", {why}" if why else "")
