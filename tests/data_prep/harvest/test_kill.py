"""kill -9 at any moment: nothing reported as done is lost, nothing is stored twice, and the set has the same
bytes."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iconoclip.shardset import ShardSet
from tests.commands import THE_COMMAND, Command
from tests.data_prep.harvest.harvesting import REPORT, files

# Fewer in the usual run; ICONOCLIP_KILLS=50 for the long one.
NUM_KILLS = int(os.environ.get("ICONOCLIP_KILLS", "3"))


def run(
    words: list[str], until: Callable[[], bool] | float | None = None, number: int = signal.SIGKILL
) -> int:
    """Run a command; send it a signal after some seconds or once a condition holds. Returns its exit code."""
    command = Command([*THE_COMMAND, *words])
    if callable(until):
        deadline = time.monotonic() + 60
        while not until() and time.monotonic() < deadline:
            time.sleep(0.005)
    elif until is not None:
        time.sleep(until)
    if until is not None:
        command.send_signal(number)
    return command.wait()


def words(archive: Any, out: Path) -> list[str]:
    options = {
        "out": out, "harvested_at": "2026-01-02T03:04:05Z", "max_side_pixels": 64, "num_workers": 1,
        "network.retry_seconds": 0.01, "storage.max_shard_bytes": 100_000,
    }  # fmt: skip
    return [
        "harvest",
        archive.collection,
        *(word for name, value in options.items() for word in (f"--{name}", str(value))),
    ]


@pytest.fixture
def large(archive: Any) -> Any:
    archive.num_manifests = 60
    archive.rights = {7: None}
    return archive


def images(archive: Any) -> list[str]:
    return [path for path in archive.paths if path.startswith("/image/")]


def test_killed_at_random_moments_gives_the_same_bytes(large, tmp_path):
    started = time.monotonic()
    assert run(words(large, tmp_path / "calm")) == 3
    whole = time.monotonic() - started
    calm = files(tmp_path / "calm", but=REPORT)
    assert len(calm) > 5
    moments = random.Random(20260102)
    num_kills = num_harvests = 0
    while num_kills < NUM_KILLS:
        out = tmp_path / f"killed-{num_harvests}"
        code = run(words(large, out), until=moments.uniform(0.0, 0.7) * whole)
        num_kills += code == -signal.SIGKILL
        if code == 3:
            assert files(out, but=REPORT) == calm
            num_harvests += 1
        elif (out / "shardset.json").exists():
            # A reader never sees half a set.
            ShardSet(out).verify()
    out = tmp_path / f"killed-{num_harvests}"
    assert run(words(large, out)) == 3
    assert files(out, but=REPORT) == calm


def test_killed_while_packing(large, tmp_path):
    """The moments between the last image and the finished set, where most could go wrong."""
    assert run(words(large, tmp_path / "calm")) == 3
    out = tmp_path / "killed"
    packing = out / ".harvest" / "packing"
    for delay in (0.0, 0.01, 0.03, 0.05, 0.08, 0.12):

        def is_packing(delay: float = delay) -> bool:
            return packing.exists() and not time.sleep(delay)

        if run(words(large, out), until=is_packing) == 3:
            break
    assert run(words(large, out)) == 3
    assert files(out, but=REPORT) == files(tmp_path / "calm", but=REPORT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_stop_keeps_all_that_arrived(large, tmp_path, number):
    assert run(words(large, tmp_path), until=lambda: len(images(large)) > 30, number=number) == 75
    assert not (tmp_path / "shardset.json").exists()
    first = images(large)
    assert run(words(large, tmp_path)) == 3
    twice = set(first) & set(images(large)[len(first) :])
    # Those whose transfer was cut are requested again; eight at most were under way.
    assert len(twice) <= 8
    assert len(ShardSet(tmp_path)) == 59


def test_one_harvest_at_a_time_in_a_folder(large, tmp_path):
    from data_prep.ledger.ledger import Ledger
    from iconoclip.errors import BadInput

    with Ledger(tmp_path / ".harvest"):
        assert run(words(large, tmp_path)) == 2
        with pytest.raises(BadInput, match="another process"):
            Ledger(tmp_path / ".harvest")
    assert run(words(large, tmp_path)) == 3


def test_damaged_spool_is_fetched_again(large, tmp_path):
    """Bytes that the disk lost between two runs are noticed by their checksum."""
    code = run(words(large, tmp_path), until=lambda: len(images(large)) > 50, number=signal.SIGTERM)
    assert code == 75
    spool = tmp_path / ".harvest" / "spool-000000.bin"
    with spool.open("r+b") as file:
        file.seek(spool.stat().st_size // 3)
        file.write(b"\0" * 500)
    assert run(words(large, tmp_path)) == 3
    shardset = ShardSet(tmp_path)
    shardset.verify()
    assert len(shardset) == 59
