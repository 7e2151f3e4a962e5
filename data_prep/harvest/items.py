"""Downloads the image of one item in the size wanted, and has it decoded in another process."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from data_prep.candidate import Candidate, ImageService, Refusal
from data_prep.harvest.documents import LOCAL, read_file
from data_prep.iiif.image_api import (
    ImageRequest,
    Size,
    image_request,
    info_address,
    needs_info,
    read_info,
    region_in_image,
)
from data_prep.iiif.tiles import without_whole
from data_prep.images.decoders import Decoders
from data_prep.images.mosaic import Place
from data_prep.images.store import StoredImage
from data_prep.ledger.jobs import ImageFacts, ItemJob, Outcome
from data_prep.ledger.ledger import Ledger
from data_prep.network.addresses import host_of
from data_prep.network.answers import Gone, NotNow, Refused
from data_prep.network.fetch import Fetched, Fetcher
from data_prep.network.shared_calls import SharedCalls
from iconoclip.pictures import ImageRefused
from iconoclip.record import Region

# A server that answers a sized request in this way may have limits that only its info.json states.
ASK_INFO_AFTER: Final = ("HTTP 400", "HTTP 403", "HTTP 404", "HTTP 501")
MAX_INFO_BYTES: Final = 5_000_000
# Of files larger than this, one is decoded at a time: each takes several times its size of memory.
LARGE_FILE_BYTES: Final = 64_000_000


@dataclass(frozen=True)
class _Answer:
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
    """Whether what came from its own address is the image itself, and not a version of what a service
    holds."""


class ItemFetcher:
    """Fetches and stores images.

    Args:
        ledger: holds the info.json documents that were requested before.
        fetcher: sends requests.
        decoders: decode the images, in other processes.
        max_side_pixels: longer side of a stored image.
        max_bytes: larger image files are refused.
        image_folder: the folder of images without an http address, which only tables have.
        max_file_bytes: larger files of that folder are refused; default: `max_bytes`.
        round_number: the number of this round over the sources.
    """

    def __init__(
        self,
        ledger: Ledger,
        fetcher: Fetcher,
        decoders: Decoders,
        *,
        max_side_pixels: int,
        max_bytes: int,
        image_folder: Path | None = None,
        max_file_bytes: int | None = None,
        round_number: int = 0,
    ) -> None:
        self._max_file_bytes = max_file_bytes or max_bytes
        self._large_file = asyncio.Semaphore(1)
        self._ledger, self._fetcher, self._decoders = ledger, fetcher, decoders
        self._max_side, self._max_bytes = max_side_pixels, max_bytes
        self._image_folder, self._round = image_folder, round_number
        self._infos: SharedCalls[ImageService] = SharedCalls()

    async def fetch(self, job: ItemJob) -> Outcome:
        """Fetch and store one image.

        Raises:
            Refused, NotNow: it cannot be downloaded, or is no image.
        """
        if self._is_large_file(job.candidate):
            async with self._large_file:
                return await self._fetch(job)
        return await self._fetch(job)

    def _is_large_file(self, candidate: Candidate) -> bool:
        uri = candidate.image_uri
        if self._image_folder is None or uri is None or candidate.service or host_of(uri) != LOCAL:
            return False
        with contextlib.suppress(OSError, ValueError):
            return (self._image_folder / uri).stat().st_size > LARGE_FILE_BYTES
        return False

    async def _fetch(self, job: ItemJob) -> Outcome:
        candidate = job.candidate
        services: dict[str, bytes] = {}
        answer = await self._image(candidate, job, services)
        if outcome := _if_unchanged(job, answer):
            return outcome
        stored = await self._store(answer, candidate, job)
        if answer.service and not answer.service.is_info and _is_doubtful(answer, stored):
            # The manifest states a wrong size, or the server sends another: its info.json tells.
            info = await self._info(answer.service, services)
            answer = await self._sized(info, candidate, job, known=answer)
            stored = await self._store(answer, candidate, job)
        if _contradicts(answer, stored):
            raise Refused(_what_came(answer, stored))
        return Outcome(
            job,
            "fetched",
            etag=answer.fetched.etag,
            last_modified=answer.fetched.last_modified,
            jpeg=stored.jpeg,
            facts=self._facts(answer, stored, candidate),
            services=services,
        )

    async def _store(self, answer: _Answer, candidate: Candidate, job: ItemJob) -> StoredImage:
        if answer.fetched.not_modified:
            raise NotNow("HTTP 304 to a request without conditions")
        crop = answer.request.crop
        # The size that the region was measured on; servers send smaller images than they state.
        measured = candidate.measured
        space = answer.request.size or (measured and measured[1]) or candidate.source_size
        try:
            return await self._decoders.store(
                answer.fetched.body, crop, space if crop else None, candidate.turn, answer.places
            )
        except ImageRefused as refused:
            # A transfer may be cut short once; a file stays as it is.
            if "truncated" in str(refused) and job.rounds == 0 and answer.fetched.uri != LOCAL:
                raise NotNow(str(refused)) from None
            raise Refused(str(refused)) from None

    def _facts(self, answer: _Answer, stored: StoredImage, candidate: Candidate) -> ImageFacts:
        uri = answer.request.uri
        return ImageFacts(
            width=stored.width,
            height=stored.height,
            sha256=stored.sha256,
            source_sha256=stored.source_sha256,
            phash=stored.phash,
            colours=stored.colours,
            received=stored.received,
            requested=answer.request.size,
            source_size=_true_size(answer, stored.received),
            image=uri if host_of(uri) else None,
            opt_out=tuple(sorted({*answer.fetched.opt_out, *stored.opt_out})),
            round=self._round,
            region=_true_region(candidate, _true_size(answer, stored.received)),
        )

    async def _image(self, candidate: Candidate, job: ItemJob, services: dict[str, bytes]) -> _Answer:
        """Ask for the image as small as wanted; for the info.json only where no request can be
        made without it."""
        service = candidate.service
        if service is None:
            return await self._whole(candidate, job)
        refusals: list[Refused] = []
        try:
            if needs_info(service) or candidate.region is not None or _may_be_a_guess(service):
                service = await self._info(service, services)
            if self._is_dearer_in_tiles(service, candidate):
                with contextlib.suppress(Refused):
                    return await self._whole(candidate, job)
            return await self._sized(service, candidate, job)
        except Refused as refused:
            refusals.append(refused)
        for fewer in _stocks(service):
            try:
                return await self._sized(fewer, candidate, job)
            except Refused as refused:
                refusals.append(refused)
        if not service.is_info and str(refusals[0]).startswith(ASK_INFO_AFTER):
            try:
                return await self._sized(await self._info(service, services), candidate, job)
            except Refused as refused:
                refusals.append(refused)
        if candidate.image_uri and (candidate.region is None or not service.is_info):
            try:
                return await self._whole(candidate, job)
            except Refused as refused:
                refusals.append(refused)
        # Gone only if every address that was requested says so.
        raise next((one for one in refusals if not isinstance(one, Gone)), refusals[-1])

    def _is_dearer_in_tiles(self, service: ImageService, candidate: Candidate) -> bool:
        """Whether the image takes several tiles, and has a file of its own next to its service."""
        own = candidate.image_uri
        if candidate.region is not None or not own or own.startswith(f"{service.id}/"):
            return False
        return bool(image_request(service, max_side=self._max_side).tiles)

    async def _whole(self, candidate: Candidate, job: ItemJob) -> _Answer:
        """The image from its own address, in whatever size; a region is cut out later."""
        if not candidate.image_uri:
            raise Refused("the source names no image")
        request = ImageRequest(candidate.image_uri, None, crop=candidate.measured and candidate.measured[0])
        fetched = await self._bytes(request.uri, job)
        is_all = candidate.service is None and bool(host_of(request.uri))
        return _Answer(request, fetched, candidate.source_size, is_all=is_all)

    async def _sized(
        self, service: ImageService, candidate: Candidate, job: ItemJob, known: _Answer | None = None
    ) -> _Answer:
        """The image, or the region, from the service in the size wanted.

        Args:
            known: the answer to an earlier request; it is used again if the request is the same.
        """
        size = (service.width, service.height) if service.width and service.height else None
        region, space = candidate.measured or (None, None)
        if region is not None and space is not None:
            if size is None:
                raise Refused(
                    "the service does not say how large the image is, so the region cannot be placed"
                )
            region = region_in_image(region, space, size)
            if region is None:
                raise Refused("the region lies outside the image")
        request = image_request(service, max_side=self._max_side, region=region)
        if known is not None and known.request.uri == request.uri:
            fetched = known.fetched
        elif request.tiles:
            return await self._tiles(request, service, size or candidate.source_size)
        else:
            fetched = await self._bytes(request.uri, job)
        return _Answer(request, fetched, size or candidate.source_size, service=service)

    async def _tiles(self, request: ImageRequest, service: ImageService, size: Size | None) -> _Answer:
        """The image from its tiles, requested one after the other within the bounds of one image.

        A host's rate limit counts each of them. They have no validators: a refresh requests them again.
        """
        files: list[bytes] = []
        opt_out: set[str] = set()
        for tile in request.tiles:
            left = self._max_bytes - sum(map(len, files))
            fetched = await self._fetcher.fetch(tile.uri, wanted="image", max_bytes=max(1, left))
            files.append(fetched.body)
            opt_out.update(fetched.opt_out)
        whole = Fetched(request.uri, b"".join(files), opt_out=tuple(sorted(opt_out)))
        places = tuple(
            (tile.x, tile.y, tile.width, tile.height, len(file))
            for tile, file in zip(request.tiles, files, strict=True)
        )
        return _Answer(request, whole, size, service=service, places=places)

    async def _bytes(self, uri: str, job: ItemJob) -> Fetched:
        if self._image_folder is not None and host_of(uri) == LOCAL:
            return await asyncio.to_thread(_read_image, self._image_folder, uri, self._max_file_bytes)
        return await self._fetcher.fetch(
            uri,
            wanted="image",
            max_bytes=self._max_bytes,
            etag=job.etag,
            last_modified=job.last_modified,
        )

    async def _info(self, service: ImageService, services: dict[str, bytes]) -> ImageService:
        """The service as its info.json describes it; regions of one page share the one request."""
        uri = info_address(service)
        return await self._infos.of(uri, lambda: self._learn_info(uri, services))

    async def _learn_info(self, uri: str, services: dict[str, bytes]) -> ImageService:
        body = self._ledger.recall_service(uri)
        if body is None:
            body = (await self._fetcher.fetch(uri, wanted="json", max_bytes=MAX_INFO_BYTES)).body
            services[uri] = body
        info = read_info(body, uri)
        if isinstance(info, Refusal):
            raise Refused(f"info.json: {info.reason}")
        return info


def _if_unchanged(job: ItemJob, answer: _Answer) -> Outcome | None:
    """The outcome, where the image is the one that was fetched in an earlier round; None where it
    must be stored."""
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
        source_size=_true_size(answer, before.received),
        image=uri if host_of(uri) else None,
        region=_true_region(job.candidate, _true_size(answer, before.received)),
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


def _stocks(service: ImageService) -> list[ImageService]:
    """What else a tile set may hold if its first files are missing: finer tiles, and the full image.

    By the standard level 0 has the full image; vips dzsave leaves it out.
    """
    if not service.is_info or service.level != 0 or not service.tiles:
        return []
    finer = without_whole(service)
    stocks = [] if finer == service or not finer.tiles else [finer]
    return [*stocks, replace(service, tiles=())]


def _may_be_a_guess(service: ImageService) -> bool:
    """Whether the size that a manifest states should be checked before an image of it is requested.

    A request of version 3 names width and height, and a server distorts the picture if their ratio is wrong.
    Software that does not know the size writes a square; pictures are rarely square.
    """
    return not service.is_info and service.version == 3 and service.width == service.height


def _is_doubtful(answer: _Answer, stored: StoredImage) -> bool:
    """Whether the assumed size may be wrong: the image received has another shape, or is larger."""
    asked = answer.request.size
    is_larger = asked is not None and max(stored.received) > max(asked) + 1 + max(asked) // 50
    return is_larger or _contradicts(answer, stored)


def _contradicts(answer: _Answer, stored: StoredImage) -> bool:
    """Whether the image received has another shape than requested. Smaller ones are common and harmless."""
    asked, came = answer.request.size, stored.received
    if asked is None or answer.service is None:
        return False
    if (
        answer.request.region is None
        and answer.request.crop is None
        and _is_shape((asked[1], asked[0]), came)
    ):
        return False  # turned upright by what the image says of itself
    return not _is_shape(asked, came)


def _is_shape(asked: Size, came: Size) -> bool:
    """Whether two sizes have the same shape, give or take the rounding of the smaller one and a hundredth."""
    scale = max(came) / max(asked)
    expected = (asked[0] * scale, asked[1] * scale)
    allowed = 1.5 + 0.01 * max(came) + 0.5 * scale
    return abs(expected[0] - came[0]) <= allowed and abs(expected[1] - came[1]) <= allowed


def _what_came(answer: _Answer, stored: StoredImage) -> str:
    asked, came = answer.request.size or (0, 0), stored.received
    return (
        f"asked for {asked[0]}x{asked[1]} pixels, the server sent {came[0]}x{came[1]}: not the same picture"
    )


def _true_size(answer: _Answer, received: Size) -> Size | None:
    """Size of the full image: as its service states it, otherwise as received from its own address."""
    return received if answer.is_all else answer.source_size


def _true_region(candidate: Candidate, size: Size | None) -> Region | None:
    """The region in pixels of the full image, if the candidate measured it in another space."""
    region, space = candidate.measured or (None, None)
    if region is None or space is None or size is None:
        return None
    return region_in_image(region, space, size)


def _read_image(folder: Path, name: str, max_bytes: int) -> Fetched:
    """Read an image in a table's folder; a name that leads out of it, by `..` or a link, is refused."""
    try:
        path = (folder / name).resolve()
    except (OSError, ValueError, RuntimeError):
        raise Refused("not a file name") from None
    if not path.is_relative_to(folder.resolve()):
        raise Refused("the file lies outside of the table's folder")
    if not path.is_file():
        raise Refused("no such file")
    return read_file(path, max_bytes)
