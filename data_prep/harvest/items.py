"""One item: its image asked for in the size wanted, decoded elsewhere, and what that taught."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data_prep.candidate import Candidate, ImageService, Refusal
from data_prep.config import HarvestConfig
from data_prep.harvest.documents import LOCAL, read_file
from data_prep.iiif.image_api import (
    ImageRequest,
    image_request,
    info_address,
    needs_info,
    read_info,
    region_in_image,
)
from data_prep.images.decoders import Decoders
from data_prep.images.store import StoredImage
from data_prep.ledger.jobs import Facts, ItemJob, Outcome
from data_prep.ledger.ledger import Ledger
from data_prep.network.addresses import host_of
from data_prep.network.answers import NotNow, Refused
from data_prep.network.fetch import Fetched, Fetcher, look_at
from iconoclip.pictures import ImageRefused

# A server that answers so to a sized request may have limits that only its info.json tells.
ASK_INFO_AFTER: Final = ("HTTP 400", "HTTP 403", "HTTP 404", "HTTP 501")
MAX_INFO_BYTES: Final = 5_000_000


@dataclass(frozen=True)
class _Answer:
    """An image as it came, and what had been asked."""

    request: ImageRequest
    fetched: Fetched
    source_size: tuple[int, int] | None


class ItemFetcher:
    """Fetches and stores images.

    Args:
        config: sizes and bounds.
        ledger: knows info.json documents that were asked before.
        fetcher: asks servers.
        decoders: decode what comes.
        image_folder: where images without an http address are read from; only a table's are.
        round_number: of this run over the sources.
    """

    def __init__(
        self,
        config: HarvestConfig,
        ledger: Ledger,
        fetcher: Fetcher,
        decoders: Decoders,
        *,
        image_folder: Path | None = None,
        round_number: int = 0,
    ) -> None:
        self._config, self._ledger, self._fetcher, self._decoders = config, ledger, fetcher, decoders
        self._image_folder, self._round = image_folder, round_number
        self._infos: dict[str, asyncio.Task[ImageService]] = {}

    async def fetch(self, job: ItemJob) -> Outcome:
        """Fetch and store one image.

        Raises:
            Refused, NotNow: it cannot be had, or is none.
        """
        candidate = job.candidate
        services: dict[str, bytes] = {}
        answer = await self._image(candidate, job, services)
        if _is_unchanged(job, answer.fetched):
            return Outcome(job, "fetched", is_unchanged=True)
        stored = await self._store(answer, candidate, job)
        return Outcome(
            job,
            "fetched",
            etag=answer.fetched.etag,
            last_modified=answer.fetched.last_modified,
            jpeg=stored.jpeg,
            facts=self._facts(answer, stored),
            services=services,
        )

    async def _store(self, answer: _Answer, candidate: Candidate, job: ItemJob) -> StoredImage:
        crop = answer.request.crop
        # What the region was measured on; servers send smaller images than they promise.
        space = answer.request.size or candidate.region_space or candidate.source_size
        try:
            return await self._decoders.store(answer.fetched.body, crop, space if crop else None)
        except ImageRefused as refused:
            # A transfer may be cut short once; a file stays as it is.
            if "truncated" in str(refused) and job.rounds == 0 and answer.fetched.uri != LOCAL:
                raise NotNow(str(refused)) from None
            raise Refused(str(refused)) from None

    def _facts(self, answer: _Answer, stored: StoredImage) -> Facts:
        uri = answer.request.uri
        return Facts(
            width=stored.width,
            height=stored.height,
            sha256=stored.sha256,
            source_sha256=stored.source_sha256,
            phash=stored.phash,
            colours=stored.colours,
            received=stored.received,
            requested=answer.request.size,
            source_size=answer.source_size,
            image=uri if host_of(uri) else None,
            opt_out=tuple(sorted({*answer.fetched.opt_out, *stored.opt_out})),
            round=self._round,
        )

    async def _image(self, candidate: Candidate, job: ItemJob, services: dict[str, bytes]) -> _Answer:
        """Ask for the image as small as wanted; for the info.json only where no request can be made without it."""
        service = candidate.service
        if service is None:
            return await self._whole(candidate, job)
        try:
            if needs_info(service):
                service = await self._info(service, services)
            return await self._sized(service, candidate, job)
        except Refused as refused:
            if not service.is_info and str(refused).startswith(ASK_INFO_AFTER):
                with contextlib.suppress(Refused):
                    return await self._sized(await self._info(service, services), candidate, job)
            if not candidate.image_uri or candidate.region:
                raise
        return await self._whole(candidate, job)

    async def _whole(self, candidate: Candidate, job: ItemJob) -> _Answer:
        """The image at its own address, in whatever size; a region is cut out here."""
        if not candidate.image_uri:
            raise Refused("the source names no image")
        request = ImageRequest(candidate.image_uri, None, crop=candidate.region)
        return _Answer(request, await self._bytes(request.uri, job), candidate.source_size)

    async def _sized(self, service: ImageService, candidate: Candidate, job: ItemJob) -> _Answer:
        """The image, or the region, from the service in the size wanted."""
        size = (service.width, service.height) if service.width and service.height else None
        region = candidate.region
        if region is not None and candidate.region_space is not None:
            if size is None:
                raise Refused(
                    "the service does not say how large the image is, so the region cannot be placed"
                )
            region = region_in_image(region, candidate.region_space, size)
            if region is None:
                raise Refused("the region lies outside the image")
        request = image_request(service, max_side=self._config.max_side_pixels, region=region)
        return _Answer(request, await self._bytes(request.uri, job), size or candidate.source_size)

    async def _bytes(self, uri: str, job: ItemJob) -> Fetched:
        if self._image_folder is not None and host_of(uri) == LOCAL:
            return await asyncio.to_thread(_read_image, self._image_folder, uri, self._config.max_image_bytes)
        return await self._fetcher.fetch(
            uri,
            wanted="image",
            max_bytes=self._config.max_image_bytes,
            etag=job.etag,
            last_modified=job.last_modified,
        )

    async def _info(self, service: ImageService, services: dict[str, bytes]) -> ImageService:
        """The service as its info.json describes it; regions of one page share the one request."""
        uri = info_address(service)
        task = self._infos.get(uri)
        if task is None:
            task = self._infos[uri] = asyncio.create_task(self._learn_info(uri, services))
            task.add_done_callback(look_at)
            task.add_done_callback(lambda _: self._infos.pop(uri, None))
        return await asyncio.shield(task)

    async def _learn_info(self, uri: str, services: dict[str, bytes]) -> ImageService:
        body = self._ledger.recall_service(uri)
        if body is None:
            body = (await self._fetcher.fetch(uri, wanted="json", max_bytes=MAX_INFO_BYTES)).body
            services[uri] = body
        info = read_info(body, uri)
        if isinstance(info, Refusal):
            raise Refused(f"info.json: {info.reason}")
        return info


def _is_unchanged(job: ItemJob, fetched: Fetched) -> bool:
    """Whether the image is the one that was fetched in an earlier round."""
    before = job.facts
    if fetched.not_modified or before is None:
        return fetched.not_modified
    return hashlib.sha256(fetched.body).hexdigest() == before.source_sha256


def _read_image(folder: Path, name: str, max_bytes: int) -> Fetched:
    """An image of a table's folder; a name that leads out of it, by `..` or by a link, is refused."""
    try:
        path = (folder / name).resolve()
    except (OSError, ValueError, RuntimeError):
        raise Refused("not a file name") from None
    if not path.is_relative_to(folder.resolve()):
        raise Refused("the file lies outside of the table's folder")
    if not path.is_file():
        raise Refused("no such file")
    return read_file(path, max_bytes)
