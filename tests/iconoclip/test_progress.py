"""Progress in a log: plain lines, the last one with the total and the time."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from iconoclip import progress as module
from iconoclip.progress import progress


def test_a_log_gets_plain_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LOG_LINES", 0.0)
    with progress("encode", total=2, unit="images") as meter:
        meter.advance()
        meter.note("one damaged")
        meter.advance()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("encode: 1/2 images")
    assert "left" in lines[0]
    assert lines[-1].startswith("encode: 2/2 images in 0:00")
    assert lines[-1].endswith("one damaged")
    assert not any("\x1b" in line for line in lines)


def test_quick_work_prints_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("pack") as meter:
        for _ in range(1000):
            meter.advance()
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_terminal_gets_a_bar() -> None:
    program = (
        "from iconoclip.progress import progress\nwith progress('pack', total=3) as m:\n    m.advance(3)\n"
    )
    reader, writer = pty.openpty()
    subprocess.run(
        [sys.executable, "-c", program],
        stderr=writer,
        check=True,
        env={**os.environ, "COLUMNS": "160", "TERM": "xterm"},
    )
    os.close(writer)
    shown = os.read(reader, 100_000).decode()
    os.close(reader)
    assert "3/3" in shown
    assert "\x1b[" in shown
