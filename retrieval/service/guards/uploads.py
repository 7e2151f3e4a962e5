"""Pictures that users upload: checked for size before they are decoded, kept in memory
for a while, never on disk.
"""

from __future__ import annotations

import io
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from iconoclip import pictures
from retrieval.service.guards.refusals import N_, Refusal

# Without JPEG 2000: its decoder has had the most vulnerabilities, and here it would run inside the server.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP")
MAX_SIDE_PIXELS = 768
KEEP_SECONDS = 30 * 60
MAX_KEPT = 200


def normalise(data: bytes, max_pixels: int) -> bytes:
    """An uploaded image as an upright sRGB JPEG of at most 768 pixels per side, decoded in the
    same way as in a harvest.

    The size is read from the header and refused before a pixel is decoded.

    Raises:
        Refusal: not an image we read (415), too many pixels (413), or damaged (415).
    """
    try:
        image = pictures.decode(data, max_pixels=max_pixels, max_side=MAX_SIDE_PIXELS, formats=FORMATS)
    except pictures.TooManyPixels as error:
        raise _too_many_pixels(max_pixels) from error
    except pictures.ImageRefused as error:
        raise _not_an_image() from error
    kept = io.BytesIO()
    image.save(kept, "JPEG", quality=92)
    return kept.getvalue()


def _too_many_pixels(max_pixels: int) -> Refusal:
    return Refusal(
        413,
        f"the image has more than {max_pixels:,} pixels",
        where="image",
        remedy=N_("send a smaller one: the model sees no more than a few hundred pixels per side"),
    )


def _not_an_image() -> Refusal:
    return Refusal(
        415,
        N_("this is not an image that can be read"),
        where="image",
        remedy=f"send one whole file of these kinds: {', '.join(FORMATS)}",
    )


class KeptImages:
    """The pictures that users search with, each under a random name, so that filters
    and the back button work.

    They are only in memory, for half an hour; the oldest are dropped first. A picture can
    be read only by its name.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._images: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._lock = Lock()

    def keep(self, image: bytes) -> str:
        """Keep `image` and return its name."""
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._images[name] = (self._clock() + KEEP_SECONDS, image)
            while len(self._images) > MAX_KEPT:
                self._images.popitem(last=False)
        return name

    def get(self, name: str) -> bytes:
        """The image of that name.

        Raises:
            Refusal: 404, it is no longer stored, or never was.
        """
        with self._lock:
            until, image = self._images.get(name, (0.0, b""))
            if until < self._clock():
                self._images.pop(name, None)
                raise Refusal(
                    404,
                    N_("the picture you searched with is no longer here"),
                    where="image",
                    remedy=N_("send it again; pictures are kept only in memory, for half an hour"),
                )
            return image
