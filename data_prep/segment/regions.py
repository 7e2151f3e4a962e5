"""Records of pictures: what the record of a page becomes for a box on it."""

from __future__ import annotations

from typing import Final

from data_prep.harvest.recording import created_by
from data_prep.images.store import StoredImage
from iconoclip.page_layout.findings import FoundBox
from iconoclip.record import Caption, Image, Record, Region, Rights, sample_key

# What may only be passed on or shown unaltered may not be passed on or shown in part.
_UNALTERED: Final = "unaltered"


def region_of(page: Record, box: FoundBox) -> Region:
    """Where a box lies in the full-size source image of its page.

    Where the source does not state its size, pixels of the stored page are meant. A page that is itself a
    part of an image shifts its boxes by its own place.
    """
    part = page.source.region
    if part is not None:
        x, y, width, height = box.pixels(part.width, part.height)
        return Region(x=part.x + x, y=part.y + y, width=width, height=height)
    x, y, width, height = box.pixels(*full_size(page))
    return Region(x=x, y=y, width=width, height=height)


def full_size(page: Record) -> tuple[int, int]:
    """Width and height of the source image, or of the stored one where the source states none."""
    image = page.image
    if image.source_width and image.source_height:
        return image.source_width, image.source_height
    return image.width, image.height


def region_record(page: Record, box: FoundBox, crop: StoredImage, caption: Caption | None = None) -> Record:
    """The record of a picture on a page: same source, captions, group and split; rights that are not wider.

    What the source said (`raw`) stays with the page, so a remap leaves the picture's captions as they are:
    map the set of pages, then segment it again.
    """
    region = region_of(page, box)
    rights = narrowed(page.rights)
    if missing := set(crop.opt_out) - set(rights.opt_out):
        rights = rights.model_copy(update={"opt_out": (*rights.opt_out, *sorted(missing))})
    return page.model_copy(
        update={
            "key": sample_key(page.institution.slug, page.source.id, region),
            "source": page.source.model_copy(update={"region": region}),
            "object_type": box.kind,
            "captions": page.captions if caption is None else (caption, *page.captions),
            "raw": (),
            "raw_num_dropped": 0,
            "rights": rights,
            "image": Image(
                width=crop.width,
                height=crop.height,
                sha256=crop.sha256,
                source_width=page.image.source_width,
                source_height=page.image.source_height,
                requested=None,
                received=crop.received,
                source_sha256=crop.source_sha256,
                phash=crop.phash,
            ),
            "harvested_by": created_by(),
        }
    )


def narrowed(rights: Rights) -> Rights:
    """The rights of a part of an image: a part is an alteration."""
    update: dict[str, str] = {}
    if rights.redistribute == _UNALTERED:
        update["redistribute"] = "no"
    if rights.display == _UNALTERED:
        update["display"] = "link"
    return rights.model_copy(update=update) if update else rights
