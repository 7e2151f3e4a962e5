"""Shared by the tests of `iconoclip segment`: runs with fixed options, and the files of a set."""

from __future__ import annotations

from pathlib import Path

from data_prep.segment.config import SegmentConfig
from data_prep.segment.verb import segment
from iconoclip.cli import main
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


AT = ("--created_at", "2026-01-02T03:04:05Z")


def command(pages: ShardSet, out: Path, *options: str) -> int:
    """`iconoclip segment` with the engine `none`, at a fixed time; returns its exit code."""
    line = ["segment", str(pages.folder), "--out", str(out), "--engine", "none", "--num_workers", "0", *AT]
    return main([*line, *options])
