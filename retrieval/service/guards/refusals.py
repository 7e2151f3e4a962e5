"""How the service says no: one error shape for every route, in JSON for programs and as a page for people.

{"error": {"code": "bad_request", "what": "...", "where": "k", "remedy": "..."}}
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from iconoclip.errors import BadInput, ConfigError, DamagedData, IconoclipError


class Fault(BaseModel):
    """One refusal, in the terms of iconoclip.errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(description="stable name of the kind of refusal", examples=["bad_request"])
    what: str = Field(description="what is wrong, in a sentence", examples=["k is at most 200"])
    where: str | None = Field(
        default=None, description="the parameter, header or key it is about", examples=["k"]
    )
    remedy: str | None = Field(
        default=None, description="what to do", examples=["ask for fewer and follow `next_cursor`"]
    )


class FaultBody(BaseModel):
    """The body of every answer that is not a success."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error: Fault


CODES = {
    400: "bad_request",
    401: "not_authorised",
    403: "link_only",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "not_an_image",
    422: "bad_request",
    429: "too_many_requests",
    503: "not_ready",
}


class Refusal(Exception):
    """A request that is answered with a 4xx or 5xx; raised anywhere below a route.

    Args:
        status: the HTTP status.
        what, where, remedy: as in iconoclip.errors.
        headers: further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        what: str,
        *,
        where: str | None = None,
        remedy: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(what)
        self.status = status
        self.headers = headers or {}
        self.fault = Fault(code=CODES.get(status, "error"), what=what, where=where, remedy=remedy)

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        return FaultBody(error=self.fault).model_dump()


def from_engine(error: IconoclipError) -> Refusal:
    """An error of the engine as an answer: what the client gave is a 400, what the server lacks a 503."""
    is_clients = isinstance(error, BadInput) and not isinstance(error, (ConfigError, DamagedData))
    status = 400 if is_clients else 503
    # A path on the server is nobody's business outside; the parameter is said by `what`.
    return Refusal(status, error.what, remedy=error.remedy if status == 400 else "try again in a moment")


def N_(text: str) -> str:
    """Marks a sentence that readers of the page see too, so that the catalogues of locales/ hold it."""
    return text


_BY_STATUS = {
    400: (N_("the request cannot be read"), N_("send it again")),
    404: (N_("there is nothing at this address"), N_("check the address")),
    405: (N_("this address does not take that method"), N_("the Allow header lists the methods")),
}


def from_status(status: int, detail: str | None = None) -> Refusal:
    """A refusal of the framework's own: an unknown address, a method that is not allowed."""
    what, remedy = _BY_STATUS.get(status, (detail or HTTPStatus(status).phrase, None))
    return Refusal(status, what, remedy=remedy)


def documented(description: str, example: Refusal) -> dict[str, Any]:
    """A kind of refusal as the OpenAPI document describes it, and one of the kind.

    The schema is named by reference: given as a model, the framework would file it under the media type of
    the route's success, and a CSV route does not refuse in CSV.
    """
    schema = {"$ref": "#/components/schemas/FaultBody"}
    content = {"schema": schema, "example": example.body}
    return {"description": description, "content": {"application/json": content}}
