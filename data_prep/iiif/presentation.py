"""IIIF Presentation documents -> candidates and links. 2.1 is upgraded to 3.0; then there is one path."""

from __future__ import annotations

from typing import Any

from data_prep.candidate import Found
from data_prep.institutions import InstitutionProfile


def read_presentation(
    document: bytes, uri: str, profile: InstitutionProfile, context: dict[str, Any] | None = None
) -> Found:
    """Candidates of a Manifest, links of a Collection; what cannot be used is refused with its reason. Never raises."""
    raise NotImplementedError
