"""Which network addresses the harvest may connect to: public ones, and private ones that the user named."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
# Carrier-grade NAT and the IPv6 forms that carry an IPv4 address inside.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class AllowList:
    """The private or loopback hosts a user named, as `host` (any port) or `host:port`.

    A source address given on the command line names its host when it is a literal address or `localhost`; a name
    that merely resolves to a private address does not, or any public name could point inside; with `names_too` it does.
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
        parts = urlsplit(source)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host:
        return None
    if not names_too and host != "localhost" and literal_address(host) is None:
        return None
    return f"{host}:{port or (443 if parts.scheme == 'https' else 80)}"


@functools.lru_cache(maxsize=4096)
def literal_address(host: str) -> IPAddress | None:
    """The address that a host part spells out, or None when it is a name."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet.

    Addresses that wrap an IPv4 one (mapped, 6to4, Teredo, NAT64) are as public as what they wrap.
    """
    parsed = literal_address(address)
    if parsed is None:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo[1] if parsed.teredo else None)
        if inner is None and parsed in _NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return parsed.is_global and not parsed.is_multicast


def is_loopback(host: str) -> bool:
    """Whether a host part names this machine."""
    address = literal_address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def host_of(uri: str) -> str:
    """Host and, where it is not the scheme's own, port: what a gate and a profile are keyed by."""
    parts = urlsplit(uri)
    # With the root's dot at its end it is the same host, and bears no second pace.
    host = (parts.hostname or "").lower().removesuffix(".")
    try:
        port = parts.port
    except ValueError:
        port = None
    return host if port in (None, {"http": 80, "https": 443}.get(parts.scheme)) else f"{host}:{port}"


def origin_of(uri: str) -> str:
    """Scheme, host and port: what a robots.txt speaks for."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}"
