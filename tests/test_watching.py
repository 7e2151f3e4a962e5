"""`iconoclip status --watch`: text where there is no terminal, a live picture on one; Ctrl-C ends both."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("on_terminal", [False, True])
def test_watching_ends_with_ctrl_c(tmp_path: Path, on_terminal: bool) -> None:
    run = tmp_path / "runs" / "first"
    run.mkdir(parents=True)
    (run / "job.json").write_text('{"state": "running"}')
    ours, theirs = pty.openpty() if on_terminal else os.pipe()
    command = [sys.executable, "-m", "iconoclip.cli", "status", "runs", "--watch", "--every_seconds", "0.05"]
    environment = {**os.environ, "PATH": "/nowhere", "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=theirs, stderr=subprocess.DEVNULL, env=environment
    ) as watching:
        if not on_terminal:
            os.close(theirs)
        seen = b""
        # Two looks: the second shows what has changed.
        while seen.count(b"first") < 2 or b"finished" not in seen:
            seen += os.read(ours, 4096)
            if seen.count(b"first") >= 2:
                (run / "job.json").write_text('{"state": "finished"}')
        watching.send_signal(signal.SIGINT)
        assert watching.wait(timeout=30) == 0
    assert b"Traceback" not in seen
    assert (b"\x1b[" in seen) == on_terminal
