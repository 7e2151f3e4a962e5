"""The fields of `card` and `publish`. A field's description is its help text."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from iconoclip.config import Config, positional


class Described(Config):
    """What the documents of a set say about it, in addition to what the set itself says."""

    title: str | None = Field(None, description="title for people; default: the set's name")
    description: str | None = Field(None, description="a paragraph about the set", max_length=10_000)
    licence: str | None = Field(
        None, description="licence of the set as a whole, if it has one; default: each item has its own"
    )
    url: str | None = Field(None, description="where the set is published")
    contact: str | None = Field(None, description="contact for questions about an item")
    embed: Literal["auto", "yes", "no"] = Field(
        "auto",
        description=(
            "write the samples as Parquet with their pictures inside, a file per split (folder `data`), which"
            " `datasets.load_dataset` and Croissant readers load; auto: for at most 2 GB of pictures"
        ),
    )


class CardConfig(Described):
    """Write the dataset card, Croissant metadata and quality report of a shard set."""

    shardset: Path = Field(description="folder of the shard set", json_schema_extra=positional())


class PublishConfig(Described):
    """Publish a shard set, and keep what is published up to date: withdrawn items are removed from it."""

    shardset: Path = Field(description="folder of the shard set", json_schema_extra=positional())
    to: str = Field(
        description=(
            "where: hf://datasets/OWNER/NAME on the Hugging Face Hub, s3://BUCKET/FOLDER, or a folder, for"
            " example of a web server"
        ),
        min_length=1,
    )
    pass_on: Literal["open", "noncommercial", "agreed"] = Field(
        "open",
        description=(
            "what is published. open: pictures whose rights allow everybody to pass them on; noncommercial:"
            " also those for non-commercial use; agreed: all, for a closed place and partners with an"
            " agreement. Withdrawn items never are"
        ),
    )
    visibility: Literal["private", "public"] = Field(
        "private", description="who sees a repository of the Hub that is created now; others stay as they are"
    )
    key: Path | None = Field(
        None,
        description=(
            "sign what is published with this OpenSSH key; the signature of the local set does not cover it"
        ),
    )
    compare: Literal["digest", "read"] = Field(
        "digest",
        description=(
            "how the result is checked. digest: the checksums that the place itself computed, where it does;"
            " read: download everything again and compare"
        ),
    )
    dry_run: bool = Field(
        False, description="say what would be uploaded and removed, and change nothing there"
    )
