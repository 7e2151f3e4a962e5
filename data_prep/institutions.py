"""Facts about an institution that are not in its documents: hosts and their rate limits, labels, titles,
exceptions.

They are data, one YAML file per institution in configs/institutions/. Adding an institution means adding a
file. An institution without a file gets a generic profile named after its host; generic.yaml applies to all.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from data_prep.composition import Composition, changes_in, composition
from iconoclip.config import Config, laid_over, load, nearest, read_yaml, shipped_config
from iconoclip.errors import ConfigError, MissingRequirement
from iconoclip.record import Institution
from iconoclip.vocabulary import SLUG_PATTERN

FOLDER = "institutions"
GENERIC = "generic"

TextField = Literal[
    "blazon",
    "title",
    "caption",
    "description",
    "subject",
    "contents",
    "person",
    "place",
    "technique",
    "text_language",
    "note",
    "type",
    "creator",
    "date",
    "rights",
    "attribution",
    "iconclass",
    "homepage",
    "ignore",
]
TEXT_FIELDS: tuple[str, ...] = get_args(TextField)
# The fields whose texts may become captions or part of one, in the order of a record.
CAPTION_FIELDS: tuple[TextField, ...] = (
    "blazon",
    "title",
    "caption",
    "description",
    "contents",
    "note",
    "subject",
    "person",
    "place",
    "technique",
)

_LANGUAGE_SUFFIX = re.compile(r"^(.{2,60}?)\s*\(([^\W\d_]{2,24})\)$")
_OF_A_LABEL = re.compile(r"\s*[/|]\s*|\s+(?:&|and|or|und|oder|et|ou|e|y|i|a|en|of|och|og|eller)\s+")


class HostLimit(Config):
    """The rate limits of a host. If an institution publishes none, they are a cautious guess."""

    requests_per_minute: float = Field(
        default=60, gt=0, description="requests per minute, all workers together"
    )
    concurrency: int = Field(default=2, ge=1, le=64, description="simultaneous requests")
    cool_down_seconds: float = Field(
        default=60, ge=0, description="pause after a 429 or 503 without Retry-After"
    )
    refusal_is_final: bool = Field(
        default=True,
        description="a 403 refuses the item permanently; if false, it means that requests came too fast",
    )


class InstitutionProfile(Config):
    """The facts about one institution that readers and the HTTP client need."""

    slug: str = Field(
        description="short name in lower case; first part of every sample key",
        pattern=SLUG_PATTERN,
        max_length=64,
    )
    name: str = Field(description="name as the institution writes it", min_length=1)
    isil: str | None = Field(default=None, description="ISO 15511 identifier, where known")
    is_generic: bool = Field(
        default=False, description="whether only the host is known: the profile was made from its name"
    )
    hosts: dict[str, HostLimit] = Field(
        default={}, description="host name -> its rate limits; a name includes its subdomains"
    )
    language: str | None = Field(
        default=None, description="BCP 47 tag of texts that have none and are too short to detect it"
    )
    labels: dict[TextField, tuple[str, ...]] = Field(
        default={},
        description="field -> the metadata labels that mean it here; takes precedence over generic.yaml",
    )
    manifest_label: TextField = Field(
        default="title", description="what the label of a manifest is: `title`, or `ignore` for a shelfmark"
    )
    canvas_label: TextField = Field(
        default="caption", description="what the label of a canvas is, if it describes the image at all"
    )
    collection_label: TextField = Field(
        default="ignore",
        description=(
            "what the label of a collection is that a manifest says it is part of: `title` makes it a caption"
            " of level collection"
        ),
    )
    titles_are: TextField = Field(default="title", description="what the titles of Dublin Core records are")
    summary: TextField = Field(
        default="description", description="what the summary (2.1: description) of a manifest is"
    )
    trim: tuple[str, ...] = Field(
        default=(),
        description=(
            "regular expressions; what they match at the end of a title is cut off, one after the other"
        ),
    )
    rights: dict[str, str] = Field(
        default={}, description="a rights text of this institution -> the URI of the statement it means"
    )
    manifests: dict[str, str] = Field(
        default={},
        description=(
            "regular expression over the address of an object -> the address of its manifest, with \\1 for"
            " groups"
        ),
    )
    images: dict[str, str] = Field(
        default={}, description="regular expression over the address of an object -> the address of its image"
    )
    iconclass_in_subjects: bool = Field(
        default=False, description="whether subjects of Dublin Core may hold Iconclass notations"
    )
    iconclass_captions: bool = Field(
        default=True, description="whether Iconclass notations add their labels as captions"
    )
    regions: bool = Field(default=True, description="whether annotations on parts of a page become records")
    sources: tuple[str, ...] = Field(
        default=(),
        description=(
            "public files that the labels and exceptions were read from, each as `owner/repository: path`"
        ),
    )
    composition: dict[str, Any] = Field(
        default={}, description="what differs here from configs/captions: roles, templates, limits"
    )

    @field_validator("composition")
    @classmethod
    def _composition_is_one(cls, changes: dict[str, Any]) -> dict[str, Any]:
        if changes:
            composition(changes)
        return changes

    @field_validator("trim", "manifests", "images")
    @classmethod
    def _patterns_compile(cls, patterns: Any) -> Any:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"'{pattern}' is not a regular expression: {error}") from error
        return patterns

    @functools.cached_property
    def composed(self) -> Composition:
        """The rules for making captions of this institution's texts."""
        return composition(self.composition) if self.composition else _shipped_composition()

    def with_composition(self, changes: Mapping[str, Any]) -> InstitutionProfile:
        """This profile with other rules for captions. The profile's own rules take precedence."""
        if not changes:
            return self
        own = laid_over(changes, self.composition)
        return InstitutionProfile.model_validate({**self.model_dump(), "composition": own})

    @functools.cached_property
    def institution(self) -> Institution:
        """The institution as it appears in a record."""
        return Institution(slug=self.slug, name=self.name, isil=self.isil)

    @functools.cached_property
    def _field_by_label(self) -> dict[str, TextField]:
        known: dict[str, TextField] = {}
        for labels in (generic_labels(), self.labels):
            known.update({normal_label(label): field for field, names in labels.items() for label in names})
        return known

    def field_of(self, label: str) -> tuple[TextField, str | None]:
        """What a metadata label means, and the language it names, as in `Title (English)`.

        An unknown label means `ignore`: its value may be anything.
        """
        name = normal_label(label)
        if field := self._field_by_label.get(name):
            return field, None
        if match := _LANGUAGE_SUFFIX.match(name):
            return self._field_by_label.get(match[1], "ignore"), match[2]
        return self._field_of_names(name), None

    def _field_of_names(self, name: str) -> TextField:
        """The field of a label of several names, if they mean the same: "Artist / Creator", "Titel / Title".

        Where a label repeats itself in several languages ("Titel | 書名 | Title"), one known name is enough.
        """
        parts = [normal_label(part) for part in _OF_A_LABEL.split(name)]
        known = [self._field_by_label[part] for part in parts if part in self._field_by_label]
        is_clear = len(set(known)) == 1 and (len(known) == len(parts) or "|" in name)
        return known[0] if is_clear else "ignore"

    def manifest_of(self, address: str) -> str | None:
        """The manifest of the object at `address`, if the profile has a rule for it."""
        return _led_to(self.manifests, address)

    def image_of(self, address: str) -> str | None:
        """The image of the object at `address`, if the profile has a rule for it."""
        return _led_to(self.images, address)

    def rights_uri(self, text: str) -> str | None:
        """The URI that a rights text of this institution means, if its profile lists it."""
        return self._rights_by_text.get(normal_label(text)) if self.rights else None

    @functools.cached_property
    def _rights_by_text(self) -> dict[str, str]:
        return {normal_label(text): uri for text, uri in self.rights.items()}

    @functools.cached_property
    def _trims(self) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(f"(?:{pattern})$") for pattern in self.trim)

    def trimmed(self, title: str) -> str:
        """`title` without the suffixes that this institution appends to its titles."""
        if len(title) > 2_000:
            return title
        for tail in self._trims:
            title = tail.sub("", title)
        return title.strip()


