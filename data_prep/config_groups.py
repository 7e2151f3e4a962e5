"""The groups of fields that the configs of several data_prep verbs share, as `split.val_share`."""

from __future__ import annotations

from pydantic import Field, model_validator

from iconoclip.config import Config


class ShardLimits(Config):
    """How large a shard grows; all that `merge` stores by."""

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
    """Which side of the split a sample falls on: train, val or test."""

    val_share: float = Field(0.05, description="share of the groups that go to validation", ge=0, lt=1)
    test_share: float = Field(
        0.10, description="share of the groups that are held out for the test", ge=0, lt=1
    )
    seed: int = Field(0, description="another seed gives another split")
    near_duplicate_bits: int = Field(
        0,
        description=(
            "images whose perceptual hashes differ in at most so many of 64 bits share one side of a split; "
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
    """Which servers may be asked, how often, how long, and for how much."""

    allow_hosts: list[str] = Field(
        [], description="private or loopback hosts that may be asked, as HOST or HOST:PORT"
    )
    proxy: str | None = Field(
        None,
        description="address of the HTTP proxy that leads out of this network, as http://HOST:PORT; hosts of "
        "`network.allow_hosts` are asked directly. The environment's HTTPS_PROXY is not read",
        pattern=r"^https?://[^/@\s]+/?$",
    )
    requests_per_minute: float | None = Field(
        None, description="pace for hosts that no profile knows; default 60, unbounded on this machine", gt=0
    )
    concurrency: int | None = Field(
        None,
        description="requests at a time for hosts that no profile knows; default 2, on this machine 8",
        ge=1,
        le=64,
    )
    max_attempts: int = Field(
        4, description="tries of one request before it is retried later or given up", ge=1, le=20
    )
    retry_seconds: float = Field(
        0.5, description="first pause before a request is tried again; it doubles each time", gt=0
    )
    stall_seconds: float = Field(
        30, description="a transfer that moves less than 1 KiB in so many seconds is dropped", gt=0
    )
    max_wait_seconds: float = Field(
        120, description="longest pause a server may ask for; longer ones end the run with code 75", ge=0
    )
    max_document_bytes: int = Field(100_000_000, description="larger documents are refused", ge=1_000)
    max_image_bytes: int = Field(200_000_000, description="larger images are refused", ge=1_000)
    max_depth: int = Field(100_000, description="links followed in a row", ge=1)
