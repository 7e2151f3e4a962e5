"""Downloads the image of one item in the size wanted, and has it decoded in another process."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Final

from data_prep.candidate import Candidate, ImageService, Refusal, key_of
from data_prep.harvest.documents import LOCAL, read_file
from data_prep.harvest.received import (
    Answer,
    contradicts,
    if_unchanged,
    is_doubtful,
    true_region,
    true_size,
    what_came,
)
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
from data_prep.images.store import StoredImage
from data_prep.ledger.jobs import ImageFacts, ItemJob, Outcome
from data_prep.ledger.ledger import Ledger
from data_prep.network.addresses import host_of
from data_prep.network.answers import Gone, NotNow, Refused
from data_prep.network.fetch import Fetched, Fetcher
from data_prep.network.shared_calls import SharedCalls
from iconoclip.pictures import ImageRefused
from iconoclip.shardset_manifest import WITHDRAWN

# After these responses to a request for a size, the server may have limits that only its info.json states.
ASK_INFO_AFTER: Final = ("HTTP 400", "HTTP 403", "HTTP 404", "HTTP 501")
MAX_INFO_BYTES: Final = 5_000_000
# Of files larger than this, one is decoded at a time: each takes several times its size of memory.
LARGE_FILE_BYTES: Final = 64_000_000


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
        withdrawn: keys of which no image is requested, because a person withdrew them.
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
        withdrawn: frozenset[str] = frozenset(),
    ) -> None:
        self._max_file_bytes = max_file_bytes or max_bytes
        self._large_file = asyncio.Semaphore(1)
        self._ledger, self._fetcher, self._decoders = ledger, fetcher, decoders
        self._max_side, self._max_bytes = max_side_pixels, max_bytes
        self._image_folder, self._round = image_folder, round_number
        self._withdrawn = withdrawn
        self._infos: SharedCalls[ImageService] = SharedCalls()

    async def fetch(self, job: ItemJob) -> Outcome:
        """Fetch and store one image.

        Raises:
            Refused, NotNow: it cannot be downloaded, or is no image.
        """
        if self._is_withdrawn(job):
            return Outcome(job, "refused", WITHDRAWN)
        if self._is_large_file(job.candidate):
            async with self._large_file:
                return await self._fetch(job)
        return await self._fetch(job)

    def _is_withdrawn(self, job: ItemJob) -> bool:
        """Whether the first request for an image would be for one that was withdrawn from another set."""
        if not self._withdrawn or job.facts_json is not None:
            return False
        return not self._withdrawn.isdisjoint((job.key, key_of(job.candidate)))

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
        if outcome := if_unchanged(job, answer):
            return outcome
        stored = await self._store(answer, candidate, job)
        if answer.service and not answer.service.is_info and is_doubtful(answer, stored):
            # The manifest states a wrong size, or the server sends another one: its info.json has the true
            # one.
            info = await self._info(answer.service, services)
            answer = await self._sized(info, candidate, job, known=answer)
            stored = await self._store(answer, candidate, job)
        if contradicts(answer, stored):
            raise Refused(what_came(answer, stored))
        return Outcome(
            job,
            "fetched",
            etag=answer.fetched.etag,
            last_modified=answer.fetched.last_modified,
            jpeg=stored.jpeg,
            facts=self._facts(answer, stored, candidate),
            services=services,
        )

    async def _store(self, answer: Answer, candidate: Candidate, job: ItemJob) -> StoredImage:
        if answer.fetched.not_modified:
            raise NotNow("HTTP 304 to a request without conditions")
        crop = answer.request.crop
        # The size on which the region was measured; servers send smaller images than they state.
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

    def _facts(self, answer: Answer, stored: StoredImage, candidate: Candidate) -> ImageFacts:
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
            source_size=true_size(answer, stored.received),
            image=uri if host_of(uri) else None,
            opt_out=tuple(sorted({*answer.fetched.opt_out, *stored.opt_out})),
            round=self._round,
            region=true_region(candidate, true_size(answer, stored.received)),
        )

    async def _image(self, candidate: Candidate, job: ItemJob, services: dict[str, bytes]) -> Answer:
        """Request the image in the size wanted. The info.json is requested only if it is needed for that."""
        service = candidate.service
        if service is None:
            return await self._whole(candidate, job)
        refusals: list[Refused] = []
        try:
            if needs_info(service) or candidate.region is not None or _may_be_a_guess(service):
                service = await self._info(service, services)
            if self._needs_several_tiles(service, candidate):
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
        # The image is gone only if every requested address is.
        raise next((one for one in refusals if not isinstance(one, Gone)), refusals[-1])

    def _needs_several_tiles(self, service: ImageService, candidate: Candidate) -> bool:
        """Whether the image would need several tiles, although it has a file in addition to its service."""
        own = candidate.image_uri
        if candidate.region is not None or not own or own.startswith(f"{service.id}/"):
            return False
        return bool(image_request(service, max_side=self._max_side).tiles)

    async def _whole(self, candidate: Candidate, job: ItemJob) -> Answer:
        """The image from its own address, in any size; a region is cut out later."""
        if not candidate.image_uri:
            raise Refused("the source names no image")
        request = ImageRequest(candidate.image_uri, None, crop=candidate.measured and candidate.measured[0])
        fetched = await self._bytes(request.uri, job)
        is_all = candidate.service is None and bool(host_of(request.uri))
        return Answer(request, fetched, candidate.source_size, is_all=is_all)

    async def _sized(
        self, service: ImageService, candidate: Candidate, job: ItemJob, known: Answer | None = None
    ) -> Answer:
        """The image, or the region, from the service in the size wanted.

        Args:
            known: the answer to an earlier request; it is used again if the request is the same.
        """
        size = (service.width, service.height) if service.width and service.height else None
        region, space = candidate.measured or (None, None)
        if region is not None and space is not None:
            if size is None:
                raise Refused(
                    "the service does not state the size of the image, so the region cannot be placed"
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
        return Answer(request, fetched, size or candidate.source_size, service=service)

    async def _tiles(self, request: ImageRequest, service: ImageService, size: Size | None) -> Answer:
        """The image from its tiles, requested one after the other within the limits of one image.

        A host's rate limit counts each tile. Tiles have no validators: a refresh requests them again.
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
        return Answer(request, whole, size, service=service, places=places)

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


def _stocks(service: ImageService) -> list[ImageService]:
    """Other files of a tile set to try if the first ones are missing: finer tiles, and the full image.

    The standard requires the full image of level 0; vips dzsave leaves it out.
    """
    if not service.is_info or service.level != 0 or not service.tiles:
        return []
    finer = without_whole(service)
    stocks = [] if finer == service or not finer.tiles else [finer]
    return [*stocks, replace(service, tiles=())]


def _may_be_a_guess(service: ImageService) -> bool:
    """Whether the size that a manifest states should be checked before an image of it is requested.

    A request of version 3 contains width and height, and a server distorts the picture if their ratio is
    wrong. Software that does not know the size writes a square, and pictures are rarely square.
    """
    return not service.is_info and service.version == 3 and service.width == service.height


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
