"""Turns untrusted image bytes into pixels: limited in size, upright, in sRGB or grey, transparency on white.

The harvest, the uploads of the search service, the encoder and training all use this module, so that a file
gives the same picture everywhere. The header is checked before anything is decoded. Decoders are C code that
reads hostile bytes, so the harvest calls this module in separate processes (`data_prep.images.decoders`).
"""

from __future__ import annotations

import contextlib
import functools
import io
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, UnidentifiedImageError

# The formats that are decoded. No PDF, PostScript or vector format.
FORMATS: Final = ("JPEG", "PNG", "TIFF", "JPEG2000", "GIF", "WEBP", "BMP")
WHITE: Final = (255, 255, 255, 255)
ORIENTATION: Final = 0x0112
# ITU-T T.81, table B.1; encoders write about ten scans. Coded data holds no marker, an embedded preview one
# or two.
START_OF_SCAN: Final = b"\xff\xda"
MAX_SCANS: Final = 100
MAX_PROFILE_BYTES: Final = 4_000_000
# Averaging down to a little more than the target and filtering the rest costs half of filtering everything.
REDUCING_GAP: Final = 3.0
# TIFF 6.0: tag 262 is PhotometricInterpretation, 0 means that white is zero.
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0
_ROWS_AT_ONCE: Final = 256

# Pillow's own limit is off: ours is checked before any pixel is decoded, and its message gives the limit.
Image.MAX_IMAGE_PIXELS = None
# Pillow warns about damaged tags; in a harvest of millions of images nobody can act on that.
warnings.filterwarnings("ignore", module="PIL")


class ImageRefused(ValueError):
    """The bytes are not an image that we read; the message is the reason in a report."""


