"""The fields of the verbs with which a partner makes, checks, signs and changes shard sets.

A field's description is its help text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from data_prep.config_groups import Network, ShardLimits
from data_prep.sources.table_config import TableSettings
from iconoclip.config import Config, positional
from iconoclip.vocabulary import SLUG_PATTERN, PolicyName


class PackConfig(TableSettings):
    """Make a shard set from a folder of images and a table, or from WebDataset tars."""

    out: Path | None = Field(default=None, description="folder of the shard set; not needed for a dry run")
    contact: str | None = Field(
        None,
        description=(
            "your mail address or a web page about the work, for the User-Agent; required where images of the"
            " table have web addresses on hosts other than this machine"
        ),
        min_length=3,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
    )
    network: Network = Field(
        default_factory=Network,
        description="which servers may be contacted for images with web addresses, how often, and limits",
    )
    max_file_bytes: int = Field(
        2_000_000_000,
        description=("larger image files of the folder are refused; `storage.max_pixels` is the other bound"),
        ge=1_000,
        le=4_000_000_000,
    )
    dry_run: bool = Field(
        False, description="read everything, list what would be packed and refused, and write nothing"
    )
    yes: bool = Field(
        False, description="accept what is guessed of the columns without asking; it is shown all the same"
    )
    write_config: Path | None = Field(
        None,
        description=(
            "write the config that the guess makes to this file; default: next to the shard set, with the"
            " ending .pack.yaml"
        ),
    )
    json: bool = Field(  # type: ignore[assignment]
        False, description='print one JSON object per line: {"record": ...} or {"refused": ...}'
    )

    @model_validator(mode="after")
    def _out_is_there(self) -> PackConfig:
        if self.out is None and not self.dry_run:
            raise ValueError("`out` is required, except in a dry run")
        return self


class InstitutionConfig(Config):
    """Write the profile of your own institution; on a terminal it asks for what is not given."""

    action: Literal["new"] = Field(description="what to do", json_schema_extra=positional())
    out: Path | None = Field(None, description="file to write; default: SLUG.yaml here")
    name: str | None = Field(None, description="name as readers shall see it", min_length=2, max_length=300)
    slug: str | None = Field(
        None, description="short name, first part of the keys of pictures; default: made from the name"
    )
    isil: str | None = Field(None, description="ISO 15511 identifier", max_length=32)
    language: str | None = Field(None, description="BCP 47 tag of texts that state none")
    rights: dict[str, str] = Field(
        {}, description="a text about rights in your catalogue -> the statement it means, e.g. CC BY 4.0"
    )


class CheckConfig(Config):
    """Verify a shard set, its checksums, records and rights; or look at a set of others (WebDataset tars)."""

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
        "default: a signature must fit the set; any signer is accepted",
    )
    report: Path | None = Field(None, description="write the findings here as JSON as well")
    page: Path | None = Field(
        None, description="write the findings here as a page (HTML) with the pictures that they concern"
    )


class SignConfig(Config):
    """Sign a shard set with an OpenSSH key."""

    shardset: Path = Field(description="folder of the shard set", json_schema_extra=positional())
    key: Path = Field(
        description="an OpenSSH key: the private one, or the public one of a key in an agent or on a token"
    )


class MergeConfig(Config):
    """Join shard sets into one."""

    renamed: ClassVar[dict[str, str]] = {"max_shard_bytes": "storage.max_shard_bytes"}

    shardsets: list[str] = Field(
        description="folders or addresses (https, s3, ...) of shard sets, in the order of the result",
        min_length=1,
        json_schema_extra=positional(),
    )
    out: Path = Field(description="folder of the new shard set")
    by_reference: bool = Field(
        False,
        description=(
            "copy no pictures: the new set names the shards of the others by path or address, and they must"
            " stay where they are"
        ),
    )
    weights: dict[str, float] = Field(
        {},
        description=(
            "name of a set -> how many times as often as others training draws its samples; default: 1"
        ),
    )
    withdrawals: list[str] = Field(
        [],
        description=(
            "lists of withdrawn keys (withdrawn.parquet) that apply to the new set as well, by path or"
            " address; those of the sets themselves always do"
        ),
    )
    update: bool = Field(
        False, description="replace an earlier merge in this folder although other sets are named now"
    )
    report: Path | None = Field(None, description="write the conflicts between the sets here, as JSON")
    dry_run: bool = Field(False, description="compare the sets, count, and write nothing but the report")
    name: str = Field("merged", description="name of the new set", pattern=SLUG_PATTERN, max_length=64)
    policy: PolicyName = Field(
        "open", description="policy under which the rights of all sets are checked again"
    )
    duplicates: Literal["refuse", "first"] = Field(
        "refuse",
        description=(
            "a key in two sets: an error, or the first set's sample counts, with the strictest of the rights"
        ),
    )
    near_duplicate_bits: int = Field(
        6,
        description=(
            "pictures of all sets whose perceptual hashes differ in at most this many of 64 bits, in alike"
            " colours, are in one group and so in one split; 0: equal hashes only; -1: never"
        ),
        ge=-1,
        le=8,
    )
    storage: ShardLimits = Field(default_factory=ShardLimits, description="as in harvest")
    created_at: str | None = Field(
        None, description="time to write (ISO 8601, UTC); default: SOURCE_DATE_EPOCH, else now"
    )

    @field_validator("shardsets", mode="before")
    @classmethod
    def _paths_are_texts(cls, shardsets: Any) -> Any:
        return [str(one) for one in shardsets] if isinstance(shardsets, list | tuple) else shardsets

    @field_validator("weights")
    @classmethod
    def _weights_are_positive(cls, weights: dict[str, float]) -> dict[str, float]:
        for name, weight in weights.items():
            if not 0 < weight <= 1_000:
                raise ValueError(f"the weight of '{name}' must be more than 0 and at most 1000")
        return weights


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
    """Withdraw items from shard sets, and from everything made of them."""

    shardset: Path = Field(
        description="folder of a shard set, or a folder with several sets in it",
        json_schema_extra=positional(),
    )
    keys: list[str] = Field(
        [],
        description=(
            "sample keys, source ids, addresses of manifests, canvases, images or pages, institution:SLUG,"
            " creator:NAME"
        ),
        json_schema_extra=positional(),
    )
    keys_file: str | None = Field(
        None,
        description="a file with one of them per line, or a published withdrawn.parquet (path or address)",
    )
    institutions: list[str] = Field([], description="everything of these institutions, by slug")
    creators: list[str] = Field([], description="everything by these makers; accents do not count")
    within: list[Path] = Field(
        [], description="further folders: all sets, indexes and runs below them are searched as well"
    )
    reason: str = Field(
        "",
        description="the reason, in words; it is kept in a log next to the sets, and never published",
        max_length=2_000,
    )
    purge: bool = Field(
        False,
        description=(
            "also remove what is withdrawn from shards and tables; without names, all that was withdrawn"
            " before"
        ),
    )
    sign_key: Path | None = Field(
        None, description="sign the changed sets again with this OpenSSH key, as `iconoclip sign` does"
    )
    yes: bool = Field(
        False, description="withdraw although an institution or a creator means more than 100 samples"
    )
    dry_run: bool = Field(False, description="show what would be withdrawn, and write nothing")
    at: str | None = Field(None, description="time to write (ISO 8601, UTC); default: now")

    @field_validator("keys_file", mode="before")
    @classmethod
    def _a_path_is_a_text(cls, path: Any) -> Any:
        return str(path) if isinstance(path, Path) else path

    @model_validator(mode="after")
    def _a_reason_is_given(self) -> TakedownConfig:
        names = self.keys or self.keys_file or self.institutions or self.creators
        if names and not self.dry_run and len(self.reason.strip()) < 3:
            raise ValueError(
                "`reason` is required: why these items are withdrawn, in words of 3 letters at least"
            )
        return self
