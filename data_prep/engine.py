"""Fetching: one lane a host, each as wide as the host bears; results go to the ledger in batches.

A worker takes a job, fetches, reads or decodes, and hands over an outcome. A committer writes outcomes: bytes first,
then one transaction. Nothing counts as done before that, and nobody waits for it but the progress bar.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from data_prep.array import Share
from data_prep.candidate import Candidate, Found, ImageService, Link, Refusal
from data_prep.config import HarvestConfig
from data_prep.decoders import Decoders
from data_prep.fetch import Fetched, Fetcher, HostParked, NotNow, Refused, host_of, look_at
from data_prep.iiif.image_api import (
    ImageRequest,
    image_request,
    info_address,
    needs_info,
    read_info,
    region_in_image,
)
from data_prep.images import ImageRefused, StoredImage
from data_prep.institutions import InstitutionProfile
from data_prep.ledger import (
    CANDIDATE,
    DocumentJob,
    Facts,
    FoundRows,
    ItemJob,
    ItemRow,
    Job,
    Ledger,
    LinkRow,
    Outcome,
)
from data_prep.recording import key_of, rights_of, rights_refusal, why_invalid
from data_prep.sources import registry
from iconoclip.progress import Meter

MAX_ROUNDS: Final = 3
BUFFER_JOBS: Final = 200
MAX_UNCOMMITTED: Final = 400
SECONDS_BETWEEN_COMMITS: Final = 0.25
SECONDS_BETWEEN_PULSES: Final = 2.0
LOCAL: Final = ""
# A server that answers so to a sized request may have limits that only its info.json tells.
ASK_INFO_AFTER: Final = ("HTTP 400", "HTTP 403", "HTTP 404", "HTTP 501")
MAX_INFO_BYTES: Final = 5_000_000


@dataclass
class Lane:
    """The queue of one host."""

    host: str
    buffer: deque[Job] = field(default_factory=deque)
    last_document: int = 0
    last_item: int = 0
    is_parked: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Engine:
    """Does the work that a ledger holds until none is left, or none that can be done now.

    Args:
        config: bounds and policy.
        ledger: where work comes from and results go to.
        fetcher: asks servers.
        decoders: decode images; None in a dry run.
        profile_of: the institution of a document, by its address.
        meter: counts items that are settled.
        fetch_images: False lists only (a dry run).
        image_folder: where images without an http address are read from; only a table's are.
        share: what of the work is this task's, in an array.
        round_number: of this run over the sources; a refresh begins a new one.
    """

    def __init__(
        self,
        config: HarvestConfig,
        ledger: Ledger,
        fetcher: Fetcher,
        decoders: Decoders | None,
        profile_of: Callable[[str], InstitutionProfile],
        meter: Meter,
        *,
        fetch_images: bool = True,
        image_folder: Path | None = None,
        share: Share | None = None,
        round_number: int = 0,
    ) -> None:
        self._config, self._ledger, self._fetcher = config, ledger, fetcher
        self._decoders, self._profile_of, self._meter = decoders, profile_of, meter
        self._fetch_images, self._round, self._image_folder = fetch_images, round_number, image_folder
        self._share = share
        self._lanes: dict[str, Lane] = {}
        self._taken: set[tuple[type, int]] = set()
        self._done: list[Outcome] = []
        self._has_outcomes = asyncio.Event()
        self._room = asyncio.Semaphore(MAX_UNCOMMITTED)
        self._infos: dict[str, asyncio.Task[ImageService]] = {}
        self._num_refused = self._num_documents = 0
        self._num_settled, self._since, self._pulse_at = 0, time.time(), 0.0

    async def run(self) -> dict[str, str]:
        """Work until nothing is left that can be done now.

        Returns:
            The hosts that were parked, with the reason; their work is still in the ledger.
        """
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._open_lanes(self._ledger.hosts_with_work())
                try:
                    await self._commit_until_done()
                finally:
                    for task in self._workers:
                        task.cancel()
        except BaseExceptionGroup as failures:
            raise _first(failures) from None
        finally:
            self._commit_rest()
            self._count_hosts()
        return {lane.host: self._parked_reason(lane) for lane in self._lanes.values() if lane.is_parked}

    # Lanes

    _workers: list[asyncio.Task[None]]

    def _open_lanes(self, hosts: list[str] | set[str]) -> None:
        if not self._lanes:
            self._workers = []
        for host in sorted(hosts):
            if host in self._lanes:
                self._lanes[host].news.set()
                continue
            lane = self._lanes[host] = Lane(host)
            width = 4 if host == LOCAL else self._fetcher.gate(host).pace.concurrency
            self._workers += [self._group.create_task(self._work(lane)) for _ in range(width)]

    async def _work(self, lane: Lane) -> None:
        while not lane.is_parked:
            job = self._next(lane)
            if job is None:
                await self._wait(lane)
                continue
            await self._room.acquire()
            try:
                outcome = await self._do(job)
            except HostParked:
                lane.is_parked = True
                self._taken.discard((type(job), job.id))
                self._room.release()
                self._has_outcomes.set()
                return
            self._done.append(outcome)
            self._has_outcomes.set()

    def _next(self, lane: Lane) -> Job | None:
        if not lane.buffer:
            lane.buffer.extend(self._refill(lane))
        if not lane.buffer:
            return None
        job = lane.buffer.popleft()
        self._taken.add((type(job), job.id))
        return job

    def _refill(self, lane: Lane) -> list[Job]:
        lane.news.clear()
        jobs = self._ledger.pending(
            lane.host, lane.last_document, lane.last_item, BUFFER_JOBS, with_items=self._fetch_images
        )
        for job in jobs:
            if isinstance(job, DocumentJob):
                lane.last_document = max(lane.last_document, job.id)
            else:
                lane.last_item = max(lane.last_item, job.id)
        if not jobs:
            late, _ = self._ledger.put_off(lane.host, BUFFER_JOBS, time.time())
            jobs = [job for job in late if (type(job), job.id) not in self._taken]
        return jobs

    async def _wait(self, lane: Lane) -> None:
        """Until there is news for the lane, or the time of a job that was put off has come."""
        _, next_time = self._ledger.put_off(lane.host, 1, 0)
        timeout = None if next_time is None else max(0.05, next_time - time.time())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await lane.news.wait()

    # Committing

    async def _commit_until_done(self) -> None:
        while not self._is_done():
            await self._has_outcomes.wait()
            self._has_outcomes.clear()
            # Documents bring new work and are committed at once; images gather.
            if (
                not any(isinstance(outcome.job, DocumentJob) for outcome in self._done)
                and len(self._done) < MAX_UNCOMMITTED // 2
            ):
                await asyncio.sleep(SECONDS_BETWEEN_COMMITS)
            batch, self._done = self._done, []
            if batch:
                await self._write(batch)

    async def _write(self, batch: list[Outcome]) -> None:
        writing = asyncio.ensure_future(asyncio.to_thread(self._ledger.append, batch))
        try:
            places = await asyncio.shield(writing)
        except asyncio.CancelledError:
            # Interrupted with bytes on their way to the disk: they came, so they count.
            self._ledger.commit(batch, await writing)
            raise
        self._committed(batch, places)

    def _committed(self, batch: list[Outcome], places: list[tuple[int, int]]) -> None:
        self._ledger.commit(batch, places)
        hosts: set[str] = set()
        num_new = num_settled = 0
        for outcome in batch:
            self._taken.discard((type(outcome.job), outcome.job.id))
            self._room.release()
            if isinstance(outcome.job, DocumentJob):
                self._num_documents += outcome.state == "fetched"
                if outcome.rows:
                    hosts |= {row.host for row in outcome.rows.links if not row.is_elsewhere}
                    hosts |= {row.host for row in outcome.rows.items if not (row.refused or row.is_elsewhere)}
                    num_new += sum(1 for row in outcome.rows.items if not (row.refused or row.is_elsewhere))
            elif outcome.state != "retry-later":
                num_settled += 1
                self._num_refused += outcome.state in ("refused", "dead")
        self._open_lanes(hosts)
        self._num_settled += num_settled
        self._pulse()
        if self._fetch_images:
            self._meter.expect((self._meter.total or 0) + num_new)
            self._meter.text = f"{self._num_documents} documents" + (
                f", {self._num_refused} refused" if self._num_refused else ""
            )
            self._meter.advance(num_settled)
        else:
            self._meter.advance(sum(isinstance(outcome.job, DocumentJob) for outcome in batch))

    def _pulse(self) -> None:
        """Tell `iconoclip status` now and then how fast it goes."""
        now = time.time()
        if now - self._pulse_at >= SECONDS_BETWEEN_PULSES:
            self._pulse_at = now
            self._ledger.note(
                pulse=json.dumps({"at": now, "since": self._since, "settled": self._num_settled})
            )

    def _is_done(self) -> bool:
        if self._done or self._taken:
            return False
        parked = {lane.host for lane in self._lanes.values() if lane.is_parked}
        with_work = set(self._ledger.hosts_with_work(with_items=self._fetch_images)) - parked
        self._open_lanes(with_work)
        return not with_work

    def _commit_rest(self) -> None:
        """What was finished when the work was cut short is kept as well."""
        batch, self._done = self._done, []
        if batch:
            self._ledger.commit(batch, self._ledger.append(batch))

    def _count_hosts(self) -> None:
        for host, gate in self._fetcher.gates.items():
            self._ledger.count_host(
                host,
                requests=gate.num_requests,
                num_bytes=gate.num_bytes,
                seconds=gate.seconds_open,
                parked=gate.parked,
            )

    def _parked_reason(self, lane: Lane) -> str:
        return self._fetcher.gate(lane.host).parked or "the server asks to wait"

    # One job

    async def _do(self, job: Job) -> Outcome:
        """Never fails but by a fault that stops the whole harvest, or a host that is parked."""
        try:
            return await (self._document(job) if isinstance(job, DocumentJob) else self._item(job))
        except Refused as refused:
            return Outcome(job, "refused", str(refused))
        except HostParked:
            raise
        except NotNow as later:
            return self._put_off(job, str(later))

    def _put_off(self, job: Job, reason: str) -> Outcome:
        if job.rounds + 1 >= MAX_ROUNDS:
            return Outcome(job, "dead", f"given up: {reason}")
        pause = min(self._config.retry_seconds * 10 * 4**job.rounds, self._config.max_wait_seconds)
        return Outcome(job, "retry-later", reason, not_before=time.time() + pause * random.uniform(0.8, 1.2))

    async def _document(self, job: DocumentJob) -> Outcome:
        if job.depth > self._config.max_depth:
            return Outcome(job, "refused", f"more than {self._config.max_depth} links deep")
        if job.uri.startswith(("http://", "https://")):
            fetched = await self._document_bytes(job)
        else:
            fetched = self._local(job)
        sha256 = hashlib.sha256(fetched.body).hexdigest()
        if fetched.not_modified or sha256 == job.sha256:
            return Outcome(job, "fetched", is_unchanged=True)
        found = registry.read(job.kind, fetched.body, job.uri, self._profile_of(job.uri), job.context)
        if found.links and fetched.uri == LOCAL and not self._fetch_images:
            found = _not_followed(found, job.uri)
        return Outcome(
            job,
            "fetched",
            etag=fetched.etag,
            last_modified=fetched.last_modified,
            sha256=sha256,
            opt_out=fetched.opt_out,
            found=found,
            rows=self._rows(found, job),
        )

    def _local(self, job: DocumentJob) -> Fetched:
        """A file the user named. Only such are ever read: a document that links to a file is refused."""
        if job.depth:
            raise Refused("a document may not point to a file")
        return _read_file(Path(job.uri), self._config.max_document_bytes)

    async def _document_bytes(self, job: DocumentJob) -> Fetched:
        """Ask for a document; one that all tasks of an array read is asked for once and kept for the others."""
        share = self._share if job.is_shared else None
        if share and (known := share.recall(job.uri, job.kind, self._round)):
            return known
        fetched = await self._fetcher.fetch(
            job.uri,
            wanted="xml" if job.kind in ("oai-pmh", "sru", "lido") else "json",
            max_bytes=self._config.max_document_bytes,
            etag=job.etag,
            last_modified=job.last_modified,
        )
        if share:
            share.keep(job.uri, job.kind, self._round, fetched)
        return fetched

    def _rows(self, found: Found, job: DocumentJob) -> FoundRows:
        share = self._share if job.is_shared else None
        items = [item_row(candidate, self._config, share) for candidate in found.candidates]
        return FoundRows(items, [self._link_row(link, job, share) for link in found.links])

    def _link_row(self, link: Link, job: DocumentJob, share: Share | None) -> LinkRow:
        is_leaf = share is not None and share.is_leaf(link)
        return LinkRow(
            link.uri,
            link.kind,
            host_of(link.uri),
            link.context,
            is_shared=job.is_shared and not is_leaf,
            is_elsewhere=share is not None and is_leaf and not share.owns(link.uri),
        )

    async def _item(self, job: ItemJob) -> Outcome:
        candidate = job.candidate
        services: dict[str, bytes] = {}
        request, fetched = await self._image_bytes(candidate, job, services)
        before = job.facts
        same = before is not None and hashlib.sha256(fetched.body).hexdigest() == before.source_sha256
        if fetched.not_modified or same:
            return Outcome(job, "fetched", is_unchanged=True)
        try:
            stored = await self._store(fetched.body, request, candidate)
        except ImageRefused as refused:
            # A transfer may be cut short once; a file stays as it is.
            if "truncated" in str(refused) and job.rounds == 0 and fetched.uri != LOCAL:
                raise NotNow(str(refused)) from None
            raise Refused(str(refused)) from None
        return Outcome(
            job,
            "fetched",
            etag=fetched.etag,
            last_modified=fetched.last_modified,
            jpeg=stored.jpeg,
            facts=self._facts(candidate, request, fetched, stored),
            services=services,
        )

    async def _store(self, body: bytes, request: ImageRequest, candidate: Candidate) -> StoredImage:
        # What the region was measured on; servers send smaller images than they promise.
        space = request.size or candidate.region_space or candidate.source_size
        assert self._decoders is not None
        return await self._decoders.store(body, request.crop, space if request.crop else None)

    def _facts(
        self, candidate: Candidate, request: ImageRequest, fetched: Fetched, stored: StoredImage
    ) -> Facts:
        return Facts(
            width=stored.width,
            height=stored.height,
            sha256=stored.sha256,
            source_sha256=stored.source_sha256,
            phash=stored.phash,
            colours=stored.colours,
            received=stored.received,
            requested=request.size,
            source_size=candidate.source_size,
            image=request.uri if host_of(request.uri) else None,
            opt_out=tuple(sorted({*fetched.opt_out, *stored.opt_out})),
            round=self._round,
        )

    # Images

    async def _image_bytes(
        self, candidate: Candidate, job: ItemJob, services: dict[str, bytes]
    ) -> tuple[ImageRequest, Fetched]:
        """Ask for the image in the size wanted; ask for the info.json only where the request cannot be made without."""
        service = candidate.service
        if service is None:
            if not candidate.image_uri:
                raise Refused("the source names no image")
            request = ImageRequest(candidate.image_uri, None, crop=candidate.region)
            return request, await self._fetch_image(request, job)
        try:
            if needs_info(service):
                service = await self._info(service, services)
            request = self._request(service, candidate)
            return request, await self._fetch_image(request, job)
        except Refused as refused:
            if not service.is_info and str(refused).startswith(ASK_INFO_AFTER):
                with contextlib.suppress(Refused):
                    request = self._request(await self._info(service, services), candidate)
                    return request, await self._fetch_image(request, job)
            if not candidate.image_uri or candidate.region:
                raise
        request = ImageRequest(candidate.image_uri, None)
        return request, await self._fetch_image(request, job)

    def _request(self, service: ImageService, candidate: Candidate) -> ImageRequest:
        region = candidate.region
        if region is not None and candidate.region_space is not None:
            if service.width is None or service.height is None:
                raise Refused(
                    "the service does not say how large the image is, so the region cannot be placed"
                )
            region = region_in_image(region, candidate.region_space, (service.width, service.height))
            if region is None:
                raise Refused("the region lies outside the image")
        return image_request(service, max_side=self._config.max_side_pixels, region=region)

    async def _fetch_image(self, request: ImageRequest, job: ItemJob) -> Fetched:
        if self._image_folder is not None and host_of(request.uri) == LOCAL:
            return await asyncio.to_thread(
                _read_image, self._image_folder, request.uri, self._config.max_image_bytes
            )
        return await self._fetcher.fetch(
            request.uri,
            wanted="image",
            max_bytes=self._config.max_image_bytes,
            etag=job.etag,
            last_modified=job.last_modified,
        )

    async def _info(self, service: ImageService, services: dict[str, bytes]) -> ImageService:
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


def item_row(candidate: Candidate, config: HarvestConfig, share: Share | None = None) -> ItemRow:
    """A candidate on its way into the ledger; refused there and then where its rights leave no use."""
    is_elsewhere = share is not None and not share.owns(candidate.group)
    asked = candidate.service.id if candidate.service else candidate.image_uri or ""
    try:
        reason = rights_refusal(rights_of(candidate, config.policy), config.keep)
    except ValidationError as error:
        reason = why_invalid(error)
    return ItemRow(
        key_of(candidate), host_of(asked), CANDIDATE.dump_json(candidate).decode(), reason, is_elsewhere
    )


def _read_file(path: Path, max_bytes: int) -> Fetched:
    try:
        if path.stat().st_size > max_bytes:
            raise Refused(f"larger than {max_bytes} bytes")
        return Fetched(LOCAL, path.read_bytes())
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror}") from None


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
    return _read_file(path, max_bytes)


def _not_followed(found: Found, uri: str) -> Found:
    """A dry run over local files asks no server; of a document that only leads to others it says so."""
    if found.candidates:
        return replace(found, links=())
    count = len(found.links)
    reason = (
        f"{count} linked document{'s' * (count > 1)} not followed: a dry run over local files asks no server"
    )
    return replace(found, links=(), refusals=(*found.refusals, Refusal(uri, reason)))


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first real failure of a group: an interruption before all, a cancellation last."""
    leaves: list[BaseException] = []
    for failure in failures.exceptions:
        leaves.append(_first(failure) if isinstance(failure, BaseExceptionGroup) else failure)
    return next((leaf for leaf in leaves if isinstance(leaf, KeyboardInterrupt)), leaves[0])
