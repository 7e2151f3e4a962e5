"""When changes are due to be folded into the next generation, and doing it next to a running server, in a
separate process.

Changes cost: additions are compared one by one, and what was withdrawn is still in the files. Folding them in
costs more, so it waits for enough of them, or, for withdrawals, a day.
"""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from iconoclip import clock
from retrieval.live.view import IndexView

log = logging.getLogger(__name__)
MIN_CHANGES, CHANGED_SHARE = 1_000, 0.05
WITHDRAWN_MAX_AGE = timedelta(days=1)
SECONDS_AFTER_FAILURE = 600.0


def is_due(view: IndexView) -> bool:
    """Whether so much was added, replaced or withdrawn, or something withdrawn so long ago, that it should be
    folded in."""
    num_changes = len(view.additions) + len(view.withdrawn)
    if num_changes >= max(MIN_CHANGES, CHANGED_SHARE * view.num_sealed):
        return True
    built_at = clock.parse(view.sealed.manifest.built_at)
    return bool(view.withdrawn) and datetime.now(UTC) - built_at >= WITHDRAWN_MAX_AGE


class Compactor:
    """Runs `iconoclip index --compact` at low priority, one at a time, whenever a view is due.

    Args:
        index: the index folder.
        shardsets: where shard sets are that were moved.
    """

    def __init__(self, index: Path, shardsets: Sequence[str | Path] = ()) -> None:
        self._index = index
        self._command = [
            sys.executable,
            "-m",
            "iconoclip.cli",
            "index",
            "--out",
            str(index),
            "--compact",
            "true",
        ]
        if shardsets:
            self._command += ["--shardset", json.dumps([str(folder) for folder in shardsets])]
        if nice := shutil.which("nice"):
            self._command = [nice, "-n", "10", *self._command]
        self._process: subprocess.Popen[bytes] | None = None
        self._not_before = 0.0

    def consider(self, view: IndexView) -> None:
        """Start a compaction if the view is due and none is under way. Costs next to nothing when it is
        not."""
        if self._is_running():
            return
        self._say_how_it_went()
        if time.monotonic() < self._not_before or not is_due(view):
            return
        # Whatever comes of it, the next look may not start another at once: its generation has to be opened
        # first.
        self._not_before = time.monotonic() + SECONDS_AFTER_FAILURE
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def _is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _say_how_it_went(self) -> None:
        """What the command itself said is not kept: run by hand it says it again."""
        if self._process is not None and self._process.returncode:
            command = f"iconoclip index --out {self._index} --compact true"
            log.warning(
                "folding changes in failed (exit code %d); see why: %s", self._process.returncode, command
            )
        self._process = None

    def close(self) -> None:
        """End a compaction that is under way: what it has written so far is nobody's."""
        if self._process is not None and self._is_running():
            self._process.terminate()
            self._process.wait()