def _led_to(rules: dict[str, str], address: str) -> str | None:
    for pattern, template in rules.items():
        if match := re.fullmatch(pattern, address):
            return match.expand(template)
    return None


def normal_label(label: str) -> str:
    """A metadata label in the form of the tables: lower case, no final punctuation, single spaces."""
    return " ".join(label.casefold().replace("_", " ").split()).rstrip(" :.*")


@functools.cache
def _shipped_composition() -> Composition:
    return composition({})


@functools.cache
def generic_labels() -> dict[TextField, tuple[str, ...]]:
    """The metadata labels of any institution, by the field that they mean."""
    return load(InstitutionProfile, shipped_config(f"{FOLDER}/{GENERIC}.yaml")).labels


def load_profile(name_or_path: str | Path) -> InstitutionProfile:
    """A shipped profile by name (`gallica`), or one from a YAML file.

    Raises:
        MissingRequirement: no such file.
        ConfigError: no such name, or a value in the file is not valid.
    """
    text = str(name_or_path)
    if text.endswith((".yaml", ".yml")) or isinstance(name_or_path, Path):
        return load(InstitutionProfile, Path(name_or_path))
    try:
        if not re.fullmatch(SLUG_PATTERN, text):
            raise MissingRequirement(f"'{text}' is not the name of a profile")
        return load(InstitutionProfile, shipped_config(f"{FOLDER}/{text}.yaml"))
    except MissingRequirement:
        raise ConfigError(
            f"no institution profile '{text}'",
            remedy=f"{nearest(text, shipped_names())} Or give the path of a YAML file",
        ) from None


