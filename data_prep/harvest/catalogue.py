"""`iconoclip catalogue`: lists the images that collections offer in a Parquet file, without downloading them.

It is a harvest that stops before the images. It uses the same readers, rate limits, ledger and rounds, so it
resumes and refreshes as a harvest does. `iconoclip harvest` takes the result as a source.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from data_prep.candidate import Candidate, key_of, told_apart
from data_prep.catalogue.columns import TERM_FIELDS, Position, row_of
from data_prep.catalogue.files import CATALOGUE_NAME, MANIFEST_NAME, read_manifest, write_catalogue
from data_prep.config_groups import Storing
from data_prep.description.raw import Describer
from data_prep.harvest.config import CatalogueConfig, HarvestConfig
from data_prep.harvest.dry_run import dry_run
from data_prep.harvest.lifecycle import fetch_everything, prepare
from data_prep.harvest.recording import Recorder, rights_of, rights_refusal, why_invalid
from data_prep.harvest.report import REPORT_NAME, nothing_usable, refusals_of, report_of
from data_prep.harvest.selection import home_of
from data_prep.harvest.session import Session, default_name, identity_of
from data_prep.institutions import profiles
from data_prep.ledger.counts import num_documents_read, requests_by_host
from data_prep.ledger.database import LEDGER_NAME
from data_prep.ledger.jobs import CANDIDATE
from data_prep.ledger.ledger import Ledger
from data_prep.ledger.walk import places, shared_identifiers
from data_prep.network.addresses import host_of
from data_prep.sources.address_list import addresses_of
from iconoclip.errors import ConfigError, SomeRefused, TryAgainLater
from iconoclip.progress import progress
from iconoclip.record import Rights
from iconoclip.shardset import MANIFEST_NAME as SHARDSET_NAME


def catalogue(config: CatalogueConfig) -> int:
    """List the images that `config.sources` offer in the folder `config.out`.

    Raises:
        SomeRefused: finished, but something was refused; the report lists it, and so do the rows.
        BadInput: the sources offer no image, or the folder contains something else.
        ConfigError: a source is on another machine, and no contact is configured.
        TryAgainLater: the disk is full, or servers ask to wait longer than `network.max_wait_seconds`.
    """
    if config.dry_run or config.out is None:
        return dry_run(_as_harvest(config))
    session = _session(config, config.out)
    if (session.out / SHARDSET_NAME).exists():
        raise ConfigError("this folder holds a shard set", where=session.out, remedy="choose another --out")
    with Ledger(session.folder) as ledger:
        is_unfinished = prepare(ledger, session)
        ledger.note(home=home_of(session.folder / LEDGER_NAME))
        if not is_unfinished and (session.out / MANIFEST_NAME).exists():
            return _finished_already(session.out)
        paused = fetch_everything(ledger, session)
        if paused:
            raise _must_wait(paused, session.out)
        if not ledger.get("changed") and (session.out / MANIFEST_NAME).exists():
            ledger.finish()
            return _finished_already(session.out, "nothing has changed since")
        return _write(ledger, session)


def _session(config: CatalogueConfig, out: Path) -> Session:
    storing = Storing(
        name=config.name,
        policy=config.policy,
        composition=config.composition,
        harvested_at=config.harvested_at,
    )
    asked = {name: getattr(config, name) for name in ("sources", "source", "institution")}
    profile_of = profiles(config.institution, config.composition)
    first = next(addresses_of(config.sources[:1]), config.sources[0])
    return Session(
        out=out,
        name=config.name or default_name(out, profile_of(first), config.institution),
        sources=config.sources,
        kind=config.source,
        storing=storing,
        network=config.network,
        identity=identity_of(storing, **asked, num_tasks=1, task=None),
        profile_of=profile_of,
        contact=config.contact,
        again=config.again,
        confirm_withdrawals=config.confirm_withdrawals,
        fetches_images=False,
    )


def _as_harvest(config: CatalogueConfig) -> HarvestConfig:
    """The config of a harvest of the same sources, for a dry run: both list the same."""
    return HarvestConfig(**{name: getattr(config, name) for name in CatalogueConfig.model_fields})


def _write(ledger: Ledger, session: Session) -> int:
    """Write the rows and the report."""
    recorder = Recorder(session.storing, ledger.round_times())
    if next(places(ledger), None) is None:
        ledger.note(stopped="yes")
        raise nothing_usable(ledger, session.out)
    about = {
        "name": session.name,
        "sources": tuple(session.sources),
        "policy": recorder.policy,
        "composition": session.storing.composition,
        "created_at": recorder.created_at,
        "created_by": recorder.created_by,
    }
    write_catalogue(session.out, _rows(ledger, session), about)
    report = report_of(
        refusals_of(ledger),
        session.out,
        num_documents=num_documents_read(ledger),
        num_samples=read_manifest(session.out).num_usable,
        notes={"hosts": requests_by_host(ledger)},
    )
    report.write(session.out)
    print(report.summary().replace(" samples from", " usable images from", 1))
    ledger.finish()
    return _said(session.out, report.num_refused, "catalogue of")


def _rows(ledger: Ledger, session: Session) -> Iterator[dict[str, Any]]:
    """The rows in the canonical order of the source."""
    shared = shared_identifiers(ledger)
    described = _Terms(session)
    documents: dict[int, tuple[int, str]] = {}
    with progress("write", unit="rows") as meter:
        for ordinal, place in enumerate(places(ledger)):
            if place.document not in documents:
                uri = ledger.uri_of(place.document)
                # Positions come document by document, so only the current one must be remembered.
                number = next(iter(documents.values()))[0] + 1 if documents else 0
                documents = {place.document: (number, uri)}
            number, uri = documents[place.document]
            candidate = CANDIDATE.validate_json(ledger.candidate_of(place.key))
            at = Position(uri, number, ordinal, place.opt_out)
            yield _row(candidate, at, session, described, is_shared=key_of(candidate) in shared)
            meter.advance()


def _row(
    candidate: Candidate, at: Position, session: Session, terms: _Terms, *, is_shared: bool
) -> dict[str, Any]:
    """The row of a candidate, with the decision on rights that a harvest would make."""
    if is_shared:
        candidate = _told_apart(candidate)
    rights, refused = _verdict(candidate, at.opt_out, session.storing)
    asked = candidate.service.id if candidate.service else candidate.image_uri or ""
    return row_of(candidate, key_of(candidate), host_of(asked), at, rights, refused, terms.of(candidate, at))


def _told_apart(candidate: Candidate) -> Candidate:
    """A candidate whose identifier shows several images, with the image added to it, as in a record."""
    return replace(candidate, source=told_apart(candidate.source))


def _verdict(
    candidate: Candidate, opt_out: tuple[str, ...], storing: Storing
) -> tuple[Rights | None, str | None]:
    try:
        rights = rights_of(candidate, storing.policy, opt_out)
    except ValidationError as error:
        return None, why_invalid(error)
    return rights, rights_refusal(rights, storing.keep)


class _Terms:
    """Finds subjects, persons, places and techniques in the labels and values of a source."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._describers: dict[str, Describer] = {}

    def of(self, candidate: Candidate, at: Position) -> dict[str, tuple[str, ...]]:
        """The terms of a candidate, by field."""
        profile = self._session.profile_of(at.document)
        known = self._describers.get(profile.slug)
        if known is None:
            known = self._describers[profile.slug] = Describer(profile)
        return known.texts(candidate.raw, TERM_FIELDS.values())


def _must_wait(paused: dict[str, str], out: Path) -> TryAgainLater:
    hosts = "; ".join(f"{host}: {reason}" for host, reason in sorted(paused.items()))
    return TryAgainLater(
        f"documents of these servers must wait: {hosts}",
        where=out,
        remedy="run the same command again later; it resumes",
    )


def _finished_already(out: Path, words: str = "--refresh true asks the servers what has changed") -> int:
    """Print the result of the first run again."""
    report = json.loads((out / REPORT_NAME).read_text()) if (out / REPORT_NAME).exists() else {}
    return _said(out, report.get("num_refused", 0), "catalogued already:", f"; {words}")


def _said(out: Path, num_refused: int, what: str, more: str = "") -> int:
    manifest = read_manifest(out)
    print(f"{what} {manifest.num_rows} images, {manifest.num_usable} usable: {out / CATALOGUE_NAME}{more}")
    if num_refused:
        raise SomeRefused(
            f"{manifest.num_rows} images listed, {num_refused} refused", where=out / REPORT_NAME
        )
    return 0
