"""Private hosts that the user allowed, and the names of hosts in the harvest."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from iconoclip.addresses import DEFAULT_PORTS, host_and_port, literal_address


class AllowList:
    """The private or loopback hosts that a user named, as `host` (any port) or `host:port`.

    A source on the command line allows its host if it is a literal address or `localhost`. A name that merely
    resolves to a private address does not, because any public name could point into the network; with
    `names_too` it does.
    """

    def __init__(self, hosts: Iterable[str], sources: Iterable[str] = (), *, names_too: bool = False) -> None:
        self._allowed = {host.lower() for host in hosts} | {
            origin for source in sources if (origin := _origin(source, names_too=names_too))
        }

    def __contains__(self, host_and_port: tuple[str, int]) -> bool:
        host, port = host_and_port[0].lower().strip("[]"), host_and_port[1]
        return host in self._allowed or f"{host}:{port}" in self._allowed


def _origin(source: str, *, names_too: bool) -> str | None:
    try:
        host, port = host_and_port(urlsplit(source))
    except ValueError:
        return None
    if not names_too and host != "localhost" and literal_address(host) is None:
        return None
    return f"{host}:{port}"


def host_of(uri: str) -> str:
    """The host, with the port if it is not the default of the scheme. A host's queue and profile are found by
    it.
    """
    parts = urlsplit(uri)
    # With a trailing dot (the DNS root) it is the same host, and must not get a second rate limit.
    host = (parts.hostname or "").lower().removesuffix(".")
    try:
        port = parts.port
    except ValueError:
        port = None
    return host if port in (None, DEFAULT_PORTS.get(parts.scheme)) else f"{host}:{port}"


def origin_of(uri: str) -> str:
    """Scheme, host and port, to which one robots.txt applies."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}"
