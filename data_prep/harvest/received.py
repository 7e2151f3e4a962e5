"""The image that a server sent, compared with what was requested and with what an earlier round stored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from data_prep.candidate import Candidate, ImageService
from data_prep.iiif.image_api import ImageRequest, Size, region_in_image
from data_prep.images.mosaic import Place
from data_prep.images.store import StoredImage
from data_prep.ledger.jobs import ItemJob, Outcome
from data_prep.network.addresses import host_of
from data_prep.network.fetch import Fetched
from iconoclip.record import Region


@dataclass(frozen=True)
class Answer:
    """An image as received, and the request that it answers."""

    request: ImageRequest
    fetched: Fetched
    source_size: Size | None
    """Size of the full image, as the service or the manifest states it."""
    service: ImageService | None = None
    """The service that was requested; None if the image's own address was."""
    places: tuple[Place, ...] = ()
    """The position of each file, if they are the tiles of an image."""
    is_all: bool = False
    """Whether the image's own address gives the image itself, and not a version of a service's image."""


def if_unchanged(job: ItemJob, answer: Answer) -> Outcome | None:
    """The outcome if the image equals the one of an earlier round; None if it must be stored."""
    fetched, before = answer.fetched, job.facts
    if before is None:
        return None
    if not fetched.not_modified and hashlib.sha256(fetched.body).hexdigest() != before.source_sha256:
        return None
    opt_out = {*fetched.opt_out, *(before.opt_out if fetched.not_modified else ())}
    uri = answer.request.uri
    after = replace(
        before,
        requested=answer.request.size,
        source_size=true_size(answer, before.received),
        image=uri if host_of(uri) else None,
        region=true_region(job.candidate, true_size(answer, before.received)),
        opt_out=tuple(sorted(opt_out)),
    )
    if not fetched.not_modified and (after.opt_out, after.region, after.source_size) != (
        before.opt_out,
        before.region,
        before.source_size,
    ):
        return None
    is_same = after == before
    return Outcome(
        job,
        "fetched",
        etag=fetched.etag,
        last_modified=fetched.last_modified,
        is_unchanged=is_same,
        facts=None if is_same else after,
    )


def is_doubtful(answer: Answer, stored: StoredImage) -> bool:
    """Whether the assumed size may be wrong: the image received has another shape, or is larger."""
    asked = answer.request.size
    is_larger = asked is not None and max(stored.received) > max(asked) + 1 + max(asked) // 50
    return is_larger or contradicts(answer, stored)


def contradicts(answer: Answer, stored: StoredImage) -> bool:
    """Whether the image received has another shape than requested. Smaller ones are common and harmless."""
    asked, came = answer.request.size, stored.received
    if asked is None or answer.service is None:
        return False
    if (
        answer.request.region is None
        and answer.request.crop is None
        and _is_shape((asked[1], asked[0]), came)
    ):
        return False  # turned upright, according to the image's own orientation
    return not _is_shape(asked, came)


def _is_shape(asked: Size, came: Size) -> bool:
    """Whether two sizes have the same shape, within the rounding of the smaller one and one per cent."""
    scale = max(came) / max(asked)
    expected = (asked[0] * scale, asked[1] * scale)
    allowed = 1.5 + 0.01 * max(came) + 0.5 * scale
    return abs(expected[0] - came[0]) <= allowed and abs(expected[1] - came[1]) <= allowed


def what_came(answer: Answer, stored: StoredImage) -> str:
    """The reason for a refusal: the requested size, and the size that the server sent."""
    asked, came = answer.request.size or (0, 0), stored.received
    return (
        f"requested {asked[0]}x{asked[1]} pixels, but the server sent {came[0]}x{came[1]}: not the same"
        " picture"
    )


def true_size(answer: Answer, received: Size) -> Size | None:
    """Size of the full image: as its service states it, otherwise as received from its own address."""
    return received if answer.is_all else answer.source_size


def true_region(candidate: Candidate, size: Size | None) -> Region | None:
    """The region in pixels of the full image, if the candidate measured it in another space."""
    region, space = candidate.measured or (None, None)
    if region is None or space is None or size is None:
        return None
    return region_in_image(region, space, size)
