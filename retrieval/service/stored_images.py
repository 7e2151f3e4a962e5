"""The stored images and their thumbnails, if their rights allow showing them."""

from __future__ import annotations

import hashlib
import io
import re
from collections import OrderedDict
from threading import Lock

from PIL import Image

from retrieval.answers import Hit
from retrieval.service.guards.refusals import Refusal
from retrieval.service.hit_links import home_of, is_shown

THUMB_SIDE_PIXELS = 400
THUMB_CACHE_BYTES = 64_000_000


def refuse_unless_shown(hit: Hit) -> None:
    """Check that the rights allow showing the picture.

    Raises:
        Refusal: 403, the rights allow only a link to the picture.
    """
    if not is_shown(hit):
        home = home_of(hit)
        raise Refusal(
            403,
            "the rights of this picture allow a link to it, but do not allow showing it here",
            where=hit.key,
            remedy=f"see it at its institution: {home}" if home else "ask its institution",
        )


def thumbnail(image: bytes) -> bytes:
    """A JPEG of at most 400 pixels per side; a smaller picture is returned unchanged."""
    with Image.open(io.BytesIO(image), formats=("JPEG",)) as opened:
        if max(opened.size) <= THUMB_SIDE_PIXELS:
            return image
        opened.draft("RGB", (THUMB_SIDE_PIXELS, THUMB_SIDE_PIXELS))
        small = opened.convert("RGB")
    small.thumbnail((THUMB_SIDE_PIXELS, THUMB_SIDE_PIXELS), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    small.save(written, "JPEG", quality=86, optimize=True, progressive=True)
    return written.getvalue()


def etag(image: bytes) -> str:
    """A strong validator of the bytes (RFC 9110, section 8.8.3)."""
    return f'"{hashlib.sha256(image).hexdigest()[:32]}"'


def is_known(tag: str, if_none_match: str) -> bool:
    """Whether If-None-Match contains `tag`, weak or strong, or is `*` (RFC 9110, section 13.1.2)."""
    if if_none_match.strip() == "*":
        return True
    known = re.findall(r'(?:W/)?("[^"]*")', if_none_match[:10_000])
    return tag.removeprefix("W/") in known


class ThumbCache:
    """A cache of thumbnails, up to 64 MB; the least recently used are dropped first."""

    def __init__(self, max_bytes: int = THUMB_CACHE_BYTES) -> None:
        self._max_bytes, self._num_bytes = max_bytes, 0
        self._thumbs: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    def of(self, image: bytes) -> bytes:
        """The thumbnail of `image`, made or from the cache. The cache key is the content, so a replaced
        picture gets a new thumbnail.
        """
        name = etag(image)
        with self._lock:
            if name in self._thumbs:
                self._thumbs.move_to_end(name)
                return self._thumbs[name]
        small = thumbnail(image)
        with self._lock:
            if name not in self._thumbs:
                self._thumbs[name] = small
                self._num_bytes += len(small)
            while self._num_bytes > self._max_bytes:
                self._num_bytes -= len(self._thumbs.popitem(last=False)[1])
        return small
