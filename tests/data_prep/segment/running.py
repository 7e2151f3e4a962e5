"""Shared by the tests of `iconoclip segment`: a run with fixed options, and the files of a set."""

from __future__ import annotations

from data_prep.segment.config import SegmentConfig
from data_prep.segment.verb import segment
from iconoclip.shardset import ShardSet


def run(pages: ShardSet, out, **values) -> ShardSet:
    given = {
        "shardset": pages.folder,
        "out": out,
        "engine": "none",
        "num_workers": 2,
        "created_at": "2026-01-02T03:04:05Z",
        **values,
    }
    segment(SegmentConfig(**given))
    return ShardSet(out)


def files_of(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
