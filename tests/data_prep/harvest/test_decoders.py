"""Decoding in other processes: in order, in batches, and no image takes the harvest down."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from data_prep.decoders import Decoders
from data_prep.images import ImageRefused, Wanted, store_image


class Killer(bytes):
    """Bytes that end the process which receives them, as a decoder's bug would."""

    def __reduce__(self) -> tuple[Any, tuple[int]]:
        return os._exit, (11,)


async def store_all(bodies: list[bytes], num_workers: int) -> list[Any]:
    with Decoders(Wanted(max_side=64), num_workers) as decoders:
        return await asyncio.gather(*(decoders.store(body) for body in bodies), return_exceptions=True)


@pytest.mark.parametrize("num_workers", [1, 2])
def test_every_image_gets_its_own_answer(picture, num_workers):
    bodies = [picture(number) for number in range(40)]
    stored = asyncio.run(store_all([*bodies, b"nonsense"], num_workers))
    assert [one.sha256 for one in stored[:-1]] == [
        store_image(body, Wanted(max_side=64)).sha256 for body in bodies
    ]
    assert isinstance(stored[-1], ImageRefused)


def test_image_that_kills_its_decoder_is_refused_and_the_others_arrive(picture):
    bodies = [picture(number) for number in range(12)]
    answers = asyncio.run(store_all([*bodies[:5], Killer(b"x"), *bodies[5:]], 2))
    killed = answers.pop(5)
    assert isinstance(killed, ImageRefused)
    assert "kills the program" in str(killed)
    assert [one.sha256 for one in answers] == [
        store_image(body, Wanted(max_side=64)).sha256 for body in bodies
    ]


def test_processes_end_with_a_harvest_that_was_killed(picture, tmp_path):
    (tmp_path / "image.jpg").write_bytes(picture(1))
    code = (
        "import asyncio, os, pathlib, sys\nfrom data_prep.decoders import Decoders\nfrom data_prep.images import Wanted\n"
        "async def run():\n"
        "    with Decoders(Wanted(), 2) as decoders:\n"
        "        body = pathlib.Path(sys.argv[1]).read_bytes()\n"
        "        await asyncio.gather(*(decoders.store(body) for _ in range(8)))\n"
        "        print(*decoders._executor._processes, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "if __name__ == '__main__':\n    asyncio.run(run())\n"
    )
    (tmp_path / "program.py").write_text(code)
    program = [sys.executable, str(tmp_path / "program.py"), str(tmp_path / "image.jpg")]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    workers = [int(word) for word in process.stdout.readline().split()]
    assert len(workers) == 2
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    deadline = time.monotonic() + 10
    while any(_is_alive(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [worker for worker in workers if _is_alive(worker)]


def _is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False
