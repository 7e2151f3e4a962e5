"""Network addresses: which ones are public, and which host a URL names. Nothing here accesses the network.

A document or a user can name any address, and must not make us send requests into our own network. An IPv6
address may embed IPv4 addresses, which a gateway unpacks; so it counts as public only if all of them are
public. Sources: the IANA special-purpose address registries (RFC 6890), and for each form of embedding the
RFC named next to it.

The tables are written out here, because those of the `ipaddress` module differ between Python releases.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final
from urllib.parse import SplitResult

IPAddress = IPv4Address | IPv6Address
DEFAULT_PORTS: Final = {"http": 80, "https": 443}

# Not globally reachable, reserved, deprecated or multicast. 192.0.0.0/24 holds two anycast addresses (RFC
# 7723, RFC 8155) that are globally reachable by definition, but lead to the next gateway, which is our own.
_NOT_PUBLIC_V4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/3",
        ),
    )
)
# Only 2000::/3 is assigned as global unicast (RFC 4291); the registry lists the parts of it that are not
# globally reachable.
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_NOT_PUBLIC_V6: Final = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "3fff::/20")))
_PUBLIC_IN_2001: Final = tuple(
    map(IPv6Network, ("2001:3::/32", "2001:4:112::/48", "2001:20::/28", "2001:30::/28"))
)

_TEREDO: Final = IPv6Network("2001::/32")
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_LOCAL_NAT64: Final = IPv6Network("64:ff9b:1::/48")
# The address is in the last 32 bits: mapped (RFC 4291), compatible (deprecated there), translated (RFC 2765),
# NAT64 (RFC 6052).
_LAST_32_BITS: Final = tuple(map(IPv6Network, ("::ffff:0:0/96", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96")))
# ISATAP (RFC 5214): the interface part of an address is 0:5efe or 200:5efe, then an IPv4 address.
_ISATAP: Final = (0x00005EFE, 0x02005EFE)
_ANY: Final = IPv4Network("0.0.0.0/8")


def is_public(address: str) -> bool:
    """Whether an IP address, in any spelling, belongs to the public internet.

    An address that embeds IPv4 addresses is public if all of them are. Text that is no address is not public,
    nor is an address of one interface of this machine (`fe80::1%eth0`).
    """
    parsed = literal_address(address)
    return parsed is not None and _is_public(parsed)


def _is_public(address: IPAddress) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    if address.scope_id is not None:
        return False
    inner = tuple(embedded(address))
    if inner:
        return all(map(_is_public, inner))
    if address not in _GLOBAL_UNICAST or address in _SIX_TO_FOUR:
        return False
    if any(address in network for network in _PUBLIC_IN_2001):
        return True
    return not any(address in network for network in _NOT_PUBLIC_V6)


def embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses that an IPv6 address embeds, if any."""
    bits = int(address)
    if any(address in network for network in _LAST_32_BITS):
        yield IPv4Address(bits & 0xFFFFFFFF)
    elif address in _LOCAL_NAT64:
        yield from _translated(bits)
    elif address in _SIX_TO_FOUR:  # RFC 3056
        yield IPv4Address(bits >> 80 & 0xFFFFFFFF)
    elif address in _TEREDO:  # RFC 4380: the server, and the client with all bits turned
        yield IPv4Address(bits >> 64 & 0xFFFFFFFF)
        yield IPv4Address(~bits & 0xFFFFFFFF)
    if bits >> 32 & 0xFFFFFFFF in _ISATAP:
        yield IPv4Address(bits & 0xFFFFFFFF)


def _translated(bits: int) -> Iterator[IPv4Address]:
    """The IPv4 addresses that an address with the local NAT64 prefix (RFC 8215) may embed.

    The operator chooses a prefix of 48, 56, 64 or 96 bits, and the address does not show which one (RFC 6052,
    section 2.2). So every reading that gives an address other than zero counts. Bits 64 to 71 are never part
    of the address.
    """
    without_gap = (bits >> 64) << 56 | bits & ((1 << 56) - 1)  # 120 bits
    readings = [IPv4Address(without_gap >> (120 - length - 32) & 0xFFFFFFFF) for length in (48, 56, 64)]
    found = [reading for reading in (*readings, IPv4Address(bits & 0xFFFFFFFF)) if reading not in _ANY]
    yield from found or [IPv4Address(0)]


@functools.lru_cache(maxsize=4096)
def literal_address(host: str) -> IPAddress | None:
    """The IP address that the host part of a URL spells out, or None if it is a name.

    IPv4 is read as browsers and `getaddrinfo` read it: `0x7f.1`, `0177.0.0.1` and `2130706433` are all
    127.0.0.1 (WHATWG URL Standard, section 3.5), and full-width digits are digits.
    """
    host = unicodedata.normalize("NFKC", host).replace("\u3002", ".")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if ":" not in host:
            return None
    try:
        return IPv6Address(host) if ":" in host else _ipv4(host)
    except AddressValueError:
        return None


_NUMBER = re.compile(r"0[xX]([0-9a-fA-F]{0,40})|(0[0-7]{0,40})|([1-9][0-9]{0,40})")


def _ipv4(host: str) -> IPv4Address | None:
    parts = host.removesuffix(".").split(".")
    matches = [_NUMBER.fullmatch(part) for part in parts]
    if len(parts) > 4:
        return None
    numbers = [
        int(match[1] or "0", 16) if match[1] is not None else int(match[2], 8) if match[2] else int(match[3])
        for match in matches
        if match
    ]
    if len(numbers) < len(parts) or any(number > 255 for number in numbers[:-1]):
        return None
    # The last number fills all the bytes that are left: 127.1 is 127.0.0.1.
    value = sum(number << 8 * (3 - place) for place, number in enumerate(numbers[:-1]))
    return IPv4Address(value + numbers[-1]) if numbers[-1] < 256 ** (5 - len(numbers)) else None


def is_loopback(host: str) -> bool:
    """Whether a host part names this machine."""
    address = literal_address(host)
    if isinstance(address, IPv6Address) and not address.is_loopback:
        return any(inner.is_loopback for inner in embedded(address))
    return host == "localhost" or (address is not None and address.is_loopback)


def host_and_port(parts: SplitResult) -> tuple[str, int]:
    """The host and port of an http(s) URL; the host in lower case, without the trailing dot of the DNS root.

    Raises:
        ValueError: the URL has no host, or its port is not a number.
    """
    host = (parts.hostname or "").lower().removesuffix(".")
    if parts.scheme not in DEFAULT_PORTS or not host:
        raise ValueError("not a web address")
    return host, parts.port or DEFAULT_PORTS[parts.scheme]
