"""Exports of whole sets: how many they hold, that they hold every match, and that they can be continued."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import yaml
from iiif_prezi3 import Collection
from starlette.testclient import TestClient

from iconoclip.record import Record
from retrieval.engine import SearchEngine
from retrieval.live.changes import withdraw
from retrieval.query.hits import hit_of
from retrieval.questions import Query
from retrieval.service.api.export_formats import csv_pieces, selection_pieces, xlsx_pieces
from retrieval.service.api.spreadsheet import MAX_CELL_CHARS
from retrieval.service.guards.limits import LONG_ANSWERS, cost
from tests.retrieval.conftest import record_of, samples_of


def rows_of(client: TestClient, **params: Any) -> list[dict[str, str]]:
    answer = client.get("/api/search.csv", params=params)
    assert answer.status_code == 200, answer.text
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert answer.headers["x-total-count"] == str(len(rows))
    assert f"iconoclip-{len(rows)}.csv" in answer.headers["content-disposition"]
    return rows


def all_keys(client: TestClient, **params: Any) -> list[str]:
    """The keys of a query page by page, copies included."""
    keys, cursor = [], None
    while True:
        answer = client.get("/api/search", params={**params, "fold": False, "k": 50, "cursor": cursor}).json()
        keys += [hit["key"] for hit in answer["hits"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            return keys


def test_a_page_is_exported_as_the_page_that_was_asked_for(client: TestClient) -> None:
    first = client.get("/api/search", params={"q": "lion", "k": 10}).json()
    second = client.get("/api/search", params={"q": "lion", "k": 10, "cursor": first["next_cursor"]}).json()
    rows = rows_of(client, q="lion", k=10, cursor=first["next_cursor"])
    assert [row["key"] for row in rows] == [hit["key"] for hit in second["hits"]]
    assert [row["rank"] for row in rows] == [str(rank) for rank in range(11, 21)]


def test_all_of_a_filtered_set_is_every_item_of_it_in_order(client: TestClient) -> None:
    for filters in ({}, {"reusable": True}, {"institution": "armorial-valcendre", "has_region": True}):
        rows = rows_of(client, scope="all", **filters)
        assert [row["key"] for row in rows] == all_keys(client, **filters)
        assert len(rows) == client.get("/api/facets", params=filters).json()["total"]
    assert rows_of(client, scope="all", creator="nobody at all") == []


def test_all_of_a_text_query_are_the_hits_that_score_at_least_one_half(client: TestClient) -> None:
    rows = rows_of(client, scope="all", q="lion", mode="keyword")
    shown = client.get("/api/search", params={"q": "lion", "mode": "keyword", "k": 200, "fold": False}).json()
    assert rows
    assert [row["key"] for row in rows] == [hit["key"] for hit in shown["hits"] if hit["score"] >= 0.5]


def test_an_interrupted_export_continues_where_it_ended(client: TestClient) -> None:
    whole = client.get("/api/search.csv", params={"scope": "all"})
    lines = whole.text.splitlines(keepends=True)
    half = len(lines) // 2
    rest = client.get(
        "/api/search.csv", params={"scope": "all", "start": half, "snapshot": whole.headers["x-snapshot"]}
    )
    assert "".join(lines[:half]) + rest.text == whole.text
    assert int(rest.headers["x-total-count"]) == len(lines) - half
    assert rest.headers["x-matches"] == whole.headers["x-total-count"]


def test_an_export_is_not_continued_in_another_state_of_the_index(client: TestClient) -> None:
    answer = client.get("/api/search.csv", params={"scope": "all", "start": 5, "snapshot": "gen-000000.0.0"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "changed")
    assert client.get("/api/search.csv", params={"start": 5}).status_code == 422, "a page has a cursor"


def test_chosen_items_are_exported_in_the_order_of_choice(client: TestClient, link_key: str) -> None:
    keys = [hit["key"] for hit in client.get("/api/search?k=5").json()["hits"]]
    chosen = [keys[3], link_key, keys[0]]
    rows = rows_of(client, key=[*chosen, "armorial-valcendre-0000000000000000", keys[3]])
    assert [(row["rank"], row["key"]) for row in rows] == [
        ("1", chosen[0]),
        ("2", chosen[1]),
        ("3", chosen[2]),
    ]
    assert client.get("/api/search.csv", params={"key": "a-0000000000000000"}).status_code == 404


def test_concealed_items_are_in_no_export(client_of: Callable[..., TestClient]) -> None:
    client = client_of(hidden=["armorial-valcendre"])
    public = client_of()
    key = public.get("/api/search?institution=armorial-valcendre&k=1").json()["hits"][0]["key"]
    assert client.get("/api/search.csv", params={"key": key}).status_code == 404
    assert all(not row["key"].startswith("armorial-valcendre") for row in rows_of(client, scope="all"))
    assert client.get(f"/api/items/{key}/copies").status_code == 404


def test_an_item_withdrawn_while_the_export_is_sent_is_left_out(make_index: Callable[..., Path]) -> None:
    index = make_index(samples_of(range(6)))
    with SearchEngine.open(index) as engine:
        whole = engine.whole_set(Query(), limit=100)
        hits = whole.hits()
        gone = engine.search(Query(k=6, fold=False)).hits[4].key
        sent = [next(hits).key]
        withdraw(index, [gone])
        engine.refresh()
        sent += [hit.key for hit in hits]
        assert len(sent) == 5
        assert gone not in sent
        assert whole.snapshot != engine.whole_set(Query(), limit=100).snapshot


def test_a_set_is_cut_at_its_limit_and_says_so(engine: SearchEngine) -> None:
    whole = engine.whole_set(Query(), limit=10)
    assert (len(whole), whole.is_cut, len(list(whole.hits()))) == (10, True, 10)
    assert not engine.whole_set(Query(), limit=1_000).is_cut


def test_a_collection_of_all_matches_has_parts_of_two_hundred(client: TestClient) -> None:
    whole = client.get("/iiif/search/collection.json", params={"scope": "all"}).json()
    Collection(**whole)
    total = client.get("/api/facets").json()["total"]
    if total <= 200:
        assert [item["type"] for item in whole["items"]] == ["Manifest"] * len(whole["items"])
        assert f"1–{total} of {total}" in whole["label"]["en"][0]
    part = client.get("/iiif/search/collection.json", params={"scope": "all", "start": total - 2}).json()
    Collection(**part)
    assert f"{total - 2}–{total} of {total}" in part["label"]["en"][0]


def test_parts_of_a_collection_cover_every_match(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from retrieval.service.iiif import presentation

    whole = client.get("/iiif/search/collection.json", params={"scope": "all"}).json()
    monkeypatch.setattr(presentation, "MAX_K", 25)
    parted = client.get("/iiif/search/collection.json", params={"scope": "all"}).json()
    Collection(**parted)
    parts = [client.get(part["id"]).json() for part in parted["items"]]
    assert [part["id"] for part in parts] == [part["id"] for part in parted["items"]]
    manifests = dict.fromkeys(item["id"] for part in parts for item in part["items"])
    assert list(manifests) == [item["id"] for item in whole["items"]]


def test_json_ld_of_all_says_how_many(client: TestClient) -> None:
    document = client.get("/api/search.jsonld", params={"scope": "all", "reusable": True}).json()
    assert document["numberOfItems"] == len(document["itemListElement"])
    assert [each["item"]["identifier"] for each in document["itemListElement"]] == all_keys(
        client, reusable=True
    )


def test_a_selection_names_its_keys_and_their_digest(client: TestClient) -> None:
    selection = yaml.safe_load(client.get("/api/search.selection.yaml", params={"scope": "all"}).text)
    keys = all_keys(client)
    assert selection["keys"] == keys
    assert selection["num_keys"] == selection["num_selected"] == len(keys)
    written = "".join(f"{key}\n" for key in keys)
    assert selection["keys_sha256"] == hashlib.sha256(written.encode()).hexdigest()
    assert selection["format"] == "iconoclip-selection"
    assert len(selection["model_digest"]) == 64
    empty = yaml.safe_load("".join(selection_pieces((), 0, {"query": "q: '\"#\n"})))
    assert (empty["keys"], empty["query"]) == ([], "q: '\"#\n")


ODD = [
    '=HYPERLINK("http://evil.example")', "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\n=x", "＝1+1",
    "<b>&amp;\x0b", "x" * 40_000, "",
]  # fmt: skip


def odd_record() -> Record:
    from iconoclip.record import Caption

    return record_of(1, samples_of([1])[0][1], captions=(Caption(text="-", language="en", field="title"),))


@pytest.mark.parametrize("title", ODD, ids=lambda title: repr(title[:12]))
def test_no_cell_is_ever_a_formula(title: str) -> None:
    hit = hit_of(odd_record(), rank=1, score=0.25).model_copy(update={"title": title})
    table = "".join(csv_pieces((hit,), "http://x")).lstrip("\ufeff")
    (row,) = csv.DictReader(io.StringIO(table, newline=""))
    assert row["title"] in (title, f"'{title}")
    assert not row["title"].startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))
    workbook = openpyxl.load_workbook(io.BytesIO(b"".join(xlsx_pieces((hit,), "http://x"))))
    header, cells = list(workbook.active.iter_rows())  # type: ignore[union-attr]
    found = dict(zip((cell.value for cell in header), cells, strict=True))
    assert found["rank"].value == 1
    assert found["score"].value == 0.25
    cell = found["title"]
    # What XML cannot hold is left out, and a cell has an end.
    assert (cell.value or "") == title.replace("\x0b", "")[:MAX_CELL_CHARS]
    assert cell.data_type != "f"
    assert bool(cell.quotePrefix) == title.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))


def test_a_spreadsheet_holds_every_match(client: TestClient) -> None:
    answer = client.get("/api/search.xlsx", params={"scope": "all"})
    sheet = openpyxl.load_workbook(io.BytesIO(answer.content), read_only=True).active
    header, *rows = sheet.iter_rows(values_only=True)  # type: ignore[union-attr]
    assert [row[header.index("key")] for row in rows] == all_keys(client)
    assert client.get("/api/search.xlsx", params={"scope": "all"}).content == answer.content


def test_the_headers_of_an_export_cost_no_rows(client: TestClient) -> None:
    answer = client.head("/api/search.csv", params={"scope": "all"})
    assert int(answer.headers["x-total-count"]) == client.get("/api/facets").json()["total"]
    assert answer.content == b""


def test_all_matches_count_as_a_long_answer() -> None:
    def scope(query: bytes) -> dict[str, Any]:
        return {"type": "http", "path": "/api/search.csv", "query_string": query}

    assert cost(scope(b"q=x&scope=all")) == LONG_ANSWERS
    assert cost(scope(b"q=x&scope=page")) == 1


def test_copies_open_exactly_what_was_folded(client: TestClient) -> None:
    folded = client.get("/api/search", params={"k": 200}).json()["hits"]
    shown = {hit["key"] for hit in folded}
    with_copies = [hit for hit in folded if hit["num_near_duplicates"]]
    assert with_copies
    hidden = {hit["key"] for hit in client.get("/api/search?k=200&fold=false").json()["hits"]} - shown
    opened = [client.get(f"/api/items/{hit['key']}/copies").json()["hits"] for hit in with_copies]
    for hit, copies in zip(with_copies, opened, strict=True):
        assert copies[0]["key"] == hit["key"]
        assert len(copies) == hit["num_near_duplicates"] + 1
    assert {copy["key"] for copies in opened for copy in copies[1:]} == hidden
    single = next(hit["key"] for hit in folded if not hit["num_near_duplicates"])
    assert [hit["key"] for hit in client.get(f"/api/items/{single}/copies").json()["hits"]] == [single]


def test_a_parameter_given_twice_is_refused_and_a_list_is_not(client: TestClient) -> None:
    answer = client.get("/api/search?q=a&q=b")
    assert (answer.status_code, answer.json()["error"]["where"]) == (422, "q")
    assert client.get("/api/search.csv?latest=1500&latest=1600").status_code == 422
    assert client.get("/api/facets?institution=a&institution=b").status_code == 200


def test_the_page_offers_its_exports_with_their_numbers(client: TestClient) -> None:
    html = {"accept": "text/html"}
    page = client.get("/export?reusable=true&k=5", headers=html).text
    assert "“a lion”" in client.get("/export?q=a+lion", headers=html).text
    total = client.get("/api/facets?reusable=true").json()["total"]
    assert "5 pictures" in page
    assert f"{total} pictures" in page
    for suffix in ("csv", "xlsx", "jsonld", "selection.yaml"):
        assert f"/api/v1/search.{suffix}?reusable=true&amp;k=5&amp;scope=all" in page
    keys = [hit["key"] for hit in client.get("/api/search?k=2").json()["hits"]]
    chosen = client.get("/export", params={"key": keys}, headers=html).text
    assert "2 pictures" in chosen
    assert "scope=all" not in chosen


def test_a_misspelt_filter_of_a_page_is_named(client: TestClient) -> None:
    html = {"accept": "text/html"}
    page = client.get("/search?q=lion&insitution=x", headers=html).text
    assert "There is no filter “insitution”" in page
    assert "“institution”" in page
    assert "There is no filter" not in client.get("/search?q=lion&utm_source=x", headers=html).text
