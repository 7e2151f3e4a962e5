"""Collects the candidates, links and refusals that readers yield into a Found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from data_prep.candidate import Candidate, Found, Link, Refusal, Withdrawal

Find = Candidate | Link | Refusal | Withdrawal


def sorted_finds(finds: Iterable[Find]) -> Found:
    """Finds by their kind, each kind in document order."""
    found: dict[type, list[Any]] = {Candidate: [], Link: [], Refusal: [], Withdrawal: []}
    for find in finds:
        found[type(find)].append(find)
    return Found(tuple(found[Candidate]), tuple(found[Link]), tuple(found[Refusal]), tuple(found[Withdrawal]))
