"""The manifests and images that a catalogue record offers. Shared by every record format."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from data_prep.candidate import Candidate, ImageService, Link, Refusal
from data_prep.description.captions import Statement
from data_prep.description.describe import Statements
from data_prep.description.raw import (
    ANNOTATION,
    LEFT_OUT,
    PICTURE,
    Describer,
    describer_of,
    raw_pair,
    raw_pairs,
)
from data_prep.iiif.annotations import MIN_SIDE_PIXELS
from data_prep.iiif.document import web_address
from data_prep.iiif.image_api import region_in_image
from data_prep.institutions import InstitutionProfile
from iconoclip.record import Institution, Region, Source

MAX_IMAGES = 1_000
MAX_STATEMENTS = 200
MAX_RIGHTS = 50
MAX_STATEMENT_CHARS = 5_000

_ADDRESS = re.compile(r"https?://[^\s<>\"\]|]+")
_IMAGE = re.compile(r"\.(?:jpe?g|png|tiff?|jp2|gif|webp)$", re.IGNORECASE)
_IIIF_ADDRESS = re.compile(
    r"(?P<id>https?://[^?#\s]{1,1500})/full/[^/?#]{1,30}/0/(?P<quality>default|native|color|gray)\.(?:jpe?g|png|tiff?|jp2)"
)
_OTHER_FILE = re.compile(
    r"\.(?:x?html?|pdf|xml|json|txt|mp[34]|wav|og[gv]|webm|mov|avi|m4[av]|glb|gltf|obj|stl|nxs|zip|epub|djvu)$",
    re.IGNORECASE,
)
_MANIFEST = re.compile(
    r"(?:^|[/_.-])manifest(?:[._-]?v?[23])?(?:\.json)?/?$|/iiif/.{1,200}/manifest\b", re.IGNORECASE
)


@dataclass
class OfferedPart:
    """A part of an image that a record describes."""

    region: Region
    space: tuple[int, int] | None
    """Width and height of what `region` is measured on; None: it is in pixels of the image."""
    statements: list[Statement] = field(default_factory=list)
    """Empty: the part shows a picture, and has the words of its page."""


@dataclass
class Image:
    """One image that a record points to."""

    uri: str | None = None
    service: ImageService | None = None
    size: tuple[int, int] | None = None
    rights: list[str] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    parts: list[OfferedPart] = field(default_factory=list)


@dataclass
class CatalogueRecord:
    """A record of any format, reduced to the data that a harvest uses."""

    id: str
    statements: Statements = field(default_factory=Statements)
    rights: list[str] = field(default_factory=list)
    manifests: list[str] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    homepage: str | None = None
    keeper: str | None = None
    """The name of the institution that keeps the object, if the record contains it."""
    parts: list[str] = field(default_factory=list)
    """Addresses of documents in the same format that describe its parts, such as the METS files of
    volumes."""
    kind: str | None = None
    """The kind of object, if it is not visual (a sound, a text)."""
    refusals: list[Refusal] = field(default_factory=list)
    """What it describes and cannot be used, each with the reason."""

    def note_address(self, text: str, profile: InstitutionProfile) -> None:
        """Note the addresses in a text by their kind: a manifest, an image, or a page for people."""
        for address in addresses_in(text):
            if manifest := manifest_in(address, profile):
                _append(self.manifests, manifest)
            elif image := profile.image_of(address):
                self.note_image(image)
            elif is_image(address):
                self.note_image(address)
            elif self.homepage is None:
                self.homepage = address

    def note_image(self, address: str) -> None:
        """Note an image by its address, once."""
        if all(image.uri != address for image in self.images) and len(self.images) < MAX_IMAGES:
            self.images.append(Image(uri=address))


def service_of(address: str) -> ImageService | None:
    """The IIIF image service of an address that is a request to one. It can resize the image for us."""
    match = _IIIF_ADDRESS.fullmatch(address)
    if match is None:
        return None
    return ImageService(id=match["id"], version=1 if match["quality"] == "native" else 2)


def _append(values: list[str], value: str) -> None:
    if value not in values:
        values.append(value)


def addresses_in(text: str) -> list[str]:
    """The http(s) addresses in a text, without the punctuation that closes a sentence."""
    found = (web_address(match.rstrip(".,;)")) for match in _ADDRESS.findall(text[:5_000]))
    return [address for address in found if address]


def is_image(address: str) -> bool:
    """Whether an address is that of an image, by its name."""
    try:
        return _IMAGE.search(urlsplit(address).path) is not None
    except ValueError:
        return False


def is_other_file(address: str) -> bool:
    """Whether an address is not that of an image, by its name."""
    try:
        return _OTHER_FILE.search(urlsplit(address).path) is not None
    except ValueError:
        return True


def manifest_in(address: str, profile: InstitutionProfile) -> str | None:
    """The manifest of an address: the address itself, one in its query (as for viewers), or one by the
    profile's rules."""
    try:
        parts = urlsplit(address)
        named = parse_qs(parts.query, max_num_fields=50)
    except ValueError:
        return None
    for name in ("manifest", "iiif-content", "iiif_manifest", "manifestUri"):
        if value := web_address(next(iter(named.get(name, [])), None)):
            return value
    if _MANIFEST.search(parts.path):
        return address
    return profile.manifest_of(address)


