"""Annotation pages and lists -> regions of images, each a candidate of its own.

What is kept: comments, descriptions and tags on a part of a page, and illustrations that a program found on
it. What is not: transcriptions. Their lists are as many as there are pages, so that they are not even asked
for where their label or address tells.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from data_prep.candidate import Candidate, Found, Link, Refusal
from data_prep.description import raw
from data_prep.description.captions import Statement
from data_prep.iiif.document import JsonObject, as_list, id_of, objects, parse_object, type_of, web_address
from data_prep.iiif.image_api import region_in_image
from data_prep.iiif.language_map import first_text, texts
from data_prep.iiif.selectors import CanvasPart, parts_of
from data_prep.iiif.upgrade import upgrade
from data_prep.institutions import InstitutionProfile
from iconoclip.record import RawPair, Region

MAX_ANNOTATIONS = 20_000
MAX_REGIONS = 500
MIN_SIDE_PIXELS = 24
# A part that covers more of the page than this is the page.
_WHOLE = 0.95
_SHORT_CHARS = 200
LABEL = "annotation"

_OF_THE_IMAGE = {
    "commenting",
    "describing",
    "tagging",
    "classifying",
    "identifying",
    "contextualizing",
    "assessing",
    "",
}
_TEXT = re.compile(
    r"\b(?:text|texts|ocr\w*|transcri\w+|words?|lines?|paragraphs?|volltext|fulltext|alto|hocr|plaintext)\b|contentastext",
    re.IGNORECASE,
)
_PICTURES = re.compile(r"image|figure|illustration|picture|photo|abbildung|miniatur|bild", re.IGNORECASE)


@dataclass(frozen=True)
class Page:
    """The canvas that annotations speak of: its image, and the size of the space they are measured in."""

    image: Candidate
    size: tuple[int, int] | None

    @functools.cached_property
    def context(self) -> dict[str, Any]:
        """The page as JSON, for the links to its annotations."""
        return {
            "page": _candidates().dump_python(self.image, mode="json", exclude_defaults=True),
            "size": self.size,
        }

    @classmethod
    def from_context(cls, context: dict[str, Any]) -> Page | None:
        """The page of a link's context; None where there is none."""
        try:
            image = _candidates().validate_python(context.get("page"))
        except ValidationError:
            return None
        size = context.get("size")
        is_size = (
            isinstance(size, (list, tuple)) and len(size) == 2 and all(isinstance(side, int) for side in size)
        )
        return cls(image, (size[0], size[1]) if is_size and size else None)


@functools.cache
def _candidates() -> TypeAdapter[Candidate]:
    return TypeAdapter(Candidate)


def read_annotations(
    document: bytes, uri: str, profile: InstitutionProfile, context: dict[str, Any] | None = None
) -> Found:
    """Regions described by an AnnotationPage (3.0) or an AnnotationList (2.1). Never raises.

    Args:
        context: that of the link: it tells which canvas shows which image, so that regions can be scaled.
    """
    value = parse_object(document, uri)
    if isinstance(value, Refusal):
        return Found(refusals=(value,))
    value = upgrade(value)
    if type_of(value) not in ("AnnotationPage", "AnnotationCollection"):
        return Found(
            refusals=(
                Refusal(
                    uri,
                    f"a {type_of(value)[:60] or 'thing without a type'}, not an AnnotationPage",
                    "everything",
                ),
            )
        )
    page = Page.from_context(context or {})
    if page is None:
        return Found(
            refusals=(Refusal(uri, "annotations without their manifest: of which image is not known"),)
        )
    _, finds = page_annotations([value], page, profile)
    candidates = tuple(find for find in finds if isinstance(find, Candidate))
    refusals = tuple(find for find in finds if isinstance(find, Refusal))
    return Found(candidates, tuple(_following(value, page, uri)), refusals)


def _following(value: JsonObject, page: Page, uri: str) -> Iterator[Link]:
    for key in ("next", "first"):
        if address := web_address(id_of(value.get(key)), uri):
            yield Link(address, "annotations", page.context)


def page_links(value: Any, page: Page, base: str) -> Iterator[Link]:
    """The link to annotations that are elsewhere, unless their name says that they are a transcription."""
    address = web_address(id_of(value), base)
    label = first_text(value.get("label")) if isinstance(value, dict) else None
    if address is None or (
        _TEXT.search(label or address.replace("_", " ")) and not _PICTURES.search(label or "")
    ):
        return
    yield Link(address, "annotations", page.context)


