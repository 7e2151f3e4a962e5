"""What goes between the ledger and whoever does the work: jobs out, outcomes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pydantic import TypeAdapter

from data_prep.candidate import Candidate, Found

State = Literal["pending", "fetched", "refused", "retry-later", "dead"]
# Of a document or item that is another task's (data_prep.harvest.array).
ELSEWHERE: Final = "elsewhere"

CANDIDATE: Final = TypeAdapter(Candidate)


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
    """Of the body as it was read before."""
    is_shared: bool
    """Whether every task of an array reads it."""


@dataclass(frozen=True)
class ItemJob:
    """An image to fetch."""

    id: int
    key: str
    candidate_json: str
    rounds: int
    etag: str | None
    last_modified: str | None
    facts_json: str | None
    """What fetching it before taught."""

    @property
    def facts(self) -> Facts | None:
        """What fetching it before taught."""
        return FACTS.validate_json(self.facts_json) if self.facts_json else None

    @property
    def candidate(self) -> Candidate:
        """What the source offered."""
        return CANDIDATE.validate_json(self.candidate_json)


Job = DocumentJob | ItemJob


@dataclass(frozen=True)
class Facts:
    """What fetching an item taught, beyond its bytes; stored as JSON."""

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


FACTS: Final = TypeAdapter(Facts)


@dataclass
class Outcome:
    """How a job ended, until the ledger has it."""

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
    facts: Facts | None = None
    services: dict[str, bytes] = field(default_factory=dict)
    is_unchanged: bool = False

    @property
    def is_news(self) -> bool:
        """Whether the set may differ for it. A stream's page tells nothing new when all on it was seen before."""
        if isinstance(self.job, DocumentJob) and self.found is not None and "since" in self.job.context:
            return (self.found.seen_until or "") > str(self.job.context["since"])
        return not self.is_unchanged


@dataclass(frozen=True)
class ItemRow:
    """A candidate on its way into the ledger."""

    key: str
    host: str
    candidate_json: str
    refused: str | None = None
    is_elsewhere: bool = False
    record: str | None = None
    """The catalogue record that names it, where a record does; a withdrawal of the record is one of the item."""


@dataclass(frozen=True)
class LinkRow:
    """A link on its way into the ledger. `kind` is that of a link, or `unknown`, `table`, `lido` of a root."""

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
    """What one document held, ready to be written."""

    items: Sequence[ItemRow]
    links: Sequence[LinkRow]
