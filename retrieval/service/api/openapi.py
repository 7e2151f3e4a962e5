"""Parts of the OpenAPI document that several modules share: error responses, and the key in an address."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path

from iconoclip.record import KEY_PATTERN
from retrieval.service.guards.refusals import Refusal, documented

Responses = dict[int | str, dict[str, Any]]
REFUSALS: Responses = {
    400: documented(
        "a cursor of another query, or a body that cannot be read",
        Refusal(400, "this cursor belongs to another query", remedy="repeat the query unchanged"),
    ),
    401: documented(
        "a token that is not known here",
        Refusal(
            401,
            "the token is not known here",
            where="Authorization",
            remedy="ask the consortium for a new one, or leave the header out",
        ),
    ),
    404: documented(
        "no such item, or it was withdrawn, or you may not see it",
        Refusal(
            404,
            "there is no such item here",
            where="staatsarchiv-0123456789abcdef",
            remedy="it may have been withdrawn; search again",
        ),
    ),
    422: documented(
        "a parameter out of its bounds, or one that does not exist",
        Refusal(
            422,
            "there is no parameter 'insitution'",
            where="insitution",
            remedy="did you mean 'institution'?",
        ),
    ),
    429: documented(
        "too many requests; Retry-After says how long to wait",
        Refusal(429, "more than 240 requests per minute", remedy="wait 7 s; Retry-After says it too"),
    ),
    503: documented(
        "something needed is not there at the moment",
        Refusal(503, "the model is being loaded", remedy="try again in a moment"),
    ),
}
UPLOAD: Responses = {
    413: documented(
        "too many bytes or pixels",
        Refusal(413, "the upload is larger than 10 MB", where="body", remedy="send a smaller image"),
    ),
    415: documented(
        "not an image",
        Refusal(
            415,
            "this is not an image that can be read",
            where="image",
            remedy="send one whole file of these kinds: JPEG, PNG, WEBP, TIFF, GIF, BMP",
        ),
    ),
}

KeyPath = Annotated[
    str,
    Path(
        pattern=KEY_PATTERN,
        max_length=100,
        description="key of an item",
        examples=["staatsarchiv-0123456789abcdef"],
    ),
]
