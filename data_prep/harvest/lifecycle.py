"""Begins, continues, refreshes and finishes the ledger of a harvest."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from data_prep.harvest.session import IDENTITY_FIELDS, Session, stored_identity
from data_prep.harvest.shards import hand_over
from data_prep.ledger.database import LEDGER_NAME
from data_prep.ledger.joining import forget_what_was_withdrawn
from data_prep.ledger.ledger import Ledger
from data_prep.ledger.rounds import begin_round, retry_not_known, retry_refused
from data_prep.sources.address_list import addresses_of
from data_prep.sources.registry import roots
from iconoclip import clock
from iconoclip.addresses import is_loopback
from iconoclip.errors import ConfigError

# The `product` of a ledger that belongs to a catalogue and not to a shard set.
CATALOGUE = "catalogue"


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
