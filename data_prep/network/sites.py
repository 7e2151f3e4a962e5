"""The rules of a site for robots, which are read once per day, and reservations against text and data mining
or AI training, wherever a server states them.

- robots.txt (RFC 9309)
- TDMRep (W3C Community Group, 2024): `tdm-reservation` header; /.well-known/tdmrep.json
- `X-Robots-Tag: noai, noimageai` (DeviantArt's proposal, widely used), alone or for our name
- Content-Usage (IETF aipref drafts): header, or a rule in robots.txt; `train-ai`, else the broader `bots`
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from protego import Protego

from data_prep.network.addresses import host_of
from data_prep.network.hosts import HostGate
from data_prep.network.shared_calls import SharedCalls

PRODUCT: Final = "iconoclip"
# The categories to check, from the specific to the general, if one is not mentioned.
_CATEGORIES: Final = ("train-ai", "ai", "tdm", "bots")
# RFC 9309, section 2.4: a cached robots.txt should not be used for more than a day.
SITE_RULES_SECONDS: Final = 86_400


@dataclass(frozen=True)
class SiteRules:
    """The rules of a site for robots: robots.txt and TDMRep as received, and the time (seconds since
    1970)."""

    robots_txt: str = ""
    tdmrep: bytes = b""
    at: float = 0.0
    _parsed: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def robots(self) -> Any:
        """The parsed robots.txt; parsed once."""
        if "robots" not in self._parsed:
            self._parsed["robots"] = Protego.parse(self.robots_txt)
            self._parsed["usage"] = content_usage_rules(self.robots_txt)
            self._parsed["tdmrep"] = tdmrep_rules(self.tdmrep) if self.tdmrep else []
        return self._parsed["robots"]

    def opt_out(self, path: str, *, with_tdmrep: bool) -> set[str]:
        """The reservations that the site's files state for a path."""
        _ = self.robots
        signals = set()
        usage = usage_for(self._parsed["usage"], path) if self._parsed["usage"] else None
        if usage and forbids_training(usage):
            signals.add("content-usage")
        if with_tdmrep and tdmrep_reserves(self._parsed["tdmrep"], path):
            signals.add("tdmrep")
        return signals


class SiteMemory(Protocol):
    """Stores the rules of sites between runs; the ledger is an implementation."""

    def recall_site(self, origin: str) -> SiteRules | None:
        """The stored rules of a site, however old."""

    def remember_site(self, origin: str, rules: SiteRules) -> None:
        """Store the rules of a site for later runs."""


class Sites:
    """The rules of all sites of a harvest, requested once per run and site, and once per day over all runs.

    Args:
        file_of: gives a file of a site, by origin and path; empty if the site has none.
        gate_of: the rate limiter of a host, which keeps to the site's crawl delay.
        memory: stores rules between runs.
    """

    def __init__(
        self,
        file_of: Callable[[str, str], Awaitable[bytes]],
        gate_of: Callable[[str], HostGate],
        memory: SiteMemory | None,
    ) -> None:
        self._file_of, self._gate_of, self._memory = file_of, gate_of, memory
        self._known: dict[str, SiteRules] = {}
        self._calls: SharedCalls[SiteRules] = SharedCalls()

    async def rules(self, origin: str) -> SiteRules:
        """The rules of a site; all callers that wait for them share the requests.

        Raises:
            NotNow: they cannot be read now, so nothing of the site may be requested (RFC 9309, 2.3.1.4).
        """
        known = self._known.get(origin)
        return known or await self._calls.of(origin, lambda: self._learn(origin))

    def close(self) -> None:
        """Cancel the requests that are running."""
        self._calls.cancel()

    async def _learn(self, origin: str) -> SiteRules:
        rules = self._memory.recall_site(origin) if self._memory else None
        if rules is None or time.time() - rules.at > SITE_RULES_SECONDS:
            robots_txt = (await self._file_of(origin, "/robots.txt")).decode("utf-8", "replace")
            tdmrep = await self._file_of(origin, "/.well-known/tdmrep.json")
            rules = SiteRules(robots_txt, tdmrep, time.time())
            if self._memory:
                self._memory.remember_site(origin, rules)
        try:
            delay = rules.robots.crawl_delay(PRODUCT)
        except Exception:  # the parser reads untrusted text; an unreadable delay counts as none
            delay = None
        self._gate_of(host_of(origin)).respect_crawl_delay(delay)
        self._known[origin] = rules
        return rules


