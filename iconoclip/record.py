"""Record: one image (or one region of an image), its captions, its rights and its sources.

A record is written once, next to its image in a shard, as JSON (`KEY.json`). It contains everything that
later stages need for their decisions: whether it may be used for training, which records must be in the same
split, whom to credit, where to link. Its JSON Schema is docs/schemas/record.schema.json.
"""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from iconoclip.vocabulary import SLUG_PATTERN, Slug

# No dot: WebDataset splits a member's name at its first dot. Lower case: some file systems merge cases.
KEY_PATTERN = r"^[a-z0-9][a-z0-9_-]*-[0-9a-f]{16}$"

# A key with `.json` must fit into the name field of a tar header, 100 bytes (POSIX.1-1988, ustar).
Key = Annotated[str, StringConstraints(pattern=KEY_PATTERN, max_length=95)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]

Split = Literal["train", "val", "test"]
Display = Literal["yes", "unaltered", "link"]
Redistribute = Literal["yes", "share-alike", "noncommercial", "unaltered", "no"]
Train = Literal["yes", "review", "no"]
CaptionLevel = Literal["region", "page", "item", "work", "collection"]
CaptionRole = Literal[
    "descriptive",
    "title",
    "subject",
    "person",
    "place",
    "technique",
    "note",
    "administrative",
    "relation",
    "placeholder",
    "thesaurus",
    "rights",
]
LanguageSource = Literal["source", "siblings", "profile", "detected"]
PairLevel = Literal["collection", "manifest", "record", "canvas", "image", "annotation"]
MAX_LABEL_CHARS = 200
MAX_VALUE_CHARS = 10_000


