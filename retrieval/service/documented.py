"""What several rooms of the API say alike in the OpenAPI document: refusals, and a key in an address."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path

from iconoclip.record import KEY_PATTERN
from retrieval.service.refusals import documented

Responses = dict[int | str, dict[str, Any]]
REFUSALS: Responses = {
    400: documented("a cursor of another question, or a body that cannot be read"),
    401: documented("a token that is not known here"),
    404: documented("no such item, or it was withdrawn, or it is not for you"),
    422: documented("a parameter out of its bounds, or one that does not exist"),
    429: documented("too many requests; Retry-After says how long to wait"),
    503: documented("something needed is not there at the moment"),
}
UPLOAD: Responses = {413: documented("too many bytes or pixels"), 415: documented("not an image")}

KeyPath = Annotated[
    str,
    Path(
        pattern=KEY_PATTERN,
        max_length=100,
        description="key of an item",
        examples=["staatsarchiv-0123456789abcdef"],
    ),
]
