"""The OpenAPI document: what FastAPI writes, and what it cannot know.

- Addresses contain the version.
- Responses may grow: no schema forbids further properties, or generated clients would refuse later ones.
- The token of a consortium is a security scheme, in a header or in the cookie of the page. It is optional.
- Uploads are marked as files, for code generators.
- Operations have the names of their functions, so that generated clients have short names.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from retrieval.service.guards.versions import versioned
from retrieval.service.guards.visibility import COOKIE

SECURITY_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "description": "the token of a consortium, for its items"},
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "the same token, as the page /members stores it",
    },
}
# The first one is empty: everything public is answered without a token.
SECURITY: list[dict[str, list[str]]] = [{}, {"token": []}, {"cookie": []}]


class DocumentedApi(FastAPI):
    """The application with its own OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            document = super().openapi()
            document["paths"] = {versioned(path): each for path, each in document["paths"].items()}
            schemas = document["components"]["schemas"]
            for schema in schemas.values():
                schema.pop("additionalProperties", None)
                _mark_files(schema)
            document["components"]["securitySchemes"] = SECURITY_SCHEMES
            document["security"] = SECURITY
        return self.openapi_schema or {}


def _mark_files(schema: Any) -> None:
    """Give every uploaded file the format by which code generators know it.

    FastAPI writes `contentMediaType`, as JSON Schema does; generators read that as text.
    """
    if isinstance(schema, dict):
        if schema.get("contentMediaType") == "application/octet-stream":
            schema["format"] = "binary"
        for each in schema.values():
            _mark_files(each)
    elif isinstance(schema, list):
        for each in schema:
            _mark_files(each)


def operation_id(route: APIRoute) -> str:
    """The name of an operation: that of its function."""
    return route.name