@functools.cache
def shipped_names() -> tuple[str, ...]:
    """The names of the profiles that iconoclip ships."""
    folder = shipped_config(f"{FOLDER}/{GENERIC}.yaml").parent
    return tuple(sorted(path.stem for path in folder.glob("*.yaml") if path.stem != GENERIC))


@functools.cache
def profile_by_slug(slug: str) -> InstitutionProfile | None:
    """The shipped profile of the institution with this slug; None if there is none."""
    for name in shipped_names():
        if name == slug or read_yaml(shipped_config(f"{FOLDER}/{name}.yaml")).get("slug") == slug:
            return load_profile(name)
    return None


@functools.cache
def _shipped_hosts() -> dict[str, str]:
    """Host -> the name of the shipped profile that lists it."""
    return {
        host.lower(): name
        for name in shipped_names()
        for host in read_yaml(shipped_config(f"{FOLDER}/{name}.yaml")).get("hosts") or {}
    }


def host_of(uri: str) -> str | None:
    """The host name in `uri`, in lower case; None for a file or anything else that is not an address."""
    try:
        parts = urlsplit(uri)
        return parts.hostname.lower() if parts.scheme in ("http", "https") and parts.hostname else None
    except ValueError:
        return None


def profile_for(uri: str) -> InstitutionProfile:
    """The profile of the institution whose host serves `uri`; a generic one if no shipped profile names the
    host."""
    return _profile_of_host(host_of(uri))


@functools.lru_cache(maxsize=4096)
def profiles(institution: str | None, composition: str) -> Callable[[str], InstitutionProfile]:
    """A function that gives the profile of a document's institution by the document's address.

    Args:
        institution: the name of a shipped profile, or a YAML file, for all documents; None chooses by
            address.
        composition: the name or file of the rules for captions.
    """
    changes = changes_in(composition)
    if institution is not None:
        profile = load_profile(institution).with_composition(changes)
        return lambda _: profile
    composed: dict[str, InstitutionProfile] = {}

    def by_address(uri: str) -> InstitutionProfile:
        profile = profile_for(uri)
        if profile.slug not in composed:
            composed[profile.slug] = profile.with_composition(changes)
        return composed[profile.slug]

    return by_address if changes else profile_for


def _profile_of_host(host: str | None) -> InstitutionProfile:
    if host is None:
        return InstitutionProfile(slug="local", name="local files", is_generic=True)
    labels = host.split(".")
    for start in range(len(labels)):
        if name := _shipped_hosts().get(".".join(labels[start:])):
            return load_profile(name)
    return InstitutionProfile(slug=_slug(host), name=host, is_generic=True)


def _slug(host: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", host.removeprefix("www.").encode("ascii", "ignore").decode())
    return name.strip("-")[:64].strip("-") or "local"
