"""Reads annotation pages and lists. Each region of an image that they describe becomes a candidate.

Comments, descriptions and tags on a part of a page are kept, and illustrations that a program found on it.
Transcriptions are not. There is one list of them per page, so lists that are transcriptions by their label or
address are not requested at all.
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
from data_prep.description.raw import raw_pair
from data_prep.iiif.descriptive import pairs_of
from data_prep.iiif.document import JsonObject, as_list, id_of, objects, parse_object, type_of, web_address
from data_prep.iiif.image_api import region_in_image
from data_prep.iiif.language_map import first_text, texts
from data_prep.iiif.selectors import CanvasPart, parts_of
from data_prep.iiif.turns import before_turning
from data_prep.iiif.upgrade import upgrade
from data_prep.institutions import InstitutionProfile
from iconoclip.record import RawPair, Region

MAX_ANNOTATIONS = 20_000
MAX_REGIONS = 500
MAX_CHOICES = 100
MIN_SIDE_PIXELS = 24
# A part that covers more of the page than this counts as the page.
_WHOLE = 0.95
# If a canvas consists of several images, this share of a part must be on one of them.
_INSIDE = 0.9
_SHORT_CHARS = 200
LABEL = raw.ANNOTATION
# EXIF numbers the orientations that swap width and height from 5 on.
_FIRST_QUARTER_TURN = 5

_OF_THE_IMAGE = {
    "commenting",
    "describing",
    "tagging",
    "classifying",
    "identifying",
    "contextualizing",
    "assessing",
    "highlighting",
    "",
}
_TEXT = re.compile(
    r"\b(?:text|texts|ocr\w*|transcri\w+|words?|lines?|paragraphs?|volltext|fulltext|alto|hocr|plaintext)\b|contentastext",
    re.IGNORECASE,
)
_PICTURES = re.compile(r"image|figure|illustration|picture|photo|abbildung|miniatur|bild", re.IGNORECASE)


_PICTURE_ALONE = re.compile(
    r"(?:images?|figures?|illustrations?|pictures?|photos?|abbildung(?:en)?|miniatur(?:e|en|es|a|as)?s?|miniatuur|bild(?:er)?)",
    re.IGNORECASE,
)
_MAX_DEPTH = 6
_MAX_NAMED_REFUSALS = 100


@dataclass(frozen=True)
class Page:
    """The canvas that annotations describe: its image, and the size of the space in which they are
    measured."""

    image: Candidate
    size: tuple[int, int] | None
    painted: tuple[tuple[Region | None, Candidate], ...] = ()
    """If a canvas consists of several images: each image with the part of the canvas on which it is painted
    (None for the whole canvas), the topmost image last. Empty if every image shows the whole canvas."""

    def showing(self, part: CanvasPart) -> tuple[Page, CanvasPart] | None:
        """The image that shows a part of the canvas, as a separate page, and the part on that page.

        If several images show the whole part, the topmost counts; None if no single image does.
        """
        if part.region is None or part.is_image_space or not self.painted:
            return self, part
        for on, image in reversed(self.painted):
            if on is None:
                return Page(image, self.size), part
            if _is_inside(part.region, on):
                moved = part.region.model_copy(update={"x": part.region.x - on.x, "y": part.region.y - on.y})
                return Page(image, (on.width, on.height)), dataclasses.replace(part, region=moved)
        return None

    @property
    def image_space(self) -> tuple[int, int] | None:
        """`size` before the canvas rotates the image: regions are cut from the unrotated image."""
        across = self.size and (self.size[1], self.size[0])
        return across if self.image.turn >= _FIRST_QUARTER_TURN else self.size

    def before_turning(self, part: CanvasPart) -> CanvasPart:
        """Convert a part of the canvas to a part of the image, if the canvas shows the image rotated."""
        if part.region is None or part.is_image_space or self.size is None:
            return part
        region, _ = before_turning(part.region, self.size, self.image.turn)
        return dataclasses.replace(part, region=region)

    @functools.cached_property
    def context(self) -> dict[str, Any]:
        """The page as JSON, for the links to its annotations."""
        return {
            "page": _candidates().dump_python(self.image, mode="json", exclude_defaults=True),
            "size": self.size,
            **({"painted": _painted().dump_python(self.painted, mode="json")} if self.painted else {}),
        }

    @classmethod
    def from_context(cls, context: dict[str, Any]) -> Page | None:
        """The page in the context of a link; None if there is none."""
        try:
            image = _candidates().validate_python(context.get("page"))
            painted = _painted().validate_python(context.get("painted") or ())
        except ValidationError:
            return None
        size = context.get("size")
        is_size = (
            isinstance(size, (list, tuple)) and len(size) == 2 and all(isinstance(side, int) for side in size)
        )
        return cls(image, (size[0], size[1]) if is_size and size else None, painted)


@functools.cache
def _candidates() -> TypeAdapter[Candidate]:
    return TypeAdapter(Candidate)


@functools.cache
def _painted() -> TypeAdapter[tuple[tuple[Region | None, Candidate], ...]]:
    return TypeAdapter(tuple[tuple[Region | None, Candidate], ...])


def _is_inside(part: Region, on: Region) -> bool:
    """Whether a part lies in a region, with some tolerance: people draw a little over the edge."""
    width = min(part.x + part.width, on.x + on.width) - max(part.x, on.x)
    height = min(part.y + part.height, on.y + on.height) - max(part.y, on.y)
    return min(width, height) > 0 and width * height >= _INSIDE * part.width * part.height


def read_annotations(
    document: bytes, uri: str, profile: InstitutionProfile, context: dict[str, Any] | None = None
) -> Found:
    """Regions described by an AnnotationPage (3.0) or an AnnotationList (2.1). Never raises.

    Args:
        context: the context of the link. It states which canvas shows which image, so that regions can be
            scaled.
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
        return Found(refusals=(Refusal(uri, "annotations without their manifest: their image is not known"),))
    _, finds = page_annotations([value], page, profile, uri)
    candidates = tuple(find for find in finds if isinstance(find, Candidate))
    refusals = tuple(find for find in finds if isinstance(find, Refusal))
    return Found(candidates, tuple(_following(value, page, uri)), refusals)


