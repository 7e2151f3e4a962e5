"""Europeana Search (JSON, cursor) and Record (EDM) responses."""

from __future__ import annotations

from typing import Any

from data_prep.candidate import Found
from data_prep.institutions import InstitutionProfile


def read_europeana(
    document: bytes, uri: str, profile: InstitutionProfile, context: dict[str, Any] | None = None
) -> Found:
    """Candidates of one response and the link to the next page. Never raises."""
    raise NotImplementedError
