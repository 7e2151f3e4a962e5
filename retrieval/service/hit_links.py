"""Links of a hit: whether its picture may be shown, and the addresses at the institution."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

from iconoclip.record import Record
from retrieval.answers import Hit


def is_shown(hit: Hit) -> bool:
    """Whether the picture itself may be shown here."""
    return hit.rights.display != "link"


def outward(url: str | None) -> str | None:
    """The address if a page may link to it, which must be a web address; otherwise None."""
    if url is not None and url.lower().startswith(("https://", "http://")):
        return url
    return None


def home_of(hit: Hit) -> str | None:
    """The best address at the institution: the page for people, otherwise the
    manifest, otherwise the canvas.
    """
    return next((url for url in map(outward, (hit.homepage, hit.manifest, hit.canvas)) if url), None)


def content_state_of(record: Record, base: str) -> dict[str, Any] | None:
    """A IIIF Content State 1.0 (section 2.2.1) for the record's canvas or region.

    Its id is its address in this service, because ids of the institution are not ours to make. A region
    is a canvas with `#xywh=`, and `partOf` gives its manifest.
    """
    source = record.source
    if not (source.canvas and source.manifest):
        return None
    target = source.canvas if source.region is None else f"{source.canvas}#xywh={source.region}"
    return {
        "@context": "http://iiif.io/api/presentation/3/context.json",
        "id": f"{base}/iiif/{record.key}/content-state.json",
        "type": "Annotation",
        "motivation": ["contentState"],
        "target": {
            "id": target,
            "type": "Canvas",
            "partOf": [{"id": source.manifest, "type": "Manifest"}],
        },
    }


def content_state(record: Record, base: str) -> str | None:
    """The Content State of a record, base64url-encoded (section 6). Universal Viewer and Clover open it."""
    state = content_state_of(record, base)
    if state is None:
        return None
    # Section 6.1: the text is percent-encoded as encodeURIComponent does, then base64url without padding.
    encoded = quote(json.dumps(state, separators=(",", ":")), safe="!'()*~-._")
    return base64.urlsafe_b64encode(encoded.encode()).decode().rstrip("=")