def from_headers(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, ...], bool]:
    """Reservations in response headers.

    Returns:
        The signals seen, and whether the headers state a TDMRep reservation at all (they overrule the site's
        file).
    """
    signals: set[str] = set()
    states_tdmrep = False
    for name, value in headers:
        name = name.lower()
        if name == "x-robots-tag" and _robots_tag_forbids(value):
            signals.add("noai")
        elif name == "tdm-reservation":
            states_tdmrep = True
            if value.strip() == "1":
                signals.add("tdmrep")
        elif name == "content-usage" and forbids_training(value):
            signals.add("content-usage")
    return tuple(sorted(signals)), states_tdmrep


def _robots_tag_forbids(value: str) -> bool:
    bot, colon, rest = value.partition(":")
    if colon and "," not in bot:
        if bot.strip().lower() not in (PRODUCT, "*"):
            return False
        value = rest
    return any(rule.strip().lower() in ("noai", "noimageai") for rule in value.split(","))


def forbids_training(content_usage: str) -> bool:
    """Whether a Content-Usage dictionary (RFC 9651 syntax, `key=y` or `key=n`) forbids training."""
    stated: dict[str, bool] = {}
    for part in content_usage.split(","):
        key, equals, value = part.strip().partition("=")
        value = value.split(";")[0].strip().strip('"').lower()
        if equals and value in ("y", "n"):
            stated[key.strip().lower()] = value == "y"
    return next((not stated[category] for category in _CATEGORIES if category in stated), False)


def content_usage_rules(robots_txt: str) -> list[tuple[str, str]]:
    """The Content-Usage rules in robots.txt that apply to us, as (path pattern, usage).

    If a group names us, only that group counts; otherwise the group for all (RFC 9309, section 2.2.1).
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    agents: list[str] = []
    in_rules = False
    for line in robots_txt.splitlines():
        key, colon, value = line.split("#")[0].partition(":")
        key, value = key.strip().lower(), value.strip()
        if not colon:
            continue
        if key == "user-agent":
            agents = [value.lower()] if in_rules else [*agents, value.lower()]
            in_rules = False
            for agent in agents:
                groups.setdefault(agent, [])
            continue
        in_rules = True
        if key == "content-usage":
            path, _, usage = value.partition(" ") if value.startswith(("/", "*")) else ("/", "", value)
            for agent in agents:
                groups[agent].append((path, usage))
    return groups[PRODUCT] if PRODUCT in groups else groups.get("*", [])


def usage_for(rules: Iterable[tuple[str, str]], path: str) -> str | None:
    """The Content-Usage that applies to a path: all rules of the longest pattern that matches."""
    matching = [(pattern, usage) for pattern, usage in rules if matches(pattern, path)]
    longest = max((len(pattern) for pattern, _ in matching), default=0)
    return ", ".join(usage for pattern, usage in matching if len(pattern) == longest) or None


def matches(pattern: str, path: str) -> bool:
    """Whether a robots.txt path pattern (`*`, trailing `$`) matches a path."""
    expression = re.escape(pattern.rstrip("$")).replace(r"\*", ".*")
    return re.match(expression + ("$" if pattern.endswith("$") else ""), path) is not None


def tdmrep_rules(body: bytes) -> list[tuple[str, bool]]:
    """The rules of /.well-known/tdmrep.json as (location pattern, reserved); malformed ones are skipped."""
    try:
        entries = json.loads(body)
    except (ValueError, RecursionError):
        return []
    rules = []
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, Mapping) and isinstance(entry.get("location"), str):
            reserved = str(entry.get("tdm-reservation", "")).strip() == "1"
            rules.append((entry["location"][:1000], reserved))
    return rules[:10_000]


def tdmrep_reserves(rules: Iterable[tuple[str, bool]], path: str) -> bool:
    """Whether the most specific matching rule reserves. Of two equally specific rules,
    the reserving one counts.
    """
    matching = [(len(pattern), reserved) for pattern, reserved in rules if matches(pattern, path)]
    return max(matching, default=(0, False))[1]
