"""A stage for the tests: counts to a number, saves when it gets a signal to end, and continues later.

    python counting.py --config FILE [--task N]

As a real stage does, it sets a flag on the warning, saves at the end of the step and leaves with 75.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import yaml

told_to_end = False


def hear(_signal: int, _frame: object) -> None:
    global told_to_end
    told_to_end = True


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--task", type=int)
    options = parser.parse_args()
    config: dict[str, Any] = yaml.safe_load(options.config.read_text())
    task = options.task if options.task is not None else config.get("task")
    out = Path(config["out"])
    out.mkdir(parents=True, exist_ok=True)
    for name in (signal.SIGUSR1, signal.SIGTERM):
        signal.signal(name, hear)
    if int(os.environ.get("SLURM_PROCID", 0)):
        return wait_for_rank_0(out)
    if config["num_tasks"] > 1 and task is None:
        return assemble(out, config["num_tasks"])
    return count(out, config, "" if task is None else f"-{task}")


def count(out: Path, config: dict[str, Any], suffix: str) -> int:
    saved = out / f"saved{suffix}.txt"
    step = int(saved.read_text()) if saved.exists() else 0
    print(f"count{suffix}: from step {step}", flush=True)
    while step < config["num_steps"]:
        time.sleep(config["seconds_a_step"])
        step += 1
        with (out / f"steps{suffix}.jsonl").open("a") as file:
            file.write(json.dumps({"step": step, "job": os.environ.get("SLURM_JOB_ID")}) + "\n")
        is_to_fail = config["fails_task"] is None or suffix == f"-{config['fails_task']}"
        if step == config["fails_at"] and is_to_fail and not (out / f"failed{suffix}").exists():
            (out / f"failed{suffix}").touch()
            return 1
        if told_to_end:
            saved.write_text(str(step))
            return 75
    while config["waits_for"] and not Path(config["waits_for"]).exists():
        time.sleep(0.05)
    (out / (f"part{suffix}.json" if suffix else "done.json")).write_text(json.dumps({"steps": step}))
    return 0


def wait_for_rank_0(out: Path) -> int:
    while not (out / "done.json").exists():
        time.sleep(0.05)
        if told_to_end:
            return 75
    return 0


def assemble(out: Path, num_tasks: int) -> int:
    parts = [json.loads((out / f"part-{task}.json").read_text()) for task in range(num_tasks)]
    (out / "done.json").write_text(json.dumps({"steps": sum(part["steps"] for part in parts)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
