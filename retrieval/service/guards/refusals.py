"""Error responses: the same shape for every route, in JSON for programs and as a page for people.

{"error": {"code": "bad_request", "what": "...", "where": "k", "remedy": "..."}}
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from iconoclip.errors import BadInput, ConfigError, DamagedData, IconoclipError


class Fault(BaseModel):
    """One error, with the fields of iconoclip.errors."""

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
    """The body of every error response."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error: Fault


CODES = {
    400: "bad_request",
    401: "not_authorised",
    403: "link_only",
    404: "not_found",
    405: "method_not_allowed",
    409: "changed",
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
        headers: further headers of the response.
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
    """An error of the engine as a response: 400 if the client's input is wrong, 503 if
    the server lacks something.
    """
    is_clients = isinstance(error, BadInput) and not isinstance(error, (ConfigError, DamagedData))
    status = 400 if is_clients else 503
    # Clients must not see paths on the server; `what` names the parameter.
    return Refusal(status, error.what, remedy=error.remedy if status == 400 else "try again in a moment")


def N_(text: str) -> str:
    """Marks a sentence that users of the page also see, so that it is extracted into
    the catalogues in locales/.
    """
    return text


TOO_LONG = N_("the text is too long")
# The longest text that is searched: retrieval.questions.MAX_TEXT_CHARS.
TOO_LONG_REMEDY = N_("shorten it to 1,000 characters")
_BY_STATUS = {
    400: (N_("the request cannot be read"), N_("send it again")),
    404: (N_("there is nothing at this address"), N_("check the address")),
    405: (N_("this address does not allow that method"), N_("the Allow header lists the methods")),
}


def from_status(status: int, detail: str | None = None) -> Refusal:
    """An error of the framework: an unknown address, or a method that is not allowed."""
    what, remedy = _BY_STATUS.get(status, (detail or HTTPStatus(status).phrase, None))
    return Refusal(status, what, remedy=remedy)


def documented(description: str, example: Refusal) -> dict[str, Any]:
    """The description of a kind of error for the OpenAPI document, with an example.

    The schema is given by reference: with a model, the framework would list it under the media type of the
    successful response, but the errors of a CSV route are not CSV.
    """
    schema = {"$ref": "#/components/schemas/FaultBody"}
    content = {"schema": schema, "example": example.body}
    return {"description": description, "content": {"application/json": content}}
