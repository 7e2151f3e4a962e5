"""The fields of `card`. A field's description is its help text."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from iconoclip.config import Config, positional


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