class TooManyPixels(ImageRefused):
    """The image claims more pixels than allowed."""


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Turn every exception of a decoder into a refusal.

    Raises:
        ImageRefused: in place of any exception in the block.
    """
    try:
        yield
    except ImageRefused:
        raise
    except MemoryError:
        raise ImageRefused("the image does not fit into memory") from None
    except Exception as error:
        # With hostile input, decoders raise almost any exception: OSError, SyntaxError, struct.error,
        # KeyError, ...
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageRefused(f"the image cannot be decoded: {reason[:200]}") from error


def decode(
    data: bytes,
    *,
    max_pixels: int,
    at_least: tuple[int, int] | None = None,
    max_side: int | None = None,
    formats: tuple[str, ...] = FORMATS,
) -> Image.Image:
    """An image file as RGB.

    Args:
        data: the file's bytes.
        max_pixels: refuse an image whose header claims more.
        at_least: the (width, height) needed, in pixels; a JPEG may be decoded at a reduced scale
            that covers it.
        max_side: shrink to at most this many pixels on the longer side.
        formats: the formats that are allowed.

    Raises:
        ImageRefused: not an image of these formats, truncated, or too large; nothing else.
    """
    with refusing():
        image = open_image(data, max_pixels=max_pixels, formats=formats)
        if max_side:
            draft(image, data, max_side)
        elif at_least and image.format == "JPEG":
            image.draft(image.mode, at_least)
        image.load()
        turn = orientation_of(image)
        profile = image.info.get("icc_profile")
        plain = plain_mode(image)
        if max_side:
            plain = shrink(plain, max_side)
        pixels = upright(to_srgb(plain, profile), turn)
        return pixels if pixels.mode == "RGB" else pixels.convert("RGB")


def open_image(data: bytes, *, max_pixels: int, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """Read an image's header and check it; no pixel is decoded.

    Raises:
        ImageRefused: not an image of these formats, or one that would cost too much to decode.
    """
    if not data:
        raise ImageRefused("the file is empty")
    if looks_like_markup(data):
        raise ImageRefused("a page of HTML or XML was received instead of an image")
    try:
        image = Image.open(io.BytesIO(data), formats=formats)
    except UnidentifiedImageError:
        raise ImageRefused(f"not an image in a format we read ({_magic(data)})") from None
    width, height = image.size
    if width < 1 or height < 1:
        raise ImageRefused("the image has no pixels")
    if width * height > max_pixels:
        raise TooManyPixels(f"the image claims {width}x{height} pixels, more than the {max_pixels} allowed")
    # A scan of 14 bytes can cause a pass over all pixels, and a progressive JPEG may have thousands of scans.
    # Counting them takes a twentieth of the time of decoding. Sequential JPEGs need no check: all their
    # passes together take a fiftieth.
    if image.info.get("progressive") and (num_scans := data.count(START_OF_SCAN)) > MAX_SCANS:
        raise ImageRefused(f"the JPEG has {num_scans} scans, more than the {MAX_SCANS} allowed")
    return image


def header_size(path: Path) -> tuple[int, int]:
    """Width and height of an image file in pixels, from its header: as stored, before any rotation.

    Raises:
        ImageRefused: not an image of these formats.
    """
    with refusing(), Image.open(path, formats=FORMATS) as image:
        width, height = image.size
    return width, height


def looks_like_markup(data: bytes) -> bool:
    """Whether bytes begin like an HTML or XML page, such as that of a firewall or a login."""
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype", b"<html", b"<head", b"<body", b"<?xml", b"<script", b"<!--"))


def _magic(data: bytes) -> str:
    known = {
        b"%PDF": "it is a PDF",
        b"{": "it is JSON",
        b"\x1f\x8b": "it is a gzip file",
        b"PK": "it is a zip file",
    }
    return next((name for magic, name in known.items() if data.startswith(magic)), "unknown magic bytes")


# Size


def draft(image: Image.Image, data: bytes, max_side: int) -> None:
    """Let the decoder skip resolution that the target does not need: JPEG through its DCT, JPEG 2000
    through its levels.
    """
    scale = max_side / max(image.size)
    if scale >= 1:
        return
    if image.format == "JPEG":
        image.draft(image.mode, (math.ceil(image.width * scale), math.ceil(image.height * scale)))
    elif image.format == "JPEG2000":
        image.reduce = _levels_to_drop(image.size, 1 / scale, data)  # type: ignore[method-assign, assignment]


def _levels_to_drop(size: tuple[int, int], factor: float, data: bytes) -> int:
    """How many resolution levels of a JPEG 2000 to leave out.

    At most as many as the file has (COD marker, ISO/IEC 15444-1, A.6.1), and only so many that Pillow's
    rounding of the smaller size agrees with that of the codec, which rounds up; otherwise Pillow reports
    a broken file.
    """
    marker = data.find(b"\xff\x52")
    available = data[marker + 9] if 0 <= marker < len(data) - 9 else 0
    levels = min(int(math.log2(factor)), available)
    while levels and any((side + (1 << levels >> 1)) >> levels != -(-side >> levels) for side in size):
        levels -= 1
    return levels


def shrink(image: Image.Image, max_side: int) -> Image.Image:
    """The image with at most `max_side` pixels on its longer side; a smaller one is not enlarged."""
    scale = max_side / max(image.size)
    if scale >= 1:
        return image
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP)


def enlarge(image: Image.Image, side: int, most: float) -> Image.Image:
    """The image with `side` pixels on its longer side, enlarged at most `most` times; larger ones stay."""
    scale = min(side / max(image.size), most)
    if scale <= 1:
        return image
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)


# Orientation (EXIF 2.32, tag 274)


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8, that still has to be applied to a loaded image. Pillow's TIFF reader has
    already applied it.
    """
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


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """The image rotated and mirrored as its EXIF orientation requires."""
    return image if orientation == 1 else image.transpose(_TURNS[orientation])


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Width and height after the EXIF orientation is applied."""
    return (size[1], size[0]) if orientation >= 5 else size


# Values


def plain_mode(image: Image.Image) -> Image.Image:
    """The image in L, RGB, CMYK or LAB: palettes resolved, 16 and 32 bits to 8, transparency on white."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _to_8_bits(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or image.has_transparency_data:
        return _onto_white(image)
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits, or of floating point, as 8 bits."""
    values = np.asarray(image)
    white = _white_of(image.mode, values)
    is_inverted = getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    clear = image.info.get("transparency")
    grey = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        # Values that are not finite mean "not measured"; shown black, as raster programs do.
        scaled = np.nan_to_num(values[rows].astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0) * (
            255 / white
        )
        scaled = np.rint(np.clip(scaled, 0, 255))
        if is_inverted:
            scaled = 255 - scaled
        grey[rows] = scaled
        if isinstance(clear, int):
            grey[rows][values[rows] == clear] = WHITE[0]
    return Image.fromarray(grey)


def _white_of(mode: str, values: npt.NDArray[Any]) -> float:
    """The value of white: 65535 for 16 bits. 32-bit modes do not define it, so the data decide."""
    if mode.startswith("I;16"):
        return 65535.0
    highest = float(np.max(values, initial=0, where=np.isfinite(values)))
    ranges = (255.0, 65535.0) if mode == "I" else (1.0, 255.0, 65535.0)
    return next((white for white in ranges if highest <= white), highest)


def _onto_white(image: Image.Image) -> Image.Image:
    if image.mode == "La":
        image = image.convert("LA")
    with_alpha = image.convert("RGBA")
    ground = Image.new("RGBA", with_alpha.size, WHITE)
    return Image.alpha_composite(ground, with_alpha).convert("RGB")


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """A plain image in sRGB or in grey; an unreadable profile is ignored, as browsers do."""
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
    """The colour transform of an embedded profile; None if it is sRGB or does not fit the pixels."""
    if len(profile) > MAX_PROFILE_BYTES:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if mode == "RGB" and "srgb" in ImageCms.getProfileDescription(source).lower():
            return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def enlarged_grey(grey_HW: npt.NDArray[np.uint8], scale: int) -> npt.NDArray[np.uint8]:
    """Grey pixels, `scale` times as wide and high, with a cubic filter."""
    size = (grey_HW.shape[1] * scale, grey_HW.shape[0] * scale)
    return np.asarray(Image.fromarray(grey_HW).resize(size, Image.Resampling.BICUBIC))
