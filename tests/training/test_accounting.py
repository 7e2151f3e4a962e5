"""Which samples a run saw, what it cost, and where its shards may be."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from iconoclip.errors import DamagedData, MissingRequirement
from iconoclip.files import write_json
from iconoclip.rundir import RunDir
from iconoclip.shardset import ShardSet, Tombstone, with_tombstones
from training.config import SeenConfig, TrainConfig
from training.cost import EnergyMeter, estimate
from training.data.loader import TrainingSamples
from training.data.samples import load
from training.data.storage import ShardReader
from training.seen import seen, times_seen
from training.train import train

from .conftest import changed, shapes, write_set

MakeConfig = Callable[..., TrainConfig]


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The keys of every batch that is loaded, as they are loaded."""
    found: list[list[str]] = []
    plain = TrainingSamples.__getitems__

    def noted(self: TrainingSamples, pairs: list[tuple[int, int]]) -> Any:
        found.append([self.samples.keys[row].as_py() for _, row in pairs])
        return plain(self, pairs)

    monkeypatch.setattr(TrainingSamples, "__getitems__", noted)
    return found


def test_a_run_knows_how_often_it_saw_an_item(
    make_config: MakeConfig, batches: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    config = make_config(max_steps=7, institution_alpha=0.5, validation_split="none")
    train(config)
    counted = Counter(key for batch in batches[:7] for key in batch)
    keys = [record.key for record, _ in ShardSet(config.shardsets[0]).samples()]
    assert times_seen(RunDir(config.run_dir), keys, 7) == {key: counted[key] for key in keys}
    assert sum(counted.values()) == 56
    capsys.readouterr()
    seen(SeenConfig(run_dir=config.run_dir, keys=[keys[0], "north-0000000000000000"], json=True))
    assert json.loads(capsys.readouterr().out)["times_seen"] == {
        keys[0]: counted[keys[0]],
        "north-0000000000000000": 0,
    }


def test_samples_seen_before_a_withdrawal_stay_recorded(
    make_config: MakeConfig, batches: list[list[str]], tmp_path: Path
) -> None:
    folder = write_set(tmp_path / "set", shapes(lambda number: "train"))
    config = make_config(shardsets=[str(folder)], epochs=3, validation_split="none")
    train(changed(config, max_steps=8))
    before = Counter(key for batch in batches[:8] for key in batch)
    gone = max(before)
    manifest = with_tombstones(
        ShardSet(folder).manifest, [Tombstone(key=gone, reason="asked to", at="2026-01-02T00:00:00Z")]
    )
    write_json(folder / "shardset.json", manifest.model_dump(mode="json"))
    batches.clear()
    train(config)
    assert not any(gone in batch for batch in batches)
    run = RunDir(config.run_dir)
    assert times_seen(run, [gone], 20) == {gone: before[gone]}
    events = [line.get("event", "") for line in run.metrics()]
    assert any("the training set has changed since the run began" in event for event in events)


def test_a_run_without_a_list_of_keys_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingRequirement, match="no run with a list of keys"):
        seen(SeenConfig(run_dir=tmp_path, keys=["a"]))


def test_energy_by_hand() -> None:
    # Two ranks of 100 W for half an hour: 0.1 kWh, at 250 g a kWh 25 g.
    found = estimate(seconds=1800, watts=100, num_ranks=2, grams_per_kwh=250, source="assumed")
    assert found["energy_kwh"] == pytest.approx(0.1)
    assert found["co2_grams"] == pytest.approx(25)
    assert "250 g of CO2 per kWh" in found["assumptions"]


def test_the_power_of_a_gpu_is_the_mean_of_what_its_driver_says(monkeypatch: pytest.MonkeyPatch) -> None:
    # Not every machine has a GPU: its driver is a list of answers here.
    said = iter([400_000, 500_000, 600_000])
    monkeypatch.setattr(torch.cuda, "power_draw", lambda device: next(said))
    meter = EnergyMeter(seconds_before=1800, num_ranks=2, grams_per_kwh=100)
    device = torch.device("cuda", 0)
    # 400 W, then 450 W, then 500 W on each of two ranks.
    read = [meter.read(seconds, device)["energy_kwh"] for seconds in (0, 600, 1800)]
    assert read == pytest.approx([0.4, 0.6, 1.0])
    found = meter.read(1800, device)
    assert "300 W per GPU, assumed: the driver reports none (StopIteration)" in found["assumptions"]


