"""Annotation pages and lists -> regions of images, each a candidate of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from data_prep.candidate import Candidate, Found, Link, Refusal
from data_prep.iiif.document import JsonObject
from data_prep.institutions import InstitutionProfile


@dataclasses.dataclass(frozen=True)
class Page:
    """The canvas that annotations speak of: its image, and the size of the space they are measured in."""

    image: Candidate
    size: tuple[int, int] | None


def page_regions(
    annotations: JsonObject, page: Page, profile: InstitutionProfile
) -> Iterator[Candidate | Refusal]:
    yield from ()


def page_links(annotations: Any, page: Page, base: str) -> Iterator[Link]:
    yield from ()


def read_annotations(
    document: bytes, uri: str, profile: InstitutionProfile, context: dict[str, Any] | None = None
) -> Found:
    """Regions described by an AnnotationPage (3.0) or an AnnotationList (2.1). Never raises.

    `context` is the one of the link: it tells which canvas shows which image, so that regions can be scaled.
    """
    raise NotImplementedError
