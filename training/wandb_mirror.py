"""The metrics once more, for wandb: offline unless WANDB_MODE says otherwise, silent, one wandb run for one run
directory however often it is resumed or requeued.

metrics.jsonl stays the truth; `wandb sync` uploads an offline run later.
"""

from __future__ import annotations

import logging
import os
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from iconoclip.rundir import RunDir


class WandbMirror:
    """Sends each line of metrics.jsonl to wandb as well. Never the reason for a run to fail."""

    def __init__(self, run: RunDir, project: str, config: dict[str, Any]) -> None:
        import wandb

        logging.getLogger("wandb").setLevel(logging.ERROR)
        identity = run.job.get("wandb_id") or uuid.uuid4().hex[:12]
        run.update_job(wandb_id=identity)
        mode = os.environ.get("WANDB_MODE", "offline")
        self._run: Any = wandb.init(
            project=project,
            id=identity,
            name=run.folder.name,
            dir=Path(run.folder),
            config=config,
            mode=mode,  # type: ignore[arg-type]
            resume="allow" if mode == "online" else None,
            settings=wandb.Settings(
                silent=True, console="off", save_code=False, x_disable_stats=True, x_disable_meta=True
            ),
        )

    def log(self, values: dict[str, Any]) -> None:
        """Send one line; texts and lists stay in metrics.jsonl."""
        numbers = {name: value for name, value in values.items() if isinstance(value, int | float)}
        self._tell(lambda run: run.log(numbers, step=int(values["step"])))

    def close(self) -> None:
        """Finish the wandb run."""
        self._tell(lambda run: run.finish())

    def _tell(self, what: Callable[[Any], None]) -> None:
        if self._run is None:
            return
        try:
            what(self._run)
        except Exception as error:
            # wandb's service is a process of its own: a scheduler that ends a job may end it before the run has saved.
            self._run = None
            print(f"wandb is lost ({type(error).__name__}: {error}); metrics.jsonl goes on", file=sys.stderr)
