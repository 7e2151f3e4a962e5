"""The end of a run's metrics and logs, read without reading the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from iconoclip.rundir import RunDir

TAIL_BYTES = 8192
# A step, and what a validation after it adds.
NUM_LINES = 12


def last_metrics(run: Path) -> dict[str, Any]:
    """The values last written to metrics.jsonl, by name."""
    merged: dict[str, Any] = {}
    for line in tail(RunDir(run).metrics_path).splitlines()[-NUM_LINES:]:
        try:
            values = json.loads(line)
        except ValueError:
            # The first line of the end is a part of one, and the last may still be on its way.
            continue
        if isinstance(values, dict):
            merged.update(values)
    return merged


def tail(path: Path) -> str:
    """The last few kilobytes of a text file; nothing when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
