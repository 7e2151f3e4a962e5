"""Recommendations: each has a reason that is true of every item in it, and none is shown twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
from starlette.testclient import TestClient


def recommended(client: TestClient, key: str) -> list[dict[str, Any]]:
    return list(client.get(f"/api/v1/items/{key}/recommended").json()["recommended"])


def test_every_reason_is_true(client: TestClient) -> None:
    kinds, filters = set(), set()
    for hit in client.get("/api/v1/search?k=8").json()["hits"]:
        record = client.get(f"/api/v1/items/{hit['key']}").json()["item"]["record"]
        for each in recommended(client, hit["key"]):
            kinds.add(each["kind"])
            filters.add(each["by"])
            assert each["what"] in each["reason"]
            for other in each["hits"]:
                found = client.get(f"/api/v1/items/{other['key']}").json()["item"]["record"]
                if each["by"] == "place":
                    assert each["what"] == record["raw"][0]["value"] == found["raw"][0]["value"]
                elif each["kind"] == "hand":
                    assert record["creators"][0] in found["creators"]
                elif each["kind"] == "motif":
                    longest = max(record["iconclass"], key=len)
                    assert any(notation.startswith(longest) for notation in found["iconclass"])
                elif each["kind"] == "moment":
                    assert found["date"]["earliest"] <= record["date"]["latest"]
                    assert found["date"]["latest"] >= record["date"]["earliest"]
                else:
                    assert found["institution"] == record["institution"]
    assert kinds == {"hand", "moment", "motif", "place"}
    assert filters == {"creator", "period", "iconclass", "place", "institution"}


def test_nothing_is_recommended_twice_or_is_the_object_itself(client: TestClient, shown_key: str) -> None:
    item = client.get(f"/api/v1/items/{shown_key}").json()["item"]
    shown = [hit["key"] for each in recommended(client, shown_key) for hit in each["hits"]]
    assert shown
    assert len(shown) == len(set(shown))
    assert not {shown_key, *(hit["key"] for hit in item["siblings"])} & set(shown)


def test_a_reason_leads_to_all_of_its_items(client: TestClient, shown_key: str) -> None:
    reasons = recommended(client, shown_key)
    assert reasons
    for each in reasons:
        params = parse_qs(each["query"]) | {"k": ["200"]}
        every = {hit["key"] for hit in client.get("/api/v1/search", params=params).json()["hits"]}
        shown = {hit["key"] for hit in each["hits"]}
        assert shown
        assert shown <= every


def test_concealed_items_are_not_recommended(client_of: Callable[..., TestClient], shown_key: str) -> None:
    slug = shown_key.rpartition("-")[0]
    others = [
        name for name in ("armorial-valcendre", "armorial-wexcombe", "armorial-aldersheim") if name != slug
    ]
    client = client_of(hidden=others)
    shown = [hit["institution"] for each in recommended(client, shown_key) for hit in each["hits"]]
    assert shown
    assert set(shown) == {slug}


@pytest.mark.parametrize(("language", "words"), [("en", "Also at"), ("de", "Auch in:"), ("fr", "Aussi à")])
def test_the_page_says_the_reason(client: TestClient, shown_key: str, language: str, words: str) -> None:
    page = client.get(f"/item/{shown_key}?lang={language}", headers={"accept": "text/html"})
    client.cookies.clear()
    assert words in page.text
