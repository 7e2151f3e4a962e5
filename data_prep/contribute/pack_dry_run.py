"""`iconoclip pack --dry_run`: does everything that the run does, except for writing the set.

The rows are read, the rights are judged and the pictures of the folder are decoded with the code of the run,
so counts and reasons are those of the run. Pictures at web addresses are not requested; they are counted
apart.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from data_prep.config_groups import Storing
from data_prep.contribute.config import PackConfig
from data_prep.harvest.lifecycle import fetch_everything
from data_prep.harvest.recording import Recorder
from data_prep.harvest.report import Refused, Report, refusals_of, report_of
from data_prep.harvest.session import Session
from data_prep.harvest.shards import Packed, planned
from data_prep.institutions import profiles
from data_prep.ledger.counts import num_documents_read
from data_prep.ledger.jobs import CANDIDATE, ELSEWHERE
from data_prep.ledger.ledger import Ledger
from data_prep.sources.table import TableReader
from data_prep.sources.webdataset_tars import TarReader
from iconoclip import clock
from iconoclip.errors import BadInput, SomeRefused
from iconoclip.rights import read
from iconoclip.terminal import safe
from iconoclip.withdrawals import listed_for

Read = Callable[[Ledger, TableReader, Storing], None]


def dry_run(config: PackConfig, tars: list[str], read_into: Read) -> int:
    """List what a pack would store and refuse.

    Args:
        read_into: puts the rows of a reader into a ledger.

    Raises:
        SomeRefused: something would be refused; it is among the lines printed.
        BadInput: everything would be refused.
    """
    with tempfile.TemporaryDirectory(prefix="iconoclip-") as folder, Ledger(None) as ledger:
        reader = TarReader(config, tars, Path(folder)) if tars else TableReader(config)
        started = clock.now(config.harvested_at)
        ledger.begin({}, started)
        read_into(ledger, reader, config)
        num_elsewhere = ledger.set_aside_addresses(ELSEWHERE)
        fetch_everything(ledger, _session(config, reader), "decode")
        return _list(ledger, config, Recorder(config, [started]), num_elsewhere)


def _session(config: PackConfig, reader: TableReader) -> Session:
    return Session(
        out=Path(),
        name="pack",
        sources=[str(config.table)],
        storing=config,
        identity={},
        profile_of=profiles(config.institution, config.composition),
        image_folder=reader.folder,
        max_file_bytes=config.max_file_bytes,
        withdrawn=_withdrawn(config),
    )


def _withdrawn(config: PackConfig) -> frozenset[str]:
    return frozenset[str]() if config.out is None else listed_for(config.out)


def _list(ledger: Ledger, config: PackConfig, recorder: Recorder, num_elsewhere: int) -> int:
    packed = Packed()
    for record in planned(ledger, config, recorder, packed, _withdrawn(config)):
        _print_record(record.model_dump(mode="json"), config.json)
    for candidate in ledger.candidates_in(ELSEWHERE):
        _print_record(recorder.outline(CANDIDATE.validate_json(candidate)), config.json)
    refused: list[Refused] = [*refusals_of(ledger), *packed.refused]
    for source, reason in refused:
        if config.json:
            print(json.dumps({"refused": {"source": source, "reason": reason}}, ensure_ascii=False))
        else:
            print(f"refused   {source}: {reason}")
    num_samples = packed.num_samples + num_elsewhere
    report = report_of(refused, None, num_samples=num_samples, num_documents=num_documents_read(ledger))
    _say(report, num_elsewhere)
    if not num_samples:
        raise BadInput("no record in the sources", remedy="the lines above say why each was refused")
    if refused:
        raise SomeRefused(f"{num_samples} records, {len(refused)} refusals: see the lines above")
    return 0


def _print_record(record: dict[str, object], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"record": record}, ensure_ascii=False))
        return
    captions, rights = record["captions"], record["rights"]
    assert isinstance(captions, list)
    assert isinstance(rights, dict)
    title = " ".join(str(captions[0]["text"]).split())[:80] if captions else "(no caption)"
    why = rights["uri"] or f"rights: {read(rights['raw']).problem}"
    verdict = "train" if rights["train"] == "yes" else f"no training ({why})"
    print(safe(f"record    {record['key']}  {title}  [{verdict}]"))


def _say(report: Report, num_elsewhere: int) -> None:
    print(report.summary(), file=sys.stderr)
    if num_elsewhere:
        print(
            f"{num_elsewhere} of the pictures have web addresses: a dry run does not request them, and the"
            " run may refuse some",
            file=sys.stderr,
        )
