"""One picture as files of every depth and kind, drawn here: a grey ramp with a dark square, and a coloured
one."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import numpy as np
from PIL import Image, TiffImagePlugin

SIDE = 64


def grey() -> np.ndarray:
    """8-bit grey, [64, 64]: white at the right, black in a square."""
    ramp = np.tile(np.linspace(60, 255, SIDE).astype(np.uint8), (SIDE, 1))
    ramp[20:44, 20:44] = 0
    return ramp


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """The bytes of an image in a file format."""
    written = io.BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()


def tiff(
    values: np.ndarray, *, big_endian: bool = False, sample_format: int = 1, photometric: int = 1
) -> bytes:
    """An uncompressed grey TIFF 6.0 of one strip, written by hand: Pillow writes only some of these kinds."""
    order = ">" if big_endian else "<"
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    bits = values.dtype.itemsize * 8
    height, width = values.shape
    entries = [
        (256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 1), (262, 3, photometric), (273, 4, 0),
        (277, 3, 1), (278, 4, height), (279, 4, len(data)), (339, 3, sample_format),
    ]  # fmt: skip
    start = 8 + 2 + 12 * len(entries) + 4
    head = (b"MM\0*" if big_endian else b"II*\0") + struct.pack(order + "IH", 8, len(entries))
    for tag, kind, value in entries:
        value = start if tag == 273 else value
        packed = struct.pack(order + ("HH" if kind == 3 else "I"), *((value, 0) if kind == 3 else (value,)))
        head += struct.pack(order + "HHI", tag, kind, 1) + packed
    return head + struct.pack(order + "I", 0) + data


def same_grey() -> Iterator[tuple[str, bytes]]:
    """The grey picture in every depth: each file shows the very same values."""
    eight = grey()
    sixteen = eight.astype(np.uint16) * 257
    image = Image.fromarray(eight)
    yield "png 8", encoded(image, "PNG")
    yield "png 16", encoded(Image.fromarray(sixteen), "PNG")
    yield "tiff I;16", tiff(sixteen)
    yield "tiff I;16B", tiff(sixteen, big_endian=True)
    yield "tiff I;16 white is zero", tiff(65535 - sixteen, photometric=0)
    yield "tiff I, 16 bits in 32", tiff(sixteen.astype(np.uint32))
    yield "tiff I, 8 bits in 32", tiff(eight.astype(np.int32), sample_format=2)
    yield "tiff I, beyond 16 bits", tiff(eight.astype(np.int32) * 8_000_000, sample_format=2)
    yield "tiff float to 1", tiff((eight / 255).astype(np.float32), sample_format=3)
    yield "tiff float to 255", tiff(eight.astype(np.float32), sample_format=3)
    yield "tiff float to 65535", tiff(sixteen.astype(np.float32), sample_format=3, big_endian=True)
    yield "tiff float with holes", tiff(_with_holes(eight), sample_format=3)
    yield "png RGB", encoded(image.convert("RGB"), "PNG")
    yield "png P", encoded(image.convert("P"), "PNG")
    yield "png LA, white under nothing", encoded(Image.merge("LA", (image, _clear_where_white(eight))), "PNG")
    black = Image.fromarray(np.where(eight == 255, 0, eight).astype(np.uint8))
    rgba = Image.merge("RGBA", (black, black, black, _clear_where_white(eight)))
    yield "png RGBA, black under nothing", encoded(rgba, "PNG")
    yield "webp RGBA", encoded(rgba, "WEBP", lossless=True, exact=True)
    yield "tiff RGBA", encoded(rgba, "TIFF")
    yield "png P, a clear entry", encoded(image.convert("P"), "PNG", transparency=255)
    yield "png 16, a clear value", encoded(Image.fromarray(sixteen), "PNG", transparency=65535)
    yield (
        "tiff CMYK",
        encoded(
            Image.merge("CMYK", (*[Image.new("L", image.size)] * 3, Image.fromarray(255 - eight))), "TIFF"
        ),
    )
    yield "tiff turned", encoded(image.transpose(Image.Transpose.ROTATE_90), "TIFF", tiffinfo=_turned())
    yield "png turned", encoded(image.transpose(Image.Transpose.ROTATE_90), "PNG", exif=_exif())
    yield "gif, two frames", encoded(image, "GIF", save_all=True, append_images=[Image.new("L", image.size)])
    yield "png, two frames", encoded(image, "PNG", save_all=True, append_images=[Image.new("L", image.size)])


def _with_holes(eight: np.ndarray) -> np.ndarray:
    """Not a number where the picture is black, infinity in one corner of it."""
    values = np.where(eight == 0, np.nan, eight / 255).astype(np.float32)
    values[20, 20] = np.inf
    return values


def _clear_where_white(eight: np.ndarray) -> Image.Image:
    return Image.fromarray(np.where(eight == 255, 0, 255).astype(np.uint8))


def _turned() -> TiffImagePlugin.ImageFileDirectory_v2:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[0x0112] = 6
    return tags


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif
