"""The life of a harvest: its ledger is begun, continued or refreshed; then everything that is left in it is
downloaded and packed.

All kinds of source use it, and so do the tasks of a job array.
"""

from __future__ import annotations

import dataclasses
import functools
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from data_prep.harvest.array import Share, join, task_folder, waiting_for
from data_prep.harvest.previous_set import TooManyWithdrawals
from data_prep.harvest.recording import Recorder, refused_for_rights
from data_prep.harvest.report import already_finished, must_wait, nothing_usable, report_of_harvest, say
from data_prep.harvest.session import IDENTITY_FIELDS, Session, stored_identity
from data_prep.harvest.shards import LostBytes, pack
from data_prep.ledger.absence import drop_what_is_no_longer_listed
from data_prep.ledger.database import LEDGER_NAME, exclusive_lock
from data_prep.ledger.joining import forget_what_was_withdrawn
from data_prep.ledger.ledger import Ledger
from data_prep.ledger.rounds import begin_round, retry_not_known, retry_refused
from data_prep.ledger.walk import settle
from data_prep.sources.address_list import addresses_of
from data_prep.sources.registry import roots
from iconoclip import clock, locks
from iconoclip.addresses import is_loopback
from iconoclip.errors import BadInput, ConfigError, DamagedData
from iconoclip.progress import progress
from iconoclip.replacing import hand_over
from iconoclip.shardset import MANIFEST_NAME

MAX_PACKINGS = 3
# The `product` of a ledger that belongs to a catalogue and not to a shard set.
CATALOGUE = "catalogue"

Prepare = Callable[[Ledger, Session], bool]


def prepare(ledger: Ledger, session: Session) -> bool:
    """Prepare a ledger for work. Returns False if its harvest is finished and no more is requested."""
    same_harvest(ledger, session)
    take_over_before(ledger, session)
    if ledger.get("config") is not None:
        return begin_again(ledger, session) or session.num_tasks > 1
    links = roots(session.sources, session.kind)
    _need_contact(session)
    product = {} if session.fetches_images else {"product": CATALOGUE}
    ledger.begin(session.identity, clock.now(session.storing.harvested_at), **product)
    ledger.add_roots(links)
    return True


def take_over_before(ledger: Ledger, session: Session) -> None:
    """Finish what an earlier run left: a set that was not moved, withdrawals that a task has not recorded."""
    if session.num_tasks == 1:
        take_over(ledger, session.out)
    else:
        forget_what_was_withdrawn(ledger.database, session.folder / LEDGER_NAME)


def begin_again(ledger: Ledger, session: Session) -> bool:
    """Continue a harvest that was begun. Returns False if it is finished and no more is requested."""
    if ledger.get("finished") or ledger.get("fetched"):
        return _begin_round(ledger, session)
    # A refresh examines a harvest again that ended without a set; an interrupted harvest is continued.
    if session.again == "everything" and ledger.get("stopped"):
        begin_round(ledger, clock.now(session.storing.harvested_at))
    else:
        retry_not_known(ledger)
    return True


def same_harvest(ledger: Ledger, session: Session) -> None:
    """Refuse to mix two harvests, or a harvest and a catalogue, in one folder."""
    stored = ledger.get("config")
    if stored is None:
        return
    if (ledger.get("product") == CATALOGUE) == session.fetches_images:
        raise ConfigError(
            f"this folder holds a {'catalogue' if session.fetches_images else 'harvest'}",
            where=session.out,
            remedy="choose another --out; to harvest from a catalogue, name its folder as the source",
        )
    before, values = stored_identity(stored), session.identity
    differing = [name for name in IDENTITY_FIELDS if before.get(name) != values[name]]
    if differing:
        name = differing[0]
        raise ConfigError(
            f"this folder holds a harvest with another `{name}`: {before.get(name)!r}, now {values[name]!r}",
            where=session.out,
            remedy="choose another --out, or give the same settings to resume",
        )


def take_over(ledger: Ledger, out: Path) -> None:
    """Move a set into place that a killed process had packed but not yet moved."""
    if ledger.folder and hand_over(ledger.folder, out):
        ledger.finish()


def _need_contact(session: Session) -> None:
    real = next(
        (uri for uri in addresses_of(session.sources) if not is_loopback(urlsplit(uri).hostname or "")), None
    )
    if real and session.contact is None:
        raise ConfigError(
            "no contact is configured, and the source is not on this machine",
            where=real,
            remedy="name a contact: --contact you@your.institution (or a web page about your harvest)",
        )


def _begin_round(ledger: Ledger, session: Session) -> bool:
    """Set everything back to pending for a refresh, or only refused items for another attempt."""
    if session.again == "everything":
        begin_round(ledger, clock.now(session.storing.harvested_at))
        return True
    return retry_refused(ledger) if session.again == "gone" else retry_not_known(ledger)


def harvest_and_pack(session: Session, prepared: Prepare) -> int:
    """Do everything that is left of a harvest, or of one task's share of it.

    Args:
        prepared: prepares the ledger; gives False if the harvest is finished and no more is requested.
    """
    if session.share is not None:
        return _harvest_share(session, session.share, prepared)
    with Ledger(task_folder(session.folder, 0, 1)) as ledger:
        if not prepared(ledger, session):
            return already_finished(session.out)
        return fetch_and_pack(ledger, session)


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
    recorder = Recorder(session.storing, ledger.round_times())
    for _ in range(MAX_PACKINGS):
        paused = fetch_everything(ledger, session, verb)
        if paused and not session.pack_incomplete:
            raise must_wait(paused, ledger)
        if not ledger.get("changed") and (out / MANIFEST_NAME).exists():
            ledger.finish()
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
        ledger.finish()
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
            drop_what_is_no_longer_listed(ledger)
        if not settle(ledger, functools.partial(refused_for_rights, storing=session.storing)):
            return paused


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
