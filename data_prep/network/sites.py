"""The rules of a site for robots: robots.txt, TDMRep and Content-Usage. They are read once per day."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from protego import Protego

from data_prep.network import optout
from data_prep.network.addresses import host_of
from data_prep.network.hosts import HostGate
from data_prep.network.shared_calls import SharedCalls

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
            self._parsed["usage"] = optout.content_usage_rules(self.robots_txt)
            self._parsed["tdmrep"] = optout.tdmrep_rules(self.tdmrep) if self.tdmrep else []
        return self._parsed["robots"]

    def opt_out(self, path: str, *, with_tdmrep: bool) -> set[str]:
        """The reservations that the site's files state for a path."""
        _ = self.robots
        signals = set()
        usage = optout.usage_for(self._parsed["usage"], path) if self._parsed["usage"] else None
        if usage and optout.forbids_training(usage):
            signals.add("content-usage")
        if with_tdmrep and optout.tdmrep_reserves(self._parsed["tdmrep"], path):
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
            delay = rules.robots.crawl_delay(optout.PRODUCT)
        except Exception:  # the parser reads untrusted text; an unreadable delay counts as none
            delay = None
        self._gate_of(host_of(origin)).respect_crawl_delay(delay)
        self._known[origin] = rules
        return rules
