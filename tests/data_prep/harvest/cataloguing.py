"""Shared by the tests of catalogues: the two commands, and what they wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

# Imported here, it is imported in every command that the tests run.
import data_prep.harvest.catalogue  # noqa: F401
from data_prep.catalogue.files import CATALOGUE_NAME
from iconoclip.shardset import ShardSet
from tests import commands

CLOCK = "2026-01-02T03:04:05Z"
HARVEST = ("--harvested_at", CLOCK, "--num_workers", 1)
FAST = ("--network.retry_seconds", 0.01)


def catalogue(source: object, out: Path, *words: object) -> Any:
    return commands.run(["catalogue", source, "--out", out, "--harvested_at", CLOCK, *FAST, *words])


def harvest(source: object, out: Path, *words: object) -> Any:
    side = () if "--max_side_pixels" in words else ("--max_side_pixels", 64)
    return commands.run(["harvest", source, "--out", out, *HARVEST, *FAST, *side, *words])


def rows(folder: Path) -> list[dict[str, Any]]:
    return pq.read_table(folder / CATALOGUE_NAME).to_pylist()


def files(folder: Path) -> dict[str, bytes]:
    names = ("report.json", "refused.jsonl")
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file() and p.name not in names}


def records(folder: Path) -> dict[str, tuple[str, bytes]]:
    return {record.key: (record.model_dump_json(), image) for record, image in ShardSet(folder).samples()}
