"""`iconoclip harvest`: downloads collections, or a selection of a catalogue, into a shard set.

After an interruption, the same command resumes.
"""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from data_prep.harvest.array import Share, join, task_folder, waiting_for
from data_prep.harvest.config import HarvestConfig
from data_prep.harvest.documents import refused_for_rights
from data_prep.harvest.dry_run import dry_run, list_records
from data_prep.harvest.lifecycle import finish, prepare, take_over
from data_prep.harvest.previous_set import TooManyWithdrawals
from data_prep.harvest.recording import Recorder
from data_prep.harvest.report import already_finished, must_wait, nothing_usable, report_of_harvest, say
from data_prep.harvest.selection import Selection, prepare_selection, selection_of, settled_for
from data_prep.harvest.session import Session
from data_prep.harvest.shards import LostBytes, pack
from data_prep.ledger.absence import drop_what_is_no_longer_listed
from data_prep.ledger.database import exclusive_lock
from data_prep.ledger.jobs import CANDIDATE
from data_prep.ledger.ledger import Ledger
from data_prep.ledger.rounds import round_times
from data_prep.ledger.walk import settle
from iconoclip import clock, locks
from iconoclip.errors import BadInput, DamagedData
from iconoclip.progress import progress
from iconoclip.shardset import MANIFEST_NAME

MAX_PACKINGS = 3


def harvest(config: HarvestConfig) -> int:
    """Harvest `config.sources` into the shard set `config.out`.

    Raises:
        SomeRefused: finished, but some items were refused; the report lists them.
        BadInput: there is nothing usable, or the folder contains another harvest.
        TooManyWithdrawals: a refresh would withdraw a large part of the set, and this was not confirmed.
        RightsForbid: everything was refused because of its rights.
        ConfigError: a source is on another machine, and no contact is configured.
        TryAgainLater: the disk is full, or servers ask to wait longer than `network.max_wait_seconds`.
    """
    selection = selection_of(config)
    if config.dry_run:
        return dry_run_of(config, selection) if selection else dry_run(config)
    session = Session.of(config)
    if selection is None:
        return _harvest(session, prepare)
    session = dataclasses.replace(session, **settled_for(session, selection, config))
    return _harvest(session, lambda ledger, session: prepare_selection(ledger, session, selection))


Prepare = Callable[[Ledger, Session], bool]


def _harvest(session: Session, prepared: Prepare) -> int:
    if session.share is not None:
        return _harvest_share(session, session.share, prepared)
    with Ledger(task_folder(session.folder, 0, 1)) as ledger:
        if not prepared(ledger, session):
            return already_finished(session.out)
        return fetch_and_pack(ledger, session)


def dry_run_of(config: HarvestConfig, selection: Selection) -> int:
    """List the records of a selection; no server is contacted."""
    with Ledger(None) as ledger:
        with ledger.transaction():
            selection.read_into(ledger, config)
        return list_records(ledger, Recorder(config, [clock.now(config.harvested_at)]), as_json=config.json)


def _harvest_share(session: Session, share: Share, prepared: Prepare) -> int:
    """Do one task's share of an array. The last task to finish packs the set."""
    task, num_tasks = share.task, share.num_tasks
    # The tasks share each host's rate limit through file locks.
    locks.require(session.folder)
    with Ledger(task_folder(session.folder, task, num_tasks)) as ledger:
        if prepared(ledger, session) and not ledger.get("fetched"):
            paused = fetch_everything(ledger, session)
            if paused and not session.pack_incomplete:
                raise must_wait(paused, ledger)
            ledger.note(fetched="yes")
    waiting = waiting_for(session.folder, num_tasks)
    if waiting:
        print(f"task {task} of {num_tasks} has fetched its share; {len(waiting)} still have to")
        return 0
    return _pack_joined(session, share)


def _pack_joined(session: Session, share: Share) -> int:
    try:
        lock = exclusive_lock(session.folder / "join.lock")
    except BadInput:
        # Two tasks may end at the same time. If the other one fails while packing, any
        # task that is run again packs.
        print(f"task {share.task} of {share.num_tasks} has fetched its share; another packs")
        return 0
    with lock:
        join(session.folder, share.num_tasks)
        with Ledger(session.folder) as ledger:
            take_over(ledger, session.out)
            if ledger.get("finished"):
                return already_finished(session.out)
            return fetch_and_pack(ledger, dataclasses.replace(session, share=None))


def fetch_and_pack(ledger: Ledger, session: Session, verb: str = "harvest") -> int:
    """Do the remaining work in the ledger, then pack. All kinds of source use this function.

    Args:
        verb: what its progress is called.
    """
    out = session.out
    recorder = Recorder(session.storing, round_times(ledger))
    for _ in range(MAX_PACKINGS):
        paused = fetch_everything(ledger, session, verb)
        if paused and not session.pack_incomplete:
            raise must_wait(paused, ledger)
        if not ledger.get("changed") and (out / MANIFEST_NAME).exists():
            finish(ledger)
            return already_finished(out, "nothing has changed since")
        try:
            packed = pack(
                ledger,
                session.storing,
                recorder,
                out,
                session.name,
                confirm_withdrawals=session.confirm_withdrawals,
            )
        except LostBytes:
            continue
        except TooManyWithdrawals:
            ledger.note(stopped="yes")
            raise
        except BadInput:
            ledger.note(stopped="yes")
            raise nothing_usable(ledger, out) from None
        report = report_of_harvest(ledger, packed, out)
        finish(ledger)
        return say(report, out)
    raise DamagedData(
        "stored images keep changing on the disk",
        where=ledger.folder,
        remedy="check the disk, or choose another --out",
    )


def fetch_everything(ledger: Ledger, session: Session, verb: str = "harvest") -> dict[str, str]:
    """Download until nothing is left; then decide which candidate counts for each key, and
    download what that changed.
    """
    while True:
        what, unit = (verb, "images") if session.fetches_images else ("catalogue", "documents")
        with progress(what, unit=unit) as meter, _terminate_as_interrupt():
            paused = session.run(ledger, meter)
        if session.share is None:
            forget_what_is_no_longer_listed(ledger)
        if not settle(
            ledger, lambda candidate: refused_for_rights(CANDIDATE.validate_json(candidate), session.storing)
        ):
            return paused


def forget_what_is_no_longer_listed(ledger: Ledger) -> None:
    """Withdraw items that are no longer listed, if all lists were read to their end."""
    with ledger.transaction():
        is_news = drop_what_is_no_longer_listed(ledger.database)
    if is_news:
        ledger.note(changed="yes")


@contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """Make a scheduler's SIGTERM end a harvest in the same way as Ctrl-C: finished work is kept."""

    def interrupt(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
