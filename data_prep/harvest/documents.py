"""One document: requests it or reads a file, detects its kind, and turns it into rows of the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from data_prep.candidate import Candidate, Found, Link, Refusal, item_key_of, key_of
from data_prep.config_groups import Network, Storing
from data_prep.harvest.array import Share
from data_prep.harvest.recording import refused_for_rights
from data_prep.institutions import InstitutionProfile
from data_prep.ledger.jobs import CANDIDATE, DocumentJob, FoundRows, ItemRow, LinkRow, Outcome, is_leaf
from data_prep.network.addresses import host_of
from data_prep.network.answers import Gone, NotNow, Refused
from data_prep.network.fetch import Fetched, Fetcher
from data_prep.sources import registry
from data_prep.sources.address_list import ADDRESS_LIST

# The host of documents that are read from a file, and the address of the response.
LOCAL: Final = ""


class DocumentReader:
    """Reads documents.

    Args:
        storing: the rights policy, and what is stored.
        network: the limits.
        fetcher: sends requests.
        profile_of: gives the institution of a document by its address.
        follow_files: whether links of local documents are followed; in a dry run they are not,
            so that no request is sent.
        accept_emptied: whether an empty list is accepted at once, also if it was not empty before or has
            never been read.
        share: this task's share of the work in an array.
        round_number: the number of this round over the sources.
    """

    def __init__(
        self,
        storing: Storing,
        network: Network,
        fetcher: Fetcher,
        profile_of: Callable[[str], InstitutionProfile],
        *,
        follow_files: bool = True,
        accept_emptied: bool = False,
        share: Share | None = None,
        round_number: int = 0,
    ) -> None:
        self._storing, self._network = storing, network
        self._fetcher, self._profile_of, self._share = fetcher, profile_of, share
        self._follow_files, self._accept_emptied, self._round = follow_files, accept_emptied, round_number

    async def read(self, job: DocumentJob) -> Outcome:
        """Fetch and read one document.

        Raises:
            Refused, NotNow: it cannot be fetched.
        """
        if job.depth > self._network.max_depth:
            raise Refused(f"more than {self._network.max_depth} links deep")
        is_file = not job.uri.startswith(("http://", "https://"))
        fetched, is_known = (self._file(job), True) if is_file else await self._ask(job)
        sha256 = hashlib.sha256(fetched.body).hexdigest()
        share = None if is_known else self._share
        if fetched.not_modified or sha256 == job.sha256:
            if share:
                share.keep(job.uri, job.kind, self._round, fetched)
            return _unchanged(job, fetched)
        found = registry.read(job.kind, fetched.body, job.uri, self._profile_of(job.uri), job.context)
        if reason := self._why_not_known(found, job):
            raise Refused(reason)
        if found.emptied and found.is_list and job.is_list is None and not self._accept_emptied:
            found = _with_unknown_end(found)
        if share:
            share.keep(job.uri, job.kind, self._round, fetched)
        if is_file and not self._follow_files and job.kind != ADDRESS_LIST:
            found = _not_followed(found, job.uri)
        return Outcome(
            job,
            "fetched",
            # A list whose end is not known is requested in full the next time.
            etag=None if found.is_cut else fetched.etag,
            last_modified=None if found.is_cut else fetched.last_modified,
            sha256=None if found.is_cut else sha256,
            opt_out=fetched.opt_out,
            found=found,
            rows=self._rows(found, job),
        )

    def _file(self, job: DocumentJob) -> Fetched:
        """A file that the user named. No other files are read: a document that links to a file is refused."""
        if job.depth:
            raise Refused("a document may not point to a file")
        return read_file(Path(job.uri), self._network.max_document_bytes)

    def _why_not_known(self, found: Found, job: DocumentJob) -> str | None:
        """The reason why the response cannot be used, or None."""
        if found.unread:
            return found.unread
        if found.emptied and job.holds and not self._accept_emptied:
            return f"{found.emptied}, where there was something before (--confirm-withdrawals accepts that)"
        return None

    async def _ask(self, job: DocumentJob) -> tuple[Fetched, bool]:
        """Request a document. If all tasks of an array read it, it is requested once
        and stored for the others.

        Returns:
            The response, and whether it need not be stored for other tasks.
        """
        share = self._share if job.is_shared else None
        known = share.recall(job.uri, job.kind, self._round) if share else None
        # A response "not modified" is of no use to a task that does not have the document.
        if known and (job.sha256 is not None or not known.not_modified):
            return known, True
        fetched = await self._fetcher.fetch(
            job.uri,
            wanted="xml" if job.kind in ("oai-pmh", "sru", "lido", "library-xml") else "json",
            max_bytes=self._network.max_document_bytes,
            etag=job.etag,
            last_modified=job.last_modified,
        )
        if fetched.not_modified and job.sha256 is None:
            raise NotNow("HTTP 304 to a request without conditions")
        return fetched, share is None

    def _rows(self, found: Found, job: DocumentJob) -> FoundRows:
        share = self._share if job.is_shared else None
        items = [item_row(candidate, self._storing, share) for candidate in found.candidates]
        return FoundRows(items, [_link_row(link, job, share) for link in found.links])


def item_row(candidate: Candidate, storing: Storing, share: Share | None = None) -> ItemRow:
    """The row of a candidate for the ledger; refused at once if its rights allow no use."""
    asked = candidate.service.id if candidate.service else candidate.image_uri or ""
    return ItemRow(
        item_key_of(candidate),
        host_of(asked),
        CANDIDATE.dump_json(candidate).decode(),
        refused=refused_for_rights(candidate, storing),
        is_elsewhere=share is not None and not share.owns(candidate.group),
        record=None if candidate.source.manifest else candidate.group,
        base=key_of(candidate),
    )


def _link_row(link: Link, job: DocumentJob, share: Share | None) -> LinkRow:
    is_object = share is not None and is_leaf(link.context)
    return LinkRow(
        link.uri,
        link.kind,
        host_of(link.uri),
        link.context,
        is_shared=job.is_shared and not is_object,
        is_elsewhere=share is not None and is_object and not share.owns(link.uri),
        record=link.context.get("record", {}).get("id"),
    )


def read_file(path: Path, max_bytes: int) -> Fetched:
    """Read a local file in the form of a response.

    Raises:
        Gone: there is no such file in the folder.
        Refused: it cannot be read, or is too large.
    """
    try:
        if path.stat().st_size > max_bytes:
            raise Refused(f"larger than {max_bytes} bytes")
        return Fetched(LOCAL, path.read_bytes())
    except FileNotFoundError:
        # If the folder does not exist, perhaps a disk is not mounted.
        raise (Gone("no such file") if path.parent.is_dir() else Refused("no such folder")) from None
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror}") from None


def _unchanged(job: DocumentJob, fetched: Fetched) -> Outcome:
    """The outcome for an unchanged document; only its reservations may be new. A 304
    response need not repeat them.
    """
    opt_out = {*fetched.opt_out, *(job.opt_out.split() if fetched.not_modified else ())}
    stated = tuple(sorted(opt_out))
    return Outcome(
        job,
        "fetched",
        is_unchanged=True,
        is_restated=stated != tuple(job.opt_out.split()),
        opt_out=stated,
    )


def _with_unknown_end(found: Found) -> Found:
    """An empty list that has never been read, as a list whose end is not known.

    Many servers answer with an empty list while they are in trouble. What was listed elsewhere before may
    have moved to this list, so its first reading proves the absence of nothing. If the next reading finds it
    empty too, it is accepted: otherwise a server whose last page is always empty would stop every withdrawal.
    """
    refusals = (
        replace(refusal, hides="rest") if refusal.hides == "emptied" else refusal
        for refusal in found.refusals
    )
    return replace(found, refusals=tuple(refusals))


def _not_followed(found: Found, uri: str) -> Found:
    """The refusal of a document that only leads to others, in a dry run over local
    files, which sends no requests.
    """
    if found.candidates or not found.links:
        return replace(found, links=())
    count = len(found.links)
    documents = "1 linked document" if count == 1 else f"{count} linked documents"
    reason = f"{documents} not followed: a dry run over local files sends no requests"
    return replace(found, links=(), refusals=(*found.refusals, Refusal(uri, reason)))
