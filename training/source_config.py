"""The fields of one source of training data: shard sets, or tars of other programs."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from iconoclip.config import Config
from iconoclip.vocabulary import Slug

# The keys of a sample's JSON that img2dataset and others write captions to.
CAPTION_KEYS = ("caption", "captions", "text", "title", "description")


class SourceConfig(Config):
    """Shard sets, or tars of other programs, with their weight among all sources."""

    shards: list[str] = Field(
        min_length=1,
        description="shard sets; or WebDataset tars: paths, folders, patterns (laion/*.tar), http, https "
        "and s3 addresses, and lists as laion-{00000..00041}.tar",
    )
    weight: float | None = Field(
        None,
        gt=0,
        description="share of the samples that come from here, relative to the other sources; without any "
        "weights each sample comes once per epoch",
    )
    rights: str | None = Field(
        None,
        description="for tars: the statement that holds for all samples, such as CC0 or a licence's address; "
        "a sample with a stricter statement of its own keeps that",
    )
    name: Slug | None = Field(
        None, description="for tars: the name of the source in counts and keys; by default the first tar's"
    )
    language: str = Field(
        "und",
        pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,3}$",
        description="for tars: language of captions that name none, as a BCP 47 tag",
    )
    caption_keys: list[str] = Field(
        default_factory=lambda: list(CAPTION_KEYS),
        description="for tars: keys of each sample's JSON that hold captions; its .txt is always one",
    )
    class_names: Path | None = Field(
        None, description="for tars with .cls: a file with the name of class n in line n + 1"
    )