def page_annotations(
    pages: list[JsonObject], page: Page, profile: InstitutionProfile
) -> tuple[list[RawPair], list[Candidate | Refusal]]:
    """What annotations say of the whole page, and candidates of its parts (or why a part is none)."""
    of_page: list[Statement] = []
    of_parts: dict[CanvasPart, list[Statement]] = {}
    for annotation in _annotations(pages):
        statements = _statements(annotation)
        for part in parts_of(annotation.get("target"), page.size) if statements is not None else ():
            if part.region is None:
                of_page += statements or []
            elif len(of_parts) < MAX_REGIONS:
                of_parts.setdefault(part, []).extend(statements or [])
    finds: list[Candidate | Refusal] = []
    for part, said in of_parts.items():
        placed = _placed(part, page)
        if placed == "whole":
            of_page += said
        elif isinstance(placed, str):
            finds.append(Refusal(f"{part.source}#xywh={part.region}", placed))
        else:
            finds.append(_find(part, placed, said, page, profile))
    return raw.raw_pairs(of_page, "image"), finds


def _annotations(pages: list[JsonObject]) -> Iterator[JsonObject]:
    number = 0
    for page in pages:
        for annotation in objects(page.get("items")):
            number += 1
            if number > MAX_ANNOTATIONS:
                return
            yield annotation


def _statements(annotation: JsonObject) -> list[Statement] | None:
    """What an annotation says of its target; None where it is none of our business (a transcription, a
    link)."""
    motivations = {str(item).split(":")[-1] for item in as_list(annotation.get("motivation"))} or {""}
    if not motivations <= _OF_THE_IMAGE:
        return None
    bodies = [body for body in as_list(annotation.get("body")) if isinstance(body, (dict, str))]
    found = [statement for body in bodies for statement in _said(body)]
    is_picture = any(
        type_of(body) == "Image" and not id_of(body) for body in bodies if isinstance(body, dict)
    )
    names_picture = any(_PICTURES.search(statement.text) for statement in found)
    return found if found or is_picture or names_picture else None


def _said(body: JsonObject | str) -> Iterator[Statement]:
    address = id_of(body) or (id_of(body.get("source")) if isinstance(body, dict) else None) or ""
    if "iconclass.org/" in address:
        yield Statement("iconclass", address, None, LABEL)
    if not isinstance(body, dict) or type_of(body) in ("Image", "Dataset", "Feature", "Video", "Sound"):
        return
    if str(body.get("purpose", "")).split(":")[-1] not in _OF_THE_IMAGE:
        return
    for text, language in texts(body if "value" in body else body.get("label")):
        yield Statement("caption" if len(text) <= _SHORT_CHARS else "description", text, language, LABEL)


def _placed(part: CanvasPart, page: Page) -> Region | str:
    """Where a part lies on the image, as far as its size is known; or why nowhere."""
    region = part.region
    if region is None:
        return "whole"
    image_size = page.image.source_size
    space = image_size if part.is_image_space else page.size
    if part.is_image_space and page.image.service and part.source != page.image.service.id:
        return "a part of another image than the page's first"
    if space is not None:
        shown = region_in_image(region, space, image_size or space)
        if shown is None:
            return "a region outside of its page"
        region = shown
        full = image_size or space
        if region.width * region.height >= _WHOLE * full[0] * full[1]:
            return "whole"
    if min(region.width, region.height) < MIN_SIDE_PIXELS:
        return f"a region of only {region.width} x {region.height} pixels"
    return region


def _find(
    part: CanvasPart,
    placed: Region,
    said: list[Statement],
    page: Page,
    profile: InstitutionProfile,
) -> Candidate | Refusal:
    """A region with its own captions; a picture that a program found, without words, has those of its
    page."""
    # Cut on the size that the service states, whatever the manifest says of it: canvas units go there
    # directly.
    space = None if part.is_image_space else page.size
    is_known = page.image.source_size is not None or space is None
    own = raw.raw_pairs(said, "annotation")
    if not said or any(_PICTURES.search(statement.text) for statement in said):
        own.append(raw.raw_pair(LABEL, "", None, "annotation", raw.PICTURE))
    described = raw.Describer(profile).described(
        [*own, *page.image.raw], page.image.num_images, page.image.raw_num_dropped
    )
    if not described.description.captions and not described.description.iconclass:
        return Refusal(f"{part.source}#xywh={part.region}", "an annotation that describes nothing")
    return dataclasses.replace(
        page.image,
        source=page.image.source.model_copy(update={"region": placed if is_known else None}),
        **described.fields,
        region=placed,
        region_space=None if is_known else space,
        drawn=part.region if space else None,
        drawn_on=space,
    )
