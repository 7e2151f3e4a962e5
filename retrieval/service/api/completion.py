"""Completion while typing.

The text is in the body of a POST: the addresses of requests are what servers and proxies on the way log.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from retrieval.answers import Completed
from retrieval.service.api.examples import answered
from retrieval.service.api.openapi import REFUSALS
from retrieval.service.context import Concealed, InjectedContext
from retrieval.service.params import printable

router = APIRouter(responses=REFUSALS)
MAX_TYPED_CHARS, MAX_COMPLETIONS = 200, 20


class Typed(BaseModel):
    """What has been typed so far."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    q: Annotated[str, Field(max_length=MAX_TYPED_CHARS), AfterValidator(printable)] = Field(
        description="the text so far", examples=["azure, a li"]
    )
    language: str = Field(
        default="en", pattern=r"^[a-z]{2,3}$", description="language of the texts that come first"
    )
    k: int = Field(default=8, ge=1, le=MAX_COMPLETIONS, description="number of completions")


class CompletedTexts(BaseModel):
    """Texts that a query may be completed to, best first."""

    model_config = ConfigDict(frozen=True)

    completions: tuple[Completed, ...]


_EXAMPLE = CompletedTexts(
    completions=(Completed(text="Azure, a lion rampant or", kind="title", language="en"),)
)


@router.post(
    "/api/complete",
    tags=["search"],
    summary="Complete what is being typed",
    responses=answered(_EXAMPLE),
)
def complete(
    typed: Typed, response: Response, context: InjectedContext, concealed: Concealed
) -> CompletedTexts:
    """Titles, makers, places, institutions and texts of Iconclass with a word that begins like the text, the
    most frequent first. Send it in the body, as JSON; nothing of it is stored or logged.
    """
    response.headers["Cache-Control"] = "no-store"
    return CompletedTexts(completions=context.complete(typed.q, typed.language, typed.k, concealed))
