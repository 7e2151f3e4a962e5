"""Machine-readable reservations against text and data mining or AI training, wherever a server states them.

- TDMRep (W3C Community Group, 2024): `tdm-reservation` header; /.well-known/tdmrep.json
- `X-Robots-Tag: noai, noimageai` (DeviantArt's proposal, widely used), alone or for our name
- Content-Usage (IETF aipref drafts): header, or a rule in robots.txt; `train-ai`, else the broader `bots`
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Final

PRODUCT: Final = "iconoclip"
# The categories to check, from the specific to the general, if one is not mentioned.
_CATEGORIES: Final = ("train-ai", "ai", "tdm", "bots")


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
