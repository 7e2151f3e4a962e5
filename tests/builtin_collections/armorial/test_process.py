"""The server as a process: it starts, announces its addresses, ends with its parent, and refuses with a
reason."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from builtin_collections.armorial.server.process import serve_armorial
from iconoclip.errors import BadInput, TryAgainLater

ROOT = Path(__file__).resolve().parents[3]


def test_it_ends_with_the_block() -> None:
    with serve_armorial(num_arms=9) as served:
        assert httpx2.get(f"{served.wexcombe}/robots.txt").status_code == 200
        port = urlsplit(served.wexcombe).port
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port or 0)) != 0


def test_it_ends_when_the_block_fails() -> None:
    addresses: list[str] = []

    def fail() -> None:
        with serve_armorial(num_arms=9) as served:
            addresses.append(served.valcendre)
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", urlsplit(addresses[0]).port or 0)) != 0


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(TryAgainLater, match=str(port)), serve_armorial(num_arms=9, ports=(port, 0, 0)):
            pass


def test_impossible_numbers_are_refused() -> None:
    with pytest.raises(BadInput), serve_armorial(num_arms=-100):
        pass


def test_by_hand_from_another_folder(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "builtin_collections.armorial", "--num-arms", "9", "--ports", "0,0,0"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(5)]
        child.terminate()
        assert child.wait(10) in (0, -15)
    assert lines[-1].split()[0] == "OAI-PMH"
    assert lines[-1].strip().endswith("/oai")
