"""IIIF Content Search 2.0 within an object, held to the examples of its text (iiif.io/api/search/2.0/,
section 4)."""

from __future__ import annotations

from typing import Any

import pytest
from iiif_prezi3 import AnnotationPage, Manifest
from starlette.testclient import TestClient


@pytest.fixture(scope="module")
def book(client: TestClient) -> str:
    """An item of an object with several pictures."""
    for hit in client.get("/api/search", params={"k": 200, "fold": False}).json()["hits"]:
        if len(client.get(f"/iiif/{hit['key']}/object/manifest.json").json()["items"]) > 1:
            return str(hit["key"])
    raise AssertionError("no object here has two pictures")


def search_of(client: TestClient, book: str) -> str:
    service, _ = client.get(f"/iiif/{book}/object/manifest.json").json()["service"]
    assert service["type"] == "SearchService2"
    return str(service["id"])


def found(client: TestClient, address: str, **params: Any) -> dict[str, Any]:
    # An empty mapping would strip the address of its own query.
    answer = client.get(address, params=params or None)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    assert document["@context"] == "http://iiif.io/api/search/2/context.json"
    assert document["type"] == "AnnotationPage"
    AnnotationPage(**{name: value for name, value in document.items() if name in ("id", "type", "items")})
    return document


def test_the_manifest_of_an_object_holds_all_its_pictures_and_names_its_search(
    client: TestClient, book: str
) -> None:
    document = client.get(f"/iiif/{book}/object/manifest.json").json()
    Manifest(**document)
    siblings = client.get(f"/api/items/{book}").json()["item"]["siblings"]
    keys = {canvas["id"].split("/")[-2] for canvas in document["items"]}
    assert keys == {book, *(sibling["key"] for sibling in siblings)}


def test_the_page_of_an_item_says_which_captions_are_about_the_whole_object(
    client: TestClient, book: str
) -> None:
    captions = client.get(f"/api/items/{book}").json()["item"]["hit"]["captions"]
    levels = {caption["level"] for caption in captions if caption["origin"] == "institution"}
    assert "work" in levels
    html = client.get(f"/item/{book}", headers={"Accept": "text/html"}).text
    assert html.count("about the whole work") == sum(caption["level"] == "work" for caption in captions)


def test_annotations_hold_the_word_and_are_on_canvases_of_the_manifest(client: TestClient, book: str) -> None:
    """Section 4.3.1: `q=bird` finds annotations whose text holds it."""
    caption = client.get(f"/api/items/{book}").json()["item"]["hit"]["captions"][0]
    word = max(caption["text"].split(), key=len).strip(".,")
    document = found(client, search_of(client, book), q=word)
    canvases = {canvas["id"] for canvas in client.get(f"/iiif/{book}/object/manifest.json").json()["items"]}
    assert document["items"]
    for annotation in document["items"]:
        assert annotation["type"] == "Annotation"
        assert annotation["motivation"] == "commenting"
        assert annotation["target"].split("#")[0] in canvases
        assert word.casefold() in annotation["body"]["value"].casefold()
        assert annotation["body"]["type"] == "TextualBody"


def test_words_are_marked_where_they_are_in_the_text(client: TestClient, book: str) -> None:
    """Section 4.3.3, match highlighting: prefix, exact and suffix tell the place within the annotation's
    body."""
    caption = client.get(f"/api/items/{book}").json()["item"]["hit"]["captions"][0]
    word = max(caption["text"].split(), key=len).strip(".,")
    document = found(client, search_of(client, book), q=word.upper())
    texts = {annotation["id"]: annotation["body"]["value"] for annotation in document["items"]}
    (page,) = document["annotations"]
    assert page["type"] == "AnnotationPage"
    assert page["items"]
    for mark in page["items"]:
        assert mark["motivation"] == "highlighting"
        target = mark["target"]
        assert target["type"] == "SpecificResource"
        (selector,) = target["selector"]
        assert selector["type"] == "TextQuoteSelector"
        assert selector["exact"].casefold() == word.casefold()
        quoted = selector["prefix"] + selector["exact"] + selector["suffix"]
        assert quoted in texts[target["source"]]


