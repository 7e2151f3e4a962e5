"""The state machine of a run: what a job's script reports, and the state that follows.

  python -m slurm.attempt begin RUN [--task N]
      exit code 0: continue; 100: finished already; otherwise: do not start, the message says why
  python -m slurm.attempt end RUN --code C --stop none|warned|ended|lost [--task N] [--joined]
      prints finished, requeue, join, interrupted, cancelled or failed
  python -m slurm.attempt resubmitted RUN --job ID [--task N]

          begin                 end: evidence there
submitted ------> running ------------------------> finished
                   ^  |  end: 75, or warned, or its srun was killed
                   |  v
                requeued       (at most MAX_IDLE_ATTEMPTS in a row without progress, then failed)
                   ^
                   |           SLURM itself starts it again: preemption, a node's failure, `scontrol requeue`
               interrupted

In a job array whose parts are joined, the task that ends last is `joining` until that is done.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from iconoclip import clock
from iconoclip.errors import IconoclipError
from iconoclip.rundir import RunDir
from slurm.job import Attempt, JobDir, JobRecord, State, TaskRecord, has_evidence
from slurm.logs import last_metrics

FINISHED_ALREADY = 100
TRY_AGAIN, SOME_REFUSED = 75, 3
MAX_IDLE_ATTEMPTS = 3


def begin(job_dir: JobDir, task: int | None) -> int:
    """Record the start of an attempt.

    Returns:
        0 to continue, 100 if the work is already finished, 2 if a run that it needs is not finished.
    """
    job = job_dir.read()
    if unmet := job_dir.unmet_needs(job):
        return _refuse(job_dir, task, f"needs {unmet[0]}, which is not finished by its own records")
    expected = job.nodes * job.tasks_per_node
    given = int(os.environ.get("SLURM_NTASKS", expected))
    if given != expected:
        return _refuse(
            job_dir,
            task,
            f"SLURM started {given} tasks, the run was made for {expected}: submit it again instead",
        )
    work = job_dir.work_of(task)
    if work.state == "finished" or (job.num_tasks is None and job_dir.is_finished(job)):
        job_dir.write_work(task, work.model_copy(update={"state": "finished"}))
        print("iconoclip: finished already, by the run's own records")
        return FINISHED_ALREADY
    if work.state == "joining":
        # Its node failed while it joined the parts, and no other task does that.
        job_dir.joining_path.unlink(missing_ok=True)
    attempt = Attempt(
        job_id=int(os.environ.get("SLURM_JOB_ID", 0)),
        restart=int(os.environ.get("SLURM_RESTART_COUNT", 0)),
        nodes=os.environ.get("SLURM_JOB_NODELIST", ""),
        started_at=clock.wall_now(),
    )
    job_dir.write_work(task, TaskRecord(state="running", attempts=(*work.attempts, attempt)))
    _announce(job, attempt, number=len(work.attempts) + 1, task=task)
    return 0


def _refuse(job_dir: JobDir, task: int | None, reason: str) -> int:
    work = job_dir.work_of(task)
    job_dir.write_work(task, work.model_copy(update={"state": "failed", "reason": reason}))
    print(f"iconoclip: {reason}", file=sys.stderr)
    return 2


def _announce(job: JobRecord, attempt: Attempt, *, number: int, task: int | None) -> None:
    of = "" if task is None else f", task {task} of {job.num_tasks}"
    print(
        f"iconoclip: {job.stage}{of}, job {attempt.job_id} on {attempt.nodes}, attempt {number}", flush=True
    )


def end(job_dir: JobDir, task: int | None, *, code: int, stop: str, joined: bool = False) -> str:
    """Record how an attempt ended, and return what the script does next."""
    job = job_dir.read()
    work = job_dir.work_of(task)
    attempt = work.attempts[-1].model_copy(
        update={"ended_at": clock.wall_now(), "exit_code": code, "stop": stop, "progress": progress_of(job)}
    )
    attempts = (*work.attempts[:-1], attempt)
    is_part = task is not None and not joined
    state, reason = _verdict(job_dir, job, attempts, is_part=is_part)
    if joined and state != "finished":
        job_dir.joining_path.unlink(missing_ok=True)
    if state == "finished" and is_part and job.joins:
        # First it writes its own record, then it reads those of the others: if two tasks end at the same
        # time, one of them sees both.
        job_dir.write_work(task, TaskRecord(state="joining", attempts=attempts))
        if _joins(job_dir, job):
            return "join"
    job_dir.write_work(task, TaskRecord(state=state, reason=reason, attempts=attempts))
    if reason:
        print(f"iconoclip: {reason}", file=sys.stderr)
    return "requeue" if state == "requeued" else state


def _verdict(
    job_dir: JobDir, job: JobRecord, attempts: tuple[Attempt, ...], *, is_part: bool
) -> tuple[State, str]:
    last = attempts[-1]
    if last.exit_code in (0, SOME_REFUSED):
        # A task of an array has written a part; the evidence appears when the parts are joined. `check` and
        # others write no file that shows it.
        if is_part or not job.evidence or has_evidence(job):
            return "finished", ""
        return (
            "failed",
            f"the stage left with {last.exit_code}, but {job.output}/{job.evidence} does not say finished",
        )
    if job_dir.cancelled_path.exists():
        return "cancelled", ""
    if last.stop == "ended":
        return "interrupted", "the scheduler took the nodes away"
    if last.exit_code != TRY_AGAIN and last.stop not in ("warned", "lost"):
        return "failed", _reason_of(last.exit_code)
    if is_stuck(attempts):
        return "failed", f"{MAX_IDLE_ATTEMPTS} attempts in a row wrote nothing; see the log"
    return "requeued", ""


def is_stuck(attempts: tuple[Attempt, ...]) -> bool:
    """Whether the last attempts have made no progress, so that another one would not help."""
    sizes = [0] + [attempt.progress for attempt in attempts]
    return len(attempts) >= MAX_IDLE_ATTEMPTS and len(set(sizes[-MAX_IDLE_ATTEMPTS - 1 :])) == 1


def _reason_of(code: int | None) -> str:
    if code == 137:
        return "killed (exit code 137): probably out of memory; `iconoclip resume --memory` asks for more"
    return f"the stage left with exit code {code}"


def _joins(job_dir: JobDir, job: JobRecord) -> bool:
    """Whether every task has done its share, and this one has to join the parts."""
    if any(job_dir.work_of(task).state != "joining" for task in job_dir.missing_tasks(job)):
        return False
    try:
        # Two tasks may end at the same time: the one that creates the file joins the parts.
        os.close(os.open(job_dir.joining_path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def progress_of(job: JobRecord) -> int:
    """A number that grows while a run makes progress: the steps of a training, or
    otherwise the bytes of the output.
    """
    root = Path(job.output)
    if job.stage == "train":
        # Not the bytes: the logs are in the same folder, and grow with every attempt.
        steps = (last_metrics(root).get("step"), RunDir(root).job.get("step"))
        return max(int(step or 0) for step in steps)
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


def resubmitted(job_dir: JobDir, task: int | None, job_id: int) -> None:
    """Record that the script was submitted again because SLURM would not requeue it."""
    job_dir.note_submission(job_id, None if task is None else str(task))


def main(arguments: list[str]) -> int:
    """Run one of the three commands, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m slurm.attempt", description=__doc__)
    parser.add_argument("report", choices=("begin", "end", "resubmitted"))
    parser.add_argument("run")
    parser.add_argument("--task", type=int)
    parser.add_argument("--code", type=int, default=0)
    parser.add_argument("--stop", choices=("none", "warned", "ended", "lost"), default="none")
    parser.add_argument("--joined", action="store_true")
    parser.add_argument("--job", type=int)
    options = parser.parse_args(arguments)
    job_dir = JobDir(options.run)
    try:
        if options.report == "begin":
            return begin(job_dir, options.task)
        if options.report == "end":
            print(end(job_dir, options.task, code=options.code, stop=options.stop, joined=options.joined))
        elif options.job is not None:
            resubmitted(job_dir, options.task, options.job)
    except IconoclipError as error:
        print(f"iconoclip: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
