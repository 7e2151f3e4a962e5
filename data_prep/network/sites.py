"""What a site asks of robots: robots.txt, TDMRep and Content-Usage, read once a day."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from protego import Protego

from data_prep.network import optout


@dataclass(frozen=True)
class SiteRules:
    """What a site asks of robots: robots.txt and TDMRep, as received, and when (seconds since 1970)."""

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
    """Where site rules outlive the process; the ledger is one."""

    def recall_site(self, origin: str) -> SiteRules | None:
        """What was remembered, however old."""

    def remember_site(self, origin: str, rules: SiteRules) -> None:
        """Store the rules of a site for later runs."""
