"""What the configs of several data_prep verbs share: groups of fields (`split.val_share`), and `Storing`."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from iconoclip.config import Config
from iconoclip.vocabulary import SLUG_PATTERN, PolicyName


class ShardLimits(Config):
    """The size of shards; the only storage setting of `merge`."""

    max_shard_bytes: int = Field(
        1_000_000_000, description="a shard is closed before it grows past this", ge=100_000, le=4_000_000_000
    )


class Storage(ShardLimits):
    """How images become samples of shards."""

    jpeg_quality: int = Field(90, description="quality of a stored JPEG", ge=50, le=100)
    max_pixels: int = Field(
        400_000_000, description="an image that claims more pixels is refused before it is decoded", ge=1
    )


class Split(Config):
    """How samples are divided into train, val and test."""

    val_share: float = Field(
        0.05, description="share of the groups that go to the validation split", ge=0, lt=1
    )
    test_share: float = Field(0.10, description="share of the groups that go to the test split", ge=0, lt=1)
    seed: int = Field(0, description="another seed gives another split")
    near_duplicate_bits: int = Field(
        0,
        description=(
            "images whose perceptual hashes differ in at most this many of 64 bits are in one split; "
            "0: equal hashes only; -1: never"
        ),
        ge=-1,
        le=8,
    )

    @model_validator(mode="after")
    def _shares_leave_something_to_train_on(self) -> Split:
        if self.val_share + self.test_share >= 1:
            raise ValueError("split.val_share and split.test_share together must stay below 1")
        return self


class Network(Config):
    """Which servers may be contacted, how often, and limits of sizes and times."""

    allow_hosts: list[str] = Field(
        [], description="private or loopback hosts that may be contacted, as HOST or HOST:PORT"
    )
    proxy: str | None = Field(
        None,
        description=(
            "address of the HTTP proxy, as http://HOST:PORT; hosts of `network.allow_hosts` are "
            "contacted directly. The environment's HTTPS_PROXY is not read"
        ),
        pattern=r"^https?://[^/@\s]+/?$",
    )
    requests_per_minute: float | None = Field(
        None,
        description="rate limit of hosts without a profile, per minute; default 60, none on this machine",
        gt=0,
    )
    concurrency: int | None = Field(
        None,
        description="concurrent requests to hosts without a profile; default 2, on this machine 8",
        ge=1,
        le=64,
    )
    max_attempts: int = Field(
        4, description="attempts of one request before it is retried later or given up", ge=1, le=20
    )
    retry_seconds: float = Field(
        0.5, description="first pause before a request is tried again; it doubles each time", gt=0
    )
    stall_seconds: float = Field(
        30, description="a transfer of less than 1 KiB in this many seconds is aborted", gt=0
    )
    max_wait_seconds: float = Field(
        120,
        description=(
            "longest pause that a server may ask for, in seconds; longer ones end the run with code 75"
        ),
        ge=0,
    )
    max_document_bytes: int = Field(100_000_000, description="larger documents are refused", ge=1_000)
    max_image_bytes: int = Field(200_000_000, description="larger images are refused", ge=1_000)
    max_depth: int = Field(100_000, description="number of links that are followed in a chain", ge=1)


def contact_field() -> Any:
    """The field `contact` of a verb that downloads for pages which were harvested before."""
    return Field(
        None,
        description=(
            "your mail address or a web page, as in harvest; required for every host except this machine"
        ),
        min_length=3,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
    )


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