class RecordModel(BaseModel):
    """Base of a record and of its parts: immutable; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Institution(RecordModel):
    """The institution that holds the object."""

    slug: Slug = Field(description="short name in lower case; the first part of every sample key")
    name: Text = Field(description="name as the institution writes it")
    isil: str | None = Field(None, description="ISO 15511 identifier, where known", max_length=32)


class Region(RecordModel):
    """A rectangle in pixels of the full-size source image, origin at the top left."""

    x: int = Field(ge=0)
    y: int = Field(ge=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)

    def __str__(self) -> str:
        return f"{self.x},{self.y},{self.width},{self.height}"


class Source(RecordModel):
    """Where the image came from."""

    id: Text = Field(
        description="what identifies the item at its source: a canvas, an OAI identifier, a row of a table"
    )
    canvas: str | None = Field(None, description="URI of the IIIF canvas")
    manifest: str | None = Field(None, description="URI of the IIIF manifest")
    image_service: str | None = Field(None, description="base URI of the IIIF image service")
    image: str | None = Field(
        None, description="address from which the image was downloaded, or the file's name in a table"
    )
    homepage: str | None = Field(None, description="page about the object, for people")
    region: Region | None = Field(None, description="the part of the source image that this record is about")


def _is_absent(value: object) -> bool:
    """Whether a field is left out of the JSON: fields of few captions would make every record longer."""
    return value is None


class Caption(RecordModel):
    """One text about the image."""

    text: Text
    language: str = Field(description="BCP 47 tag; `und` if unknown", max_length=35)
    field: str = Field(description="kind of text: title, description, subject, blazon, ...", max_length=64)
    origin: str = Field("institution", description="institution, iconclass, or machine:NAME", max_length=64)
    language_detected: bool = Field(
        False, description="the tag was guessed by a program, not given by the source"
    )
    language_source: LanguageSource | None = Field(
        None,
        description=(
            "where the tag comes from: the source; the other texts of the same record; the institution's"
            " profile; or a detection. null in sets of older versions"
        ),
    )
    level: CaptionLevel | None = Field(
        None,
        description=(
            "what the text is about: a region of the picture; its page; the item, where the object has one"
            " picture; the work that the page is part of; or a collection. null in sets of older versions"
        ),
    )
    role: CaptionRole | None = Field(
        None, description="the role of the text; null in sets of older versions and for machine captions"
    )
    box: Region | None = Field(
        None,
        description=(
            "where the text is, in pixels of the full-size source image, for the caption of a picture on a"
            " page; absent for other texts"
        ),
        exclude_if=_is_absent,
    )
    confidence: float | None = Field(
        None,
        ge=0,
        le=1,
        description="probability that the text is about this picture; absent if there is no doubt",
        exclude_if=_is_absent,
    )


class RawPair(RecordModel):
    """One label and value as the source wrote them, before any mapping."""

    label: str = Field(
        description="the label; for a property of a standard, its name: `summary`, `dc:title`, a column",
        max_length=MAX_LABEL_CHARS,
    )
    value: str = Field(description="as found, with its markup", max_length=MAX_VALUE_CHARS)
    language: str | None = Field(None, description="the language tag as found", max_length=100)
    level: PairLevel = Field(
        description=(
            "what states it: a collection, a manifest, a catalogue record or row, a canvas, an image (or an"
            " annotation on all of it), an annotation on a part"
        )
    )
    field: str | None = Field(
        None,
        description="field according to the standard or the table's mapping; null: only the label shows it",
        max_length=64,
    )
    num_cut: int = Field(0, ge=0, description="characters that were cut off the end of the value")


class Date(RecordModel):
    """When the object was made."""

    edtf: str | None = Field(
        None, description="Extended Date/Time Format (ISO 8601-2), where the text allows it"
    )
    text: str | None = Field(None, description="the date as the source writes it", max_length=500)
    earliest: int | None = Field(None, description="first year, astronomical numbering")
    latest: int | None = Field(None, description="last year, astronomical numbering")


class Rights(RecordModel):
    """The permitted uses of the image, and the statement from which they follow."""

    raw: str | None = Field(None, description="the value as found", max_length=5_000)
    uri: str | None = Field(
        None, description="canonical URI of a Creative Commons or RightsStatements.org statement"
    )
    policy: str = Field(description="the policy that decided, as name@version")
    train: Train = Field(description="may a model be trained on it under that policy")
    redistribute: Redistribute = Field(description="may the image be passed on")
    display: Display = Field(description="may the image be shown: yes, unaltered only, or as a link")
    attribution: str | None = Field(None, description="the credit line that must be shown", max_length=2_000)
    opt_out: tuple[str, ...] = Field(
        (), description="machine-readable reservations seen: tdmrep, noai, robots, ..."
    )

    @property
    def may_train(self) -> bool:
        """Whether a training set may contain the sample. Anything other than "yes" means no."""
        return self.train == "yes" and not self.opt_out


class Image(RecordModel):
    """The stored image and its source. Sizes are width, height in pixels."""

    width: int = Field(gt=0)
    height: int = Field(gt=0)
    sha256: Sha256 = Field(description="of the stored bytes")
    source_width: int | None = Field(None, gt=0, description="full size at the source, if stated")
    source_height: int | None = Field(None, gt=0)
    requested: tuple[int, int] | None = Field(None, description="size requested from the image service")
    received: tuple[int, int] | None = Field(None, description="size received")
    source_sha256: Sha256 | None = Field(None, description="of the bytes as received")
    phash: str | None = Field(
        None, description="64-bit perceptual hash, hexadecimal", pattern=r"^[0-9a-f]{16}$"
    )


class PageFacts(RecordModel):
    """What `iconoclip segment` found on the page that an image shows."""

    kind: Slug = Field(description="what kind of page it is: picture, mixed, text, blank, ...")
    pictures: tuple[Key, ...] = Field((), description="keys of its pictures that are records of their own")


class Record(RecordModel):
    """One sample: an image or a region of one, with all its metadata."""

    schema_version: Literal[1, 2] = Field(
        2, description="2: with raw pairs, and with level and role of captions; 1: without"
    )
    key: Key
    institution: Institution
    source: Source
    captions: tuple[Caption, ...] = ()
    iconclass: tuple[str, ...] = Field((), description="Iconclass notations, as found")
    creators: tuple[str, ...] = ()
    date: Date | None = None
    object_type: str | None = Field(None, max_length=500)
    raw: tuple[RawPair, ...] = Field(
        (), description="labels and values of the source, unchanged; a remap reads them again"
    )
    raw_num_dropped: int = Field(
        0, ge=0, description="pairs that were left out of `raw`: there were too many"
    )
    num_images: int | None = Field(
        None, ge=1, description="number of images of the object at its source, if known"
    )
    rights: Rights
    image: Image
    page: PageFacts | None = Field(
        None,
        description=(
            "the page that the image shows, in an index: what `iconoclip segment` found on it;"
            " absent elsewhere"
        ),
        exclude_if=_is_absent,
    )
    group: str = Field(
        description="samples of one group stay on one side of a split: the manifest, or near-duplicates"
    )
    split: Split = "train"
    harvested_at: str = Field(description="ISO 8601 time, UTC")
    harvested_by: str = Field(description="the program and its version")

    @property
    def title(self) -> str:
        """The caption to show first, or the key when there is none."""
        return self.captions[0].text if self.captions else self.key


def sample_key(institution: str, source_id: str, region: Region | None = None) -> str:
    """The key of a source item; the same item and region always get the same key.

    Returns:
        `<institution>-<16 hexadecimal digits>`, the digits from SHA-256 of the source id and the region.
    """
    identity = source_id if region is None else f"{source_id}#xywh={region}"
    return f"{institution}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"


def split_of(group: str, *, val_share: float, test_share: float, seed: int = 0) -> Split:
    """The split (train, val or test) of a group: a function of its name and the seed alone.

    Shares are fractions of the groups. A group never changes its split when others are added.
    """
    digits = hashlib.sha256(f"{seed}:{group}".encode()).hexdigest()[:13]
    position = int(digits, 16) / 16**13
    if position < test_share:
        return "test"
    return "val" if position < test_share + val_share else "train"


def is_slug(text: str) -> bool:
    """Whether `text` can be an institution's slug."""
    return re.fullmatch(SLUG_PATTERN, text) is not None and len(text) <= 64
