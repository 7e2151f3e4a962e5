"""Decoding in other processes: each image gets its own answer, and none ends the harvest."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from data_prep.images.decoders import Decoders
from data_prep.images.store import Wanted, decoded_size, store_image
from iconoclip.pictures import ImageRefused
from iconoclip.record import Region

# The program that decodes, with a decoder that has a bug.
WITH_A_BUG = """
import os, sys
from data_prep.images import decoding
store_image = decoding.store_image
decoding.store_image = lambda body, *rest: os._exit(11) if body == b"x" else store_image(body, *rest)
decoding.main(sys.argv[1:])
"""

# The program that decodes, and the messages of an image that took it over.
TAKEN_OVER = """
import sys
from data_prep.images import decoding
answer, message = decoding._answer, decoding.message
decoding._answer = lambda head, body, wanted: (None, b"") if body == b"x" else answer(head, body, wanted)
def spoken(head, body):
    return message(head, body) if head is not None else decoding.LENGTHS.pack({length}, 0) + {head}
decoding.message = spoken
decoding.main(sys.argv[1:])
"""


async def store_all(bodies: list[bytes], num_workers: int) -> list[Any]:
    async with Decoders(Wanted(max_side=64), num_workers) as decoders:
        return await asyncio.gather(*(decoders.store(body) for body in bodies), return_exceptions=True)


@pytest.mark.parametrize("num_workers", [1, 2])
def test_every_image_gets_its_own_answer(picture, num_workers):
    bodies = [picture(number) for number in range(40)]
    stored = asyncio.run(store_all([*bodies, b"nonsense"], num_workers))
    assert [one.sha256 for one in stored[:-1]] == [
        store_image(body, Wanted(max_side=64)).sha256 for body in bodies
    ]
    assert isinstance(stored[-1], ImageRefused)


@pytest.mark.parametrize("num_workers", [1, 2])
def test_image_that_kills_its_decoder_is_refused_and_the_others_arrive(picture, monkeypatch, num_workers):
    monkeypatch.setattr(Decoders, "PROGRAM", (sys.executable, "-c", WITH_A_BUG))
    bodies = [picture(number) for number in range(12)]
    answers = asyncio.run(store_all([*bodies[:5], b"x", *bodies[5:]], num_workers))
    killed = answers.pop(5)
    assert isinstance(killed, ImageRefused)
    assert "kills the program" in str(killed)
    assert [one.sha256 for one in answers] == [
        store_image(body, Wanted(max_side=64)).sha256 for body in bodies
    ]


# The facts of another picture, or of no picture.
FORGED = {
    "width": 8, "height": 8, "sha256": "0" * 64, "received": [8, 8], "source_sha256": "0" * 64,
    "phash": "0" * 16,
    "colours": [0] * 12, "opt_out": [],
}  # fmt: skip


@pytest.mark.parametrize(
    "head",
    [
        b"{}",
        b"[]",
        b"{",
        b"7" * 2_000_000,
        json.dumps(FORGED).encode(),
        json.dumps({**FORGED, "sha256": hashlib.sha256(b"x").hexdigest(), "width": "x"}).encode(),
        json.dumps({**FORGED, "sha256": hashlib.sha256(b"x").hexdigest(), "phash": "../../x"}).encode(),
    ],
)
def test_process_that_an_image_took_over_is_not_trusted(picture, monkeypatch, head):
    monkeypatch.setattr(
        Decoders, "PROGRAM", (sys.executable, "-c", TAKEN_OVER.format(head=head[:2000], length=len(head)))
    )
    answers = asyncio.run(store_all([picture(1), b"x", picture(2)], 1))
    refused = answers.pop(1)
    assert isinstance(refused, ImageRefused)
    assert "kills the program" in str(refused)
    assert [one.sha256 for one in answers] == [
        store_image(picture(number), Wanted(max_side=64)).sha256 for number in (1, 2)
    ]


def test_image_that_never_ends_is_refused_and_the_others_arrive(picture, monkeypatch):
    """In processor time: a machine that was suspended refuses nothing."""
    busy = WITH_A_BUG.replace("os._exit(11)", "sum(iter(int, 1))").replace(
        "decoding.main", "decoding.MAX_SECONDS = 0.3\ndecoding.main"
    )
    monkeypatch.setattr(Decoders, "PROGRAM", (sys.executable, "-c", busy))
    answers = asyncio.run(store_all([picture(1), b"x", picture(2), picture(3)], 1))
    refused = answers.pop(1)
    assert isinstance(refused, ImageRefused)
    assert "takes more than" in str(refused)
    assert [one.sha256 for one in answers] == [
        store_image(picture(number), Wanted(max_side=64)).sha256 for number in (1, 2, 3)
    ]


def test_decoders_end_only_when_the_harvest_ends_them(picture):
    """A scheduler sends SIGTERM to every process of a job; work in progress is still finished."""

    async def run() -> Any:
        async with Decoders(Wanted(max_side=64), 1) as decoders:
            await decoders.store(picture(1))
            os.killpg(decoders._programs[0].pid, signal.SIGTERM)
            await asyncio.sleep(0.1)
            stored = await decoders.store(picture(2))
            return stored, len(decoders._programs)

    stored, num_programs = asyncio.run(run())
    assert stored.sha256 == store_image(picture(2), Wanted(max_side=64)).sha256
    assert num_programs == 1


def test_region_is_cut_out_as_here(picture):
    async def cut() -> Any:
        async with Decoders(Wanted(), 1) as decoders:
            return await decoders.store(body, region, (2 * width, 2 * height))

    body = picture(1)
    width, height = decoded_size(body)
    region = Region(x=width // 2, y=0, width=width, height=height)
    assert asyncio.run(cut()) == store_image(body, Wanted(), region, (2 * width, 2 * height))


def test_program_that_cannot_start_stops_the_harvest_and_refuses_no_image(picture, monkeypatch):
    monkeypatch.setattr(Decoders, "PROGRAM", (sys.executable, "-c", "import sys; sys.exit(3)"))
    answers = asyncio.run(store_all([picture(1), picture(2)], 2))
    assert [type(answer) for answer in answers] == [RuntimeError, RuntimeError]


def test_processes_end_with_a_harvest_that_was_killed(picture, tmp_path):
    (tmp_path / "image.jpg").write_bytes(picture(1))
    code = (
        "import asyncio, os, pathlib, sys\nfrom data_prep.images.decoders import Decoders\n"
        "from data_prep.images.store import Wanted\n"
        "async def run():\n"
        "    async with Decoders(Wanted(), 2) as decoders:\n"
        "        body = pathlib.Path(sys.argv[1]).read_bytes()\n"
        "        await asyncio.gather(*(decoders.store(body) for _ in range(8)))\n"
        "        print(decoders._programs[0].pid, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "if __name__ == '__main__':\n    asyncio.run(run())\n"
    )
    (tmp_path / "program.py").write_text(code)
    program = [sys.executable, str(tmp_path / "program.py"), str(tmp_path / "image.jpg")]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    program = int(process.stdout.readline())
    workers = [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/stat") if _group(path) == program]
    assert len(workers) == 3
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    deadline = time.monotonic() + 10
    while any(_is_alive(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [worker for worker in workers if _is_alive(worker)]


def _group(stat: Path) -> int:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[2])
    except FileNotFoundError:
        return 0


def _is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False
