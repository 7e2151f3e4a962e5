"""A catalogue as the source: its pages are downloaded small, and only the pictures found on them large.

OUT/pages   the shard set of the small pages, which `iconoclip harvest` made of the catalogue
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.catalogue.files import is_catalogue
from data_prep.harvest.config import HarvestConfig
from data_prep.harvest.selection import selection_of, settled_for
from data_prep.harvest.session import Session
from data_prep.harvest.verb import harvest
from data_prep.segment.config import SegmentConfig
from iconoclip.errors import ConfigError, SomeRefused

PAGES_FOLDER = "pages"


@dataclass(frozen=True)
class Source:
    """The shard set of pages, and the addresses whose private hosts may be contacted for their pictures."""

    pages: Path
    trusted: Sequence[str] = ()


def pages_folder(config: SegmentConfig) -> Path:
    """The folder of the set of pages: for a catalogue, where they are downloaded."""
    assert config.shardset is not None, "checked by the config"
    return config.out / PAGES_FOLDER if is_catalogue(config.shardset) else config.shardset


def source_of(config: SegmentConfig) -> Source | None:
    """The source of a run: a shard set as it is; a catalogue after its pages were harvested. None: a dry run
    of a catalogue, which says what would be downloaded.

    Raises:
        ConfigError: a condition without a catalogue, or a task of an array before the pages were harvested.
        IconoclipError: whatever the harvest refuses; the same command resumes it.
    """
    assert config.shardset is not None, "checked by the config"
    if not is_catalogue(config.shardset):
        if config.where is not None:
            raise ConfigError(
                "--where selects from a catalogue, and this is none",
                where=config.shardset,
                remedy="list the source first: `iconoclip catalogue SOURCE --out CATALOGUE`",
            )
        return Source(config.shardset)
    asked = _harvest_of(config)
    selection = selection_of(asked)
    assert selection is not None, "it is a catalogue"
    if config.dry_run:
        harvest(asked)
        return None
    pages = pages_folder(config)
    if config.task is not None and not (pages / "shardset.json").exists():
        raise ConfigError(
            "the pages of a catalogue are harvested before a job array reads them",
            where=pages,
            remedy=f"iconoclip harvest {config.shardset} --out {pages} --max_side_pixels"
            f" {config.page_side_pixels}",
        )
    try:
        harvest(asked)
    except SomeRefused as refused:
        # Its report is in the folder of the pages; what was had can be segmented.
        print(f"iconoclip: {refused}", file=sys.stderr)
    return Source(pages, settled_for(Session.of(asked), selection, asked)["trusted"])


def _harvest_of(config: SegmentConfig) -> HarvestConfig:
    return HarvestConfig(
        sources=[str(config.shardset)],
        out=pages_folder(config),
        where=config.where,
        contact=config.contact,
        network=config.network,
        max_side_pixels=config.page_side_pixels,
        harvested_at=config.created_at,
        dry_run=config.dry_run,
    )
