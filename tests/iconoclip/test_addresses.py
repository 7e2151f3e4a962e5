"""Which addresses are public: the registries, the standards, and every way to hide a private one."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from iconoclip.addresses import host_and_port, is_loopback, is_public, literal_address

# IANA IPv4 and IPv6 Special-Purpose Address Registries: one address of each entry, and its "globally
# reachable".
REGISTRY = {
    "0.0.0.0": False, "0.1.2.3": False, "10.1.2.3": False, "100.64.0.1": False, "100.127.255.255": False,
    "127.0.0.1": False, "169.254.169.254": False, "172.16.0.1": False, "172.31.255.255": False,
    "192.0.0.8": False,
    "192.0.0.170": False, "192.0.2.33": False, "192.168.0.1": False, "198.18.0.1": False,
    "198.19.255.255": False,
    "198.51.100.7": False, "203.0.113.9": False, "240.0.0.1": False, "255.255.255.255": False,
    "192.31.196.1": True, "192.52.193.1": True, "192.175.48.1": True,
    "::": False, "::1": False, "100::1": False, "100:0:0:1::1": False, "2001:2::1": False,
    "2001:10::1": False,
    "2001:db8::1": False, "3fff::1": False, "5f00::1": False, "fc00::1": False, "fd12:3456::1": False,
    "fe80::1": False,
    "2001:3::1": True, "2001:4:112::1": True, "2001:20::1": True, "2620:4f:8000::1": True,
    # Neighbours of the entries, multicast (RFC 5771, RFC 4291), deprecated site-local (RFC 3879), not
    # allocated.
    "8.8.8.8": True, "9.255.255.255": True, "11.0.0.0": True, "100.63.255.255": True, "100.128.0.0": True,
    "172.15.255.255": True, "172.32.0.0": True, "193.51.188.1": True, "223.255.255.255": True,
    "224.0.0.1": False,
    "239.255.255.255": False, "ff02::1": False, "ff0e::1": False, "fec0::1": False, "4000::1": False,
    "2606:4700::1111": True, "2001:660:3038::1": True, "2001:200::1": True, "2a00::1": True,
}  # fmt: skip
SPELLINGS = {
    # RFC 4291 mapped and compatible; RFC 2765; RFC 3056 and its example; RFC 6052, table 2; RFC 8215.
    "::ffff:10.0.0.1": False, "::ffff:193.51.188.1": True, "::127.0.0.1": False, "::ffff:0:127.0.0.1": False,
    "2002:a00:1::1": False, "2002:c133:bc01::1": True, "64:ff9b::192.0.2.33": False,
    "64:ff9b::c133:bc01": True,
    "64:ff9b:1::a00:1": False, "64:ff9b:1::7f00:1": False, "64:ff9b:1::c133:bc01": True, "64:ff9b:1::": False,
    "64:ff9b:1:7f00:0:100::": False, "64:ff9b:1:c133:bc:100::": True, "64:ff9b:1:7f00:0:100:808:808": False,
    # RFC 4380: server 65.54.227.120, client 192.0.2.45 (obfuscated); then public and private ones.
    "2001:0:4136:e378:8000:63bf:3fff:fdd2": False, "2001:0:4136:e378:8000:63bf:f5ff:fffe": False,
    "2001:0:4136:e378:8000:63bf:3ecc:43fe": True, "2001:0:a00:1:8000:63bf:3ecc:43fe": False,
    # RFC 5214: ISATAP in a public prefix.
    "2a00:1450::5efe:10.0.0.1": False, "2a00:1450::200:5efe:10.0.0.1": False,
    "2a00:1450::200:5efe:193.51.188.1": True,
    # Scopes, brackets, spellings of IPv4 (WHATWG URL), and what is no address.
    "fe80::1%eth0": False, "2606:4700::1111%eth0": False, "[::1]": False, "[2606:4700::1111]": True,
    "[8.8.8.8]": False,
    "127.1": False, "2130706433": False, "0x7f.0.0.1": False, "0177.0.0.1": False, "0x7f000001": False,
    "127.0.0.1.": False,
    "１２７。０。０。１": False,
    "3238247425": True, "0301.0x33.188.01": True, "08.8.8.8": False, "256.1.1.1": False,
    "1.2.3.4.5": False, "nonsense": False, "": False, "[": False, "0x": False, "127.0.0.1%eth0": False,
}  # fmt: skip


@pytest.mark.parametrize(("address", "public"), [*REGISTRY.items(), *SPELLINGS.items()])
def test_what_is_public(address: str, public: bool) -> None:
    assert is_public(address) is public


PRIVATE = st.one_of(
    st.integers(0, 2**24 - 1).map(lambda low: 10 << 24 | low),
    st.integers(0, 2**24 - 1).map(lambda low: 127 << 24 | low),
    st.integers(0, 2**16 - 1).map(lambda low: 0xC0A80000 | low),
    st.integers(0, 2**20 - 1).map(lambda low: 0xAC100000 | low),
    st.integers(0, 2**16 - 1).map(lambda low: 0xA9FE0000 | low),
)
PUBLIC = 0xC133BC01  # 193.51.188.1
WRAPPINGS = {
    "mapped": lambda v4: 0xFFFF << 32 | v4,
    "compatible": lambda v4: v4,
    "translated": lambda v4: 0xFFFF << 48 | v4,
    "6to4": lambda v4: 0x2002 << 112 | v4 << 80 | 1,
    "teredo client": lambda v4: 0x20010000 << 96 | PUBLIC << 64 | v4 ^ 0xFFFFFFFF,
    "teredo server": lambda v4: 0x20010000 << 96 | v4 << 64 | PUBLIC ^ 0xFFFFFFFF,
    "nat64": lambda v4: 0x0064FF9B << 96 | v4,
    "local nat64 /96": lambda v4: 0x0064FF9B0001 << 80 | v4,
    "local nat64 /64": lambda v4: 0x0064FF9B0001 << 80 | v4 << 24,
    "local nat64 /56": lambda v4: 0x0064FF9B0001 << 80 | v4 >> 24 << 64 | (v4 & 0xFFFFFF) << 32,
    "local nat64 /48": lambda v4: 0x0064FF9B0001 << 80 | v4 >> 16 << 64 | (v4 & 0xFFFF) << 40,
    "isatap": lambda v4: 0x2A001450 << 96 | 0x5EFE << 32 | v4,
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@given(v4=PRIVATE)
@example(v4=0x7F000001)
def test_no_embedding_makes_a_private_address_public(wrapping: str, v4: int) -> None:
    assert not is_public(str(IPv6Address(WRAPPINGS[wrapping](v4)))), IPv4Address(v4)


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_public_address_stays_public_in_every_embedding(wrapping: str) -> None:
    assert is_public(str(IPv6Address(WRAPPINGS[wrapping](PUBLIC))))


@given(
    value=st.integers(0, 2**32 - 1),
    num_parts=st.integers(1, 4),
    bases=st.tuples(*[st.sampled_from("dxo")] * 4),
)
def test_ipv4_is_read_as_the_operating_system_reads_it(
    value: int, num_parts: int, bases: tuple[str, ...]
) -> None:
    parts = [value >> 8 * (3 - place) & 255 for place in range(num_parts - 1)]
    parts.append(value & (256 ** (5 - num_parts) - 1))
    prefix = {"d": "", "x": "0x", "o": "0"}
    host = ".".join(
        f"{prefix[base]}{part:{base}}" for part, base in zip(parts, bases[:num_parts], strict=True)
    )
    assert str(literal_address(host)) == socket.inet_ntoa(socket.inet_aton(host)) == str(IPv4Address(value))


@given(st.text(max_size=60))
def test_every_text_gets_an_answer(text: str) -> None:
    assert is_public(text) in (True, False)
    assert is_loopback(text) in (True, False)


@pytest.mark.parametrize(
    ("host", "here"),
    [("localhost", True), ("127.0.0.1", True), ("127.1", True), ("::1", True), ("[::1]", True),
     ("::ffff:127.0.0.1", True),
     ("10.0.0.1", False), ("::ffff:10.0.0.1", False), ("2606:4700::1111", False),
     ("localhost.example", False)],
)  # fmt: skip
def test_which_hosts_are_this_machine(host: str, here: bool) -> None:
    assert is_loopback(host) is here


@pytest.mark.parametrize(
    ("url", "found"),
    [("https://Host.Example./a", ("host.example", 443)), ("http://host.example:8080", ("host.example", 8080)),
     ("http://[::1]/a", ("::1", 80)), ("ftp://host.example/a", None), ("http:///a", None),
     ("table.csv", None),
     ("http://host.example:99999999/a", None)],
)  # fmt: skip
def test_host_and_port_of_a_url(url: str, found: tuple[str, int] | None) -> None:
    if found is None:
        with pytest.raises(ValueError):
            host_and_port(urlsplit(url))
    else:
        assert host_and_port(urlsplit(url)) == found
