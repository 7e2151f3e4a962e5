"""Decides when changes are folded into the next generation, and does it in a separate process
next to a running server.

Changes have a cost: additions are compared one by one, and withdrawn items are still in the files. Folding
them in costs more, so it waits until there are enough changes or, after a withdrawal, for a day.
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
    """Whether enough was added, replaced or withdrawn, or a withdrawal is old
    enough, to fold the changes in.
    """
    num_changes = len(view.additions) + len(view.withdrawn)
    if num_changes >= max(MIN_CHANGES, CHANGED_SHARE * view.num_sealed):
        return True
    built_at = clock.parse(view.sealed.manifest.built_at)
    return bool(view.withdrawn) and datetime.now(UTC) - built_at >= WITHDRAWN_MAX_AGE


class Compactor:
    """Runs `iconoclip index --compact` at low priority, one process at a time, when a
    view is due for compaction.

    Args:
        index: the index folder.
        shardsets: the present folders of shard sets that were moved.
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
        """Start a compaction if the view is due and none is running. The check itself is cheap."""
        if self._is_running():
            return
        self._say_how_it_went()
        if time.monotonic() < self._not_before or not is_due(view):
            return
        # Whatever the result, the next check must not start another compaction before the new
        # generation has been opened.
        self._not_before = time.monotonic() + SECONDS_AFTER_FAILURE
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def _is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _say_how_it_went(self) -> None:
        """The output of the command is not stored; it can be run by hand to see the error."""
        if self._process is not None and self._process.returncode:
            command = f"iconoclip index --out {self._index} --compact true"
            log.warning(
                "folding changes in failed (exit code %d); see why: %s", self._process.returncode, command
            )
        self._process = None

    def close(self) -> None:
        """Stop a running compaction. The draft that it has written is not used."""
        if self._process is not None and self._is_running():
            self._process.terminate()
            self._process.wait()
