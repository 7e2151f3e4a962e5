"""The folder of a set of pictures: which run its files are of, and in which order they are removed and
written.

A run first removes the set that an earlier one left, and `segment.json`; it writes `segment.json` last. So
files of two runs are never taken for finished, and a process that is killed leaves what the same command
makes whole.

OUT/.segment/names.json   the names of all sets that were in this folder, whose shards are removed
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from data_prep.harvest.recording import created_by
from iconoclip import clock
from iconoclip.errors import ConfigError, IconoclipError
from iconoclip.files import atomic_write, sha256_of, write_json
from iconoclip.record import Record
from iconoclip.shardset import (
    MANIFEST_NAME,
    RECORDS_NAME,
    RECORDS_SCHEMA,
    Parent,
    ShardSet,
    ShardSetManifest,
    ShardSetWriter,
    Tombstone,
    Totals,
    unseal,
)

SEGMENT_NAME: Final = "segment.json"
PAGES_NAME: Final = "pages.parquet"
REVIEW_NAME: Final = "report.html"
PARTS: Final = ".segment"
NAMES_NAME: Final = "names.json"


def refuse_foreign_set(out: Path, pages: Path) -> None:
    """Refuse an output folder that holds a set which is not ours.

    Raises:
        ConfigError: it holds the pages, or a set of another command.
    """
    if out.resolve() == pages.resolve():
        raise ConfigError("the pictures need a folder of their own", where=out, remedy="give another --out")
    is_ours = (out / SEGMENT_NAME).exists() or (out / PARTS).exists()
    if (out / MANIFEST_NAME).exists() and not is_ours:
        raise ConfigError(
            "this folder holds another shard set", where=out, remedy="choose another --out, or remove it"
        )


def read_summary(out: Path) -> dict[str, Any]:
    """What `segment.json` says; empty if there is none, or if it is not one."""
    found = _json(out / SEGMENT_NAME)
    return found if isinstance(found, dict) else {}


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


@dataclass(frozen=True)
class Outputs:
    """The files of one run in its folder.

    Args:
        folder: the folder of the set of pictures.
        name, policy: those of the set.
        parents: the set of pages.
        created_at: ISO 8601 time, UTC; None is now.
    """

    folder: Path
    name: str
    policy: str
    parents: tuple[Parent, ...]
    created_at: str | None = None

    def are_of(self, summary: Mapping[str, Any]) -> bool:
        """Whether the folder holds the whole result of these pages and this summary."""
        done = read_summary(self.folder)
        try:
            there = ShardSet(self.folder).manifest
        except (OSError, IconoclipError):
            return False
        service = done.get("service", {})
        if not isinstance(service, dict) or service.get("num_open"):
            return False
        done.setdefault("crop_from", "page")
        return there.parents == self.parents and {key: done.get(key) for key in summary} == summary

    def are_finished(self) -> bool:
        """Whether the folder holds a whole set, of this run or of another."""
        return bool(read_summary(self.folder)) and (self.folder / MANIFEST_NAME).exists()

    def clear(self) -> None:
        """Remove the set, its shards, and what says that it is finished."""
        names = self._names()
        # Written first: whenever a process is killed, the next one knows which shards are to go.
        write_json(self.folder / PARTS / NAMES_NAME, sorted(names))
        unseal(self.folder)
        (self.folder / SEGMENT_NAME).unlink(missing_ok=True)
        for path in self.folder.iterdir():
            if path.name == RECORDS_NAME or _is_shard(path.name, names):
                path.unlink()

    def _names(self) -> set[str]:
        before = _json(self.folder / PARTS / NAMES_NAME)
        names = {self.name, *(before if isinstance(before, list) else ())}
        names.add(read_summary(self.folder).get("name", self.name))
        manifest = _json(self.folder / MANIFEST_NAME)
        names.add(manifest.get("name", self.name) if isinstance(manifest, dict) else self.name)
        return {name for name in names if isinstance(name, str)}

    def write_set(self, samples: Iterable[tuple[Record, bytes]], tombstones: Iterable[Tombstone], *,
                  max_shard_bytes: int) -> None:  # fmt: skip
        """Write the set of pictures."""
        with ShardSetWriter(
            self.folder,
            name=self.name,
            policy=self.policy,
            created_at=clock.now(self.created_at),
            created_by=created_by(),
            parents=self.parents,
            tombstones=tombstones,
            max_shard_bytes=max_shard_bytes,
        ) as writer:
            for record, image in samples:
                writer.add(record, image)

    def write_empty_set(self, tombstones: Iterable[Tombstone]) -> None:
        """Write a set without pictures, from which the readers of the earlier one learn what is withdrawn."""
        with atomic_write(self.folder / RECORDS_NAME) as file:
            pq.write_table(RECORDS_SCHEMA.empty_table(), file, compression="zstd")
        manifest = ShardSetManifest(
            name=self.name,
            records_sha256=sha256_of(self.folder / RECORDS_NAME),
            shards=(),
            totals=Totals(),
            policy=self.policy,
            created_at=clock.now(self.created_at),
            created_by=created_by(),
            parents=self.parents,
            tombstones=tuple(tombstones),
        )
        write_json(self.folder / MANIFEST_NAME, manifest.model_dump(mode="json"))


def _is_shard(file_name: str, names: Iterable[str]) -> bool:
    """Whether a file is a shard of a set with one of these names, or a half-written file of it."""
    return any(
        re.fullmatch(
            rf"{re.escape(name)}-\d{{6}}\.tar|\.{re.escape(name)}\.(tar|parquet)\.partial", file_name
        )
        for name in names
    )
