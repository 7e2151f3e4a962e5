"""Copies the metrics to wandb: offline unless WANDB_MODE is set to something else, silently, and as one wandb
run per run directory, however often it is resumed or requeued.

metrics.jsonl stays the authoritative record; `wandb sync` uploads an offline run later.
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

# A login or a server that does not answer must not delay a run. wandb's own time limits are none and 90 s.
INIT_SECONDS, FINISH_SECONDS = 30.0, 120.0


class WandbMirror:
    """Sends each line of metrics.jsonl to wandb as well. It never makes a run fail or wait."""

    def __init__(self, run: RunDir, project: str, config: dict[str, Any]) -> None:
        import wandb

        logging.getLogger("wandb").setLevel(logging.ERROR)
        identity = run.job.get("wandb_id") or uuid.uuid4().hex[:12]
        run.update_job(wandb_id=identity)
        mode = os.environ.get("WANDB_MODE", "offline")
        self._run: Any = None
        for attempt in dict.fromkeys((mode, "offline")):
            if attempt != mode:
                # wandb reads the variable itself, and its service remembers a run that it could not start.
                os.environ["WANDB_MODE"] = attempt
                wandb.teardown()
            try:
                self._run = _init(run, project, config, identity, attempt)
                return
            except Exception as error:
                # No key, no network, no such mode, no disk space: each raises another error.
                self._say(f"wandb cannot start in the mode {attempt}", error, attempt)

    @staticmethod
    def _say(what: str, error: Exception, mode: str) -> None:
        text = (str(error) or type(error).__name__).strip().splitlines()[0]
        instead = "metrics.jsonl holds the same"
        if mode != "offline":
            instead = "the run is mirrored offline; set WANDB_API_KEY, and upload it with `wandb sync`"
        print(f"{what} ({text}); {instead}", file=sys.stderr)

    def log(self, values: dict[str, Any]) -> None:
        """Send one line; texts and lists stay in metrics.jsonl."""
        numbers = {name: value for name, value in values.items() if isinstance(value, int | float)}
        self._tell(lambda run: run.log(numbers, step=int(values["step"])))

    def close(self) -> None:
        """Finish the wandb run, within a bounded time."""
        self._tell(lambda run: run.finish())

    def _tell(self, what: Callable[[Any], None]) -> None:
        if self._run is None:
            return
        try:
            what(self._run)
        except Exception as error:
            # wandb's service is a separate process: a scheduler that ends a job may end it
            # before the run has saved.
            self._run = None
            self._say("wandb is lost", error, "offline")


def _init(run: RunDir, project: str, config: dict[str, Any], identity: str, mode: str) -> Any:
    import wandb

    return wandb.init(
        project=project,
        id=identity,
        name=run.folder.name,
        dir=Path(run.folder),
        config=config,
        mode=mode,  # type: ignore[arg-type]
        resume="allow" if mode == "online" else None,
        settings=wandb.Settings(
            silent=True,
            console="off",
            save_code=False,
            x_disable_stats=True,
            x_disable_meta=True,
            init_timeout=float(os.environ.get("WANDB_INIT_TIMEOUT", INIT_SECONDS)),
            # wandb would ask for a key on the terminal here.
            login_timeout=INIT_SECONDS,
            finish_timeout=FINISH_SECONDS,
        ),
    )