def test_time_and_energy_of_a_run_count_all_its_processes(make_config: MakeConfig) -> None:
    config = make_config(validation_split="none", device="cpu", devices=1)
    seconds = []
    for max_steps in (2, 4):
        train(changed(config, max_steps=max_steps))
        job = RunDir(config.run_dir).job
        seconds.append(job["train_seconds"])
        # 12 W per CPU thread, on one rank.
        joules = job["train_seconds"] * 12 * torch.get_num_threads()
        assert job["cost"]["energy_kwh"] == pytest.approx(joules / 3_600_000)
        # What a process leaves that was killed 1,000 seconds later, in a step that has no checkpoint.
        RunDir(config.run_dir).log(step=3, train_seconds=seconds[0] + 1000)
    assert 0 < seconds[0] < seconds[1] - 1000


@pytest.fixture
def stored(shapes_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The small set in an object store, and an empty cache."""
    monkeypatch.setenv("ICONOCLIP_CACHE", str(tmp_path / "cache"))
    store = fsspec.filesystem("memory")
    for path in shapes_set.iterdir():
        store.pipe_file(f"/bucket/set/{path.name}", path.read_bytes())
    yield "memory://bucket/set"
    store.rm("/bucket", recursive=True)


def test_a_set_in_an_object_store_is_read_shard_by_shard(
    stored: str, shapes_set: Path, tmp_path: Path
) -> None:
    samples, local = (
        load([stored], split="all", policy="open"),
        load([str(shapes_set)], split="all", policy="open"),
    )
    assert samples.keys.equals(local.keys)
    # Shards are kept by their checksums: a set that changes elsewhere does not cost a download.
    cached = tmp_path / "cache" / "shards"
    assert list(cached.glob("*.tar")) == []
    assert ShardReader(samples).image_bytes(0) == ShardReader(local).image_bytes(0)
    assert [path.stem for path in cached.glob("*.tar")] == [local.sets[0].manifest.shards[0].sha256]


def test_a_run_trains_from_an_object_store(stored: str, make_config: MakeConfig, tmp_path: Path) -> None:
    there, here = (
        make_config(run_dir=tmp_path / name, max_steps=3, validation_split="none", **changes)
        for name, changes in (("there", {"shardsets": [stored]}), ("here", {}))
    )
    train(there)
    train(here)
    assert [line["loss"] for line in RunDir(there.run_dir).metrics()] == [
        line["loss"] for line in RunDir(here.run_dir).metrics()
    ]


def test_the_cache_stays_within_its_bound(
    stored: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    samples = load([stored], split="all", policy="open")
    assert len(samples.shards) > 2
    largest = max(shard.num_bytes for shard in samples.sets[0].manifest.shards)
    monkeypatch.setenv("ICONOCLIP_CACHE_GB", str(2 * largest / 1e9))
    reader = ShardReader(samples)
    for row in range(len(samples)):
        assert reader.image_bytes(row).startswith(b"\xff\xd8")
        assert sum(path.stat().st_size for path in (tmp_path / "cache").glob("*/*.tar")) <= 2 * largest


def test_a_damaged_shard_never_enters_the_cache(stored: str, tmp_path: Path) -> None:
    samples = load([stored], split="all", policy="open")
    store, name = fsspec.filesystem("memory"), samples.shards[0].name
    store.pipe_file(f"/bucket/set/{name}", bytes(len(store.cat_file(f"/bucket/set/{name}"))))
    with pytest.raises(DamagedData, match="checksum differs"):
        ShardReader(samples).image_bytes(0)
    assert list((tmp_path / "cache").glob("*/*.tar")) == []
    assert list((tmp_path / "cache").glob("*/*.partial")) == []


def test_an_address_without_a_set_or_a_reader_is_a_message(stored: str) -> None:
    with pytest.raises(MissingRequirement, match="no such file"):
        load([stored + "-2"], split="all", policy="open")
    with pytest.raises(MissingRequirement, match="cannot be read"):
        load(["nosuchscheme://bucket/set"], split="all", policy="open")


def test_a_folder_of_runs_names_every_checkpoint_that_saw_a_key(
    make_config: MakeConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = make_config(run_dir=tmp_path / "runs" / "one", validation_split="none", max_steps=2)
    train(config)
    keys = pq.read_table(config.run_dir / "keys-00000000.parquet")["key"].to_pylist()
    times = times_seen(RunDir(config.run_dir), keys, 2)
    saw = next(key for key, count in times.items() if count)
    pq.write_table(pa.table({"key": [saw, "north-0000000000000000"]}), tmp_path / "withdrawn.parquet")
    capsys.readouterr()
    seen(SeenConfig(run_dir=tmp_path / "runs", keys_file=tmp_path / "withdrawn.parquet"))
    said = capsys.readouterr().out.splitlines()
    checkpoint = config.run_dir / "checkpoints" / "step-00000002.ckpt"
    assert said == [
        f"{checkpoint}  {saw}  trained on {times[saw]} times",
        "1 checkpoints of 1 runs saw one of 2 keys",
    ]
