"""One holder at a time, on file systems with file locks and on those without, however the holder ends."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from iconoclip import locks
from iconoclip.errors import BadInput, MissingRequirement, TryAgainLater
from tests.without_locks import NUMBERS, run, take_locks_away

HOLDER = """
import errno, fcntl, os, sys, time
from pathlib import Path
from iconoclip import locks
if sys.argv[2] != "0":
    def flock(file, operation): raise OSError(int(sys.argv[2]), "none")
    fcntl.flock = flock
with locks.hold(Path(sys.argv[1]), RuntimeError):
    print("held", flush=True)
    sys.stdin.read()
"""


def busy(holder: str) -> BadInput:
    return BadInput(holder)


@pytest.fixture(params=[0, *NUMBERS])
def number(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The error that flock ends in; 0: it works."""
    if request.param:
        take_locks_away(monkeypatch, request.param)
    return int(request.param)


def holder(path: Path, number: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), str(number)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("end", [signal.SIGKILL, None])
def test_one_holder_which_is_named_and_a_dead_one_does_not_block(
    number: int, end: int | None, tmp_path: Path
) -> None:
    path = tmp_path / "deep" / "lock"
    with holder(path, number) as process:
        with pytest.raises(BadInput, match=f"process {process.pid} on {socket.gethostname()}") as refused:
            locks.hold(path, busy)
        assert ("remove" in refused.value.what) == bool(number), "a marker that is left over can be removed"
        process.send_signal(end) if end else process.communicate("")
        process.wait(20)
    with locks.hold(path, busy):
        assert json.loads(path.read_text())["pid"] == os.getpid()
    with locks.hold(path, busy):
        pass


@pytest.mark.usefixtures("number")
def test_a_lock_can_be_waited_for(tmp_path: Path) -> None:
    first = locks.hold(tmp_path / "lock", busy)
    with pytest.raises(BadInput):
        locks.hold(tmp_path / "lock", busy, timeout_seconds=0.2)
    first.close()
    first.close()
    locks.hold(tmp_path / "lock", busy, timeout_seconds=0.2).close()


@pytest.mark.parametrize("number", NUMBERS)
def test_a_marker_of_another_host_stays_but_for_an_earlier_start_of_the_same_job(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that failed: the scheduler starts the job again elsewhere, and the dead node cannot be asked."""
    take_locks_away(monkeypatch, number)
    path = tmp_path / "lock"
    path.write_text(json.dumps({"pid": 7, "host": "node9", "since": "x", "job": "55", "restart": 0}))
    Path(f"{path}.marker").write_text("7\nnode9\n")
    with pytest.raises(
        BadInput, match=r"process 7 on node9, job 55, since x \(if it is gone, remove .*marker"
    ):
        locks.hold(path, busy)
    monkeypatch.setenv("SLURM_JOB_ID", "55")
    with pytest.raises(BadInput, match="node9"):
        locks.hold(path, busy)
    monkeypatch.setenv("SLURM_JOB_ID", "56")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    with pytest.raises(BadInput, match="node9"):
        locks.hold(path, busy)
    monkeypatch.setenv("SLURM_JOB_ID", "55")
    locks.hold(path, busy).close()
    assert not Path(f"{path}.marker").exists()


def test_any_other_error_of_the_file_system_is_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_locks_away(monkeypatch, errno.EIO)
    with pytest.raises(TryAgainLater, match="Input/output error"):
        locks.hold(tmp_path / "lock", busy)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MissingRequirement, match="cannot be written"):
        locks.hold(tmp_path / "file" / "lock", busy)


def test_what_a_folder_lacks(number: int, tmp_path: Path) -> None:
    missing = locks.missing_in(tmp_path)
    assert (missing is None) == (number == 0)
    assert not missing or errno.errorcode[number] in missing
    assert list(tmp_path.iterdir()) == []
    if number:
        with pytest.raises(locks.LocksUnsupported, match="no file locks"):
            locks.require(tmp_path)
    else:
        locks.require(tmp_path)


def test_sqlite_s_locks_are_tried_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locks.require_posix(tmp_path)

    def lockf(file: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", lockf)
    with pytest.raises(locks.LocksUnsupported, match=r"POSIX locks, which SQLite needs \(ENOLCK\)"):
        locks.require_posix(tmp_path)
    assert "POSIX" in (locks.missing_in(tmp_path) or "")
    with pytest.raises(MissingRequirement, match="cannot be written"):
        locks.missing_in(Path("/proc"))


@pytest.mark.parametrize("number", NUMBERS)
def test_a_run_folder_is_locked_without_file_locks(number: int, tmp_path: Path) -> None:
    script = (
        "from iconoclip.rundir import RunDir\n"
        f"with RunDir({str(tmp_path / 'run')!r}).locked():\n"
        f"    with RunDir({str(tmp_path / 'run')!r}).locked(): pass\n"
    )
    done = run(tmp_path / "patch", "-c", script, number=number)
    assert "TryAgainLater: another process is training in this folder" in done.stderr
    assert list((tmp_path / "run").glob("*.marker")) == []
