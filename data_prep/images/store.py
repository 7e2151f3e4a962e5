"""Bytes from a stranger -> a stored JPEG: decoded safely, upright, in sRGB, small, and hashed.

What is stored: a baseline JPEG without metadata, RGB or greyscale, its longer side at most `max_side` pixels. Bytes
that already are exactly that are kept as they came, so that a picture the service has sized for us is not
compressed twice; everything else is encoded anew. Nothing is ever enlarged.
"""

from __future__ import annotations

import functools
import hashlib
import io
import math
import warnings
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from data_prep.images.hashing import REDUCING_GAP, Averaged

# Formats whose decoders we let strangers reach. No PDF, PostScript or vector format.
FORMATS: Final = ("JPEG", "PNG", "TIFF", "JPEG2000", "GIF", "WEBP", "BMP")
WHITE: Final = (255, 255, 255)
MIN_SIDE_PIXELS: Final = 8
ORIENTATION: Final = 0x0112
# ITU-T T.81, table B.1; encoders write about ten scans. Coded data holds no marker, an embedded preview one or two.
START_OF_SCAN: Final = b"\xff\xda"
MAX_SCANS: Final = 100
# IPTC PLUS "Data Mining" property in embedded XMP: every prohibition starts so (ns.useplus.org/LDF/ldf-XMPSpecification).
DATA_MINING_PROHIBITED: Final = b"DMI-PROHIBITED"

# Our own bound is checked before any pixel is decoded, and says which number was exceeded.
Image.MAX_IMAGE_PIXELS = None


class ImageRefused(ValueError):
    """The bytes are no image we store; the message says why, in words for the report."""


class Rectangle(Protocol):
    """A part of an image in pixels, origin at the top left. An `iconoclip.record.Region` is one, but importing that would
    cost each process that decodes as long as all the rest here."""

    @property
    def x(self) -> int:
        """Pixels from the left."""

    @property
    def y(self) -> int:
        """Pixels from the top."""

    @property
    def width(self) -> int:
        """Pixels across."""

    @property
    def height(self) -> int:
        """Pixels down."""


@dataclass(frozen=True)
class Wanted:
    """How images are to be stored. `max_pixels` bounds what an image's header may claim."""

    max_side: int = 512
    quality: int = 90
    max_pixels: int = 400_000_000


@dataclass(frozen=True)
class StoredImage:
    """The stored bytes and what is known of them. Sizes are width, height in pixels."""

    jpeg: bytes
    width: int
    height: int
    sha256: str
    received: tuple[int, int]
    source_sha256: str
    phash: str
    colours: tuple[int, ...]
    """Mean RGB of the four quarters, 12 values of 0-255: what tells two pictures of one perceptual hash apart."""
    opt_out: tuple[str, ...] = ()


