"""Shared by several tests of the harvest: the config of a small harvest, and the files of a set."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import Any

from data_prep.harvest.config import HarvestConfig
from iconoclip.config import as_tree

CLOCK = "2026-01-02T03:04:05Z"
# The number of requests of a harvest may differ.
REPORT = ("report.json",)


def config(archive: Any, out: Path, **values: Any) -> HarvestConfig:
    """A quick harvest of an archive's collection, at a fixed time."""
    defaults: dict[str, Any] = {
        "harvested_at": CLOCK, "max_side_pixels": 64, "network.retry_seconds": 0.01, "num_workers": 1,
    }  # fmt: skip
    return HarvestConfig(sources=[archive.collection], out=out, **as_tree(defaults | values))


def files(folder: Path, *, but: Container[str] = ()) -> dict[str, bytes]:
    """The bytes of the files of a set, by name; not those in folders."""
    return {
        path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name not in but
    }
