"""One page over several services: real ones on loopback, and some that fail."""

from __future__ import annotations

import itertools
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from iconoclip.errors import BadInput, ConfigError
from retrieval.answers import Results
from retrieval.service.federation.asking import Reply
from retrieval.service.federation.fusing import ListPosition, Merge, decode, encode
from retrieval.service.federation.members import AddressBook, Member, members_of

from .federating import (
    HTML,
    SLUGS,
    asked,
    federating,
    federation,
    hit_of,
    misbehaving,
    pages,
    sending,
    services,
)

__all__ = ["federation", "services"]


def test_hits_of_all_services_come_in_one_order_each_with_its_owner(
    federation: TestClient, services: list[str]
) -> None:
    found = asked(federation, k=40)
    assert (found["num_answered"], len(found["services"])) == (2, 2)
    scores = [each["hit"]["score"] for each in found["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert [each["hit"]["rank"] for each in found["hits"]] == list(range(1, 41))
    assert {each["service"]["name"] for each in found["hits"]} == {"Library 0", "Library 1"}
    for each in found["hits"]:
        number = SLUGS.index(each["hit"]["institution"])
        address = services[number].rstrip("/")
        assert each["service"]["address"] == address
        assert each["page"] == f"{address}/item/{each['hit']['key']}"
        is_shown = each["hit"]["rights"]["display"] != "link"
        assert each["thumbnail"] == (f"{address}/thumb/{each['hit']['key']}.jpg" if is_shown else None)


def test_pages_hold_every_hit_once_in_the_order_of_one_long_page(
    federation: TestClient, services: list[str]
) -> None:
    import urllib.request

    totals = []
    for address in services:
        with urllib.request.urlopen(f"{address.rstrip('/')}/api/v1/search?k=1") as answer:
            totals.append(json.load(answer)["total"])
    read = list(pages(federation, "lion", 17))
    hits = [each["hit"]["key"] for page in read for each in page["hits"]]
    assert len(set(hits)) == len(hits)
    folded = [each["hit"]["num_near_duplicates"] for page in read for each in page["hits"]]
    assert len(hits) + sum(folded) == sum(totals)
    assert hits[:50] == [each["hit"]["key"] for each in asked(federation, k=50)["hits"]]
    ranks = [each["hit"]["rank"] for page in read for each in page["hits"]]
    assert ranks == list(range(1, len(hits) + 1))


def test_services_take_turns_where_their_hits_are_equally_likely(federation: TestClient) -> None:
    """A query that only narrows gives every hit the same score."""
    found = list(itertools.islice(pages(federation, "year:1300..1800", 5), 3))
    assert {each["hit"]["score"] for page in found for each in page["hits"]} == {1.0}
    names = [each["service"]["name"] for page in found for each in page["hits"]]
    assert names == ["Library 0", "Library 1"] * 7 + ["Library 0"]


def test_what_was_not_understood_and_what_matches_where_is_said(federation: TestClient) -> None:
    (hint,) = asked(federation, "--lion")["hints"]
    assert (hint["code"], hint["instead"]) == ("dash_before_word", "-lion")
    page = federation.get("/search?q=--lion", headers=HTML).text
    assert "A hyphen excludes it:" in page
    assert 'href="/search?q=-lion"' in page
    totals = [each["total"] for each in asked(federation, "--lion")["services"]]
    for number, total in enumerate(totals):
        assert re.search(rf"Library {number}: {total} pictures? match", page)
    assert asked(federation, "--lion", plain=True)["hints"] == []


def test_filters_reach_every_service(federation: TestClient) -> None:
    found = asked(federation, reusable=True)["hits"]
    assert found
    assert all(each["hit"]["rights"]["may_reuse"] for each in found)
    kind = found[0]["hit"]["object_type"]
    narrowed = asked(federation, object_type=kind, dates="certainly", earliest=1, latest=9_999, plain=True)
    assert narrowed["hits"]
    assert {each["hit"]["object_type"] for each in narrowed["hits"]} == {kind}


def test_the_page_works_without_a_script(federation: TestClient, services: list[str]) -> None:
    page = federation.get("/search?q=lion&lang=en", headers=HTML)
    assert "2 of 2 collections answered." in page.text
    assert "Library 1" in page.text
    policy = page.headers["content-security-policy"]
    assert f"img-src 'self' {' '.join(sorted(address.rstrip('/') for address in services))}" in policy
    assert "script-src" not in policy
    assert page.headers["referrer-policy"] == "no-referrer"
    following = page.text.split('id="next" rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "Back to the first page" in federation.get(following, headers=HTML).text
    home = federation.get("/?lang=de", headers=HTML).text
    assert "2 Sammlungen" in home
    assert federation.get("/search?q=", headers=HTML, follow_redirects=False).status_code == 303


def test_an_item_that_two_services_hold_is_shown_once(services: list[str]) -> None:
    bodies = [
        json.dumps({"hits": [hit_of(services, score=score)], "total": 1, "next_cursor": None}).encode()
        for score in (0.2, 0.8)
    ]
    with (
        misbehaving(sending(bodies[0])) as one,
        misbehaving(sending(bodies[1])) as other,
        federating(f"one={one}", f"other={other}") as client,
    ):
        found = asked(client)
    assert [each["service"]["name"] for each in found["hits"]] == ["other"]


@pytest.mark.parametrize(
    "service",
    [
        "ftp://a.example", "search.example", "https://user:pw@a.example", "https://a.example?q=x", "https://",
        "",
        "https://a.example/#x", "https://a.example; script-src *", "https://a.example/' x",
        "https://a.example:99999",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_service_is_refused(service: str) -> None:
    with pytest.raises(ConfigError):
        members_of([service])


def test_services_are_named_once_and_not_too_many() -> None:
    with pytest.raises(ConfigError, match="twice"):
        members_of(["https://a.example", "B=https://a.example/"])
    with pytest.raises(ConfigError, match="1 to 20"):
        members_of([f"https://{number}.example" for number in range(21)])
    (member, other) = members_of(["The Library=https://a.example/x/", "http://[::1]:8000/"])
    assert (member.name, member.address, member.path) == ("The Library", "https://a.example/x", "/x")
    assert (other.name, other.host) == ("::1", ("::1", 8000))


@pytest.mark.parametrize(
    ("address", "found", "allow", "right"),
    [
        ("https://a.example", "93.184.216.34", False, True),
        ("https://a.example", "127.0.0.1", False, False),
        ("https://a.example", "169.254.169.254", False, False),
        ("https://a.example", "10.1.2.3", True, True),
        ("https://10.1.2.3", "10.1.2.3", False, True),
        ("http://localhost:8000", "127.0.0.1", False, True),
        ("http://[::1]:8000", "::1", False, True),
    ],
)
def test_a_name_leads_into_a_private_network_only_if_that_is_allowed(
    address: str, found: str, allow: bool, right: bool
) -> None:
    book = AddressBook(allow_private=allow, resolve=lambda *_: [found])
    assert (book.address_of(Member("x", address)) == found) is right


def test_a_cursor_is_that_of_its_question(federation: TestClient) -> None:
    cursor = asked(federation, k=5)["next_cursor"]
    for query, text in (("eagle", cursor), ("lion", "x"), ("lion", cursor[:-9]), ("lion", "A" * 19_000)):
        answer = federation.get("/api/v1/search", params={"q": query, "k": 5, "cursor": text})
        assert answer.status_code == 400, answer.text
        assert "cursor" in answer.json()["error"]["what"]
    assert federation.get("/api/v1/search").status_code == 422
    assert federation.get("/api/v1/search?q=x&maker=y").status_code == 422


SCORES = st.lists(st.floats(0, 1), max_size=12).map(lambda scores: sorted(scores, reverse=True))


@settings(max_examples=40, deadline=None)
@given(lists=st.lists(SCORES, min_size=1, max_size=4), k=st.integers(1, 5))
def test_paging_loses_and_repeats_nothing(lists: list[list[float]], k: int) -> None:
    """The oracle sorts all hits at once."""
    from retrieval.query.hits import hit_of as made
    from tests.retrieval.conftest import draw, record_of

    template = made(record_of(0, draw("red", "circle", 0)), rank=1, score=0.5)
    members = [Member(f"m{number}", f"https://{number}.example") for number in range(len(lists))]
    whole = {
        member: [
            template.model_copy(update={"key": f"{member.name}-{n:016x}", "score": score})
            for n, score in enumerate(scores)
        ]
        for member, scores in zip(members, lists, strict=True)
    }

    def reply(member: Member, cursor: str | None) -> Reply:
        start = int(cursor or 0)
        hits = whole[member][start : start + k]
        following = str(start + k) if start + k < len(whole[member]) else None
        results = Results(hits=tuple(hits), total=0, next_cursor=following, matches_well=None, took_ms=0)
        return Reply(member, "answered", results)

    places: dict[str, ListPosition] = {}
    read: list[float] = []
    for _ in itertools.count():
        at = {member: places.get(member.id, ListPosition()) for member in members}
        merge = Merge(at, k)
        wanting = {member: place for member, place in at.items() if not place.is_end}
        while wanting:
            for member, place in wanting.items():
                merge.add(reply(member, place.cursor))
            merge.take()
            wanting = merge.wanting
        merge.take()
        read += [hit.score for _, hit in merge.hits.values()]
        after = {member.id: place for member, place in merge.places.items()}
        num_shown, places = decode(encode("q", len(read), after), "q")
        assert (num_shown, places) == (len(read), after)
        if not merge.has_more:
            break
        assert len(merge.hits) == k
    assert read == sorted((score for scores in lists for score in scores), reverse=True)


def test_a_cursor_of_another_question_is_none() -> None:
    with pytest.raises(BadInput, match="another query"):
        decode(encode("a", 1, {}), "b")
