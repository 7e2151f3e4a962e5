"""Pictures that readers bring along: bounded before they are decoded, kept in memory for a while, never on disk."""

from __future__ import annotations

import io
import secrets
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from PIL import Image, ImageOps

from retrieval.service.guards.refusals import N_, Refusal

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP")
MAX_SIDE_PIXELS = 768
KEEP_SECONDS = 30 * 60
MAX_KEPT = 200


def normalise(data: bytes, max_pixels: int) -> bytes:
    """An uploaded image as an upright sRGB-like JPEG of at most 768 pixels a side.

    The size is read from the header and refused before a pixel is decoded.

    Raises:
        Refusal: not an image we read (415), too many pixels (413), or damaged (415).
    """
    try:
        with warnings.catch_warnings():
            # Our own bound is the stricter one, and a warning would go to the log.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return _decode(data, max_pixels)
    except Refusal:
        raise
    except Image.DecompressionBombError as error:
        raise _too_many_pixels(max_pixels) from error
    except Exception as error:
        # Pillow's decoders raise nearly everything on a damaged file: OSError, SyntaxError, struct.error, IndexError.
        raise _not_an_image() from error


def _decode(data: bytes, max_pixels: int) -> bytes:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.width * image.height > max_pixels:
            raise _too_many_pixels(max_pixels)
        image.draft("RGB", (MAX_SIDE_PIXELS, MAX_SIDE_PIXELS))
        upright = ImageOps.exif_transpose(image)
        upright.thumbnail((MAX_SIDE_PIXELS, MAX_SIDE_PIXELS))
        kept = io.BytesIO()
        _flatten(upright).save(kept, "JPEG", quality=92)
        return kept.getvalue()


def _flatten(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        ground = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _too_many_pixels(max_pixels: int) -> Refusal:
    return Refusal(
        413,
        f"the image has more than {max_pixels:,} pixels",
        where="image",
        remedy=N_("send a smaller one: the model sees no more than a few hundred pixels a side"),
    )


def _not_an_image() -> Refusal:
    return Refusal(
        415,
        N_("this is not an image that can be read"),
        where="image",
        remedy=f"send one whole file of these kinds: {', '.join(FORMATS)}",
    )


class KeptImages:
    """The pictures readers search with, each under a random name, so that filters and the back button work.

    In memory only, for half an hour, the oldest going first; the name is the only way to one.
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
            Refusal: 404, it is gone or never was.
        """
        with self._lock:
            until, image = self._images.get(name, (0.0, b""))
            if until < self._clock():
                self._images.pop(name, None)
                raise Refusal(
                    404,
                    N_("the picture you searched with is no longer here"),
                    where="image",
                    remedy=N_("send it again; pictures are kept in memory for half an hour and nowhere else"),
                )
            return image
