"""The fields of every data_prep verb. A field's description is its help text and its comment in a config
file."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from data_prep.config_groups import Network, ShardLimits, Split, Storage
from iconoclip.config import Config, positional
from iconoclip.vocabulary import SLUG_PATTERN, PolicyName

SourceKind = Literal["auto", "iiif", "discovery", "oai-pmh", "europeana", "sru", "lido", "library-xml"]


class Storing(Config):
    """How an image is stored, and which split it belongs to; shared by `harvest` and `pack`."""

    renamed: ClassVar[dict[str, str]] = {
        "jpeg_quality": "storage.jpeg_quality",
        "max_pixels": "storage.max_pixels",
        "max_shard_bytes": "storage.max_shard_bytes",
        "val_share": "split.val_share",
        "test_share": "split.test_share",
        "split_seed": "split.seed",
        "near_duplicate_bits": "split.near_duplicate_bits",
    }

    name: str | None = Field(
        None,
        description=(
            "name of the shard set and first part of its shards' names; default: the institution's slug"
        ),
        pattern=SLUG_PATTERN,
        max_length=64,
    )
    policy: PolicyName = Field("open", description="rights policy that decides what may be trained on")
    keep: Literal["usable", "all"] = Field(
        "usable",
        description=(
            "`usable`: store what may be trained on or passed on; `all`: store everything, for work that "
            "is not published (the decisions on rights stay the same)"
        ),
    )
    composition: str = Field(
        "default",
        description=(
            "how a catalogue's texts become captions: the name of a file in configs/captions/, or a YAML file"
        ),
    )
    max_side_pixels: int = Field(
        512, description="longer side of a stored image; nothing is enlarged", ge=16, le=8192
    )
    harvested_at: str | None = Field(
        None,
        description="time to write into records (ISO 8601, UTC), so that a repeat gives the same bytes; "
        "default: SOURCE_DATE_EPOCH, else the start of the work",
    )
    num_workers: int | None = Field(
        None,
        ge=1,
        le=256,
        description="processes that decode images, at least one: an image may kill its decoder; "
        "one per core if not given",
    )
    storage: Storage = Field(default_factory=Storage, description="how images become samples of shards")
    split: Split = Field(
        default_factory=Split, description="how samples are divided into train, val and test"
    )


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


class Columns(Config):
    """The meaning of the columns of a table. A name may be a list of names; the first
    column with a value is used.
    """

    file: str | list[str] = Field(
        default="file", description="path of the image, relative to the table's folder"
    )
    id: str | list[str] | None = Field(
        default=None, description="identifier of the item; default: the file's path"
    )
    captions: dict[str, str | list[str]] = Field(
        default={"title": "title", "caption": "caption", "description": "description"},
        description="caption field -> column(s); a cell may hold a list. Captions appear in this order",
    )
    language: str | list[str] | None = Field(default=None, description="BCP 47 tag of the captions")
    caption_languages: dict[str, str] = Field(
        default={}, description="caption field -> its language, if it differs from `language`"
    )
    rights: str | list[str] | None = Field(
        default="rights", description="rights statement or licence, in any spelling"
    )
    attribution: str | list[str] | None = Field(default=None, description="credit line that must be shown")
    date: str | list[str] | None = Field(
        default=None, description="date of the object, as the institution writes it"
    )
    creators: str | list[str] | None = Field(default=None, description="who made it")
    iconclass: str | list[str] | None = Field(default=None, description="Iconclass notations")
    object_type: str | list[str] | None = Field(default=None, description="kind of object")
    homepage: str | list[str] | None = Field(default=None, description="page about the object")
    raw: str | list[str] | None = Field(
        default=None,
        description=(
            "further columns to keep in every record as they are, for another mapping later; columns that no"
            " field names are not kept"
        ),
    )
    manifest: str | list[str] | None = Field(default=None, description="URI of its IIIF manifest")
    canvas: str | list[str] | None = Field(default=None, description="URI of its IIIF canvas")
    image: str | list[str] | None = Field(
        default=None, description="address the image came from; default: the file's path"
    )
    group: str | list[str] | None = Field(
        default=None,
        description="group whose samples stay in one split; default: the manifest, else the item",
    )
    institution: str | list[str] | None = Field(
        default=None, description="name of the institution, where rows differ"
    )
    regions: str | list[str] | None = Field(
        default=None, description="list of regions of the image, each with a rectangle and labels"
    )
    region_percent: str = Field(default="xywh_percent", description="key of a region's rectangle in percent")
    region_pixels: str = Field(default="xywh", description="key of a region's rectangle in pixels")
    region_label: str = Field(default="label", description="key of a region's text or texts")
    source_width: str | list[str] | None = Field(
        default=None, description="width of the full image at the source"
    )
    source_height: str | list[str] | None = Field(
        default=None, description="height of the full image at the source"
    )


class PackConfig(Storing):
    """Make a shard set from a folder of images and a table, or from WebDataset tars."""

    table: Path | str = Field(
        description=(
            "CSV, JSONL or Parquet file, or a folder that holds one next to its images; or WebDataset tars: "
            "a folder of them, a path or address, a brace list such as shards/{00000..00012}.tar"
        ),
        json_schema_extra=positional(),
    )
    more_tars: list[str] = Field(
        [],
        description="further tars, for brace lists that the shell has expanded",
        json_schema_extra=positional(),
    )
    out: Path | None = Field(default=None, description="folder of the shard set; not needed for a dry run")
    images: Path | None = Field(
        None, description="folder that the paths in the file column are relative to; default: the table's own"
    )
    columns: Columns = Field(default_factory=Columns, description="meaning of the columns")
    institution: str | None = Field(
        None, description="a shipped profile by name, or a YAML file; or see institution_names"
    )
    institution_names: dict[str, str] = Field(
        {}, description="name of an institution in the table -> its slug"
    )
    rights: str | None = Field(None, description="rights statement of rows without one")
    language: str | None = Field(None, description="BCP 47 tag of captions without one")
    regions: Literal["off", "records"] = Field(
        "off", description="`records`: each region becomes a sample of its own, cut from the image"
    )
    min_region_pixels: int = Field(
        32, description="regions whose shorter side is smaller are left out, and listed", ge=1
    )
    list_separator: str | None = Field(
        None, description="separator of several values in one cell of a CSV, for example `;`"
    )
    dry_run: bool = Field(False, description="list what would be packed and write nothing")
    json: bool = Field(  # type: ignore[assignment]
        False, description='print one JSON object per line: {"record": ...} or {"refused": ...}'
    )

    @model_validator(mode="after")
    def _out_is_there(self) -> PackConfig:
        if self.out is None and not self.dry_run:
            raise ValueError("`out` is required, except in a dry run")
        return self


class CheckConfig(Config):
    """Verify a shard set, its checksums, records and rights."""

    renamed: ClassVar[dict[str, str]] = {"images": "decode_images"}

    shardset: Path = Field(description="folder of the shard set", json_schema_extra=positional())
    policy: PolicyName | None = Field(
        None, description="check the rights under this policy; default: the set's own"
    )
    decode_images: bool = Field(
        True, description="also decode every image, in addition to comparing checksums"
    )
    signers: Path | None = Field(
        None,
        description="an `allowed_signers` file of OpenSSH: the set must be signed by one of those in it; "
        "default: a signature must fit the set, whoever made it",
    )
    report: Path | None = Field(None, description="write the findings here as JSON as well")


class SignConfig(Config):
    """Sign a shard set with an OpenSSH key."""

    shardset: Path = Field(description="folder of the shard set", json_schema_extra=positional())
    key: Path = Field(
        description="an OpenSSH key: the private one, or the public one of a key in an agent or on a token"
    )


class MergeConfig(Config):
    """Join shard sets into one."""

    renamed: ClassVar[dict[str, str]] = {"max_shard_bytes": "storage.max_shard_bytes"}

    shardsets: list[Path] = Field(
        description="folders of shard sets, in the order of the result",
        min_length=1,
        json_schema_extra=positional(),
    )
    out: Path = Field(description="folder of the new shard set")
    name: str = Field("merged", description="name of the new set", pattern=SLUG_PATTERN, max_length=64)
    policy: PolicyName = Field(
        "open", description="policy under which the rights of all sets are checked again"
    )
    duplicates: Literal["refuse", "first"] = Field(
        "refuse", description="a key in two sets: an error, or the first set's sample counts"
    )
    storage: ShardLimits = Field(default_factory=ShardLimits, description="as in harvest")
    created_at: str | None = Field(
        None, description="time to write (ISO 8601, UTC); default: SOURCE_DATE_EPOCH, else now"
    )


class RemapConfig(Config):
    """Map what the sources of a shard set said again, offline, and rewrite its records."""

    shardset: Path = Field(description="folder of the shard set", json_schema_extra=positional())
    institution: str | None = Field(
        None,
        description="a shipped profile by name, or a YAML file; default: that of each record's institution",
    )
    composition: str = Field(
        "default",
        description=(
            "how a catalogue's texts become captions: the name of a file in configs/captions/, or a YAML file"
        ),
    )
    read_as: dict[str, str] = Field(
        {},
        description=(
            "label, column or element -> the field its texts are read as (title, subject, ignore, ...),"
            " whatever the table's mapping or the standard said"
        ),
    )
    policy: PolicyName | None = Field(
        None, description="judge the rights under this policy; default: the set's own"
    )
    storage: ShardLimits = Field(default_factory=ShardLimits, description="as in harvest")
    dry_run: bool = Field(False, description="show what would change and write nothing")
    yes: bool = Field(False, description="write without asking")

    @field_validator("read_as")
    @classmethod
    def _fields_are_known(cls, read_as: dict[str, str]) -> dict[str, str]:
        # The model of a profile is large, and the help of a verb does not need it.
        from data_prep.institutions import TEXT_FIELDS

        for field in read_as.values():
            if field not in TEXT_FIELDS:
                raise ValueError(f"'{field}' is no field; known are {', '.join(TEXT_FIELDS)}")
        return read_as


class TakedownConfig(Config):
    """Withdraw items from a shard set."""

    shardset: Path = Field(description="folder of the shard set", json_schema_extra=positional())
    keys: list[str] = Field(
        [], description="sample keys, source ids, manifest or canvas URIs", json_schema_extra=positional()
    )
    keys_file: Path | None = Field(None, description="a file with one of them per line")
    reason: str = Field(description="the reason, in words", min_length=3, max_length=2_000)
    at: str | None = Field(None, description="time to write (ISO 8601, UTC); default: now")


class CardConfig(Config):
    """Write the dataset card, Croissant metadata and quality report of a shard set."""

    shardset: Path = Field(description="folder of the shard set", json_schema_extra=positional())
    title: str | None = Field(None, description="title for people; default: the set's name")
    description: str | None = Field(None, description="a paragraph about the set", max_length=10_000)
    licence: str | None = Field(
        None, description="licence of the set as a whole, if it has one; default: each item has its own"
    )
    url: str | None = Field(None, description="where the set is published")
    contact: str | None = Field(None, description="contact for questions about an item")


class StatusConfig(Config):
    """Show the state of a harvest."""

    folder: Path = Field(description="folder of the harvest", json_schema_extra=positional())
    json: bool = Field(False, description="print the state as one JSON object")  # type: ignore[assignment]
