"""LIDO records."""

from __future__ import annotations

from typing import Any

from data_prep.candidate import Found
from data_prep.institutions import InstitutionProfile


def read_lido(
    document: bytes, uri: str, profile: InstitutionProfile, context: dict[str, Any] | None = None
) -> Found:
    """Candidates of a LIDO document. Never raises."""
    raise NotImplementedError
