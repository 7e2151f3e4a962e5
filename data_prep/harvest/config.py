"""The fields of `harvest` and of `status` for a harvest. A field's description is its help text."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from data_prep.config_groups import Network, Storing
from iconoclip.config import Config, positional

SourceKind = Literal["auto", "iiif", "discovery", "oai-pmh", "europeana", "sru", "lido", "library-xml"]


class HarvestConfig(Storing):
    """Pull images and captions from collections into a shard set."""

    renamed: ClassVar[dict[str, str]] = {
        "allow_hosts": "network.allow_hosts",
        "proxy": "network.proxy",
        "requests_per_minute": "network.requests_per_minute",
        "concurrency": "network.concurrency",
        "max_attempts": "network.max_attempts",
        "retry_seconds": "network.retry_seconds",
        "stall_seconds": "network.stall_seconds",
        "max_wait_seconds": "network.max_wait_seconds",
        "max_document_bytes": "network.max_document_bytes",
        "max_image_bytes": "network.max_image_bytes",
        "max_depth": "network.max_depth",
    }

    sources: list[str] = Field(
        description=(
            "addresses, files or folders: IIIF collections and manifests, change streams, OAI-PMH, ...; or a "
            "text file with one address per line"
        ),
        min_length=1,
        json_schema_extra=positional(),
    )
    out: Path | None = Field(None, description="folder of the shard set; not needed for a dry run")
    source: SourceKind = Field(
        "auto", description="kind of the sources; `auto` detects it from the address and the content"
    )
    institution: str | None = Field(
        None,
        description="a shipped profile by name, or a YAML file; default: chosen by the host of each source",
    )
    contact: str | None = Field(
        None,
        description=(
            "your mail address or a web page about the harvest, for the User-Agent; "
            "required for every host except this machine"
        ),
        min_length=3,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
    )
    dry_run: bool = Field(
        False, description="list the records, without downloading images or writing anything"
    )
    json: bool = Field(  # type: ignore[assignment]
        False, description='print one JSON object per line: {"record": ...} or {"refused": ...}'
    )
    refresh: bool = Field(
        False, description="request everything again, with If-None-Match and If-Modified-Since"
    )
    retry_refused: bool = Field(
        False,
        description=(
            "also request again what was gone (404, 410); every run requests again what could not be read"
        ),
    )
    confirm_withdrawals: bool = Field(
        False,
        description=(
            "withdraw what a refresh found gone, however much it is, and accept lists that are empty now; "
            "without it, a refresh stops before it withdraws more than a tenth of a set of more than 100"
        ),
    )
    num_tasks: int = Field(
        1, description="number of tasks that share this harvest, as in a job array", ge=1, le=100_000
    )
    task: int | None = Field(None, description="number of this task, from 0", ge=0)
    pack_incomplete: bool = Field(
        False, description="pack what has been downloaded, even if servers ask to wait for the rest"
    )
    network: Network = Field(
        default_factory=Network,
        description="which servers may be contacted, how often, and limits of sizes and times",
    )

    @model_validator(mode="after")
    def _out_and_task_fit(self) -> HarvestConfig:
        if self.out is None and not self.dry_run:
            raise ValueError("`out` is required, except in a dry run")
        if self.task is not None and self.task >= self.num_tasks:
            raise ValueError("`task` counts from 0 and stays below `num_tasks`")
        if self.num_tasks > 1 and self.task is None:
            raise ValueError("`num_tasks` needs `task`: which of them this is")
        return self


class StatusConfig(Config):
    """Show the state of a harvest."""

    folder: Path = Field(description="folder of the harvest", json_schema_extra=positional())
    json: bool = Field(False, description="print the state as one JSON object")  # type: ignore[assignment]
