"""`iconoclip doctor`: check a cluster account before the first job.

First it checks what is visible from this machine; then it runs a test job of a minute in which
the nodes do an all-reduce.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from iconoclip import locks
from iconoclip.config import Config
from iconoclip.errors import IconoclipError, MissingRequirement
from slurm import scheduler, wheelhouse
from slurm.config import DoctorConfig, SubmitConfig
from slurm.finding import Finding, Verdict
from slurm.freeze import code_version, describe, freeze, package_folders
from slurm.job import JobDir
from slurm.logs import newest_log
from slurm.plan import Plan, plan_of
from slurm.request import Request, size_in
from slurm.site import Site, load_site
from slurm.stages import STAGES, Stage
from slurm.submit import Submission, send

FREE_BYTES_WANTED = 20_000_000_000
MAX_CLOCK_SKEW_SECONDS = 5.0
PROBE_BYTES = 4_000_000
SECONDS_BETWEEN_LOOKS = 0.5


class ProbeFields(Config):
    """The config of the test job, which needs no fields."""


def doctor(config: DoctorConfig) -> int:
    """Run every check and print a line for each.

    Raises:
        MissingRequirement: a check failed.
    """
    num_failed = 0
    checks = findings(config) if config.wheelhouse is None else wheelhouse.findings(config)
    for finding in checks:
        num_failed += finding.verdict == "FAILED"
        print(f"{finding.verdict:<6}  {finding.check:<10}  {finding.found}", flush=True)
        if finding.remedy and finding.verdict != "ok":
            print(f"{'':<20}{finding.remedy}", flush=True)
    if num_failed:
        what = f"--wheelhouse {config.wheelhouse}"
        if config.wheelhouse is None:
            what = f"--site {load_site(config.site).name}"
        raise MissingRequirement(
            f"{num_failed} check(s) failed", where=f"iconoclip doctor {what}", remedy="see above"
        )
    if config.wheelhouse is None:
        print("nothing is missing for a first job")
    return 0


def findings(config: DoctorConfig) -> Iterator[Finding]:
    """The results of the checks, each as soon as it is known."""
    site = load_site(config.site)
    yield from _about_site(site)
    yield _about_package()
    folder = _scratch(site)
    yield _about_writing(folder)
    yield _about_disk(folder)
    yield from _about_locks(folder)
    if not scheduler.is_here():
        yield Finding(
            "FAILED", "slurm", "no sbatch on this machine", "log in to the cluster and run it there"
        )
        return
    try:
        yield Finding("ok", "slurm", scheduler.version())
    except IconoclipError as error:
        yield Finding("FAILED", "slurm", error.what, error.remedy or "")
        return
    try:
        probe = _probe(config, site, folder)
    except IconoclipError as error:
        yield Finding("FAILED", "accepted", error.what, error.remedy or "")
        return
    try:
        freeze(*probe)
        yield Finding("ok", "accepted", scheduler.would_accept(probe.job_dir.script_path))
        if config.submit:
            yield from _run_probe(probe, config)
    except IconoclipError as error:
        yield Finding("FAILED", "accepted", error.what, error.remedy or "")
    finally:
        _tidy_up(probe.job_dir)


def _about_site(site: Site) -> Iterator[Finding]:
    if not site.read_on:
        yield Finding("ok", "site", f"{site.name}: {site.system}")
        return
    yield Finding(
        "note", "site", f"{site.name}: {site.system}, as its pages said on {site.read_on}", site.notes
    )
    remedy = "compare with `sinfo`, `sacctmgr` or your site's pages; correct it in a site of yours"
    for fact in site.unverified:
        yield Finding("note", "unverified", fact, remedy if fact == site.unverified[-1] else "")
    for name, queue in site.queues.items():
        if queue.budget and not queue.account:
            yield Finding("note", "budget", f"queue {name} is charged to another one: {queue.budget}")


def _about_package() -> Finding:
    facts, _ = code_version()
    where = package_folders()["iconoclip"]
    return Finding("ok", "package", f"{describe(facts)}, from {where}, with {sys.executable}")


def _scratch(site: Site) -> Path:
    named = os.path.expandvars(site.scratch) if site.scratch else ""
    return Path(named) if named and "$" not in named else Path.cwd()


def _about_writing(folder: Path) -> Finding:
    probe = folder / f".iconoclip-doctor-{os.getpid()}"
    try:
        started, before = time.monotonic(), time.time()
        with probe.open("wb") as file:
            file.write(os.urandom(PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
        seconds, skew = time.monotonic() - started, probe.stat().st_mtime - before
        probe.unlink()
    except OSError as error:
        return Finding(
            "FAILED", "scratch", f"{folder}: {error.strerror}", "run it in a folder you may write to"
        )
    if abs(skew - seconds) > MAX_CLOCK_SKEW_SECONDS:
        return Finding(
            "note",
            "clock",
            f"{folder} runs {skew:+.0f} s against this machine",
            "times in logs will not agree",
        )
    return Finding(
        "ok", "scratch", f"{folder}: {PROBE_BYTES // 1_000_000} MB written in {seconds:.2f} s, clocks agree"
    )


def _about_locks(folder: Path) -> Iterator[Finding]:
    """Checks file locks in the folders of runs: a shared file system may be mounted without locks."""
    for each in dict.fromkeys((folder, Path.cwd())):
        try:
            missing = locks.missing_in(each)
        except MissingRequirement as error:
            yield Finding(
                "note", "locks", f"{each}: not tried, {error.what}", "run it in a folder you may write to"
            )
            continue
        if missing is None:
            yield Finding("ok", "locks", f"{each}: file locks work")
            continue
        yield Finding(
            "note",
            "locks",
            f"{each}: {missing}",
            "train locks with marker files there; harvest, pack and index need "
            + ("another file system" if "POSIX" in missing else "another one for a job array")
            + ", or this one mounted with locks (Lustre: `-o flock`)",
        )


def _about_disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder if folder.is_dir() else Path.cwd()).free
    verdict: Verdict = "ok" if free >= FREE_BYTES_WANTED else "note"
    return Finding(
        verdict, "disk", f"{free / 1e9:.0f} GB free", "checkpoints of a large model need 20 GB and more"
    )


def _probe(config: DoctorConfig, site: Site, folder: Path) -> Submission:
    """The stage of the test job, which runs in the same queue as a training."""
    stage = Stage("doctor", STAGES["train"].queue, "finished.json", multi_node=True)
    queue = site.queue(stage.queue)
    run_dir = folder.absolute() / "iconoclip-doctor" / time.strftime("%Y%m%d-%H%M%S")
    known = type(config).model_fields.keys() & SubmitConfig.model_fields.keys()
    asked = SubmitConfig(stage="doctor", **{name: getattr(config, name) for name in known})
    asked = asked.model_copy(update={"time": config.time or "5"})
    request = Request(
        stage=stage,
        asked=asked,
        queue=queue,
        size=size_in(queue, stage, asked, config.nodes, asked.tasks_per_node),
        config=ProbeFields(),
        run_dir=run_dir,
        output=run_dir,
    )
    plan = plan_of(request, site)
    program = run_dir / "job" / "code" / "slurm" / "probe" / "allreduce.py"
    return Submission(
        request, plan.model_copy(update={"command": (plan.python, str(program), "--out", str(run_dir))})
    )


def _run_probe(probe: Submission, config: DoctorConfig) -> Iterator[Finding]:
    job_dir = probe.job_dir
    job_id = send(job_dir, probe.plan, [])
    if not _wait(lambda: not job_dir.queued(), config.timeout_seconds):
        scheduler.cancel([job_id])
        yield Finding(
            "FAILED",
            "test job",
            f"not over after {config.timeout_seconds:.0f} s",
            "the queue may be long: try again with a larger --timeout_seconds",
        )
        return
    ranks = [json.loads(path.read_text()) for path in sorted(job_dir.run.folder.glob("rank-*.json"))]
    log = newest_log(job_dir)
    if not ranks:
        yield Finding("FAILED", "test job", "it wrote nothing", f"its log: {log}" if log else "and no log")
        return
    yield from _about_ranks(ranks, probe.plan)
    if not job_dir.is_finished():
        yield Finding("FAILED", "test job", "it did not finish", f"its log: {log}")


def _tidy_up(job_dir: JobDir) -> None:
    """Remove the test job's folder, unless there is a log to look at."""
    if newest_log(job_dir) is None or job_dir.is_finished():
        shutil.rmtree(job_dir.run.folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            job_dir.run.folder.parent.rmdir()


def _wait(is_over: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not is_over():
        if time.monotonic() > until:
            return False
        time.sleep(SECONDS_BETWEEN_LOOKS)
    return True


def _about_their_package(ranks: list[dict[str, Any]], plan: Plan) -> Finding:
    """Checks that every rank ran the submitted code, in the same Python."""
    expected = str(Path(plan.run_dir) / "job" / "code" / "iconoclip")
    others = sorted({rank["package"] for rank in ranks} - {expected})
    if others:
        remedy = (
            "the nodes do not see the run's folder, "
            "or a container or `setup` of the site puts other code first"
        )
        return Finding("FAILED", "on nodes", f"iconoclip from {others[0]}, not from {expected}", remedy)
    pythons = sorted({f"Python {rank['python']} with torch {rank.get('torch', 'unknown')}" for rank in ranks})
    if len(pythons) > 1:
        return Finding(
            "FAILED", "on nodes", "; ".join(pythons), "the nodes differ: set `python` in a site of yours"
        )
    return Finding("ok", "on nodes", f"the code that was submitted, {pythons[0]}")


def _about_ranks(ranks: list[dict[str, Any]], plan: Plan) -> Iterator[Finding]:
    nodes = sorted({rank["node"] or rank["host"] for rank in ranks})
    wanted = plan.nodes * plan.tasks_per_node
    verdict: Verdict = "ok" if len(ranks) == wanted and len(nodes) == plan.nodes else "FAILED"
    yield Finding(
        verdict,
        "nodes",
        f"{len(ranks)} of {wanted} processes on {', '.join(nodes)}",
        "see the test job's log",
    )
    yield _about_their_package(ranks, plan)
    if plan.gpu_option:
        seen = sorted({rank.get("num_gpus", 0) for rank in ranks})
        verdict = "ok" if seen and seen[0] > 0 else "FAILED"
        yield Finding(
            verdict, "GPUs", f"{seen} visible to a process", "is torch built for these GPUs? see the log"
        )
    clocks = [rank["clock"] for rank in ranks]
    spread = max(clocks) - min(clocks)
    verdict = "ok" if spread < MAX_CLOCK_SKEW_SECONDS * 2 else "note"
    yield Finding(
        verdict,
        "clock",
        f"the nodes' clocks are at most {spread:.1f} s apart",
        "times in logs will not agree",
    )
    if wanted > 1:
        right = [rank.get("all_reduce") is True for rank in ranks]
        backend, seconds = ranks[0].get("backend", "no backend"), ranks[0].get("seconds", "?")
        found = f"{backend}, {seconds} s with the first connection"
        yield Finding(
            "ok" if all(right) else "FAILED",
            "all-reduce",
            found,
            "the nodes cannot talk to each other: "
            "set NCCL_SOCKET_IFNAME or GLOO_SOCKET_IFNAME in a site of yours",
        )
