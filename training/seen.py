"""`iconoclip seen`: reports how often runs have trained on items, from the run directories alone.

The order of samples is a function of the seed, and the run stores the keys of its training set. So the answer
is exact for every step, even after the shard sets are gone or the item has been withdrawn from them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from iconoclip.config import load_stored
from iconoclip.errors import BadInput, MissingRequirement
from iconoclip.files import atomic_write
from iconoclip.rundir import RunDir
from iconoclip.withdrawals import read_list
from training.checkpoint import folder as checkpoints
from training.config import SeenConfig, TrainConfig
from training.data.order import Schedule
from training.data.samples import Samples
from training.data.selection import codes
from training.schedule import make_schedule


def seen(config: SeenConfig) -> int:
    """Print how often a run has trained on each key; for a folder of runs, each checkpoint that saw one.

    Returns:
        0.

    Raises:
        MissingRequirement: there is no run, or it did not store keys.
        BadInput: no key is given.
    """
    keys = [*config.keys, *_keys_in(config.keys_file)]
    if not keys:
        raise BadInput("no key was given", remedy="give sample keys, or --keys_file FILE")
    run = RunDir(config.run_dir)
    if not run.config_path.is_file() or not keys_files(run):
        return _seen_below(config, keys)
    found, _ = checkpoints.latest_sound(run.checkpoints)
    step = config.step if config.step is not None else checkpoints.step_of(found) if found else 0
    times = times_seen(run, keys, step)
    if load_stored(TrainConfig, run.config_path).hard_negatives.stores:
        print(
            "the run also used captions of similar pictures as hard negatives, which are not counted",
            file=sys.stderr,
        )
    if config.json:
        print(json.dumps({"run": str(run.folder), "step": step, "times_seen": times}, indent=2))
        return 0
    for key, count in times.items():
        print(f"{key}  {f'trained on {count} times' if count else 'never trained on'} by step {step}")
    return 0


def _seen_below(config: SeenConfig, keys: Sequence[str]) -> int:
    """Print every checkpoint of the runs below a folder that has seen one of the keys."""
    runs = [RunDir(path.parent) for path in sorted(config.run_dir.rglob("config.yaml"))]
    runs = [run for run in runs if keys_files(run)]
    if not runs:
        raise MissingRequirement(
            "no run with a list of keys here", where=config.run_dir, remedy="`iconoclip train` makes one"
        )
    found: list[dict[str, Any]] = []
    for run in runs:
        # A run without a checkpoint has left nothing that has seen anything.
        for path in reversed(checkpoints.checkpoints_in(run.checkpoints)):
            times = times_seen(run, keys, checkpoints.step_of(path))
            if saw := {key: count for key, count in times.items() if count}:
                found.append({"checkpoint": str(path), "times_seen": saw})
    if config.json:
        print(json.dumps({"num_runs": len(runs), "checkpoints": found}, indent=2))
        return 0
    for one in found:
        for key, count in one["times_seen"].items():
            print(f"{one['checkpoint']}  {key}  trained on {count} times")
    print(f"{len(found)} checkpoints of {len(runs)} runs saw one of {len(keys)} keys")
    return 0


def _keys_in(path: Path | None) -> list[str]:
    """The keys in a file, one per line, or in a published list (Parquet with the column `key`)."""
    if path is None:
        return []
    try:
        if path.read_bytes()[:4] == b"PAR1":
            return sorted(read_list(path, path))
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except FileNotFoundError:
        raise MissingRequirement("no such file of keys", where=path, remedy="check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the file of keys cannot be read: {error}", where=path) from error


def keys_files(run: RunDir) -> list[tuple[int, Path]]:
    """The lists of keys of a run, each with the step from which it is valid."""
    return sorted((int(path.stem.removeprefix("keys-")), path) for path in run.folder.glob("keys-*.parquet"))


def keep_keys(run: RunDir, samples: Samples, first_step: int) -> bool:
    """Store which samples a run trains on from `first_step`, in the order of their rows.

    Returns:
        Whether they have changed, because items were withdrawn or the sets are different.
    """
    table = pa.table(
        {
            "key": samples.keys,
            "shard": pa.array(samples.shard_N),
            "institution": pa.array(samples.institution_N, pa.int64()),
        }
    )
    if samples.weight_N is not None:
        table = table.append_column("weight", pa.array(samples.weight_N))
    known = keys_files(run)
    # If a run resumes from an earlier step, lists for later steps are no longer valid.
    for step, path in known:
        if step > first_step or first_step == 0:
            path.unlink()
    known = keys_files(run)
    if known and _is_same(pq.read_table(known[-1][1]), table):
        return False
    with atomic_write(run.folder / f"keys-{first_step:08d}.parquet") as file:
        pq.write_table(table, file, compression="zstd")
    return bool(known)


def _is_same(one: pa.Table, other: pa.Table) -> bool:
    """Whether two lists have the same rows; earlier versions stored keys with shorter offsets."""
    return bool(one.schema.names == other.schema.names and one.cast(other.schema).equals(other))


def times_seen(run: RunDir, keys: Sequence[str], step: int) -> dict[str, int]:
    """The number of times that each key has been trained on after `step` steps."""
    config = load_stored(TrainConfig, run.config_path)
    files = keys_files(run)
    ends = [min(first, step) for first, _ in files[1:]] + [step]
    counts = dict.fromkeys(keys, 0)
    for (first, path), end in zip(files, ends, strict=True):
        table = pq.read_table(path)
        rows = {key: row for row, key in enumerate(table["key"].to_pylist())}
        schedule = _schedule(config, table)
        for key in rows.keys() & counts.keys():
            if end > first:
                counts[key] += schedule.times_seen(rows[key], end) - schedule.times_seen(rows[key], first)
    for damaged, neighbour in _replaced(run, step):
        # The neighbour was used in its place.
        for key, change in ((damaged, -1), (neighbour, 1)):
            if key in counts:
                counts[key] += change
    return counts


def _replaced(run: RunDir, step: int) -> Iterator[tuple[str, str]]:
    """The key of each damaged sample with the key of its replacement, once for each use up to a step."""
    for line in run.metrics():
        if line.get("step", 0) <= step:
            yield from (tuple(pair) for pair in line.get("damaged", ()))


def _schedule(config: TrainConfig, table: pa.Table) -> Schedule:
    lengths = tuple(np.bincount(codes(table["shard"])).tolist())
    weights = table["weight"].to_numpy() if "weight" in table.column_names else None
    return make_schedule(config, lengths, table["institution"].to_numpy(), weights)
