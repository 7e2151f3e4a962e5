"""The key of a host's rate limit: one host has one name."""

from __future__ import annotations

import pytest

from data_prep.network.addresses import host_of


@pytest.mark.parametrize(
    ("uri", "host"),
    [
        ("https://host.example/a", "host.example"),
        ("https://Host.Example./a", "host.example"),
        ("https://host.example.:443/a", "host.example"),
        ("https://host.example.:8443/a.", "host.example:8443"),
        ("http://name@host.example./a", "host.example"),
        ("http://127.0.0.1:8000/a", "127.0.0.1:8000"),
        ("http://[::1]/a", "::1"),
        ("table.csv", ""),
    ],
)
def test_a_host_has_one_name_with_and_without_the_dot_of_the_root(uri: str, host: str) -> None:
    assert host_of(uri) == host
