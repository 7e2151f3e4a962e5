"""The hits that an export holds: the page, every match, or a chosen list of items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from fastapi import Request
from pydantic import Field, model_validator

from retrieval.answers import Hit
from retrieval.questions import KeyText
from retrieval.service.context import ServiceContext
from retrieval.service.guards.refusals import N_, Refusal
from retrieval.service.params import SearchParams

# Enough for a national collection's answer to a question; more is the harvest's business.
MAX_EXPORTED = 200_000
MAX_CHOSEN = 500


class ExportParams(SearchParams):
    """A query, and how much of its result to export."""

    scope: Literal["page", "all"] = Field(
        default="page",
        description="the page of hits, or `all` matches, copies included; X-Total-Count says how many",
    )
    key: list[KeyText] = Field(
        default=[], max_length=MAX_CHOSEN, description="only these items, in this order, whatever the query"
    )
    start: int = Field(
        default=1,
        ge=1,
        le=MAX_EXPORTED,
        description="with `scope=all`: the rank to begin with, to continue an export that was interrupted",
    )
    snapshot: str | None = Field(
        default=None,
        max_length=60,
        description="X-Snapshot of the export to continue; refused with 409 if the index has changed since",
    )

    @model_validator(mode="after")
    def _only_all_continues(self) -> ExportParams:
        if self.scope == "page" and (self.start > 1 or self.snapshot is not None):
            raise ValueError("`start` and `snapshot` belong to `scope=all`; a page is continued by `cursor`")
        return self


@dataclass(frozen=True)
class ExportSet:
    """What is exported: `num_hits` of `num_matches`. The hits are read while they are sent."""

    hits: Iterator[Hit]
    num_hits: int
    num_matches: int
    snapshot: str | None = None
    is_cut: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """What a program needs to know before the first row."""
        headers = {"X-Total-Count": str(self.num_hits)}
        if self.snapshot:
            headers |= {"X-Snapshot": self.snapshot, "X-Matches": str(self.num_matches)}
        return headers


def export_set(
    params: ExportParams, context: ServiceContext, concealed: tuple[str, ...], *, limit: int | None = None
) -> ExportSet:
    """The hits that the parameters ask for; at most `limit` from `start` if they ask for all.

    Raises:
        Refusal: as for a search; 404 if none of the chosen items is here; 409 if the index has changed.
    """
    if params.key:
        return _chosen(params.key, context, concealed)
    if params.scope == "page":
        found = context.search(params, concealed).hits
        return ExportSet(iter(found), len(found), len(found))
    whole = context.whole_set(params, concealed, MAX_EXPORTED)
    if params.snapshot not in (None, whole.snapshot):
        raise Refusal(
            409, N_("the index has changed since this export began"), where="snapshot",
            remedy=N_("begin again at start=1, without `snapshot`"),
        )  # fmt: skip
    stop = len(whole) if limit is None else min(len(whole), params.start - 1 + limit)
    num_hits = max(0, stop - params.start + 1)
    hits = whole.hits(params.start - 1, stop)
    return ExportSet(hits, num_hits, len(whole), whole.snapshot, whole.is_cut)


def _chosen(keys: list[str], context: ServiceContext, concealed: tuple[str, ...]) -> ExportSet:
    """The chosen items that are still here: a list made last month is exported without what was withdrawn."""
    hits: list[Hit] = []
    for key in dict.fromkeys(keys):
        try:
            hits.append(context.hit(key, concealed).model_copy(update={"rank": len(hits) + 1}))
        except Refusal as refusal:
            if refusal.status != 404:
                raise
    if not hits:
        raise Refusal(404, N_("none of these items is here"), where="key", remedy=N_("search again"))
    return ExportSet(iter(hits), len(hits), len(hits))


def is_head(request: Request) -> bool:
    """Whether only the headers are requested, so that no hit needs to be read."""
    return bool(request.scope.get("is_head"))
