"""IIIF Change Discovery 1.0: a stream of activities, read backwards from its last page."""

from __future__ import annotations

from typing import Any

from data_prep.candidate import Found
from data_prep.institutions import InstitutionProfile


def read_discovery(
    document: bytes, uri: str, profile: InstitutionProfile, context: dict[str, Any] | None = None
) -> Found:
    """Links to changed documents and withdrawals, newest first. Never raises.

    The first word about a document in this order is the last word of the stream: the harvest ignores later links
    to, and withdrawals of, a document it has already met in the same walk. `context["since"]` is the time (ISO 8601)
    of the newest activity seen by the harvest before; reading stops there.
    """
    raise NotImplementedError
