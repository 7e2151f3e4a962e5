"""The HTTP client of a harvest, and the rate limit of each host: from the institution's profile, otherwise
from the config, otherwise a careful default.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from data_prep.config_groups import Network
from data_prep.institutions import HostLimit, InstitutionProfile, profile_for
from data_prep.ledger.ledger import Ledger
from data_prep.network.addresses import AllowList
from data_prep.network.fetch import Fetcher, Limits
from data_prep.network.hosts import Pace
from data_prep.sources.address_list import addresses_of
from iconoclip.addresses import is_loopback


def fetcher_for(
    ledger: Ledger,
    network: Network,
    profile_of: Callable[[str], InstitutionProfile],
    *,
    sources: Sequence[str],
    contact: str | None,
    pace_folder: Path | None = None,
) -> Fetcher:
    """The HTTP client of a harvest.

    Args:
        ledger: stores the rules of sites for robots.
        network: the limits.
        profile_of: gives the institution of an address, for its rate limit.
        sources: the addresses that the user named; their hosts are always allowed.
        contact: whom a server's operator may write to.
        pace_folder: a folder through which the tasks of an array share the rate limits.
    """
    return Fetcher(
        contact=contact,
        allowed=AllowList(network.allow_hosts, addresses_of(sources)),
        pace_of=lambda host: pace_of(host, network, profile_of),
        limits=Limits(
            network.max_attempts, network.stall_seconds, network.max_wait_seconds, network.retry_seconds
        ),
        memory=ledger,
        pace_folder=pace_folder,
        proxy=network.proxy,
    )


def pace_of(host: str, network: Network, profile_of: Callable[[str], InstitutionProfile]) -> Pace:
    """The rate limit of a host, from its profile, the config, or a careful default; higher on loopback."""
    name = host.rpartition(":")[0] if ":" in host else host
    limit = _limit_of(name, profile_of(f"https://{host}/")) or _limit_of(
        name, profile_for(f"https://{host}/")
    )
    if limit is not None:
        return Pace(
            60 / limit.requests_per_minute, limit.concurrency, limit.cool_down_seconds, limit.refusal_is_final
        )
    if is_loopback(name):
        interval = 60 / network.requests_per_minute if network.requests_per_minute else 0.0
        return Pace(interval, network.concurrency or 8, cool_down_seconds=1.0)
    return Pace(60 / (network.requests_per_minute or 60), network.concurrency or 2)


def _limit_of(host: str, profile: InstitutionProfile) -> HostLimit | None:
    labels = host.split(".")
    names = (".".join(labels[start:]) for start in range(len(labels)))
    return next((profile.hosts[name] for name in names if name in profile.hosts), None)