def test_without_words_every_annotation_is_there(client: TestClient, book: str) -> None:
    """Section 4.1.1: a parameter that is not supplied restricts nothing."""
    document = found(client, search_of(client, book))
    canvases = client.get(f"/iiif/{book}/object/manifest.json").json()["items"]
    captions = [
        len(client.get(f"/api/items/{canvas['id'].split('/')[-2]}").json()["item"]["hit"]["captions"])
        for canvas in canvases
    ]
    assert len(document["items"]) == sum(captions)
    notes = [note for canvas in canvases for note in canvas["annotations"][0]["items"]]
    assert [note for note in notes if note["motivation"] == "commenting"] == document["items"], (
        "what is searched is what the manifest holds"
    )
    assert "annotations" not in document


def test_another_motivation_finds_nothing_and_one_of_several_is_enough(client: TestClient, book: str) -> None:
    """Section 4.1.1: any of the motivations given."""
    address = search_of(client, book)
    assert found(client, address, motivation="painting")["items"] == []
    assert found(client, address, motivation="painting commenting")["items"]


def test_what_is_not_read_is_said_to_be_ignored(client: TestClient, book: str) -> None:
    """Section 4.2.4, with its example's `user`."""
    document = found(client, search_of(client, book), user="myusername", date="2013-01-01T00:00:00Z/")
    assert document["ignored"] == ["date", "user"]
    assert "myusername" not in document["id"]
    assert "ignored" not in found(client, search_of(client, book))
    assert client.get(search_of(client, book), params={"unheard_of": "1"}).status_code == 200


def test_long_answers_come_in_pages_that_lead_to_each_other(
    client: TestClient, book: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Section 4.2.2: partOf with first, last and total, next, prev, startIndex."""
    whole = found(client, search_of(client, book))["items"]
    monkeypatch.setattr("retrieval.service.iiif.content_search.PAGE_SIZE", 3)
    first = found(client, search_of(client, book))
    collection = first["partOf"]
    assert (collection["type"], collection["total"], first["startIndex"]) == (
        "AnnotationCollection",
        len(whole),
        0,
    )
    assert collection["first"]["id"] == first["id"]
    assert "prev" not in first
    seen, page = [*first["items"]], first
    while "next" in page:
        following = found(client, page["next"]["id"])
        assert following["startIndex"] == len(seen)
        assert following["prev"]["id"] == page["id"]
        seen, page = [*seen, *following["items"]], following
    assert page["id"] == collection["last"]["id"]
    assert seen == whole


def test_an_institution_may_use_it_for_its_own_manifest(client: TestClient, book: str) -> None:
    document = found(client, f"/iiif/{book}/source/search")
    canvases = {
        f"{hit['canvas']}#xywh={_xywh(hit['region'])}" if hit["region"] else hit["canvas"]
        for hit in client.get("/api/search", params={"k": 200, "fold": False}).json()["hits"]
    }
    assert document["items"]
    assert {annotation["target"] for annotation in document["items"]} <= canvases


def _xywh(region: dict[str, int]) -> str:
    return f"{region['x']},{region['y']},{region['width']},{region['height']}"


def test_an_unknown_word_finds_nothing(client: TestClient, book: str) -> None:
    """An untrained model cannot judge, so nothing matches by meaning."""
    assert found(client, search_of(client, book), q="zyzzyva")["items"] == []


def test_other_objects_are_left_out(client: TestClient, book: str) -> None:
    canvases = {canvas["id"] for canvas in client.get(f"/iiif/{book}/object/manifest.json").json()["items"]}
    targets = {annotation["target"] for annotation in found(client, search_of(client, book))["items"]}
    assert {target.split("#")[0] for target in targets} == canvases
