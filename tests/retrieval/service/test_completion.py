"""Completion while typing, as the API answers it."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from retrieval.service.guards.limits import cost

from .conftest import ClientOf


def completed(client: TestClient, typed: str, **more: object) -> list[dict[str, object]]:
    answer = client.post("/api/v1/complete", json={"q": typed, **more})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return list(answer.json()["completions"])


def test_titles_and_names_are_completed(client: TestClient) -> None:
    hit = client.get("/api/v1/search?k=1").json()["hits"][0]
    assert hit["title"] in [each["text"] for each in completed(client, hit["title"][:30], k=20)]
    name = hit["institution_name"]
    assert {"text": name, "kind": "institution", "language": None} in completed(client, name[:8].upper())


def test_the_readers_language_comes_first(client: TestClient) -> None:
    for language in ("en", "de", "fr"):
        found = completed(client, "a", language=language, k=20)
        places = [each["language"] in (language, None) for each in found]
        assert places == sorted(places, reverse=True), found


@pytest.mark.parametrize(("typed", "languages"), [("fleur", {"fr"}), ("wappenschild", {"de"})])
def test_a_notation_is_given_in_one_language(client: TestClient, typed: str, languages: set[str]) -> None:
    """`armoiries, héraldique (FLEUR-DE-LIS)`: the name in parentheses is the same in all languages."""
    found = completed(client, typed, language="fr", k=20)
    labels = [each for each in found if each["kind"] == "iconclass"]
    assert {each["language"] for each in labels} == languages
    names = [str(each["text"]).rpartition("(")[2] for each in labels]
    assert len(names) == len(set(names)) > 0


def test_what_a_reader_may_not_see_is_not_completed(client: TestClient, client_of: ClientOf) -> None:
    hits = client.get("/api/v1/search?institution=armorial-valcendre&k=1").json()["hits"]
    name = hits[0]["institution_name"]
    assert name in [each["text"] for each in completed(client, name)]
    hiding = client_of(hidden=["armorial-valcendre"])
    assert name not in [each["text"] for each in completed(hiding, name)]
    shown = {hit["title"] for hit in hiding.get("/api/v1/search?k=200").json()["hits"]}
    for each in completed(hiding, "az", k=20):
        assert each["kind"] != "title" or any(str(each["text"]) in title for title in shown)


def test_bad_queries_are_refused_and_unusual_ones_are_answered(client: TestClient) -> None:
    for bad in ({}, {"q": "x" * 201}, {"q": "a\x00b"}, {"q": "a", "k": 0}, {"q": "a", "language": "../x"}):
        answer = client.post("/api/v1/complete", json=bad)
        assert answer.status_code == 422, bad
        assert answer.json()["error"]["code"] == "bad_request"
    for strange in ("", " ", "'\"; DROP TABLE completions --", "%", "\u202e", "\U0010ffff", "a" * 200):
        completed(client, strange)


def test_what_is_typed_is_in_no_address(client: TestClient) -> None:
    assert client.get("/api/v1/complete?q=lion").status_code == 405
    script = client.get("/static/page.js").text
    asking = re.search(r"fetch\(field\.dataset\.complete, \{(.*?)\}\)", script, re.DOTALL)
    assert asking is not None
    assert 'method: "POST"' in asking[1]
    assert 'referrerPolicy: "no-referrer"' in asking[1]


def test_a_letter_costs_less_than_a_search() -> None:
    scope = {"path": "/api/complete", "query_string": b""}
    assert cost(scope) == 0.1
    assert cost(scope | {"path": "/api/search"}) == 1
