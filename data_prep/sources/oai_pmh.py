"""OAI-PMH 2.0 responses: oai_dc and EDM records, resumption tokens, deletions."""

from __future__ import annotations

from typing import Any

from data_prep.candidate import Found
from data_prep.institutions import InstitutionProfile


def read_oai_pmh(
    document: bytes, uri: str, profile: InstitutionProfile, context: dict[str, Any] | None = None
) -> Found:
    """Candidates, links (manifests, the next page) and withdrawals of one response. Never raises."""
    raise NotImplementedError
