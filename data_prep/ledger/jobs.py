"""The types between the ledger and the workers: jobs from the ledger, outcomes back to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pydantic import TypeAdapter

from data_prep.candidate import Candidate, Found, item_key_of
from iconoclip.record import Region

State = Literal["pending", "fetched", "refused", "retry-later", "not-known"]
"""`refused` is final: gone (404, 410), or forbidden by its rights. `not-known` is everything else that could
not be fetched: its stored contents are kept, and the next run requests it again."""
# The state of documents and items of another task (data_prep.harvest.array).
ELSEWHERE: Final = "elsewhere"

CANDIDATE: Final = TypeAdapter(Candidate)


def item_key_of_json(candidate_json: str | None, key: str) -> str:
    """`item_key_of` for a candidate in JSON; `key` if there is none or it cannot be read."""
    try:
        return item_key_of(CANDIDATE.validate_json(candidate_json or ""))
    except ValueError:
        return key


@dataclass(frozen=True)
class DocumentJob:
    """A document to fetch and read."""

    id: int
    uri: str
    kind: str
    context: dict[str, Any]
    depth: int
    rounds: int
    etag: str | None
    last_modified: str | None
    sha256: str | None
    """The hash of the body in the last reading."""
    is_shared: bool
    """Whether every task of an array reads it."""
    opt_out: str = ""
    """The reservations of the last response, separated by spaces."""
    was: str | None = None
    """The reason why it was not read in the previous run."""
    is_list: bool | None = None
    """Whether it was a list when it was read last; None: it has never been read."""
    holds: bool = False
    """Whether the ledger contains links or items of it from an earlier reading."""

    @property
    def is_leaf(self) -> bool:
        """Whether it describes one object, so that its absence (404, 410) means that the object is gone."""
        if self.is_list is not None:
            return not self.is_list
        return self.kind == "annotations" or is_leaf(self.context)


@dataclass(frozen=True)
class ItemJob:
    """An image to download, with its candidate."""

    id: int
    key: str
    candidate_json: str
    rounds: int
    etag: str | None
    last_modified: str | None
    facts_json: str | None
    """The facts about the image that was downloaded before, as JSON."""
    was: str | None = None
    """The reason why it was not downloaded in the previous run."""

    @property
    def facts(self) -> ImageFacts | None:
        """The facts about the image that was downloaded before."""
        return FACTS.validate_json(self.facts_json) if self.facts_json else None

    @property
    def candidate(self) -> Candidate:
        """The candidate that the source offered."""
        return CANDIDATE.validate_json(self.candidate_json)


Job = DocumentJob | ItemJob


def is_leaf(context: dict[str, Any]) -> bool:
    """Whether a link of this context leads to one object, and not to a list of more."""
    return context.get("type") == "Manifest" or "record" in context


@dataclass(frozen=True)
class ImageFacts:
    """Facts about a downloaded image, in addition to its bytes; stored as JSON."""

    width: int
    height: int
    sha256: str
    source_sha256: str
    phash: str
    colours: tuple[int, ...]
    received: tuple[int, int]
    requested: tuple[int, int] | None = None
    source_size: tuple[int, int] | None = None
    image: str | None = None
    opt_out: tuple[str, ...] = ()
    round: int = 0
    region: Region | None = None
    """The region that was cut, in pixels of the full image, if it differs from the candidate's."""


FACTS: Final = TypeAdapter(ImageFacts)


@dataclass
class Outcome:
    """The result of a job, until the ledger has stored it."""

    job: Job
    state: State
    reason: str | None = None
    not_before: float = 0.0
    etag: str | None = None
    last_modified: str | None = None
    sha256: str | None = None
    opt_out: tuple[str, ...] = ()
    found: Found | None = None
    rows: FoundRows | None = None
    jpeg: bytes | None = None
    facts: ImageFacts | None = None
    services: dict[str, bytes] = field(default_factory=dict)
    is_unchanged: bool = False
    is_restated: bool = False
    """Whether an unchanged document or image has other reservations, or was fetched with another request."""

    @property
    def is_news(self) -> bool:
        """Whether the set or its report may change because of the result.

        They do not change because of a page of a stream whose entries were all seen before, nor because of a
        failure that also occurred in the previous run.
        """
        if self.state != "fetched":
            return self.state != "retry-later" and self.reason != self.job.was
        if isinstance(self.job, DocumentJob) and self.found is not None and "since" in self.job.context:
            return self.job.was is not None or (self.found.seen_until or "") > str(self.job.context["since"])
        return self.job.was is not None or not self.is_unchanged or self.is_restated


@dataclass(frozen=True)
class ItemRow:
    """A candidate to be written into the ledger."""

    key: str
    """Distinguishes the item from all others, including other images of the same identifier."""
    host: str
    candidate_json: str
    refused: str | None = None
    is_elsewhere: bool = False
    record: str | None = None
    """The catalogue record that names it, if one does; a withdrawal of the record withdraws the item."""
    base: str | None = None
    """The sample key of its identifier, which several images may share; default: `key`."""


@dataclass(frozen=True)
class LinkRow:
    """A link to be written into the ledger. `kind` is the kind of a link; for a source that the user named
    also `unknown`, `table` or `lido`.
    """

    uri: str
    kind: str
    host: str = ""
    context: dict[str, Any] = field(default_factory=dict)
    is_shared: bool = True
    is_elsewhere: bool = False
    record: str | None = None
    """The catalogue record that points to it."""


@dataclass(frozen=True)
class FoundRows:
    """The contents of one document, ready to be written."""

    items: Sequence[ItemRow]
    links: Sequence[LinkRow]