def _following(value: JsonObject, page: Page, uri: str) -> Iterator[Link]:
    for key in ("next", "first"):
        if address := web_address(id_of(value.get(key)), uri):
            yield Link(address, "annotations", page.context)


def page_links(value: Any, page: Page, base: str) -> Iterator[Link]:
    """The link to annotations in another document, unless they are a transcription by their name."""
    address = web_address(id_of(value), base)
    label = first_text(value.get("label")) if isinstance(value, dict) else None
    if address is None or (
        _TEXT.search(label or address.replace("_", " ")) and not _PICTURES.search(label or "")
    ):
        return
    yield Link(address, "annotations", page.context)


def page_annotations(
    pages: list[JsonObject], page: Page, profile: InstitutionProfile, uri: str
) -> tuple[list[RawPair], list[Candidate | Refusal]]:
    """The statements of annotations about the whole page, and a candidate (or a refusal) for each part.

    An annotation about the image that gives neither is refused with the reason.

    Args:
        uri: the document that contains the annotations.
    """
    of_page: list[RawPair] = []
    of_parts: dict[CanvasPart, tuple[Page, CanvasPart, list[RawPair]]] = {}
    refused: list[Refusal] = []
    for annotation in _annotations(pages):
        if not _is_of_the_image(annotation):
            continue
        name = id_of(annotation) or uri
        said = _pairs(annotation)
        if isinstance(said, str):
            refused.append(Refusal(name, said))
            continue
        parts = list(parts_of(annotation.get("target"), page.size, page.image.source_size))
        if not parts:
            refused.append(Refusal(name, "an annotation of a point, a time, or nothing on the page"))
        for part in parts:
            if part.region is None:
                of_page += said
            elif (showing := page.showing(part)) is None:
                refused.append(Refusal(name, "a part of the canvas that no single image of it shows"))
            elif part in of_parts or len(of_parts) < MAX_REGIONS:
                of_parts.setdefault(part, (*showing, []))[2].extend(said)
            else:
                refused.append(Refusal(name, f"more than {MAX_REGIONS} regions on one page"))
    finds: list[Candidate | Refusal] = []
    for shown, drawn, said in of_parts.values():
        part = shown.before_turning(drawn)
        placed = _placed(part, shown)
        if placed == "whole" and shown.image is not page.image:
            width, height = shown.image.source_size or shown.image_space or (0, 0)
            placed = Region(x=0, y=0, width=width, height=height) if width and height else placed
        if placed == "whole":
            of_page += said
        elif isinstance(placed, str):
            finds.append(Refusal(f"{part.source}#xywh={part.region}", placed))
        else:
            finds.append(_find(part, placed, said, shown, profile))
    return _of_the_page(of_page), [*finds, *_counted(refused)]


def _counted(refused: list[Refusal]) -> list[Refusal]:
    """The first hundred refusals, and the number of further ones."""
    num_more = len(refused) - _MAX_NAMED_REFUSALS
    if num_more <= 0:
        return refused
    last = Refusal(refused[-1].source, f"and {num_more} more refused annotations of the same page")
    return [*refused[:_MAX_NAMED_REFUSALS], last]


def _annotations(pages: list[JsonObject]) -> Iterator[JsonObject]:
    number = 0
    for page in pages:
        for annotation in objects(page.get("items")):
            number += 1
            if number > MAX_ANNOTATIONS:
                return
            yield annotation


