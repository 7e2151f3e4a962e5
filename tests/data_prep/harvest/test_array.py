"""A harvest divided among tasks: the same set as from one task, each document requested once, one rate limit
for all."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from data_prep.harvest.status import read_status
from data_prep.harvest.verb import harvest
from data_prep.network.hosts import HostGate, Pace
from data_prep.network.shared_pace import SharedPace
from iconoclip.errors import ConfigError, SomeRefused
from iconoclip.shardset import ShardSet
from tests.data_prep.harvest.harvesting import CLOCK, REPORT, config, files


@pytest.fixture
def nested(archive: Any) -> Any:
    """Collections within a collection, one manifest in two of them."""

    def part(name: str, numbers: range) -> None:
        members = [{"id": f"{archive.origin}/manifest/{n}", "type": "Manifest"} for n in numbers]
        value = {"id": f"{archive.origin}/collection/{name}", "type": "Collection", "items": members}
        archive.routes[f"/collection/{name}"] = lambda seen: archive.json(value, seen)

    part("a", range(0, 14))
    part("b", range(10, 30))
    members = [{"id": f"{archive.origin}/collection/{name}", "type": "Collection"} for name in "ab"]
    top = {"id": archive.collection, "type": "Collection", "items": members}
    archive.routes["/collection"] = lambda seen: archive.json(top, seen)
    archive.rights = {7: None}
    return archive


def run_tasks(archive: Any, out: Path, order: list[int], **values: Any) -> list[int | str]:
    codes: list[int | str] = []
    for task in order:
        try:
            codes.append(harvest(config(archive, out, num_tasks=len(set(order)), task=task, **values)))
        except SomeRefused:
            codes.append("some refused")
    return codes


def test_three_tasks_give_the_set_of_one(nested, tmp_path):
    with pytest.raises(SomeRefused):
        harvest(config(nested, tmp_path / "one"))
    nested.requests.clear()
    codes = run_tasks(nested, tmp_path / "three", [2, 0, 1])
    assert codes == [0, 0, "some refused"]
    assert files(tmp_path / "three", but=REPORT) == files(tmp_path / "one", but=REPORT)
    counts = Counter(nested.paths)
    assert {path: count for path, count in counts.items() if count > 1} == {}
    assert read_status(tmp_path / "three").is_finished


def test_tasks_at_the_same_time(nested, tmp_path):
    with pytest.raises(SomeRefused):
        harvest(config(nested, tmp_path / "one"))
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "iconoclip.cli",
                "harvest",
                nested.collection,
                "--out",
                str(tmp_path / "two"),
                "--harvested_at",
                CLOCK,
                "--max_side_pixels",
                "64",
                "--num_workers",
                "1",
                "--num_tasks",
                "2",
                "--task",
                str(task),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for task in range(2)
    ]
    codes = sorted(process.wait(120) for process in processes)
    assert codes in ([0, 3], [3, 3]), [process.stderr.read() for process in processes if process.stderr]
    assert files(tmp_path / "two", but=REPORT) == files(tmp_path / "one", but=REPORT)


def test_tasks_run_again_say_so(nested, tmp_path, capsys):
    run_tasks(nested, tmp_path, [0, 1])
    num_asked = len(nested.requests)
    assert run_tasks(nested, tmp_path, [0, 1]) == ["some refused"] * 2
    assert "harvested already" in capsys.readouterr().out
    assert len(nested.requests) == num_asked


def test_refresh_by_tasks(nested, tmp_path):
    run_tasks(nested, tmp_path, [0, 1])
    before = files(tmp_path, but=REPORT)
    run_tasks(nested, tmp_path, [0, 1], refresh=True)
    assert files(tmp_path, but=REPORT) == before
    nested.rights = {7: None, 8: None}
    run_tasks(nested, tmp_path, [1, 0], refresh=True)
    shardset = ShardSet(tmp_path)
    shardset.verify()
    assert len(shardset) == 28


def test_another_number_of_tasks_is_refused(nested, tmp_path):
    run_tasks(nested, tmp_path, [0, 1])
    with pytest.raises(ConfigError, match="another number of tasks"):
        harvest(config(nested, tmp_path, num_tasks=3, task=0))
    harvest_alone = tmp_path / "alone"
    with pytest.raises(SomeRefused):
        harvest(config(nested, harvest_alone))
    with pytest.raises(ConfigError, match="another number of tasks"):
        harvest(config(nested, harvest_alone, num_tasks=2, task=0))


# One rate limit for all


def test_two_gates_share_a_rate_limit(tmp_path):
    """Like two tasks: separate gates, one folder."""

    async def run() -> float:
        pace = Pace(interval_seconds=0.1, concurrency=4)
        gates = [HostGate("h", pace, shared=SharedPace(tmp_path, "h", 4)) for _ in range(2)]

        async def ask(gate: HostGate) -> None:
            async with gate.turn():
                pass

        started = time.monotonic()
        await asyncio.gather(*(ask(gates[number % 2]) for number in range(8)))
        return time.monotonic() - started

    assert asyncio.run(run()) >= 0.69


def test_two_gates_share_the_request_slots(tmp_path):
    most = under_way = 0

    async def run() -> None:
        gates = [HostGate("h", Pace(0.0, 2), shared=SharedPace(tmp_path, "h", 2)) for _ in range(3)]

        async def ask(gate: HostGate) -> None:
            nonlocal most, under_way
            async with gate.turn():
                under_way += 1
                most = max(most, under_way)
                await asyncio.sleep(0.03)
                under_way -= 1

        await asyncio.gather(*(ask(gates[number % 3]) for number in range(9)))

    asyncio.run(run())
    assert most == 2


def test_a_penalty_of_one_task_holds_for_all(tmp_path):
    async def run() -> float:
        gates = [HostGate("h", Pace(0.01, 1), shared=SharedPace(tmp_path, "h", 1)) for _ in range(2)]
        gates[0].slow_down(retry_after=0.4)
        asked = asyncio.create_task(_ask(gates[0]))
        await asyncio.sleep(0.05)
        started = time.monotonic()
        await _ask(gates[1])
        asked.cancel()
        return time.monotonic() - started

    assert asyncio.run(run()) >= 0.3


async def _ask(gate: HostGate) -> None:
    async with gate.turn():
        pass


def test_killed_task_blocks_nobody(tmp_path):
    code = (
        "import asyncio,sys,pathlib\nfrom data_prep.network.shared_pace import SharedPace\nasync def"
        " hold():\n  async with SharedPace(pathlib.Path(sys.argv[1]), 'h', 1).place():\n    print('held',"
        " flush=True)\n    await asyncio.sleep(60)\nasyncio.run(hold())"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    assert SharedPace(tmp_path, "h", 1)._take() is None
    process.kill()
    process.wait(10)
    assert SharedPace(tmp_path, "h", 1)._take() is not None
