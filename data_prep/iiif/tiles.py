"""Images that a level 0 service holds as tiles alone: which files show an image, and where each belongs.

A static tile set (as vips dzsave or iiif-tiler write it) answers exactly the requests that a viewer makes:
the region of a tile in pixels of the full image, its size at one of the scale factors, rounded up (Image API
3.0, implementation notes). The scale factor at which one tile covers the image gives the whole as `full`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from data_prep.candidate import ImageService, TileSet
from iconoclip.record import Region

MAX_TILES: Final = 64
"""For one image. A coarser scale factor is taken where the one wanted needs more."""

Size = tuple[int, int]


@dataclass(frozen=True)
class Tile:
    """One file of a tile set."""

    uri: str
    x: int
    """Where it belongs in the image that is put together, in pixels from the left."""
    y: int
    """Its position in the same image, in pixels from the top."""
    width: int
    height: int


@dataclass(frozen=True)
class Mosaic:
    """An image, or the part of one around a region, to be put together from tiles."""

    tiles: tuple[Tile, ...]
    size: Size
    crop: Region | None
    """The region in pixels of the mosaic; None: all of it."""


def whole_sizes(service: ImageService) -> tuple[Size, ...]:
    """The sizes of the full image at the scale factors at which it is one tile, smallest first."""
    if not service.width or not service.height:
        return ()
    found = set()
    for tiles in service.tiles:
        for factor in tiles.scale_factors:
            size = (-(-service.width // factor), -(-service.height // factor))
            if size[0] <= tiles.width and size[1] <= tiles.height:
                found.add(size)
    return tuple(sorted(found))


def without_whole(service: ImageService) -> ImageService:
    """The service as if its tile sets ended before the scale at which one tile covers the image."""
    if not service.width or not service.height:
        return service
    found = []
    for tiles in service.tiles:
        finer = tuple(
            factor
            for factor in tiles.scale_factors
            if service.width > tiles.width * factor or service.height > tiles.height * factor
        )
        found += [replace(tiles, scale_factors=finer)] if finer else []
    return replace(service, tiles=tuple(found))


def mosaic(service: ImageService, max_side: int, region: Region | None) -> Mosaic | None:
    """The tiles of the scale that is as small as wanted, or nearest to it; None where the service has none.

    Args:
        max_side: pixels of the longer side wanted, of the image or of its region.
        region: in pixels of the full image, inside of it.
    """
    if not service.width or not service.height:
        return None
    part = region or Region(x=0, y=0, width=service.width, height=service.height)
    scales = [(factor, tiles) for tiles in service.tiles for factor in tiles.scale_factors]
    fine = [scale for scale in scales if max(part.width, part.height) / scale[0] >= max_side]
    # The coarsest that is large enough, then coarser ones; if none is large enough, the finest.
    wanted = max((factor for factor, _ in fine), default=min((factor for factor, _ in scales), default=0))
    for factor, tiles in sorted(scales, key=lambda scale: scale[0]):
        if factor >= wanted and _num_tiles(part, factor, tiles) <= MAX_TILES:
            return _mosaic_of(service, (service.width, service.height), region, part, factor, tiles)
    return None


def _num_tiles(part: Region, factor: int, tiles: TileSet) -> int:
    columns, rows = (
        _span(part.x, part.width, tiles.width * factor),
        _span(part.y, part.height, tiles.height * factor),
    )
    return len(columns) * len(rows)


def _span(start: int, length: int, step: int) -> range:
    return range(start // step, (start + length - 1) // step + 1)


def _mosaic_of(
    service: ImageService, full: Size, region: Region | None, part: Region, factor: int, tiles: TileSet
) -> Mosaic:
    across, down = tiles.width * factor, tiles.height * factor
    columns, rows = _span(part.x, part.width, across), _span(part.y, part.height, down)
    left, top = columns[0] * across, rows[0] * down
    found: list[Tile] = []
    for row in rows:
        for column in columns:
            x, y = column * across, row * down
            width, height = min(across, full[0] - x), min(down, full[1] - y)
            size = (-(-width // factor), -(-height // factor))
            name = "full" if (width, height) == full else f"{x},{y},{width},{height}"
            found.append(
                Tile(_address(service, name, size), (x - left) // factor, (y - top) // factor, *size)
            )
    last = found[-1]
    size = (last.x + last.width, last.y + last.height)
    return Mosaic(tuple(found), size, region and _in_mosaic(region, (left, top), factor, size))


def _in_mosaic(region: Region, start: Size, factor: int, size: Size) -> Region:
    x, y = (region.x - start[0]) // factor, (region.y - start[1]) // factor
    right = min(size[0], -(-(region.x + region.width - start[0]) // factor))
    bottom = min(size[1], -(-(region.y + region.height - start[1]) // factor))
    return Region(x=x, y=y, width=max(1, right - x), height=max(1, bottom - y))


def _address(service: ImageService, region: str, size: Size) -> str:
    quality = "native" if service.version == 1 else "default"
    # The canonical form of the size: `w,` up to version 2, `w,h` in 3.
    size_text = f"{size[0]},{size[1]}" if service.version == 3 else f"{size[0]},"
    return f"{service.id}/{region}/{size_text}/0/{quality}.jpg"
