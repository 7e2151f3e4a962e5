"""Assembles an image from tiles in the decoding process, where it is then decoded like any other."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image

from iconoclip import pictures
from iconoclip.pictures import ImageRefused

# Left, top, width and height in pixels of the whole, and the number of bytes of the tile's file.
Place = tuple[int, int, int, int, int]

MAX_PIXELS = 100_000_000


def assembled(files: bytes, places: Sequence[Place]) -> bytes:
    """The image as a TIFF without compression, in the mode and with the profile of its first tile.

    Args:
        files: the files of the tiles, concatenated.
        places: the position and length of each file.

    Raises:
        ImageRefused: a tile is no image, or has the wrong size.
    """
    with pictures.refusing():
        return _assembled(files, places)


def _assembled(files: bytes, places: Sequence[Place]) -> bytes:
    size = max(x + width for x, _, width, _, _ in places), max(y + height for _, y, _, height, _ in places)
    if size[0] * size[1] > MAX_PIXELS:
        raise ImageRefused(f"tiles of {size[0]}x{size[1]} pixels together are too large")
    whole: Image.Image | None = None
    start = 0
    for x, y, width, height, num_bytes in places:
        tile = _tile(files[start : start + num_bytes], (width, height))
        start += num_bytes
        if whole is None:
            whole = Image.new(tile.mode, size)
            whole.info = {key: value for key, value in tile.info.items() if key == "icc_profile" and value}
        whole.paste(tile if tile.mode == whole.mode else tile.convert(whole.mode), (x, y))
    assert whole is not None
    buffer = io.BytesIO()
    whole.save(buffer, "TIFF", icc_profile=whole.info.get("icc_profile"))
    return buffer.getvalue()


def _tile(data: bytes, size: tuple[int, int]) -> Image.Image:
    image = pictures.open_image(data, max_pixels=4 * size[0] * size[1])
    image.load()
    # A tile at the edge may be rounded up or down.
    if abs(image.width - size[0]) > 1 or abs(image.height - size[1]) > 1:
        raise ImageRefused(
            f"a tile of {image.width}x{image.height} pixels where {size[0]}x{size[1]} were requested"
        )
    plain = pictures.plain_mode(image)
    plain.info = image.info
    return plain if plain.size == size else plain.resize(size)
