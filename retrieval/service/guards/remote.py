"""Fetches a picture by its address, but only from hosts of the institutions that are searched here.

A server that fetches any address could be used to attack others. So the host must occur in the records, all
addresses that it resolves to must be public, the connection goes to the very address that was checked (a
second look-up could give another one: DNS rebinding), and each redirect is checked like a new address. Bytes
and time are limited. The address is not logged.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from threading import Lock
from urllib.parse import SplitResult, urljoin, urlsplit

from iconoclip.addresses import host_and_port, is_public
from retrieval.answers import Hit
from retrieval.engine import SearchEngine
from retrieval.questions import Filters, Query
from retrieval.service.guards.pinned import Addresses, Host, PinnedConnection, resolve
from retrieval.service.guards.refusals import N_, Refusal

MAX_REDIRECTS = 3
STALL_SECONDS, MAX_SECONDS = 5.0, 20.0
CHUNK_BYTES = 65_536
# The records of one institution use few hosts; this many records are enough to find them.
NUM_SAMPLED, KEEP_HOSTS_SECONDS = 50, 600.0


class Hosts:
    """The hosts in the records of the institutions that a user may see: of image services,
    manifests, canvases, pages.
    """

    def __init__(self, engine: SearchEngine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine, self._clock, self._lock = engine, clock, Lock()
        self._known: dict[tuple[str, ...], tuple[float, frozenset[Host]]] = {}

    def __call__(self, concealed: tuple[str, ...]) -> frozenset[Host]:
        """Hosts with their ports, without those of concealed institutions."""
        with self._lock:
            until, hosts = self._known.get(concealed, (0.0, frozenset()))
            if until < self._clock():
                hosts = frozenset(self._look(concealed))
                self._known[concealed] = (self._clock() + KEEP_HOSTS_SECONDS, hosts)
            return hosts

    def _look(self, concealed: tuple[str, ...]) -> Iterable[Host]:
        for institution in self._engine.facets(Filters(without_institution=concealed)).institution:
            filters = Filters(institution=(institution.value,), without_institution=concealed)
            for hit in self._engine.search(Query(filters=filters, k=NUM_SAMPLED, fold=False)).hits:
                yield from _hosts_of(hit)


def _hosts_of(hit: Hit) -> Iterable[Host]:
    for url in (hit.image_service, hit.manifest, hit.canvas, hit.homepage):
        try:
            yield _host(urlsplit(url or ""))
        except ValueError:
            continue


def _host(url: SplitResult) -> Host:
    if url.username or url.password:
        raise ValueError("a web address with a password")
    return host_and_port(url)


class RemotePictures:
    """Fetches pictures of indexed institutions.

    Args:
        hosts: the allowed hosts, for a user who may not see some institutions.
        max_bytes: the largest size of a picture.
        resolve, is_public: resolve names to addresses, and decide which of these may be contacted.
    """

    def __init__(
        self,
        hosts: Callable[[tuple[str, ...]], frozenset[Host]],
        max_bytes: int,
        *,
        resolve: Callable[[str, int], Addresses] = resolve,
        is_public: Callable[[str], bool] = is_public,
    ) -> None:
        self.hosts, self._max_bytes = hosts, max_bytes
        self._resolve, self._is_public = resolve, is_public

    def fetch(self, url: str, concealed: tuple[str, ...] = ()) -> bytes:
        """The bytes behind an address.

        Raises:
            Refusal: 422, if the host is not allowed or the picture cannot be
                fetched; 413, if it is too large.
        """
        until = time.monotonic() + MAX_SECONDS
        try:
            for _ in range(MAX_REDIRECTS + 1):
                answer = self._ask(url, concealed, until)
                if isinstance(answer, bytes):
                    return answer
                url = urljoin(url, answer)
        except (OSError, http.client.HTTPException, ValueError) as error:
            # The error may contain the address, so its text is not passed on.
            raise _cannot_be_had() from error
        raise _cannot_be_had()

    def _ask(self, url: str, concealed: tuple[str, ...], until: float) -> bytes | str:
        """The picture, or the address that the server redirects to."""
        parsed = urlsplit(url)
        try:
            host = _host(parsed)
        except ValueError as error:
            raise _not_from_there() from error
        if host not in self.hosts(concealed):
            raise _not_from_there()
        addresses = self._resolve(*host)
        if not addresses or not all(map(self._is_public, addresses)):
            raise _not_from_there()
        connection = PinnedConnection(
            host, addresses[0], is_secure=parsed.scheme == "https", stall_seconds=STALL_SECONDS
        )
        try:
            path = (parsed.path or "/") + (f"?{parsed.query}" if parsed.query else "")
            connection.request("GET", path, headers=_HEADERS)
            response = connection.getresponse()
            if response.status in (301, 302, 303, 307, 308):
                return response.headers.get("Location") or ""
            if response.status != 200:
                raise _cannot_be_had()
            return self._read(response, until)
        finally:
            connection.close()

    def _read(self, response: http.client.HTTPResponse, until: float) -> bytes:
        data = bytearray()
        while chunk := response.read1(CHUNK_BYTES):
            data += chunk
            if len(data) > self._max_bytes:
                megabytes = f"{self._max_bytes / 1_000_000:g}"
                raise Refusal(413, f"the picture is larger than {megabytes} MB", where="url")
            if time.monotonic() > until:
                raise _cannot_be_had()
        return bytes(data)


_HEADERS = {
    "User-Agent": f"iconoclip/{version('iconoclip')} (a reader searches with this picture)",
    "Accept": "image/*",
    "Accept-Encoding": "identity",
}


def _not_from_there() -> Refusal:
    return Refusal(
        422,
        N_("pictures are fetched only from the institutions that are searched here"),
        where="url",
        remedy=N_("save the picture and send the file"),
    )


def _cannot_be_had() -> Refusal:
    return Refusal(
        422,
        N_("the institution does not deliver the picture"),
        where="url",
        remedy=N_("save the picture and send the file"),
    )
