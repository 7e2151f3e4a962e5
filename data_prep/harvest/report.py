"""Reports what a harvest stored and refused, for people (a summary) and for programs (report.json,
refused.jsonl)."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from data_prep.harvest.recording import rights_remedy
from data_prep.harvest.shards import Packed
from data_prep.ledger.absence import num_kept_unlisted
from data_prep.ledger.counts import (
    failed_items,
    num_documents_read,
    num_items_waiting,
    requests_by_host,
)
from data_prep.ledger.ledger import Ledger
from data_prep.ledger.walk import visits
from iconoclip.errors import BadInput, RightsForbid, SomeRefused, TryAgainLater
from iconoclip.files import atomic_write, write_json
from iconoclip.shardset import MANIFEST_NAME, ShardSet

REPORT_NAME = "report.json"
REFUSED_NAME = "refused.jsonl"
MAX_REASONS = 200
NUM_EXAMPLES = 3

# Appended to the reason of an item that failed in this run, but is in the set from an earlier run.
KEPT = "; kept as it was harvested before"

Refused = tuple[str, str]


@dataclass
class Report:
    """Counts of one piece of work."""

    num_samples: int = 0
    num_documents: int = 0
    num_refused: int = 0
    by_reason: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """Write report.json. Returns its path."""
        path = folder / REPORT_NAME
        write_json(path, asdict(self))
        return path

    def summary(self) -> str:
        """The report for a person."""
        lines = [
            f"{self.num_samples} samples from {self.num_documents} documents, {self.num_refused} refused"
        ]
        for reason, count in list(self.by_reason.items())[:20]:
            lines.append(f"  {count:>8}  {reason}")
            if remedy := rights_remedy(reason):
                lines.append(f"            remedy: {remedy}")
        if len(self.by_reason) > 20:
            lines.append(f"            ... and {len(self.by_reason) - 20} reasons more")
        return "\n".join(lines)


def report_of(refused: Iterable[Refused], folder: Path | None, **counts: Any) -> Report:
    """Count refusals by reason, and list each of them in refused.jsonl where there is a folder."""
    by_reason: Counter[str] = Counter()
    examples: dict[str, list[str]] = {}

    def counted() -> Iterator[Refused]:
        for source, reason in refused:
            kind = kind_of_reason(reason)
            by_reason[kind] += 1
            if len(shown := examples.setdefault(kind, [])) < NUM_EXAMPLES:
                shown.append(source)
            yield source, reason

    if folder is None:
        for _ in counted():
            pass
    else:
        with atomic_write(folder / REFUSED_NAME) as file:
            for source, reason in counted():
                file.write(
                    (json.dumps({"source": source, "reason": reason}, ensure_ascii=False) + "\n").encode()
                )
    common = dict(by_reason.most_common(MAX_REASONS))
    return Report(
        num_refused=by_reason.total(),
        by_reason=common,
        examples={reason: examples[reason] for reason in common},
        **counts,
    )


_PARTICULARS = re.compile(r"\b\d[\d.,x]*\b|'[^']{1,200}'|\"[^\"]{1,200}\"|https?://\S+")


# Prefixes that are too general alone: the text after the colon is kept too.
_PREFIXES = ("rights", "given up", "info.json", "withdrawn")


def kind_of_reason(reason: str) -> str:
    """A reason without its particulars, so that equal kinds are counted together; status codes stay."""
    if reason.startswith("rights:"):
        return reason.split(": '")[0][:160]
    if "HTTP " in reason:
        return reason[:160]
    parts = reason.split(": ")
    kept = 2 if parts[0] in _PREFIXES else 1
    return _PARTICULARS.sub("…", ": ".join(parts[:kept]))[:160]


def refusals_of(ledger: Ledger) -> Iterator[Refused]:
    """Everything refused before packing, in canonical order: documents, what they refused, items."""
    seen: set[str] = set()
    for visit in visits(ledger):
        if visit.state in ("refused", "not-known"):
            holds = visit.state == "not-known" and ledger.holds(visit.document)
            yield visit.uri, (visit.reason or "refused") + (KEPT if holds else "")
        yield from ledger.refusals_of(visit.document)
        for key, candidate, is_held, reason in failed_items(ledger, visit.document):
            if key not in seen:
                seen.add(key)
                yield json.loads(candidate)["source"]["id"], (reason or "refused") + (KEPT if is_held else "")


def must_wait(paused: dict[str, str], ledger: Ledger) -> TryAgainLater:
    """The error of a harvest whose servers ask to wait, with their names and reasons."""
    hosts = "; ".join(f"{host}: {reason}" for host, reason in sorted(paused.items()))
    num_left = num_items_waiting(ledger)
    return TryAgainLater(
        f"{num_left} known items, and possibly more, must wait for these servers: {hosts}",
        where=ledger.folder,
        remedy=("run the same command again later, or with --pack_incomplete true to pack what is there"),
    )


def nothing_usable(ledger: Ledger, out: Path) -> BadInput:
    """The error of a harvest without a sample, once its report is written."""
    report = report_of(refusals_of(ledger), out, num_documents=num_documents_read(ledger))
    path = report.write(out)
    print(report.summary(), file=sys.stderr)
    if report.by_reason and all(reason.startswith("rights:") for reason in report.by_reason):
        return _no_rights(report, path)
    return BadInput(
        "nothing usable in the sources", where=path, remedy="the report says why each item was refused"
    )


def _no_rights(report: Report, path: Path) -> RightsForbid:
    """The error of a harvest that refused all items for their rights: why, and what to do about each."""
    why = "; ".join(
        f"{count} {reason.removeprefix('rights: ')}" for reason, count in report.by_reason.items()
    )
    remedies = dict.fromkeys(filter(None, map(rights_remedy, report.by_reason)))
    return RightsForbid(
        f"the rights of all {report.num_refused} items leave nothing to use: {why}",
        where=path,
        remedy="; ".join(remedies),
    )


def report_of_harvest(ledger: Ledger, packed: Packed, out: Path) -> Report:
    """Write the report of a harvest that was packed."""
    refused = (*refusals_of(ledger), *packed.refused)
    report = report_of(
        refused,
        out,
        num_samples=packed.num_samples,
        num_documents=num_documents_read(ledger),
        notes={
            "smaller_than_asked": packed.num_smaller,
            "groups_joined": packed.num_clusters,
            "kept_though_not_read": packed.num_held,
            "kept_though_not_listed": num_kept_unlisted(ledger.database),
            "identifiers_with_several_images": packed.num_told_apart,
            "merged": {
                "num": packed.num_merged,
                "why": "offered more than once: the same identifier, showing the same image",
                "examples": [{"key": key, "also_in": uri} for key, uri in packed.merged],
            },
            "hosts": requests_by_host(ledger),
            **_selections(ledger),
        },
    )
    report.write(out)
    return report


def _selections(ledger: Ledger) -> dict[str, Any]:
    """The conditions that selected the items from a catalogue, where one is the source."""
    stored = ledger.get("selections")
    return {"selections": json.loads(stored)} if stored else {}


def say(report: Report, out: Path) -> int:
    """Print what was stored.

    Raises:
        SomeRefused: not everything was.
    """
    print(report.summary())
    print(f"shard set: {out / MANIFEST_NAME}")
    if report.num_refused:
        raise SomeRefused(
            f"{report.num_samples} samples stored, {report.num_refused} items refused",
            where=out / REPORT_NAME,
        )
    return 0


def already_finished(out: Path, words: str = "--refresh true asks the servers what has changed") -> int:
    """Answer a finished harvest that is run again in the same way as the first time.

    Raises:
        SomeRefused: not everything was stored.
    """
    num_samples = len(ShardSet(out))
    print(f"harvested already: {num_samples} samples in {out}; {words}")
    report = json.loads((out / REPORT_NAME).read_text()) if (out / REPORT_NAME).exists() else {}
    if report.get("num_refused"):
        raise SomeRefused(
            f"{num_samples} samples stored, {report['num_refused']} items refused", where=out / REPORT_NAME
        )
    return 0
