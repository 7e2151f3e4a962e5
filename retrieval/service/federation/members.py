"""The services that a federation queries, as its operator names them, and whether an address of theirs is
safe.

The operator is trusted to name services, but not every name server on the way: a name that leads into a
private network is refused, unless the operator allows that. An address or `localhost` that the operator
writes out is meant as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

from iconoclip.addresses import host_and_port, is_public, literal_address
from iconoclip.errors import ConfigError
from retrieval.service.guards.pinned import Addresses, Host, resolve

MAX_SERVICES, MAX_NAME_CHARS = 20, 80


@dataclass(frozen=True)
class Member:
    """One service: the name that readers see, and its address without a slash at the end."""

    name: str
    address: str

    @cached_property
    def id(self) -> str:
        """Names the service in cursors and in answers."""
        return hashlib.sha256(self.address.encode()).hexdigest()[:8]

    @property
    def is_secure(self) -> bool:
        """Whether it speaks HTTPS."""
        return self.address.startswith("https:")

    @property
    def host(self) -> Host:
        """The host and port that it is reached at."""
        return host_and_port(urlsplit(self.address))

    @property
    def path(self) -> str:
        """The path that it is published under, without a slash at the end."""
        return urlsplit(self.address).path

    @property
    def origin(self) -> str:
        """Scheme and host, as a content security policy names them."""
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}"


def members_of(services: Sequence[str]) -> tuple[Member, ...]:
    """The services of a config: `https://search.example` or `NAME=https://search.example`.

    Raises:
        ConfigError: none, too many, one twice, or something that is no address of a service.
    """
    found = tuple(_member(service) for service in services)
    if not 0 < len(found) <= MAX_SERVICES:
        raise ConfigError(
            f"a federation queries 1 to {MAX_SERVICES} services, not {len(found)}",
            where="services",
            remedy="iconoclip federate https://one.example https://another.example",
        )
    addresses = [member.address for member in found]
    twice = next((address for address in addresses if addresses.count(address) > 1), None)
    if twice is not None:
        raise ConfigError("a service is named twice", where=twice, remedy="name it once")
    return found


def _member(service: str) -> Member:
    name, given, address = service.partition("=")
    if not given or "://" in name:
        name, address = "", service
    try:
        parts = urlsplit(address.strip())
        host, _ = host_and_port(parts)
        is_good = not (parts.username or parts.password or parts.query or parts.fragment)
    except ValueError:
        host, is_good = "", False
    # A value in one of our headers must not contain the separator of its parts.
    if not is_good or not address.isascii() or any(sign in address for sign in " ;,'\"\\<>"):
        raise ConfigError(
            "not the address of a service",
            where=service[:200],
            remedy="give scheme, host and path, as its page shows them: https://search.example",
        )
    return Member(name.strip()[:MAX_NAME_CHARS] or host, address.strip().rstrip("/"))


@dataclass(frozen=True)
class AddressBook:
    """Resolves services to addresses that may be contacted.

    Args:
        allow_private: whether a name may lead into a private network.
        resolve, is_public: resolve names, and decide which addresses belong to the public internet.
    """

    allow_private: bool = False
    resolve: Callable[[str, int], Addresses] = resolve
    is_public: Callable[[str], bool] = is_public

    def address_of(self, member: Member) -> str | None:
        """An address of the service, or None if it must not be contacted.

        Raises:
            OSError: the name cannot be resolved.
        """
        host, port = member.host
        addresses = self.resolve(host, port)
        is_meant = self.allow_private or host == "localhost" or literal_address(host) is not None
        if not addresses or not (is_meant or all(map(self.is_public, addresses))):
            return None
        return addresses[0]
