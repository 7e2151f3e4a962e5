"""The client against servers of every temper, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from data_prep.addresses import AllowList, is_public
from data_prep.answers import HostParked, NotNow, Refused
from data_prep.fetch import Fetched, Fetcher, Limits
from data_prep.hosts import Pace
from data_prep.sites import SiteRules
from iconoclip.errors import ConfigError

FAST = Pace(interval_seconds=0, concurrency=8, cool_down_seconds=0.05)
JSON = {"Content-Type": "application/json"}


def get(
    server: Any,
    *paths: str,
    pace: Pace = FAST,
    contact: str | None = None,
    allow: tuple[str, ...] | None = None,
    limits: Limits | None = None,
    memory: Any = None,
    **options: Any,
) -> Any:
    """Fetch one path (or absolute address), or several at once."""
    allowed = AllowList((f"127.0.0.1:{server.port}",) if allow is None else allow)
    wanted = {"wanted": "json", "max_bytes": 1_000_000, **options}

    async def run() -> list[Any]:
        fetcher = Fetcher(
            contact=contact, allowed=allowed, pace_of=lambda _: pace, memory=memory,
            limits=limits or Limits(max_attempts=3, stall_seconds=0.4, max_wait_seconds=1.5, retry_seconds=0.01),
        )  # fmt: skip
        async with fetcher:
            uris = [path if "//" in path else server.origin + path for path in paths]
            return await asyncio.gather(*(fetcher.fetch(uri, **wanted) for uri in uris))

    results = asyncio.run(run())
    return results[0] if len(results) == 1 else results


# Who we are


def test_says_who_it_is(server, reply):
    server.routes["/a"] = reply(b"{}", headers=JSON)
    get(server, "/a", contact="mail@library.example")
    assert {seen.headers["user-agent"] for seen in server.requests} == {
        "iconoclip/0.1.0 (+mail@library.example)"
    }
    assert "cookie" not in server.requests[-1].headers


def test_no_cookie_is_ever_sent_back(server, reply):
    server.routes["/a"] = reply(b"{}", headers={**JSON, "Set-Cookie": "track=me"})
    get(server, "/a", "/a")
    get(server, "/a")
    assert not [seen for seen in server.requests if "cookie" in seen.headers]


def test_a_real_host_without_contact_is_not_asked(server):
    with pytest.raises(ConfigError, match="contact"):
        get(server, "https://www.bnf.fr/manifest.json")


# What sites ask of robots


def test_robots_txt_is_asked_once_and_obeyed(server, reply):
    server.routes["/robots.txt"] = reply(b"User-agent: *\nDisallow: /private/\n")
    server.prefixes["/"] = reply(b"{}", headers=JSON)
    get(server, *(f"/open/{n}" for n in range(20)))
    with pytest.raises(Refused, match=r"robots\.txt forbids"):
        get(server, "/private/1")
    assert not [path for path in server.paths if path.startswith("/private")]
    assert [seen.path for seen in server.requests].count("/robots.txt") == 2


def test_a_group_for_us_counts_alone(server, reply):
    server.routes["/robots.txt"] = reply(b"User-agent: *\nDisallow: /\n\nUser-agent: iconoclip\nAllow: /\n")
    server.routes["/a"] = reply(b"{}", headers=JSON)
    assert get(server, "/a").body == b"{}"


def test_crawl_delay_is_kept(server, reply):
    server.routes["/robots.txt"] = reply(b"User-agent: *\nCrawl-delay: 0.2\n")
    server.prefixes["/"] = reply(b"{}", headers=JSON)
    started = time.monotonic()
    get(server, "/1", "/2", "/3", "/4")
    assert time.monotonic() - started >= 0.6


def test_unreachable_robots_txt_forbids_for_now(server, reply):
    server.routes["/robots.txt"] = reply(status=503)
    server.routes["/a"] = reply(b"{}")
    with pytest.raises(NotNow, match="503"):
        get(server, "/a")
    assert "/a" not in server.paths


class Memory:
    def __init__(self) -> None:
        self.sites: dict[str, SiteRules] = {}

    def recall_site(self, origin: str) -> SiteRules | None:
        return self.sites.get(origin)

    def remember_site(self, origin: str, rules: SiteRules) -> None:
        self.sites[origin] = rules


def test_rules_of_a_site_outlive_the_process_for_a_day(server, reply):
    server.routes["/a"] = reply(b"{}", headers=JSON)
    memory = Memory()
    for _ in range(3):
        get(server, "/a", memory=memory)
    asked = [seen.path for seen in server.requests].count("/robots.txt")
    assert asked == 1
    memory.sites = {origin: SiteRules(at=time.time() - 90_000) for origin in memory.sites}
    get(server, "/a", memory=memory)
    assert [seen.path for seen in server.requests].count("/robots.txt") == 2


# Pace


def test_no_more_at_a_time_than_the_host_bears(server, reply):
    async def slowly(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    server.prefixes["/slow"] = reply(script=slowly)
    get(server, *(f"/slow/{n}" for n in range(9)), pace=Pace(0, concurrency=3))
    assert server.most_open == 3


def test_requests_are_spaced(server, reply):
    server.prefixes["/n"] = reply(b"{}", headers=JSON)
    started = time.monotonic()
    get(server, *(f"/n{n}" for n in range(6)), pace=Pace(0.1, concurrency=4))
    # robots.txt, tdmrep.json and six documents: seven gaps.
    assert time.monotonic() - started >= 0.69


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_kept(server, reply, as_date):
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)
    answers = iter(
        [reply(status=429, headers={"Retry-After": later if as_date else "1"}), reply(b"{}", headers=JSON)]
    )
    server.routes["/a"] = lambda _: next(answers)
    get(server, "/a", limits=Limits(3, 0.4, max_wait_seconds=5, retry_seconds=0.01))
    first, second = [seen.at for seen in server.requests if seen.path == "/a"]
    assert second - first >= (1.5 if as_date else 1.0)


def test_too_long_a_wait_parks_the_host(server, reply):
    server.routes["/a"] = reply(status=429, headers={"Retry-After": "3600"})
    with pytest.raises(HostParked):
        get(server, "/a")
    assert server.paths == ["/a"]


def test_a_storm_of_429_passes(server, reply):
    """Sixteen requests, twenty answers of 429 before the first good one: all arrive, and nothing is hammered."""
    left = [20]

    def stormy(_: Any) -> Any:
        left[0] -= 1
        return reply(status=429) if left[0] > 0 else reply(b"{}", headers=JSON)

    server.prefixes["/n"] = stormy
    limits = Limits(max_attempts=12, stall_seconds=1, max_wait_seconds=5, retry_seconds=0.01)
    results = get(server, *(f"/n{n}" for n in range(16)), limits=limits)
    assert all(isinstance(result, Fetched) for result in results)
    assert len(server.paths) <= 20 + 16


@pytest.mark.parametrize("status", [202, 429, 500, 502, 503, 504])
def test_passing_trouble_is_tried_again(server, reply, status):
    answers = iter([reply(status=status), reply(status=status), reply(b"{}", headers=JSON)])
    server.routes["/a"] = lambda _: next(answers)
    assert get(server, "/a").body == b"{}"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451, 501])
def test_a_plain_no_is_taken_once(server, reply, status):
    server.routes["/a"] = reply(status=status)
    with pytest.raises(Refused, match=f"HTTP {status}"):
        get(server, "/a")
    assert server.paths == ["/a"]


def test_403_of_a_host_that_means_the_pace(server, reply):
    server.routes["/a"] = reply(status=403)
    with pytest.raises(NotNow, match="403"):
        get(server, "/a", pace=Pace(0, 1, cool_down_seconds=0.05, refusal_is_final=False))
    assert server.paths == ["/a"] * 3


# Bodies


def chunked(*parts: bytes, pause: float = 0.0, head: bytes = b"Transfer-Encoding: chunked\r\n") -> Any:
    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
        for part in parts:
            writer.write(b"%x\r\n%s\r\n" % (len(part), part))
            await writer.drain()
            await asyncio.sleep(pause)
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    return script


def raw(data: bytes, then_wait: float = 0.0) -> Any:
    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(then_wait)

    return script


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("script", "error", "reason"),
    [
        (raw(OK + b"Content-Length: 5000\r\n\r\n" + b"x" * 100), NotNow, "broke off"),
        (raw(OK + b"Content-Length: 5000\r\n\r\n" + b"x" * 100, then_wait=3), NotNow, "stalled"),
        (raw(OK + b"Content-Length: -4\r\n\r\nabcd"), NotNow, "not HTTP"),
        (raw(OK + b"Content-Length: 4\r\nContent-Length: 9\r\n\r\nabcd"), NotNow, "not HTTP"),
        (raw(b"SSH-2.0-OpenSSH_9.6\r\n"), NotNow, "not HTTP"),
        (raw(b""), NotNow, "not HTTP"),
        (raw(OK + b"X: " + b"y" * 300_000), NotNow, "not HTTP"),
        (chunked(*[b"x"] * 200, pause=0.02), NotNow, "stalled"),
        (chunked(*[b"x" * 50_000] * 60), Refused, "larger than"),
        (raw(OK + b"Content-Length: 99999999999\r\n\r\n"), Refused, "larger than"),
        (chunked(gzip.compress(b"\0" * 300_000_000), head=b"Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n"), Refused, "larger than"),
        (chunked(b"not gzip", head=b"Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n"), Refused, "damaged"),
        (chunked(b"x", head=b"Transfer-Encoding: chunked\r\nContent-Encoding: br\r\n"), Refused, "encoded as 'br'"),
    ],
    ids=["cut short", "stands still", "negative length", "two lengths", "ssh", "nothing", "endless header", "slow drip",
         "endless", "huge by its own word", "gzip bomb", "no gzip", "brotli"],
)  # fmt: skip
def test_bodies_that_cannot_be_used(server, reply, script, error, reason):
    server.routes["/a"] = reply(script=script)
    started = time.monotonic()
    with pytest.raises(error, match=reason):
        get(
            server,
            "/a",
            limits=Limits(max_attempts=2, stall_seconds=0.4, max_wait_seconds=1, retry_seconds=0.01),
        )
    assert time.monotonic() - started < 5


def test_dripping_header_ends(server, reply):
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        for number in range(200):
            writer.write(b"X-%d: y\r\n" % number)
            await writer.drain()
            await asyncio.sleep(0.05)

    server.routes["/a"] = reply(script=drip)
    with pytest.raises(NotNow, match="header"):
        get(server, "/a", limits=Limits(max_attempts=1, stall_seconds=0.2, max_wait_seconds=1))


def test_a_slow_but_steady_transfer_is_waited_for(server, reply):
    """Longer than any stall time in all: what counts is that it moves."""
    server.routes["/a"] = reply(script=chunked(*[b"x" * 3_000] * 12, pause=0.1))
    assert len(get(server, "/a", wanted="any").body) == 36_000


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_documents(server, reply, encoding):
    body = json.dumps({"a": "b" * 1000}).encode()
    packed = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
    server.routes["/a"] = reply(packed, headers={"Content-Encoding": encoding})
    assert get(server, "/a").body == body


def test_more_than_was_promised_is_cut(server, reply):
    server.routes["/a"] = reply(script=raw(OK + b"Content-Length: 2\r\n\r\n{}{}{}{}"))
    assert get(server, "/a").body == b"{}"


@pytest.mark.parametrize("wanted", ["json", "image"])
def test_a_firewalls_page_is_no_answer(server, reply, wanted):
    page = b"\n<!DOCTYPE html><html><title>Just a moment...</title></html>"
    answers = iter([reply(page), reply(b"{}", headers=JSON)])
    server.routes["/a"] = lambda _: next(answers)
    assert get(server, "/a", wanted=wanted).body == b"{}"
    server.routes["/b"] = reply(page)
    with pytest.raises(NotNow, match="HTML"):
        get(server, "/b", wanted=wanted)


@pytest.mark.parametrize("wanted", ["json", "xml"])
def test_other_xml_is_the_readers_to_judge(server, reply, wanted):
    body = b'<?xml version="1.0"?><OAI-PMH><error code="badVerb"/></OAI-PMH>'
    server.routes["/a"] = reply(body)
    assert get(server, "/a", wanted=wanted).body == body
    server.routes["/b"] = reply(b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"></html>')
    with pytest.raises(NotNow, match="HTML"):
        get(server, "/b", wanted=wanted)


def test_validators_and_304(server, reply):
    def answer(seen: Any) -> Any:
        same = seen.headers.get("if-none-match") == '"7"' and "if-modified-since" in seen.headers
        headers = {"ETag": '"7"', "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}
        return (
            reply(status=304, headers={**headers, "Content-Length": "0"})
            if same
            else reply(b"{}", headers=headers)
        )

    server.routes["/a"] = answer
    first = get(server, "/a")
    again = get(server, "/a", etag=first.etag, last_modified=first.last_modified)
    assert not first.not_modified
    assert again.not_modified
    assert again.body == b""


# Where connections may go


def test_redirects_within_the_site(server, reply):
    server.routes["/a"] = reply(status=302, headers={"Location": "b?x=1"})
    server.routes["/b?x=1"] = reply(b"{}", headers=JSON)
    assert get(server, "/a").uri == f"{server.origin}/b?x=1"


def test_redirects_in_a_circle(server, reply):
    server.routes["/a"] = reply(status=301, headers={"Location": "/b"})
    server.routes["/b"] = reply(status=301, headers={"Location": "/a"})
    with pytest.raises(Refused, match="redirects"):
        get(server, "/a")


def test_redirect_without_an_address(server, reply):
    server.routes["/a"] = reply(status=302)
    with pytest.raises(Refused, match="without an address"):
        get(server, "/a")


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.1:1/x", "http://localhost:{port}/x", "http://[::1]:{port}/x", "http://[::ffff:127.0.0.1]:{port}/x",
     "http://0.0.0.0:{port}/x", "http://10.0.0.1/x", "http://192.168.1.1/x", "http://169.254.169.254/latest/meta-data/",
     "http://100.64.0.1/x", "http://[fe80::1]/x", "http://[fd00::1]/x", "http://2130706433:{port}/x", "http://127.1:{port}/x",
     "file:///etc/passwd", "ftp://example.org/x", "gopher://127.0.0.1:{port}/x", "http://user:word@127.0.0.1:{port}/x"],
)  # fmt: skip
def test_redirects_to_where_they_may_not(server, reply, target):
    server.routes["/a"] = reply(status=302, headers={"Location": target.format(port=server.port)})
    server.routes["/x"] = reply(b"{}", headers=JSON)
    with pytest.raises(Refused):
        get(server, "/a", contact="mail@library.example")
    assert "/x" not in server.paths
    assert "/latest/meta-data/" not in server.paths


def test_loopback_must_be_named(server, reply):
    server.routes["/a"] = reply(b"{}", headers=JSON)
    with pytest.raises(Refused, match="private address"):
        get(server, "/a", allow=())
    assert not server.requests
    assert get(server, "/a", allow=("127.0.0.1",)).body == b"{}"


def test_sources_name_literal_addresses_only():
    allowed = AllowList(
        [], ["http://127.0.0.1:8000/x", "http://localhost/y", "http://intranet.example:80/z", "no address"]
    )
    assert ("127.0.0.1", 8000) in allowed
    assert ("localhost", 80) in allowed
    assert ("127.0.0.1", 8001) not in allowed
    assert ("intranet.example", 80) not in allowed


@pytest.mark.parametrize(
    ("address", "public"),
    [("193.51.188.1", True), ("2001:660:3038::1", True), ("127.0.0.1", False), ("10.1.2.3", False), ("172.16.0.1", False),
     ("169.254.169.254", False), ("100.64.1.1", False), ("0.0.0.0", False), ("224.0.0.1", False), ("::1", False),
     ("fe80::1%eth0", False), ("fc00::1", False), ("::ffff:10.0.0.1", False), ("::ffff:193.51.188.1", True),
     ("64:ff9b::a00:1", False), ("64:ff9b::c133:bc01", True), ("2002:0a00:0001::1", False), ("nonsense", False)],
)  # fmt: skip
def test_what_is_public(address, public):
    assert is_public(address) is public


def test_nobody_listens(server):
    with pytest.raises(NotNow, match="connection failed"):
        get(server, "http://127.0.0.1:1/x", allow=("127.0.0.1",), contact="mail@library.example")


# Reservations


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
