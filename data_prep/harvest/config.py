"""The fields of `harvest`, `catalogue` and `status` of a harvest. A field's description is its help text."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from data_prep.config_groups import Network, Storing
from iconoclip.config import Config, positional
from iconoclip.vocabulary import SLUG_PATTERN, PolicyName

SourceKind = Literal["auto", "iiif", "discovery", "oai-pmh", "europeana", "sru", "lido", "library-xml"]


class Requesting(Config):
    """The sources, and how they are requested; shared by `harvest` and `catalogue`."""

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
    network: Network = Field(
        default_factory=Network,
        description="which servers may be contacted, how often, and limits of sizes and times",
    )

    @property
    def again(self) -> Literal["failed", "gone", "everything"]:
        """Which part of finished work is requested again: failures, also what was gone, or everything."""
        return "everything" if self.refresh else "gone" if self.retry_refused else "failed"


class HarvestConfig(Requesting, Storing):
    """Pull images and captions from collections, or from a catalogue of them, into a shard set."""

    out: Path | None = Field(None, description="folder of the shard set; not needed for a dry run")
    where: str | None = Field(
        None,
        description=(
            "only for a catalogue as the source: a SQL condition over its columns, for example "
            "\"latest < 1800 AND train = 'yes'\". Further selections into the same folder add to the set"
        ),
        min_length=1,
    )
    confirm_withdrawals: bool = Field(
        False,
        description=(
            "withdraw what a refresh found gone, however much it is, and accept at once that lists are empty;"
            " without it, a refresh stops before it withdraws more than a tenth of a set of more than 100, a "
            "list that had entries stays as it was, and one that was never read before counts as empty when "
            "the next refresh finds it empty again"
        ),
    )
    num_tasks: int = Field(
        1, description="number of tasks that share this harvest, as in a job array", ge=1, le=100_000
    )
    task: int | None = Field(None, description="number of this task, from 0", ge=0)
    pack_incomplete: bool = Field(
        False, description="pack what has been downloaded, even if servers ask to wait for the rest"
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


class CatalogueConfig(Requesting):
    """List what collections offer in a Parquet file, without downloading an image."""

    out: Path | None = Field(None, description="folder of the catalogue; not needed for a dry run")
    name: str | None = Field(
        None,
        description="name of shard sets that are harvested from it; default: the institution's slug",
        pattern=SLUG_PATTERN,
        max_length=64,
    )
    policy: PolicyName = Field("open", description="rights policy that decides what is usable")
    composition: str = Field(
        "default",
        description=(
            "how a catalogue's texts become captions: the name of a file in configs/captions/, or a YAML file"
        ),
    )
    confirm_withdrawals: bool = Field(
        False,
        description=(
            "accept at once that lists are empty; without it, a list that had entries stays as it was, and"
            " one that was never read before counts as empty when the next refresh finds it empty again"
        ),
    )
    harvested_at: str | None = Field(
        None,
        description="time to write (ISO 8601, UTC), so that a repeat gives the same bytes; "
        "default: SOURCE_DATE_EPOCH, else the start of the work",
    )

    @model_validator(mode="after")
    def _out_is_there(self) -> CatalogueConfig:
        if self.out is None and not self.dry_run:
            raise ValueError("`out` is required, except in a dry run")
        return self


class StatusConfig(Config):
    """Show the state of a harvest."""

    folder: Path = Field(description="folder of the harvest", json_schema_extra=positional())
    json: bool = Field(False, description="print the state as one JSON object")  # type: ignore[assignment]
