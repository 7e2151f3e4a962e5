"""`iconoclip harvest --dry-run`: prints the records that a harvest would make, without requesting images.

For local files no request is sent; for addresses, documents are requested, with the same rate limits. With
`--json` each line is `{"record": {...}}` or `{"refused": {"source": ..., "reason": ...}}`. A record follows
docs/schemas/record.schema.json, but `image` is null, because it has not been downloaded.
"""

from __future__ import annotations

import json
import sys
from collections import Counter

import uvloop
from pydantic import ValidationError

from data_prep.candidate import key_of
from data_prep.harvest.client import fetcher_for
from data_prep.harvest.config import HarvestConfig
from data_prep.harvest.documents import DocumentReader
from data_prep.harvest.engine import Engine
from data_prep.harvest.recording import Recorder, why_invalid
from data_prep.harvest.report import Report, kind_of_reason
from data_prep.harvest.selection import Selection
from data_prep.institutions import profiles
from data_prep.ledger.jobs import CANDIDATE
from data_prep.ledger.ledger import Ledger
from data_prep.ledger.walk import shared_identifiers, visits
from data_prep.sources.registry import roots
from iconoclip import clock
from iconoclip.errors import BadInput, SomeRefused
from iconoclip.progress import progress
from iconoclip.rights import read


def dry_run_of_selection(config: HarvestConfig, selection: Selection) -> int:
    """List the records of a selection from a catalogue; no server is contacted.

    Raises:
        SomeRefused: something was refused; it is among the lines printed.
        BadInput: everything was refused.
    """
    with Ledger(None) as ledger:
        with ledger.transaction():
            selection.read_into(ledger, config)
        return list_records(ledger, Recorder(config, [clock.now(config.harvested_at)]), as_json=config.json)


def dry_run(config: HarvestConfig) -> int:
    """List the records of `config.sources`.

    Raises:
        SomeRefused: something was refused; it is among the lines printed.
        BadInput: everything was refused.
    """
    profile_of = profiles(config.institution, config.composition)
    with Ledger(None) as ledger:
        ledger.add_roots(roots(config.sources, config.source))

        async def read_everything() -> dict[str, str]:
            """Read every document, no image; the result is the hosts that were not read, with reasons."""
            network = config.network
            async with fetcher_for(
                ledger, network, profile_of, sources=config.sources, contact=config.contact
            ) as fetcher:
                documents = DocumentReader(
                    config,
                    network,
                    fetcher,
                    profile_of,
                    follow_files=False,
                    accept_emptied=config.confirm_withdrawals,
                )
                engine = Engine(network, ledger, fetcher, documents, None, meter)
                return await engine.run()

        with progress("read", unit="documents") as meter:
            paused = uvloop.run(read_everything())
        for host, reason in sorted(paused.items()):
            print(f"not read, {host}: {reason}", file=sys.stderr)
        return list_records(ledger, Recorder(config, [clock.now(config.harvested_at)]), as_json=config.json)


def list_records(ledger: Ledger, recorder: Recorder, *, as_json: bool) -> int:
    """Print every record and refusal of a ledger in canonical order, then a summary.

    Raises:
        SomeRefused: something was refused; it is among the lines printed.
        BadInput: everything was refused.
    """
    report = _list(ledger, recorder, as_json)
    print(report.summary(), file=sys.stderr)
    if not report.num_samples:
        raise BadInput("no record in the sources", remedy="the lines above say why each was refused")
    if report.num_refused:
        raise SomeRefused(f"{report.num_samples} records, {report.num_refused} refusals: see the lines above")
    return 0


def _list(ledger: Ledger, recorder: Recorder, as_json: bool) -> Report:
    reasons: Counter[str] = Counter()
    report = Report()
    seen: set[str] = set()
    shared = shared_identifiers(ledger)

    def refuse(source: str, reason: str) -> None:
        reasons[kind_of_reason(reason)] += 1
        _print({"refused": {"source": source, "reason": reason}}, f"refused   {source}: {reason}", as_json)

    for visit in visits(ledger):
        report.num_documents += visit.state == "fetched"
        if visit.state in ("refused", "not-known", "retry-later"):
            refuse(visit.uri, visit.reason or "refused")
        for (candidate_json,) in ledger.candidates_of(visit.document):
            candidate = CANDIDATE.validate_json(candidate_json)
            try:
                record = recorder.outline(candidate, visit.opt_out, is_shared=key_of(candidate) in shared)
            except ValidationError as error:
                refuse(candidate.source.id, why_invalid(error))
                continue
            if record["key"] in seen:
                continue
            seen.add(record["key"])
            _print({"record": record}, _line(record), as_json)
        for source, reason in ledger.refusals_of(visit.document):
            refuse(source, reason)
    report.num_samples, report.num_refused = len(seen), reasons.total()
    report.by_reason = dict(reasons.most_common())
    return report


def _line(record: dict[str, object]) -> str:
    captions = record["captions"]
    title = captions[0]["text"] if isinstance(captions, list) and captions else "(no caption)"
    rights = record["rights"]
    assert isinstance(rights, dict)
    why = rights["uri"] or f"rights: {read(rights['raw']).problem}"
    verdict = "train" if rights["train"] == "yes" else f"no training ({why})"
    return f"record    {record['key']}  {' '.join(str(title).split())[:80]}  [{verdict}]"


def _print(value: dict[str, object], line: str, as_json: bool) -> None:
    print(json.dumps(value, ensure_ascii=False) if as_json else line)
