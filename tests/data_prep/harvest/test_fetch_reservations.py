"""Reservations against training, in headers and in files, as the real material has them."""

from __future__ import annotations

import json

import pytest

from data_prep.network.answers import Refused
from tests.data_prep.harvest.fetching import JSON, get


def test_reservations_of_the_material(server, reply, material):
    """Each header line of the material, against what it means for training."""
    lines = (material / "optout" / "headers.jsonl").read_text().splitlines()
    found = []
    for line in lines:
        server.routes["/a"] = reply(
            b"{}",
            headers={
                **JSON,
                **{name: str(value) for name, value in json.loads(line).items() if name != "Retry-After"},
            },
        )
        found.append(get(server, "/a").opt_out)
    assert found == [("noai",), (), ("tdmrep",), ("content-usage",), (), (), ()]


def test_tdmrep_file_of_the_material(server, reply, material):
    server.routes["/.well-known/tdmrep.json"] = reply(
        (material / "optout" / "tdmrep.json").read_bytes(), headers=JSON
    )
    server.prefixes["/"] = reply(b"{}", headers=JSON)
    assert get(server, "/iiif/1").opt_out == ("tdmrep",)
    assert get(server, "/open/1").opt_out == ()
    server.prefixes["/"] = reply(b"{}", headers={**JSON, "tdm-reservation": "0"})
    assert get(server, "/iiif/1").opt_out == ()


def test_content_usage_in_robots_txt(server, reply, material):
    server.routes["/robots.txt"] = reply((material / "optout" / "robots_content_usage.txt").read_bytes())
    server.prefixes["/"] = reply(b"{}", headers=JSON)
    assert get(server, "/a").opt_out == ("content-usage",)
    assert get(server, "/open/a").opt_out == ()
    with pytest.raises(Refused):
        get(server, "/private/a")


def test_robots_of_the_material_that_name_others(server, reply, material):
    server.routes["/robots.txt"] = reply((material / "optout" / "robots_named_bot.txt").read_bytes())
    server.routes["/a"] = reply(b"{}", headers=JSON)
    assert get(server, "/a").body == b"{}"
