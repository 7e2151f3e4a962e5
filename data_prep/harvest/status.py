"""`iconoclip status`: the state of a harvest, read from its ledger while it runs or afterwards."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from data_prep.harvest.config import StatusConfig
from data_prep.harvest.report import kind_of_reason
from data_prep.ledger.counts import Counts, read_counts
from iconoclip.errors import DamagedData, MissingRequirement

STATES: Final = ("pending", "retry-later", "fetched", "refused", "not-known")
# A run that has written nothing for this long is not running.
STALE_SECONDS: Final = 60.0


@dataclass
class HarvestStatus:
    """The state of a harvest."""

    is_finished: bool = False
    is_running: bool = False
    documents: dict[str, int] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Host -> items by state, requests, bytes, and why it is paused."""
    reasons: dict[str, int] = field(default_factory=dict)
    items_per_second: float | None = None
    seconds_left: float | None = None


def status(config: StatusConfig) -> int:
    """Print the state of a harvest.

    Raises:
        MissingRequirement: there is no harvest.
        DamagedData: its ledger cannot be read.
    """
    found = read_status(config.folder)
    if config.json:
        print(json.dumps(asdict(found), indent=2))
    else:
        _print(found, config.folder)
    return 0


def ledgers_of(folder: Path) -> list[Path]:
    """The ledgers of a harvest: one, or one per task."""
    return sorted(folder.glob(".harvest/ledger.sqlite")) or sorted(
        folder.glob(".harvest/task-*/ledger.sqlite")
    )


def read_status(folder: Path) -> HarvestStatus:
    """The state of the harvest in `folder`, over all its tasks."""
    paths = ledgers_of(folder)
    if not paths:
        raise MissingRequirement(
            "no harvest here", where=folder, remedy="give the folder that `iconoclip harvest --out` was given"
        )
    found = HarvestStatus(is_finished=True)
    for path in paths:
        try:
            _add(found, read_counts(path))
        except sqlite3.DatabaseError as error:
            raise DamagedData(f"the ledger cannot be read: {error}", where=path) from error
    found.hosts = {host: dict(entry) for host, entry in sorted(found.hosts.items())}
    num_left = sum(found.items.get(state, 0) for state in ("pending", "retry-later"))
    if found.items_per_second and num_left:
        found.seconds_left = num_left / found.items_per_second
    return found


def _add(found: HarvestStatus, counts: Counts) -> None:
    meta = counts.meta
    found.is_finished &= "finished" in meta
    _count(found.documents, counts.documents)
    _count(found.items, [(state, count) for _, state, count in counts.items])
    for host, state, count in counts.items:
        found.hosts.setdefault(host or "(files)", defaultdict(int))[state] += count
    for host, requests, num_bytes, paused in counts.hosts:
        entry = found.hosts.setdefault(host or "(files)", defaultdict(int))
        entry["requests"] += requests
        entry["bytes"] += num_bytes
        if paused:
            entry["paused"] = paused
    _count(found.reasons, [(kind_of_reason(reason or "unknown"), count) for reason, count in counts.reasons])
    pulse = json.loads(meta.get("pulse", "{}"))
    if pulse and time.time() - pulse["at"] < STALE_SECONDS and "finished" not in meta:
        found.is_running = True
        seconds = max(pulse["at"] - pulse["since"], 0.1)
        found.items_per_second = (found.items_per_second or 0.0) + pulse["settled"] / seconds


def _count(counts: dict[str, int], rows: Any) -> None:
    for state, count in rows:
        counts[state] = counts.get(state, 0) + count


def _print(found: HarvestStatus, folder: Path) -> None:
    # Hosts and reasons come from outside: brackets in them are text.
    console = Console(markup=False, emoji=False)
    state = (
        "finished"
        if found.is_finished
        else "running"
        if found.is_running
        else "stopped; run it again to resume"
    )
    console.print(f"harvest in {folder}: {state}", highlight=False)
    table = Table("", *STATES, "requests", "MB", title=None, box=None)
    table.add_row("documents", *(str(found.documents.get(name, 0)) for name in STATES))
    table.add_row("items", *(str(found.items.get(name, 0)) for name in STATES))
    for host, entry in sorted(found.hosts.items()):
        counts = [str(entry.get(name, 0)) for name in STATES]
        table.add_row(
            f"  {host}", *counts, str(entry.get("requests", 0)), f"{entry.get('bytes', 0) / 1e6:.1f}"
        )
    console.print(table)
    for host, entry in sorted(found.hosts.items()):
        if entry.get("paused"):
            console.print(f"  {host} waits: {entry['paused']}", highlight=False)
    if found.items_per_second is not None:
        left = (
            ""
            if found.seconds_left is None
            else f", about {found.seconds_left / 60:.0f} min for what is known"
        )
        console.print(f"{found.items_per_second:.1f} items per second{left}", highlight=False)
    for reason, count in sorted(found.reasons.items(), key=lambda pair: -pair[1])[:30]:
        console.print(f"  {count:>8}  {reason}", highlight=False)
