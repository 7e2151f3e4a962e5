"""The fields of `iconoclip report`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from iconoclip.config import Config, positional


class ReportConfig(Config):
    """A training run as one HTML page: curves, scores, cost, restarts and data."""

    run_dir: Path = Field(description="folder of the run", json_schema_extra=positional())
    out: Path | None = Field(None, description="file to write; default: report.html in the run's folder")
    pictures: bool = Field(
        True, description="show pictures with their nearest captions, read from the run's shard sets"
    )
