"""The neighbours of the samples of a training set, searched once and then mapped by all processes.

They are in `CACHE/neighbours/IDENTITY/`, where CACHE is $ICONOCLIP_CACHE: `neighbours.bin` has M row numbers
(int32, -1 for none) for each sample, and `neighbours.json`, which comes last, its checksum. The identity is a
checksum over all that decides them: the selected rows, and so what was withdrawn; the stores; the options.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from iconoclip import locks
from iconoclip.address_cache import cache_folder
from iconoclip.disk_full import disk_full_is_an_answer
from iconoclip.embeddings import EmbeddingStore, StoreManifest, read_manifest
from iconoclip.errors import ConfigError, IconoclipError, TryAgainLater
from iconoclip.files import sha256_of, write_json
from iconoclip.leftovers import locked_folder, remove_unused
from iconoclip.progress import progress
from iconoclip.rundir import RunDir
from training.config_groups import LossConfig
from training.data.neighbours import Found, Search, Vectors, nearest
from training.data.samples import Samples
from training.negatives_config import HardNegativesConfig

# Changed whenever the same input would give other neighbours.
VERSION: Final = 1
INFO_NAME, ROWS_NAME = "neighbours.json", "neighbours.bin"
# Ranks of a machine wait for the one that searches, however long that takes.
SECONDS_TO_WAIT: Final = 7 * 86_400.0


@dataclass(frozen=True)
class Neighbours:
    """The neighbours of each sample."""

    rows_NM: npt.NDArray[np.int32]
    """the nearest first, filled up with -1"""
    digest: str
    """of the rows: equal wherever the same neighbours were found"""
    stores_digest: str
    """of the stores that they come from"""
    facts: dict[str, Any]
    """for people: what was searched and found"""


def find_neighbours(
    samples: Samples, config: HardNegativesConfig, loss: LossConfig, device: torch.device
) -> Neighbours | None:
    """The neighbours of a run's samples, from the cache or searched now; None if the run names no stores.

    Raises:
        MissingRequirement: there is no such store, or the cache cannot be written.
        ConfigError, DamagedData: the stores cannot be used.
        TryAgainLater: the disk is full.
    """
    if not config.stores:
        return None
    manifests = [read_manifest(folder) for folder in config.stores]
    stores_digest = _checksum([[one.vectors_sha256, one.keys_sha256] for one in manifests])
    search = Search(
        config.neighbours, config.max_similarity, config.max_candidates, "iconclass" in loss.related_by
    )
    identity = _checksum([VERSION, samples.identity, stores_digest, asdict(search)])
    folder = cache_folder() / "neighbours" / identity
    found = _opened(folder, len(samples), search, stores_digest)
    if found is None:
        with locks.hold(folder.with_name(".lock"), _busy(config.stores), timeout_seconds=SECONDS_TO_WAIT):
            found = _opened(folder, len(samples), search, stores_digest)
            if found is None:
                _write(folder, samples, config.stores, search, device)
                remove_unused(folder, INFO_NAME)
                found = _opened(folder, len(samples), search, stores_digest)
    if found is None:
        raise TryAgainLater(
            "the neighbours that were written cannot be read",
            where=folder,
            remedy="run the same command again",
        )
    return found


def check_same_stores(run: RunDir, neighbours: Neighbours | None) -> None:
    """Check that a run resumes with the embedding stores that it began with.

    Raises:
        ConfigError: there are others, or none, or some now and none before.
    """
    before, now = run.job.get("stores_digest"), neighbours and neighbours.stores_digest
    if before != now:
        raise ConfigError(
            "the run began with other embedding stores" if before else "the run began without hard negatives",
            where="hard_negatives.stores",
            remedy="name the same stores, unchanged, or choose another --run_dir for a run with these",
        )


def _busy(stores: Sequence[Path]) -> locks.Busy:
    def busy(holder: str) -> IconoclipError:
        return TryAgainLater(
            f"neighbours are being searched by {holder}", where=stores[0], remedy="run the same command again"
        )

    return busy


def _write(
    folder: Path, samples: Samples, stores: Sequence[Path], search: Search, device: torch.device
) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    vectors = Vectors([EmbeddingStore(one) for one in stores], samples.keys)
    started, found = time.monotonic(), Found()
    with (
        disk_full_is_an_answer(folder),
        locked_folder(folder) as partial,
        progress("search neighbours", total=len(samples), unit="samples") as meter,
    ):
        with (partial / ROWS_NAME).open("wb") as file:
            for part_QM in nearest(samples, vectors, search, device=device, found=found):
                file.write(part_QM.astype("<i4").tobytes())
                meter.advance(len(part_QM))
        facts = _facts(found, vectors.manifest, search, time.monotonic() - started)
        write_json(partial / INFO_NAME, {"sha256": sha256_of(partial / ROWS_NAME), "facts": facts})
        partial.rename(folder)


def _facts(found: Found, manifest: StoreManifest, search: Search, seconds: float) -> dict[str, Any]:
    return {
        "model": manifest.model,
        "model_digest": manifest.model_digest,
        "num_samples": found.num_samples,
        "num_with_vector": found.num_with_vector,
        "num_with_neighbours": found.num_with_neighbours,
        "num_candidates": found.num_candidates,
        "num_copies": found.num_copies,
        "mean_similarity": round(found.sum_of_nearest / max(1, found.num_with_neighbours), 4),
        "num_bytes": found.num_samples * search.num * 4,
        "seconds": round(seconds, 1),
    }


def _opened(folder: Path, num: int, search: Search, stores_digest: str) -> Neighbours | None:
    """The neighbours in a folder; None if it is not there, or damaged."""
    path = folder / INFO_NAME
    try:
        values = json.loads(path.read_bytes())
        digest, facts = str(values["sha256"]), dict(values["facts"])
        if sha256_of(folder / ROWS_NAME) != digest:
            raise ValueError
        rows = np.memmap(folder / ROWS_NAME, dtype="<i4", mode="r", shape=(num, search.num))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError):
        print(f"iconoclip: {folder} is damaged; neighbours are searched again", file=sys.stderr)
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    return Neighbours(rows.view(np.ndarray), digest, stores_digest, facts)


def _checksum(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
