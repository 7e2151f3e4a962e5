"""Large sets: their rows are selected once, mapped by every process, and never trusted when they differ."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iconoclip.address_cache import ROWS_NAME, forget
from iconoclip.errors import DamagedData
from iconoclip.files import write_json
from iconoclip.shardset import ShardSet, Tombstone, with_tombstones
from training.data import row_cache, selection
from training.data.columns import DTYPES, file_of
from training.data.samples import Samples, load

from .conftest import make_record, shapes, write_set


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, used for sets of any size."""
    monkeypatch.setenv("ICONOCLIP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(row_cache, "CACHED_FROM", 1)
    return tmp_path / "cache" / "rows"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The split of each selection that was made."""
    made: list[str] = []
    real = selection.select

    def noted(*args: Any, **options: Any) -> Any:
        made.append(options["split"])
        return real(*args, **options)

    monkeypatch.setattr(row_cache, "select", noted)
    return made


def opened(folder: Path, split: str = "all") -> Samples:
    return load([str(folder)], split=split, policy="open")


def facts_of(samples: Samples) -> Any:
    """Everything that a run reads of the rows."""
    captions = samples.captions
    return [
        samples.columns.facts,
        {name: samples.columns[name].tolist() for name in DTYPES},
        samples.keys.to_pylist(),
        captions.text.to_pylist(),
        samples.shards,
        samples.counts(),
        [samples.values(name) for name in ("institution", "object_type", "earliest", "iconclass")],
    ]


def folder_of(cache: Path) -> Path:
    (path,) = cache.glob(f"*/{ROWS_NAME}")
    return path.parent


def test_rows_from_the_cache_are_those_of_the_index(
    cache: Path, counted: list[str], shapes_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = opened(shapes_set), opened(shapes_set)
    assert counted == ["all"]
    monkeypatch.setattr(row_cache, "CACHED_FROM", 1000)
    assert facts_of(first) == facts_of(second) == facts_of(opened(shapes_set))
    # Mapped, not read: the same bytes for all processes of the machine.
    assert isinstance(second.shard_N.base, np.memmap)
    assert not second.shard_N.flags.writeable


def test_another_split_policy_set_or_withdrawal_is_another_selection(
    cache: Path, counted: list[str], tmp_path: Path
) -> None:
    folder = write_set(tmp_path / "set", shapes()[:12])
    assert len(opened(folder)) == 12
    assert len(opened(folder, "val")) == 2
    load([str(folder)], split="all", policy="research")
    gone = opened(folder).keys[3].as_py()
    manifest = with_tombstones(
        ShardSet(folder).manifest, [Tombstone(key=gone, reason="asked to", at="2026-01-02T00:00:00Z")]
    )
    write_json(folder / "shardset.json", manifest.model_dump(mode="json"))
    kept = opened(folder)
    assert gone not in kept.keys.to_pylist()
    assert kept.left_out == {"withdrawn": 1}
    assert counted == ["all", "val", "all", "all"]
    # Without a change of the set: a list next to it, as one that a partner publishes.
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"key": kept.keys.to_pylist()[:5]}), tmp_path / "withdrawn.parquet")
    assert len(opened(folder)) == 6


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def forge(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"facts": {"num_rows": 7}}))


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        (file_of(Path(), "text").name, cut, "does not match its checksum"),
        (file_of(Path(), "caption_first").name, flip, "does not match its checksum"),
        (file_of(Path(), "shard").name, Path.unlink, "does not match its checksum"),
        (ROWS_NAME, cut, "cannot be read"),
        (ROWS_NAME, forge, "does not match its own checksum"),
        (ROWS_NAME, lambda path: path.write_text("[]"), "cannot be read"),
    ],
)
def test_damaged_rows_are_selected_again(
    cache: Path, counted: list[str], shapes_set: Path, capsys: pytest.CaptureFixture[str],
    name: str, damage: Any, said: str,
) -> None:  # fmt: skip
    wanted = facts_of(opened(shapes_set))
    damage(folder_of(cache) / name)
    capsys.readouterr()
    assert facts_of(opened(shapes_set)) == wanted
    assert said in capsys.readouterr().err
    assert len(counted) == 2
    assert facts_of(opened(shapes_set)) == wanted
    assert len(counted) == 2


def test_a_stored_permission_is_checked_again(
    cache: Path, counted: list[str], shapes_set: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    opened(shapes_set)
    for module in (selection, row_cache):
        monkeypatch.setattr(module, "allows", lambda raw, uri, train, opt_out, policy: False)
    with pytest.raises(Exception, match="leaves none of the 60 samples"):
        opened(shapes_set)
    assert "rights were judged differently" in capsys.readouterr().err


def test_where_nothing_can_be_written_the_rows_are_in_memory(
    cache: Path, shapes_set: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = facts_of(opened(shapes_set))
    shutil.rmtree(cache)
    cache.write_text("a file where the folder should be")
    assert facts_of(opened(shapes_set)) == wanted
    assert "each process selects the rows in its own memory" in capsys.readouterr().err
    cache.unlink()

    def full(self: Any, name: str, values: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(row_cache.FileSink, "append", full)
    assert facts_of(opened(shapes_set)) == wanted
    assert "the disk is full" in capsys.readouterr().err
    assert [path.name for path in cache.iterdir()] == [".lock"]


def test_a_damaged_index_is_no_trouble_of_the_cache(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_set(tmp_path / "set", shapes()[:3])
    cut(folder / "records.parquet")
    with pytest.raises(DamagedData, match=r"the index does not match shardset\.json"):
        opened(folder)
    assert "memory" not in capsys.readouterr().err


def test_processes_that_start_together_select_once(
    cache: Path, counted: list[str], shapes_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, found = row_cache._write, []

    def slowly(*args: Any) -> None:
        time.sleep(0.2)
        write(*args)

    monkeypatch.setattr(row_cache, "_write", slowly)
    threads = [threading.Thread(target=lambda: found.append(facts_of(opened(shapes_set)))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counted) == 1
    assert found[0] == found[1] == found[2]


def test_what_is_not_used_is_removed_and_what_was_purged_at_once(
    cache: Path, tmp_path: Path, shapes_set: Path
) -> None:
    data = shapes()[0][1]
    other = write_set(tmp_path / "other", [(make_record(90, data, {"en": "a"}), data)])
    opened(other)
    old = folder_of(cache)
    os.utime(old / ROWS_NAME, (0, 0))
    opened(shapes_set)
    assert not old.exists()
    assert forget(frozenset([ShardSet(shapes_set).manifest.records_sha256])) == 1
    assert list(cache.glob("*/")) == []


@pytest.fixture(autouse=True)
def _sets_are_unchanged(shapes_set: Path) -> Iterator[None]:
    before = ShardSet(shapes_set).digest
    yield
    assert ShardSet(shapes_set).digest == before
