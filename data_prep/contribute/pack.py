"""`iconoclip pack`: a folder of images and a table, or WebDataset tars -> a shard set.

A table's images go through the pipeline of a harvest, with the same ledger, decoder, rights and
packing, but are read from a folder. So an interrupted pack can be resumed, and a broken image is
refused and does not stop the pack.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from data_prep.config_groups import Storing
from data_prep.contribute.config import PackConfig
from data_prep.contribute.pack_dry_run import dry_run
from data_prep.contribute.table_mapping import with_mapping
from data_prep.harvest.documents import item_row
from data_prep.harvest.lifecycle import fetch_and_pack, same_harvest, take_over
from data_prep.harvest.report import already_finished
from data_prep.harvest.session import LEDGER_FOLDER, Session, identity_of
from data_prep.institutions import profiles
from data_prep.ledger.holdings import num_held
from data_prep.ledger.jobs import FoundRows, LinkRow
from data_prep.ledger.ledger import Ledger
from data_prep.sources.table import TableReader
from data_prep.sources.webdataset_tars import TarReader, tars_of
from iconoclip import clock
from iconoclip.config import digest, older_digest
from iconoclip.errors import DamagedData
from iconoclip.progress import progress
from iconoclip.shardset import MANIFEST_NAME
from iconoclip.withdrawals import listed_for

# The images of tars, while they are packed.
MEMBERS: Final = "members"
# Fields that change nothing in the result: a pack that stopped because it had no contact is resumed with one.
HOW_TO_ASK: Final = ("contact", "network", "yes", "write_config")
# Fields that earlier versions did not have; where they have their defaults, they change nothing either.
LATER_FIELDS: Final = (
    "near_files", "sheets", "encoding", "delimiter", "separators", "further_columns", "max_file_bytes",
)  # fmt: skip


def pack(config: PackConfig) -> int:
    """Pack a folder of images and its table into the shard set `config.out`.

    Raises:
        SomeRefused: finished, but some rows were refused; the report lists them.
        BadInput: the table cannot be read, or contains nothing usable.
        RightsForbid: every row was refused for its rights.
        ConfigError: a mapped column is missing; nobody has confirmed the guess of the columns; the folder
            contains another pack.
        TryAgainLater: the disk is full.
    """
    tars = tars_of(config)
    if not tars:
        config = with_mapping(config)
    if config.dry_run or config.out is None:
        return dry_run(config, tars, read_into)
    session = _session(config, config.out)
    _forget_what_stored_nothing(config.out)
    with Ledger(session.folder) as ledger:
        same_harvest(ledger, session)
        take_over(ledger, session.out)
        if ledger.get("finished"):
            return already_finished(session.out, "to pack a changed table, choose another --out")
        members = session.folder / MEMBERS
        reader = TarReader(config, tars, members) if tars else TableReader(config)
        _begin(ledger, session, config, reader)
        read_into(ledger, reader, config)
        name = config.name or _name(ledger)
        try:
            trusted = [reader.web.base] if reader.web else []
            session = replace(session, name=name, image_folder=reader.folder, trusted=trusted)
            return fetch_and_pack(ledger, session, "decode")
        finally:
            if ledger.get("finished"):
                shutil.rmtree(members, ignore_errors=True)


def _session(config: PackConfig, out: Path) -> Session:
    """The session of a pack. Images with web addresses are requested; its name may follow from the rows."""
    table = str(config.table)
    return Session(
        out=out,
        name=config.name or "pack",
        sources=[table],
        storing=config,
        identity=identity_of(config, sources=[table], source="auto", num_tasks=1, task=None),
        profile_of=profiles(config.institution, config.composition),
        network=config.network,
        contact=config.contact,
        max_file_bytes=config.max_file_bytes,
        withdrawn=listed_for(out),
    )


def _forget_what_stored_nothing(out: Path) -> None:
    """Start over after a pack that stored no picture: settings and table may have changed."""
    folder = out / LEDGER_FOLDER
    if not folder.is_dir() or (out / MANIFEST_NAME).exists():
        return
    with Ledger(folder) as ledger:
        # A harvest that was begun in this folder is not ours to forget.
        is_ours = ledger.get("pack_config") is not None
        is_empty = is_ours and num_held(ledger) == 0 and not ledger.get("finished")
        is_empty = is_empty and not (folder / "packed" / MANIFEST_NAME).exists()
    if is_empty:
        shutil.rmtree(folder)


def _begin(ledger: Ledger, session: Session, config: PackConfig, reader: TableReader) -> None:
    """Record what is packed; a table that changes during the work would mix two versions."""
    without = settings_left_out(config)
    identity = {"table_sha256": reader.identity(), "pack_config": digest(config, without)}
    known = {name: ledger.get(name) for name in identity}
    if known["table_sha256"] not in (None, identity["table_sha256"]):
        raise DamagedData(
            "the table has changed since this pack was begun",
            where=reader.name,
            remedy="choose another --out",
        )
    if known["pack_config"] not in (None, identity["pack_config"], older_digest(config, without)):
        raise DamagedData(
            "the settings have changed since this pack was begun",
            where=session.out,
            remedy="choose another --out",
        )
    ledger.begin(session.identity, clock.now(config.harvested_at), **identity)


def settings_left_out(config: PackConfig) -> tuple[str, ...]:
    """The fields that do not count when two packs are compared."""
    defaults: dict[str, Any] = {
        name: info.get_default(call_default_factory=True) for name, info in PackConfig.model_fields.items()
    }
    later = (name for name in LATER_FIELDS if getattr(config, name) == defaults[name])
    return (*HOW_TO_ASK, *later)


def read_into(ledger: Ledger, reader: TableReader, storing: Storing) -> None:
    """Put the rows into the ledger, one chunk at a time; chunks that are already there are skipped."""
    if ledger.get("table_read"):
        return
    with progress("read", unit="rows") as meter:
        for number, found in enumerate(reader.chunks()):
            rows = FoundRows([item_row(candidate, storing) for candidate in found.candidates], [])
            ledger.add_chunk(number, LinkRow(f"{reader.name}#{number}", "table"), found, rows)
            meter.advance(len(found.candidates) + len(found.refusals))
    ledger.note(table_read="yes")


def _name(ledger: Ledger) -> str:
    """The institution's slug if there is exactly one, otherwise `pack`."""
    slugs = ledger.institutions()
    return slugs.pop() if len(slugs) == 1 else "pack"
