"""The fields of `iconoclip texts`. A field's description is its help text."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from data_prep.config_groups import Network, contact_field
from iconoclip.config import Config, positional


class TextsConfig(Config):
    """Download the institution's text of the pages of a shard set, one document per page."""

    shardset: Path = Field(
        description="folder of the shard set whose images are pages", json_schema_extra=positional()
    )
    out: Path = Field(
        description=(
            "folder for the documents (ALTO, hOCR, PAGE XML, IIIF annotations), each named as its record"
        )
    )
    contact: str | None = contact_field()
    network: Network = Field(default_factory=Network, description="as in harvest")
