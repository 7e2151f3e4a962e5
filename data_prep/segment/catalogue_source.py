"""A catalogue as the source: its pages are downloaded small, and only the pictures found on them large.

OUT/pages   the shard set of the small pages, which `iconoclip harvest` made of the catalogue

The tasks of a job array download nothing: a harvest has one writer, and they would wait for each other. They
read pages that are there.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.catalogue.files import is_catalogue
from data_prep.harvest.config import HarvestConfig
from data_prep.harvest.selection import Selection, selection_of, settled_for
from data_prep.harvest.session import Session, stored_identity
from data_prep.harvest.verb import harvest
from data_prep.ledger.database import LEDGER_NAME
from data_prep.ledger.joining import meta_of
from data_prep.segment.config import SegmentConfig
from iconoclip.errors import ConfigError, SomeRefused
from iconoclip.options import options_of
from iconoclip.shardset import MANIFEST_NAME

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
        ConfigError: a condition without a catalogue, or a task of an array before the pages were downloaded.
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
    pages, session = pages_folder(config), Session.of(asked)
    if config.task is None:
        try:
            harvest(asked)
        except SomeRefused as refused:
            # Its report is in the folder of the pages; what was had can be segmented.
            print(f"iconoclip: {refused}", file=sys.stderr)
    elif not _are_downloaded(session, selection):
        raise ConfigError(
            "the tasks of a job array read pages that were downloaded before; these are not, or not all",
            where=pages,
            remedy=f"run this once, then the tasks again: {_command_of(asked)}",
        )
    return Source(pages, settled_for(session, selection, asked)["trusted"])


def _are_downloaded(session: Session, selection: Selection) -> bool:
    """Whether the pages of a selection are there, with these settings. It takes no lock."""
    if not (session.out / MANIFEST_NAME).exists():
        return False
    known = meta_of(session.folder / LEDGER_NAME)
    is_same = "config" in known and stored_identity(known["config"]) == session.identity
    return is_same and known.get("selection") == selection.identity and known.get("finished") == "yes"


def _command_of(asked: HarvestConfig) -> str:
    """The command line of a harvest, with every option that is not a default."""
    values = asked.model_dump(mode="json", exclude_defaults=True)
    words = ["iconoclip", "harvest", *values.pop("sources")]
    for option in options_of(HarvestConfig):
        value: Any = values
        for name in option.path:
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None and option.group is None:
            words += [option.names[0], *map(str, value if isinstance(value, list) else [value])]
    return shlex.join(words)


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
