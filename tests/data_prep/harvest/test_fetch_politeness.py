"""How the client behaves: its User-Agent, robots.txt, the rate limit of a host."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from data_prep.network.answers import Gone, HostPaused, NotNow, Refused
from data_prep.network.fetch import Fetched
from data_prep.network.hosts import Pace
from data_prep.network.sites import SiteRules
from iconoclip.errors import ConfigError
from tests.data_prep.harvest.fetching import JSON, PATIENT, fetcher_of, get

# User-Agent and contact


def test_the_user_agent_names_the_client(server, reply):
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
    assert server.paths == ["/a"] * 3
    assert not [seen for seen in server.requests if "cookie" in seen.headers]


def test_a_real_host_without_contact_gets_no_request(server):
    with pytest.raises(ConfigError, match="contact"):
        get(server, "https://www.bnf.fr/manifest.json")


# robots.txt


def test_robots_txt_is_requested_once_and_obeyed(server, reply):
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


def test_no_more_parallel_requests_than_the_host_allows(server, reply):
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
    def answer(seen: Any) -> Any:
        if server.paths.count("/a") > 1:
            return reply(b"{}", headers=JSON)
        # A date has whole seconds: three from now are two at the least.
        later = format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)
        return reply(status=429, headers={"Retry-After": later if as_date else "1"})

    server.routes["/a"] = answer
    get(server, "/a", limits=replace(PATIENT, max_wait_seconds=5))
    first, second = [seen.at for seen in server.requests if seen.path == "/a"]
    assert second - first >= (1.9 if as_date else 1.0)


def test_too_long_a_wait_pauses_the_host(server, reply):
    server.routes["/a"] = reply(status=429, headers={"Retry-After": "3600"})
    with pytest.raises(HostPaused):
        get(server, "/a")
    assert server.paths == ["/a"]


def test_a_burst_of_429_passes(server, reply):
    """Sixteen requests, twenty answers of 429 before the first good one: all arrive, at a low rate."""
    left = [20]

    def stormy(_: Any) -> Any:
        left[0] -= 1
        return reply(status=429) if left[0] > 0 else reply(b"{}", headers=JSON)

    server.prefixes["/n"] = stormy
    limits = replace(PATIENT, max_attempts=12, max_wait_seconds=5)
    results = get(server, *(f"/n{n}" for n in range(16)), limits=limits)
    assert all(isinstance(result, Fetched) for result in results)
    assert len(server.paths) <= 20 + 16


@pytest.mark.parametrize("status", [202, 429, 500, 502, 503, 504])
def test_temporary_errors_are_retried(server, reply, status):
    answers = iter([reply(status=status), reply(status=status), reply(b"{}", headers=JSON)])
    server.routes["/a"] = lambda _: next(answers)
    assert get(server, "/a").body == b"{}"


@pytest.mark.parametrize("status", [400, 401, 403, 410, 451, 501])
def test_a_permanent_refusal_is_not_retried(server, reply, status):
    server.routes["/a"] = reply(status=status)
    with pytest.raises(Refused, match=f"HTTP {status}"):
        get(server, "/a")
    assert server.paths == ["/a"]


def test_403_of_a_host_that_uses_it_for_rate_limits(server, reply):
    server.routes["/a"] = reply(status=403)
    with pytest.raises(NotNow, match="403"):
        get(server, "/a", pace=Pace(0, 1, cool_down_seconds=0.05, refusal_is_final=False))
    assert server.paths == ["/a"] * 3


def test_retry_after_in_other_digits_is_ignored(server, reply):
    server.routes["/a"] = reply(status=503, headers={"Retry-After": "\xb2"})
    with pytest.raises(NotNow, match="503"):
        get(server, "/a")


def test_validators_that_cannot_be_a_header_are_not_sent(server, reply):
    server.routes["/a"] = reply(b"{}", headers={**JSON, "ETag": '"caf\xe9"', "Last-Modified": "d\xe9cembre"})
    first = get(server, "/a")
    again = get(server, "/a", etag=first.etag, last_modified=first.last_modified)
    assert again.body == b"{}"
    assert not {"if-none-match", "if-modified-since"} & {name.lower() for name in server.requests[-1].headers}


def test_a_robots_txt_with_a_broken_redirect_is_missing(server, reply):
    server.routes["/robots.txt"] = reply(status=302)
    server.routes["/a"] = reply(b"{}", headers=JSON)
    assert get(server, "/a").body == b"{}"


# Servers that route by the Accept header


def minds_accept(reply, status):
    def answer(seen):
        if seen.headers.get("accept", "*/*") != "*/*":
            return reply(b"no route for this media type", status)
        return reply(b"{}", headers=JSON)

    return answer


@pytest.mark.parametrize("status", [404, 406])
def test_a_server_that_rejects_the_accept_header_gets_none_from_then_on(server, reply, status):
    server.prefixes["/m/"] = minds_accept(reply, status)

    async def run():
        async with fetcher_of(server) as fetcher:
            return [
                await fetcher.fetch(f"{server.origin}/m/{n}", wanted="json", max_bytes=99) for n in range(4)
            ]

    assert [fetched.body for fetched in asyncio.run(run())] == [b"{}"] * 4
    assert server.paths == ["/m/0", "/m/0", "/m/1", "/m/2", "/m/3"]


def test_missing_documents_are_requested_twice_for_at_most_three_per_host(server):
    async def run():
        async with fetcher_of(server) as fetcher:
            for n in range(6):
                with pytest.raises(Gone, match="404"):
                    await fetcher.fetch(f"{server.origin}/m/{n}", wanted="json", max_bytes=99)

    asyncio.run(run())
    assert server.paths == ["/m/0", "/m/0", "/m/1", "/m/1", "/m/2", "/m/2", "/m/3", "/m/4", "/m/5"]
