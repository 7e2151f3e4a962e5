"""Reads this benchmark with plain Python 3: no package is needed.

from load import load, check
check(); items, queries, relevant = load("test")
"""

from __future__ import annotations

import csv
import hashlib
import json
import pathlib
from typing import Any

HERE = pathlib.Path(__file__).parent


def load(split: str = "test", folder: pathlib.Path = HERE) -> tuple[dict[str, Any], ...]:
    """items: key -> facts; queries: id -> (language, text); relevant: query id -> set of keys."""
    lines = (folder / "items.jsonl").read_text(encoding="utf-8").split("\n")
    items = {one["key"]: one for one in map(json.loads, filter(None, lines)) if one["split"] == split}
    with (folder / "queries.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["split"] == split]
    queries = {row["id"]: (row["language"], row["text"]) for row in rows}
    relevant: dict[str, set[str]] = {}
    for path in sorted((folder / "qrels").glob(split + "-*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            query, _, key, _ = line.split()
            relevant.setdefault(query, set()).add(key)
    return items, queries, relevant


def check(folder: pathlib.Path = HERE) -> str:
    """Compare every file with its checksum; the benchmark's own is the SHA-256 of SHA256SUMS."""
    for line in (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        checksum, name = line.split("  ", 1)
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != checksum:
            raise ValueError("changed: " + name)
    return hashlib.sha256((folder / "SHA256SUMS").read_bytes()).hexdigest()
