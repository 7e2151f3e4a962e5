"""How a job array shares a list of sources: in the same way every time, and no host is asked by two tasks.

A host's limit on requests holds for the harvest that asks it, and each task is a harvest of its own. So all sources
of one host go to one task; more tasks than hosts would not be quicker, only ruder.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from iconoclip.errors import ConfigError


def shares_of(sources: Sequence[str], num_tasks: int) -> list[list[str]]:
    """The sources of each task: every source in one, hosts kept together, the load as even as that allows.

    A function of the list and the number alone.

    Raises:
        ConfigError: more tasks than hosts (each local file counts as one).
    """
    groups: dict[str, list[str]] = {}
    for source in sources:
        groups.setdefault(host_of(source) or source, []).append(source)
    if num_tasks > len(groups):
        raise ConfigError(
            f"the sources lie on {len(groups)} host(s), which {num_tasks} tasks cannot share without asking one "
            "of them from two sides",
            where="--num_tasks",
            remedy=f"give --num_tasks {len(groups)} or fewer" if len(groups) > 1 else "leave it out",
        )
    shares: list[list[str]] = [[] for _ in range(num_tasks)]
    for group in sorted(groups.values(), key=len, reverse=True):
        min(shares, key=len).extend(group)
    return shares


def host_of(source: str) -> str:
    """The host of an address, in lower case; empty for a file."""
    return (urlsplit(source).hostname or "").lower() + _port(source) if "://" in source else ""


def _port(source: str) -> str:
    try:
        port = urlsplit(source).port
    except ValueError:
        return ""
    return f":{port}" if port else ""