def offers(record: CatalogueRecord, profile: InstitutionProfile) -> Iterator[Candidate | Link | Refusal]:
    """Links to the record's manifests, or candidates of its images, or the reason why it has neither.

    The context of a link contains the statements of the record: a manifest often has fewer, and none about
    rights.
    """
    if record.manifests:
        for manifest in record.manifests:
            yield Link(manifest, "presentation", {"record": as_context(record)})
    elif record.images:
        yield from _candidates(record, profile)
    elif record.parts:
        for part in record.parts:
            yield Link(part, "library-xml")
    else:
        what = f"a record of type {record.kind}" if record.kind else "a record"
        yield Refusal(record.id, f"{what} without a manifest and without an image")
    yield from record.refusals


def as_context(record: CatalogueRecord) -> dict[str, Any]:
    """The statements of a record as JSON, for the reader of the manifest that the record points to.

    Rights and credits are kept first. A rights value that is cut is marked, because the missing part might
    restrict a permission.
    """
    rights = [_stated(text) for text in record.rights[:MAX_RIGHTS]]
    items = record.statements.items
    about_rights = [item.field in ("rights", "attribution") for item in items]
    first = sorted(range(len(items)), key=lambda number: not about_rights[number])[:MAX_STATEMENTS]
    if len(record.rights) > MAX_RIGHTS or sum(about_rights) > MAX_STATEMENTS:
        rights.append(LEFT_OUT)
    return {
        "id": record.id,
        "rights": rights,
        "statements": [
            [
                item.field,
                _stated(item.text) if item.field == "rights" else item.text[:MAX_STATEMENT_CHARS],
                item.language,
                item.label,
            ]
            for item in (items[number] for number in sorted(first))
        ],
        **({"homepage": record.homepage} if record.homepage else {}),
    }


def _stated(text: str) -> str:
    return text if len(text) <= MAX_STATEMENT_CHARS else f"{text[:MAX_STATEMENT_CHARS]} [cut off]"


def _candidates(record: CatalogueRecord, profile: InstitutionProfile) -> Iterator[Candidate | Refusal]:
    shared = raw_pairs(record.statements.items, "record")
    shared += [raw_pair("rights", text, None, "record", "rights") for text in record.rights]
    if record.homepage:
        shared.append(raw_pair("homepage", record.homepage, None, "record", "homepage"))
    describer = describer_of(profile)
    institution = profile.institution
    if record.keeper:
        institution = Institution(slug=profile.slug, name=record.keeper[:500], isil=None)
    for number, image in enumerate(record.images):
        own = raw_pairs(image.statements, "image")
        own += [raw_pair("rights", text, None, "image", "rights") for text in image.rights]
        described = describer.described([*own, *shared], len(record.images))
        place = image.service.id if image.service else image.uri
        candidate = Candidate(
            institution=institution,
            source=Source(
                id=record.id if number == 0 else f"{record.id}#{place}",
                canvas=None,
                manifest=None,
                image_service=image.service.id if image.service else None,
                image=image.uri,
                homepage=web_address(described.description.homepage),
                region=None,
            ),
            group=record.id,
            **described.fields,
            num_images=len(record.images),
            service=image.service,
            image_uri=image.uri,
            source_size=image.size,
        )
        yield candidate
        for part in image.parts:
            yield _part_of(candidate, part, describer)


def _part_of(page: Candidate, part: OfferedPart, describer: Describer) -> Candidate | Refusal:
    """A described part of an image as a candidate of its own, or the reason why it is none."""
    where = f"{page.source.id}#xywh={part.region}"
    size = page.source_size
    placed, space = part.region, part.space
    if space is not None or size is not None:
        found = region_in_image(placed, space or size or (0, 0), size or space or (0, 0))
        if found is None:
            return Refusal(where, "a zone outside of its page")
        placed, space = found, None if size else space
    if min(placed.width, placed.height) < MIN_SIDE_PIXELS:
        return Refusal(where, f"a zone of only {placed.width} x {placed.height} pixels")
    own = raw_pairs(part.statements, "annotation")
    if not own:
        own = [raw_pair(ANNOTATION, "", None, "annotation", PICTURE)]
    described = describer.described([*own, *page.raw], page.num_images, page.raw_num_dropped)
    if not described.description.captions and not described.description.iconclass:
        return Refusal(where, "a zone that is described by nothing that is a caption")
    return replace(
        page,
        source=page.source.model_copy(update={"region": None if space else placed}),
        **described.fields,
        region=placed,
        region_space=space,
        drawn=part.region if part.space else None,
        drawn_on=part.space,
    )
