"""Run directory: everything about one training run, in one folder.

- config.yaml: the resolved config
- env.json: Python, packages, platform
- job.json: who runs it: the scheduler's job, the wandb id, the state, every start with its step
- data.json: the digest of every shard set seen
- metrics.jsonl: one JSON object per line; the authoritative copy, which wandb mirrors
- nearest.jsonl: at each validation, the nearest captions of some pictures (training/evaluation/nearest.py)
- checkpoints/
"""

from __future__ import annotations

import contextlib
import json
import platform
import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from iconoclip import locks
from iconoclip.config import to_yaml
from iconoclip.disk_full import disk_full_is_an_answer
from iconoclip.errors import ConfigError, DamagedData, MissingRequirement, TryAgainLater
from iconoclip.files import atomic_write, write_json


class RunDir:
    """A run's folder; the properties name its files."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.config_path = self.folder / "config.yaml"
        self.env_path = self.folder / "env.json"
        self.job_path = self.folder / "job.json"
        self.data_path = self.folder / "data.json"
        self.metrics_path = self.folder / "metrics.jsonl"
        self.checkpoints = self.folder / "checkpoints"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process from training in this folder while the block runs.

        The lock is released when the process ends, however it ends. For file systems without file
        locks see `iconoclip.locks`.

        Raises:
            TryAgainLater: another process holds it.
            MissingRequirement: the folder cannot be written.
        """
        self._make_folder()

        def busy(holder: str) -> TryAgainLater:
            return TryAgainLater(
                f"another process is training in this folder: {holder}",
                where=self.folder,
                remedy="wait for it to end, or choose another --run_dir",
            )

        with locks.hold(self.folder / ".lock", busy):
            yield

    def _make_folder(self) -> None:
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MissingRequirement(
                f"the run directory cannot be written: {error.strerror}",
                where=self.folder,
                remedy="choose another with --run_dir",
            ) from error

    def start(self, config: BaseModel, *, data: dict[str, Any], resuming: bool) -> None:
        """Write config, environment and data digests before the first step. A resumed run keeps
        its first config.

        Raises:
            MissingRequirement: the folder cannot be written.
            ConfigError: the folder holds another run.
        """
        self._make_folder()
        if self.config_path.exists() and not resuming:
            raise ConfigError(
                "this folder already holds a run",
                where=self.folder,
                remedy="choose another with --run_dir, or resume it",
            )
        if not resuming:
            with atomic_write(self.config_path) as file:
                file.write(to_yaml(config).encode())
        write_json(self.env_path, environment())
        write_json(self.data_path, data)

    def log(self, **values: Any) -> None:
        """Append one line to `metrics.jsonl`."""
        line = json.dumps(values, separators=(",", ":"), allow_nan=False)
        with disk_full_is_an_answer(self.metrics_path), self.metrics_path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def metrics(self) -> Iterator[dict[str, Any]]:
        """The lines of `metrics.jsonl`, without a last line that a crash has truncated.

        Raises:
            DamagedData: a line before the last is not JSON.
        """
        if not self.metrics_path.exists():
            return
        lines = self.metrics_path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                if number < len(lines):
                    raise DamagedData(
                        f"line {number} is not JSON", where=self.metrics_path, remedy="remove the line"
                    ) from error

    def rewind(self, step: int) -> None:
        """Drop the lines of `metrics.jsonl` after `step`: a resumed run writes them again."""
        if self.metrics_path.exists():
            kept = [line for line in self.metrics() if line.get("step", 0) <= step]
            with atomic_write(self.metrics_path) as file:
                file.writelines((json.dumps(line, separators=(",", ":")) + "\n").encode() for line in kept)

    @property
    def job(self) -> dict[str, Any]:
        """The contents of `job.json`, empty when there is none."""
        return json.loads(self.job_path.read_text()) if self.job_path.exists() else {}

    def update_job(self, **values: Any) -> None:
        """Merge `values` into `job.json`."""
        write_json(self.job_path, {**self.job, **values})


def environment() -> dict[str, Any]:
    """Python, platform and the version of every installed package."""
    packages = dict(_name_and_version(dist) for dist in distributions())
    return {
        "python": sys.version,
        "platform": platform.platform(),
        "packages": dict(sorted(packages.items())),
    }


def _name_and_version(distribution: Distribution) -> tuple[str, str]:
    """From the first lines of its metadata: to parse hundreds of whole files takes half a second."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    found = dict(re.findall(r"^(Name|Version): *(.*?)\s*$", text[:2000], flags=re.MULTILINE))
    if len(found) < 2:
        return distribution.metadata["Name"], distribution.version
    return found["Name"], found["Version"]
