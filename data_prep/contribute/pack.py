"""`iconoclip pack`: a folder of images and a table, or WebDataset tars -> a shard set.

A table's images go through the pipeline of a harvest, with the same ledger, decoder, rights and
packing, but are read from a folder. So an interrupted pack can be resumed, and a broken image is
refused and does not stop the pack.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from data_prep.config import HarvestConfig, PackConfig, Storing
from data_prep.harvest.documents import item_row
from data_prep.harvest.dry_run import list_records
from data_prep.harvest.lifecycle import same_harvest, take_over
from data_prep.harvest.recording import Recorder
from data_prep.harvest.report import already_finished
from data_prep.harvest.session import Session
from data_prep.harvest.verb import fetch_and_pack
from data_prep.ledger.jobs import FoundRows, LinkRow
from data_prep.ledger.ledger import Ledger
from data_prep.sources.table import TableReader
from data_prep.sources.webdataset_tars import TarReader, tars_of
from iconoclip import clock
from iconoclip.config import digest, older_digest
from iconoclip.errors import DamagedData
from iconoclip.progress import progress

# The images of tars, while they are packed.
MEMBERS: Final = "members"


def pack(config: PackConfig) -> int:
    """Pack a folder of images and its table into the shard set `config.out`.

    Raises:
        SomeRefused: finished, but some rows were refused; the report lists them.
        BadInput: the table cannot be read, or contains nothing usable.
        RightsForbid: every row was refused for its rights.
        ConfigError: a mapped column is missing; the folder contains another pack.
        TryAgainLater: the disk is full.
    """
    as_harvest = _as_harvest(config)
    if config.dry_run:
        with Ledger(None) as ledger:
            _read(ledger, _reader(config, None), as_harvest)
            return list_records(
                ledger, Recorder(config, [clock.now(config.harvested_at)]), as_json=config.json
            )
    session = Session.of(as_harvest)
    with Ledger(session.folder) as ledger:
        same_harvest(ledger, as_harvest)
        take_over(ledger, session.out)
        if ledger.get("finished"):
            return already_finished(session.out)
        members = session.folder / MEMBERS
        reader = _reader(config, members)
        _begin(ledger, config, reader)
        _read(ledger, reader, as_harvest)
        name = config.name or _name(ledger, config)
        try:
            return fetch_and_pack(ledger, Session.of(as_harvest, reader.folder), name=name)
        finally:
            if ledger.get("finished"):
                shutil.rmtree(members, ignore_errors=True)


def _reader(config: PackConfig, folder: Path | None) -> TableReader:
    """The reader of a table or of tars; `folder` takes the images of tars."""
    tars = tars_of(config)
    return TarReader(config, tars, folder) if tars else TableReader(config)


def _as_harvest(config: PackConfig) -> HarvestConfig:
    """The settings that the harvest's pipeline needs."""
    shared = {name: getattr(config, name) for name in Storing.model_fields}
    return HarvestConfig(
        sources=[str(config.table)],
        out=config.out,
        institution=config.institution,
        dry_run=config.dry_run,
        **shared,
    )


def _begin(ledger: Ledger, config: PackConfig, reader: TableReader) -> None:
    """Record what is packed; a table that changes during the work would mix two versions."""
    identity = {"table_sha256": reader.identity(), "pack_config": digest(config)}
    known = {name: ledger.get(name) for name in identity}
    if known["table_sha256"] not in (None, identity["table_sha256"]):
        raise DamagedData(
            "the table has changed since this pack was begun",
            where=reader.path,
            remedy="choose another --out",
        )
    if known["pack_config"] not in (None, identity["pack_config"], older_digest(config)):
        raise DamagedData(
            "the settings have changed since this pack was begun",
            where=config.out,
            remedy="choose another --out",
        )
    ledger.begin(_as_harvest(config), clock.now(config.harvested_at), **identity)


def _read(ledger: Ledger, reader: TableReader, config: HarvestConfig) -> None:
    """Put the rows into the ledger, one chunk at a time; chunks that are already there are skipped."""
    if ledger.get("table_read"):
        return
    with progress("read", unit="rows") as meter:
        for number, found in enumerate(reader.chunks()):
            rows = FoundRows([item_row(candidate, config) for candidate in found.candidates], [])
            ledger.add_chunk(number, LinkRow(f"{reader.path}#{number}", "table"), found, rows)
            meter.advance(len(found.candidates) + len(found.refusals))
    ledger.note(table_read="yes")


def _name(ledger: Ledger, config: PackConfig) -> str:
    """The institution's slug if there is exactly one, else the folder's name."""
    slugs = ledger.institutions()
    return slugs.pop() if len(slugs) == 1 else "pack"