def _is_of_the_image(annotation: JsonObject) -> bool:
    """Whether an annotation describes what the image shows. Transcriptions and links do not, and an
    annotation of another annotation, or of nothing, belongs to the internal structure of a viewer."""
    motivations = _purposes(annotation.get("motivation")) or {""}
    bodies = objects(annotation.get("body"))
    purposes = [_purposes(body.get("purpose")) for body in bodies]
    is_foreign = bool(bodies) and all(purpose and not purpose & _OF_THE_IMAGE for purpose in purposes)
    targets = [target for target in as_list(annotation.get("target")) if type_of(target) != "Annotation"]
    return motivations <= _OF_THE_IMAGE and not is_foreign and bool(targets)


def _purposes(value: Any) -> set[str]:
    return {str(item).split(":")[-1] for item in as_list(value)}


def _pairs(annotation: JsonObject) -> list[RawPair] | str:
    """The statements of an annotation about its target, from its bodies or its own properties; or the reason
    why there is none."""
    bodies = [body for body in as_list(annotation.get("body")) if isinstance(body, (dict, str))]
    found = [pair for body in bodies for pair in _said(body, 0)]
    if isinstance(value := annotation.get("bodyValue"), str):
        found.append(_worded(value, None))
    # A label next to a body is often a number in the list. Without a body, the label is the statement.
    own = pairs_of(annotation, "annotation", "ignore" if found else "caption")
    # The rights of an annotation apply to the note, not to the picture.
    found += [_as_kind(pair) for pair in own if pair.field not in ("rights", "attribution")]
    is_picture = any(
        type_of(body) == "Image" and not id_of(body) for body in bodies if isinstance(body, dict)
    )
    if found or is_picture:
        return found
    if bodies:
        return "an annotation whose body is not text"
    return "an annotation without a body and without a label"


def _as_kind(pair: RawPair) -> RawPair:
    """A label such as "Miniature" alone is the kind of object, not a caption."""
    is_kind = pair.field == "caption" and _PICTURE_ALONE.fullmatch(pair.value.strip())
    return pair.model_copy(update={"field": "type"}) if is_kind else pair


def _said(body: JsonObject | str, depth: int) -> Iterator[RawPair]:
    """The statements of a body: its text, the texts of a choice, or those of a specific resource's source."""
    if depth > _MAX_DEPTH:
        return
    source = body.get("source") if isinstance(body, dict) else None
    for address in (id_of(body), id_of(source)):
        if "iconclass.org/" in (address or ""):
            yield raw_pair(LABEL, str(address), None, "annotation", "iconclass")
    if isinstance(body, str) and len(body.split()) > 1:
        # The standard asks for an address here, which has no spaces; some servers put the text.
        yield _worded(body, None)
    if not isinstance(body, dict) or type_of(body) in ("Image", "Dataset", "Feature", "Video", "Sound"):
        return
    if not _purposes(body.get("purpose")) <= _OF_THE_IMAGE:
        return
    # Choice in Web Annotation and in Presentation 3.0; drafts and some servers also nest lists.
    for inner in as_list(body.get("items"))[:MAX_CHOICES]:
        if isinstance(inner, (dict, str)):
            yield from _said(inner, depth + 1)
    if isinstance(source, dict):
        yield from _said(source, depth + 1)
    for text, language in texts(body if "value" in body else body.get("label")):
        yield _worded(text, language)


def _worded(text: str, language: str | None) -> RawPair:
    field = "caption" if len(text) <= _SHORT_CHARS else "description"
    return raw_pair(LABEL, text, language, "annotation", field)


def _of_the_page(pairs: list[RawPair]) -> list[RawPair]:
    return [pair.model_copy(update={"level": "image"}) for pair in pairs]


def _placed(part: CanvasPart, page: Page) -> Region | str:
    """The region of a part on the image, as far as the size is known; or the reason why it has none."""
    region = part.region
    if region is None:
        return "whole"
    image_size = page.image.source_size
    space = image_size if part.is_image_space else page.image_space
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
    said: list[RawPair],
    page: Page,
    profile: InstitutionProfile,
) -> Candidate | Refusal:
    """A region with its own captions. A picture that a program found, without texts, has the captions of its
    page."""
    # Regions are cut in the size that the service states, whatever the manifest states: canvas units are
    # converted directly.
    space = None if part.is_image_space else page.image_space
    is_known = page.image.source_size is not None or space is None
    own = list(said)
    if not said or any(_PICTURES.search(pair.value) for pair in said):
        own.append(raw.raw_pair(LABEL, "", None, "annotation", raw.PICTURE))
    described = raw.describer_of(profile).described(
        [*own, *page.image.raw], page.image.num_images, page.image.raw_num_dropped
    )
    if reason := raw.why_no_region(described.raw, described.description):
        return Refusal(f"{part.source}#xywh={part.region}", reason)
    return dataclasses.replace(
        page.image,
        source=page.image.source.model_copy(update={"region": placed if is_known else None}),
        **described.fields,
        region=placed,
        region_space=None if is_known else space,
        drawn=part.region if space else None,
        drawn_on=space,
    )
