"""IIIF Content Search 2.0 within an object: finds the pictures of a book by their
captions and by their content.

It searches captions as annotations. First come those that contain every word of the query, with the words
marked (section 4.3.3 of the specification, highlighting); then the captions of pictures that match well
by meaning. https://iiif.io/api/search/2.0/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from iconoclip.record import Caption
from retrieval.answers import Hit
from retrieval.generation.calibration import MIN_PROBABILITY
from retrieval.service.api.openapi import REFUSALS, KeyPath, Responses
from retrieval.service.context import Concealed, InjectedContext, ServiceContext
from retrieval.service.hit_links import outward
from retrieval.service.iiif import content_search_1, published
from retrieval.service.iiif.canvases import (
    CAPTION_MOTIVATION,
    Json,
    canvas_id,
    caption_note,
    source_target,
)
from retrieval.words import folded, words_in

CONTEXT = "http://iiif.io/api/search/2/context.json"
PAGE_SIZE = 50
# The number of characters before and after a word that show its place in a caption.
CONTEXT_CHARS = 30

router = APIRouter(responses=REFUSALS, tags=["iiif"])
_OK: Responses = {
    200: {"content": {"application/ld+json": {}}, "description": "IIIF Content Search 2, an annotation page"}
}
_OK_1: Responses = {
    200: {"content": {"application/ld+json": {}}, "description": "IIIF Content Search 1, an annotation list"}
}
TargetOf = Callable[[Hit], str | None]


class Annotations(JSONResponse):
    """JSON with the media type of JSON-LD."""

    media_type = f'application/ld+json;profile="{CONTEXT}"'


class WithinParams(BaseModel):
    """A request of the Content Search API (section 4.1). Unknown parameters are ignored."""

    model_config = ConfigDict(frozen=True)

    q: str = Field(default="", max_length=1_000, description="what to look for; empty: everything")
    motivation: str = Field(
        default="", max_length=500, description="motivations with spaces between; captions are `commenting`"
    )
    date: str | None = Field(default=None, max_length=1_000, description="not read, and listed in `ignored`")
    user: str | None = Field(default=None, max_length=1_000, description="not read, and listed in `ignored`")
    page: int = Field(default=1, ge=1, le=1_000, description="page of the answer")

    @property
    def ignored(self) -> list[str]:
        """The names of the given parameters that are not supported."""
        return [name for name, value in (("date", self.date), ("user", self.user)) if value]


Params = Annotated[WithinParams, Query()]


@router.get(
    "/iiif/{key}/object/search",
    summary="Search within an object",
    response_class=Annotations,
    responses=_OK,
)
def search_object(
    key: KeyPath, params: Params, request: Request, context: InjectedContext, concealed: Concealed
) -> Annotations:
    """Annotations on the canvases of `/iiif/{key}/object/manifest.json`."""
    asked = _SearchRequest(context.base_url(request), f"/iiif/{key}/object/search", params)
    return Annotations(asked.answer(context, key, concealed, lambda hit: canvas_id(hit.key, asked.base)))


@router.get(
    "/iiif/{key}/object/search/1",
    summary="Search within an object, version 1.0",
    response_class=Annotations,
    responses=_OK_1,
)
def search_object_1(
    key: KeyPath, params: Params, request: Request, context: InjectedContext, concealed: Concealed
) -> JSONResponse:
    """The same as `/iiif/{key}/object/search`, in version 1.0 of the API, for viewers that read only that."""
    asked = _SearchRequest(context.base_url(request), f"/iiif/{key}/object/search/1", params)
    document = asked.answer_1(context, key, concealed, lambda hit: canvas_id(hit.key, asked.base))
    return JSONResponse(document, media_type="application/ld+json")


@router.get(
    "/iiif/{key}/source/search",
    summary="Search within an institution's own manifest",
    response_class=Annotations,
    responses=_OK,
)
def search_source(
    key: KeyPath, params: Params, request: Request, context: InjectedContext, concealed: Concealed
) -> Annotations:
    """The same on the canvases of the manifest that the item came from. An institution may name this address
    as the search service of its manifest.
    """
    asked = _SearchRequest(context.base_url(request), f"/iiif/{key}/source/search", params)
    return Annotations(
        asked.answer(context, key, concealed, lambda hit: source_target(hit) if outward(hit.canvas) else None)
    )


class _SearchRequest:
    """One request to one search service. `base` is the address of the whole service, `path` that of
    the search service below it.
    """

    def __init__(self, base: str, path: str, params: WithinParams) -> None:
        self.base, self._service = base, base + path
        self._q, self._ignored, self._page = params.q.strip(), params.ignored, params.page
        self._motivation = params.motivation
        self._words = frozenset(folded(word) for word in words_in(self._q))

    def answer(
        self, context: ServiceContext, key: str, concealed: tuple[str, ...], target_of: TargetOf
    ) -> Json:
        """The annotation page as a document."""
        found = self._found(context, key, concealed, target_of)
        start = (self._page - 1) * PAGE_SIZE
        shown = found[start : start + PAGE_SIZE]
        document: Json = {"@context": CONTEXT, "id": self._address(self._page), "type": "AnnotationPage"}
        if self._ignored:
            document["ignored"] = self._ignored
        if len(found) > PAGE_SIZE:
            document |= self._neighbours(len(found), start)
        page = {"id": document["id"], "type": "AnnotationPage"}
        document["items"] = published.annotation_page(page, [annotation for annotation, _ in shown])["items"]
        if marked := [mark for _, marks in shown for mark in marks]:
            document["annotations"] = [{"type": "AnnotationPage", "items": marked}]
        return document

    def answer_1(
        self, context: ServiceContext, key: str, concealed: tuple[str, ...], target_of: TargetOf
    ) -> Json:
        """The same in version 1.0."""
        found = self._found(context, key, concealed, target_of)
        start = (self._page - 1) * PAGE_SIZE
        return content_search_1.annotation_list(
            self._address(self._page),
            found[start : start + PAGE_SIZE],
            total=len(found),
            start=start,
            following=self._address(self._page + 1) if start + PAGE_SIZE < len(found) else None,
        )

    def _found(
        self, context: ServiceContext, key: str, concealed: tuple[str, ...], target_of: TargetOf
    ) -> list[tuple[Json, list[Json]]]:
        """The annotations, with marks for the words found, best first."""
        found: list[tuple[Json, list[Json]]] = []
        wanted = [motivation.removeprefix("oa:") for motivation in self._motivation.split()]
        if wanted and CAPTION_MOTIVATION not in wanted:
            return found
        for hit in self._hits(context, key, concealed):
            target = target_of(hit)
            for number, caption in self._captions(hit) if target else ():
                annotation = caption_note(canvas_id(hit.key, self.base), number, caption, str(target))
                found.append((annotation, list(self._marks(caption.text, annotation["id"]))))
        return found

    def _hits(self, context: ServiceContext, key: str, concealed: tuple[str, ...]) -> Iterator[Hit]:
        if not self._q:
            yield from context.hits_of_group(key, concealed)
            return
        by_words = context.search_group(key, self._q, concealed, mode="keyword")
        by_meaning = context.search_group(key, self._q, concealed, mode="semantic")
        certain = [hit for hit in by_words.hits if hit.score >= MIN_PROBABILITY]
        yield from certain
        known = {hit.key for hit in certain}
        for hit in by_meaning.hits if by_meaning.matches_well else ():
            if hit.score >= MIN_PROBABILITY and hit.key not in known:
                yield hit

    def _captions(self, hit: Hit) -> list[tuple[int, Caption]]:
        """The captions that contain a word of the query; the first caption if the
        picture was found by meaning.
        """
        numbered = list(enumerate(hit.captions, 1))
        if not self._words:
            return numbered
        return [pair for pair in numbered if self._words & _words_of(pair[1].text)] or numbered[:1]

    def _marks(self, text: str, annotation: str) -> Iterator[Json]:
        matches = [each for each in re.finditer(r"\w+", text) if folded(each[0]) in self._words]
        for number, match in enumerate(matches, 1):
            before, after = text[: match.start()], text[match.end() :]
            selector = {
                "type": "TextQuoteSelector",
                "prefix": before[-CONTEXT_CHARS:],
                "exact": match[0],
                "suffix": after[:CONTEXT_CHARS],
            }
            target = {"type": "SpecificResource", "source": annotation, "selector": [selector]}
            yield {
                "id": f"{annotation}/match/{number}",
                "type": "Annotation",
                "motivation": "highlighting",
                "target": target,
            }

    def _neighbours(self, total: int, start: int) -> Json:
        """The paging properties of one page among several (section 4.2.2)."""
        last = -(-total // PAGE_SIZE)

        def reference(number: int) -> Json:
            return {"id": self._address(number), "type": "AnnotationPage"}

        collection = {"id": self._address(None), "type": "AnnotationCollection", "total": total}
        properties: Json = {
            "partOf": collection | {"first": reference(1), "last": reference(last)},
            "startIndex": start,
        }
        if self._page < last:
            properties["next"] = reference(self._page + 1)
        if 1 < self._page <= last:
            properties["prev"] = reference(self._page - 1)
        return properties

    def _address(self, page: int | None) -> str:
        """The address of a page. The first has no number; None means the whole list."""
        given = {"q": self._q, "motivation": self._motivation, "page": page if page and page > 1 else None}
        query = urlencode({name: value for name, value in given.items() if value})
        return f"{self._service}?{query}" if query else self._service


def _words_of(text: str) -> frozenset[str]:
    return frozenset(folded(word) for word in re.findall(r"\w+", text))
