"""The work of a harvest: download everything that is left in the ledger, then pack it.

All kinds of source use it, and so do the tasks of a job array.
"""

from __future__ import annotations

import dataclasses
import functools
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from data_prep.harvest.array import Share, join, task_folder, waiting_for
from data_prep.harvest.lifecycle import take_over
from data_prep.harvest.previous_set import TooManyWithdrawals
from data_prep.harvest.recording import Recorder, refused_for_rights
from data_prep.harvest.report import already_finished, must_wait, nothing_usable, report_of_harvest, say
from data_prep.harvest.session import Session
from data_prep.harvest.shards import LostBytes, pack
from data_prep.ledger.absence import drop_what_is_no_longer_listed
from data_prep.ledger.database import exclusive_lock
from data_prep.ledger.ledger import Ledger
from data_prep.ledger.rounds import round_times
from data_prep.ledger.walk import settle
from iconoclip import locks
from iconoclip.errors import BadInput, DamagedData
from iconoclip.progress import progress
from iconoclip.shardset import MANIFEST_NAME

MAX_PACKINGS = 3

Prepare = Callable[[Ledger, Session], bool]


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
    recorder = Recorder(session.storing, round_times(ledger))
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
