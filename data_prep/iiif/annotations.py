"""Annotation pages and lists -> regions of images, each a candidate of its own."""

from __future__ import annotations

from typing import Any

from data_prep.candidate import Found
from data_prep.institutions import InstitutionProfile


def read_annotations(
    document: bytes, uri: str, profile: InstitutionProfile, context: dict[str, Any] | None = None
) -> Found:
    """Regions described by an AnnotationPage (3.0) or an AnnotationList (2.1). Never raises.

    `context` is the one of the link: it tells which canvas shows which image, so that regions can be scaled.
    """
    raise NotImplementedError