def store_image(
    data: bytes, wanted: Wanted, crop: Rectangle | None = None, crop_space: tuple[int, int] | None = None
) -> StoredImage:
    """Decode, set upright, convert to sRGB, cut, shrink, encode and hash one image.

    Args:
        data: the bytes as received; any of `FORMATS`, whatever the name or media type said.
        wanted: how to store it.
        crop: the part to keep, in pixels of the upright image.
        crop_space: the size of the image that `crop` was measured on; default: the image as received.

    Raises:
        ImageRefused: not an image, truncated, a bomb, or empty; never anything else.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _store(data, wanted, crop, crop_space)
    except ImageRefused:
        raise
    except MemoryError:
        raise ImageRefused("the image does not fit into memory") from None
    except Exception as error:
        # Decoders of hostile input raise nearly everything: OSError, SyntaxError, struct.error, KeyError, ...
        raise ImageRefused(f"the image cannot be decoded: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:200]


def _store(
    data: bytes, wanted: Wanted, crop: Rectangle | None, crop_space: tuple[int, int] | None
) -> StoredImage:
    image = _open(data)
    _check_header(image, data, wanted)
    header_size, was_mode = image.size, image.mode
    as_wanted = crop is None and _is_as_wanted(image, data, wanted)
    _draft(image, data, wanted, crop, crop_space)
    image.load()
    orientation = _orientation(image)
    # Pillow's TIFF reader turns the image itself, so its header may have the sides the other way round.
    received = image.size if image.format == "TIFF" else _upright_size(header_size, orientation)
    if crop is not None:
        image = _cut(_upright(image, orientation), crop, crop_space or received)
        orientation = 1
    profile = image.info.get("icc_profile")
    pixels = _upright(to_srgb(_shrink(_plain_mode(image), wanted.max_side), profile), orientation)
    if min(pixels.size) < 1 or min(received) < MIN_SIDE_PIXELS:
        raise ImageRefused(f"the image is {received[0]}x{received[1]} pixels, too small to show anything")
    jpeg = data if as_wanted and pixels.mode == was_mode else _encode(pixels, wanted.quality)
    looks = Averaged.of(pixels)
    return StoredImage(
        jpeg=jpeg,
        width=pixels.width,
        height=pixels.height,
        sha256=hashlib.sha256(jpeg).hexdigest(),
        received=received,
        source_sha256=hashlib.sha256(data).hexdigest(),
        phash=looks.phash,
        colours=looks.quarters,
        opt_out=("plus-data-mining",) if DATA_MINING_PROHIBITED in data else (),
    )


def _open(data: bytes) -> Image.Image:
    if not data:
        raise ImageRefused("the file is empty")
    if looks_like_markup(data):
        raise ImageRefused("a page of HTML or XML came where an image was wanted")
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise ImageRefused(f"not an image in a format we read ({_magic(data)})") from None


def looks_like_markup(data: bytes) -> bool:
    """Whether bytes begin like an HTML or XML page: a firewall's or a login's, where something else was wanted."""
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype", b"<html", b"<head", b"<body", b"<?xml", b"<script", b"<!--"))


def looks_like_html(data: bytes) -> bool:
    """Whether bytes begin like an HTML page, and not like other XML."""
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return looks_like_markup(start) and (not start.startswith(b"<?xml") or b"<html" in start)


def _magic(data: bytes) -> str:
    known = {
        b"%PDF": "it is a PDF",
        b"{": "it is JSON",
        b"\x1f\x8b": "it is a gzip file",
        b"PK": "it is a zip file",
    }
    return next((name for magic, name in known.items() if data.startswith(magic)), "unknown magic bytes")


def _check_header(image: Image.Image, data: bytes, wanted: Wanted) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise ImageRefused("the image has no pixels")
    if width * height > wanted.max_pixels:
        raise ImageRefused(
            f"the image claims {width}x{height} pixels, more than the {wanted.max_pixels} allowed"
        )
    # A scan of 14 bytes can ask for a pass over all pixels, and a progressive JPEG have thousands of them. To count takes as
    # long as a twentieth of decoding; a sequential one's passes cost a fiftieth.
    if image.info.get("progressive") and (num_scans := data.count(START_OF_SCAN)) > MAX_SCANS:
        raise ImageRefused(f"the JPEG has {num_scans} scans, more than the {MAX_SCANS} allowed")


def _is_as_wanted(image: Image.Image, data: bytes, wanted: Wanted) -> bool:
    """A baseline JPEG of the right size without profile, EXIF, comment, second picture or trailing bytes."""
    harmless = {"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi", "adobe", "adobe_transform"}
    return (
        image.format == "JPEG"
        and image.mode in ("RGB", "L")
        and max(image.size) <= wanted.max_side
        and set(image.info) <= harmless
        and all(marker.startswith(("APP0", "APP14")) for marker, _ in getattr(image, "applist", []))
        and data.endswith(b"\xff\xd9")
        and len(data) <= 2 * image.width * image.height + 4096
    )


def _draft(
    image: Image.Image,
    data: bytes,
    wanted: Wanted,
    crop: Rectangle | None,
    crop_space: tuple[int, int] | None,
) -> None:
    """Let the decoder itself drop what the target does not need: JPEG by its DCT, JPEG 2000 by its levels."""
    share = 1.0 if crop is None else max(crop.width, crop.height) / max(crop_space or image.size)
    target = math.ceil(wanted.max_side / min(max(share, 1e-6), 1.0))
    scale = target / max(image.size)
    if scale >= 1:
        return
    if image.format == "JPEG":
        image.draft(image.mode, (math.ceil(image.width * scale), math.ceil(image.height * scale)))
    elif image.format == "JPEG2000":
        image.reduce = _levels_to_drop(image.size, 1 / scale, data)  # type: ignore[method-assign, assignment]


def _levels_to_drop(size: tuple[int, int], factor: float, data: bytes) -> int:
    """How many resolution levels of a JPEG 2000 to leave out.

    As many as the file has (COD marker, ISO/IEC 15444-1, A.6.1), and such that Pillow's rounding of the smaller size
    agrees with the codec's, which rounds up; else it reports a broken file.
    """
    marker = data.find(b"\xff\x52")
    available = data[marker + 9] if 0 <= marker < len(data) - 9 else 0
    levels = min(int(math.log2(factor)), available)
    while levels and any((side + (1 << levels >> 1)) >> levels != -(-side >> levels) for side in size):
        levels -= 1
    return levels


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF" or not ("exif" in image.info or "XML:com.adobe.xmp" in image.info):
        return 1
    value = image.getexif().get(ORIENTATION, 1)
    return value if value in range(1, 9) else 1


_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image if orientation == 1 else image.transpose(_TURNS[orientation])


def _upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    return (size[1], size[0]) if orientation >= 5 else size


def _cut(image: Image.Image, crop: Rectangle, space: tuple[int, int]) -> Image.Image:
    """Cut `crop`, measured on an image of size `space`, from what may have come or been decoded smaller."""
    across, down = image.width / space[0], image.height / space[1]
    left, top = max(0, round(crop.x * across)), max(0, round(crop.y * down))
    right = min(image.width, round((crop.x + crop.width) * across))
    bottom = min(image.height, round((crop.y + crop.height) * down))
    if right <= left or bottom <= top:
        raise ImageRefused(f"the region {crop} lies outside the image of {space[0]}x{space[1]} pixels")
    profile = image.info.get("icc_profile")
    cut = image.crop((left, top, right, bottom))
    cut.info = {"icc_profile": profile} if profile else {}
    return cut


def _plain_mode(image: Image.Image) -> Image.Image:
    """The image in L, RGB, CMYK or LAB: palettes resolved, 16 bits to 8, alpha laid onto white."""
    if image.mode in ("L", "RGB", "CMYK", "LAB") and "transparency" not in image.info:
        return image
    if image.mode == "P" and "transparency" not in image.info:
        return image.convert("RGB")
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _to_8_bits(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return _onto_white(image)
    return image.convert("L" if image.mode == "1" else "RGB")


def _to_8_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.float32)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    # 16-bit modes use their whole range by definition; 32-bit ones say nothing about theirs.
    high = 65535.0 if image.mode.startswith("I;16") or values.max() > 255 else 255.0
    if image.mode == "F" and values.max() <= 1.0:
        high = 1.0
    return Image.fromarray(np.clip(values * (255.0 / high), 0, 255).astype(np.uint8))


def _onto_white(image: Image.Image) -> Image.Image:
    with_alpha = image.convert("RGBA")
    white = Image.new("RGBA", with_alpha.size, (*WHITE, 255))
    flat = Image.alpha_composite(white, with_alpha).convert("RGB")
    flat.info = {key: value for key, value in image.info.items() if key == "icc_profile"}
    return flat


def _shrink(image: Image.Image, max_side: int) -> Image.Image:
    scale = max_side / max(image.size)
    if scale >= 1:
        return image
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP)


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The image in sRGB or in grey; a profile that cannot be read is passed over, as browsers do."""
    if image.mode == "L":
        # A grey profile differs from sRGB's curve by a gamma at most; viewers ignore it as well.
        return image
    if image.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        from_lab = ImageCms.buildTransform(lab, ImageCms.createProfile("sRGB"), "LAB", "RGB")
        return ImageCms.applyTransform(image, from_lab) or image.convert("RGB")
    if profile and (transform := _transform(profile, image.mode)) is not None:
        return ImageCms.applyTransform(image, transform) or image.convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


@functools.lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> Any | None:
    """The colour transform of an embedded profile; None when it is sRGB already or does not fit the pixels."""
    if len(profile) > 4_000_000:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if mode == "RGB" and "srgb" in ImageCms.getProfileDescription(source).lower():
            return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _encode(image: Image.Image, quality: int) -> bytes:
    image.info = {}
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def decoded_size(data: bytes, max_pixels: int = Wanted().max_pixels) -> tuple[int, int]:
    """Decode an image whole and say how large it is.

    Raises:
        ImageRefused: it cannot be decoded.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = _open(data)
            _check_header(image, data, Wanted(max_pixels=max_pixels))
            image.load()
            return image.size
    except ImageRefused:
        raise
    except Exception as error:
        raise ImageRefused(f"the image cannot be decoded: {_reason(error)}") from error
