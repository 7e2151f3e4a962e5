"""The rate limit of each host: from the institution's profile, otherwise the config,
otherwise a careful default.
"""

from __future__ import annotations

from collections.abc import Callable

from data_prep.composition import changes_in
from data_prep.config_groups import Network
from data_prep.institutions import HostLimit, InstitutionProfile, load_profile, profile_for
from data_prep.network.hosts import Pace
from iconoclip.addresses import is_loopback


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


def profiles(institution: str | None, composition: str) -> Callable[[str], InstitutionProfile]:
    """The profile of each document's institution: the one that is configured, otherwise by the address.

    Args:
        institution: the name of a shipped profile, or a YAML file; None chooses by the address.
        composition: the name or file of the rules for captions.
    """
    changes = changes_in(composition)
    if institution is not None:
        profile = load_profile(institution).with_composition(changes)
        return lambda _: profile
    composed: dict[str, InstitutionProfile] = {}

    def by_address(uri: str) -> InstitutionProfile:
        profile = profile_for(uri)
        if profile.slug not in composed:
            composed[profile.slug] = profile.with_composition(changes)
        return composed[profile.slug]

    return by_address if changes else profile_for
