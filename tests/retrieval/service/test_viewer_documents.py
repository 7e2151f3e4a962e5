"""What viewers read: documents that iiif-prezi3 accepts (its models are made from IIIF's JSON schema), ids,
both versions of Content Search.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import iiif_prezi3
import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient


def check(document: dict[str, Any]) -> None:
    """Raise ValidationError for what is no Manifest or Collection of Presentation 3."""
    model = {"Manifest": iiif_prezi3.Manifest, "Collection": iiif_prezi3.Collection}[document["type"]]
    model.model_validate(document)


def ids(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        yield from (document[name] for name in ("id", "@id") if name in document)
        for value in document.values():
            yield from ids(value)
    elif isinstance(document, list):
        for value in document:
            yield from ids(value)


def canvases(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in document["items"] if each["type"] == "Canvas"]


def test_every_document_is_valid_and_its_ids_have_no_fragment(
    client: TestClient, shown_key: str, link_key: str
) -> None:
    paths = [
        "search/manifest.json?q=lion",
        "search/manifest.json?creator=nobody",
        "search/manifest.json?k=200",
    ]
    paths += ["search/collection.json?q=lion", "search/collection.json?creator=nobody"]
    paths += ["search/collection.json?scope=all", "search/manifest.json?has_region=true"]
    paths += [
        f"{key}/{kind}" for key in (shown_key, link_key) for kind in ("manifest.json", "object/manifest.json")
    ]
    for path in paths:
        document = client.get(f"/iiif/{path}").json()
        check(document)
        # The schema demands it, the models do not: viewers fail on a canvas without a page of annotations.
        assert all(canvas["items"] for canvas in canvases(document)), path
        assert [each for each in ids(document) if "#" in each] == [], path


@pytest.mark.parametrize("changed", [{"height": "tall"}, {"items": "none"}, {"id": "no address"}])
def test_the_models_notice_a_wrong_canvas(client: TestClient, link_key: str, changed: dict[str, str]) -> None:
    document = client.get(f"/iiif/{link_key}/manifest.json").json()
    document["items"][0].update(changed)
    with pytest.raises(ValidationError):
        check(document)


def test_an_object_names_both_versions_of_content_search(client: TestClient, shown_key: str) -> None:
    manifest = client.get(f"/iiif/{shown_key}/object/manifest.json").json()
    second, first = manifest["service"]
    assert second["type"] == "SearchService2"
    assert (first["@type"], first["profile"]) == ("SearchService1", "http://iiif.io/api/search/1/search")
    for address in (second["id"], first["@id"]):
        assert client.get(address, params={"q": "azure"}).status_code == 200


@pytest.mark.parametrize("query", ["", "lion", "azure", "xylophone"])
def test_both_versions_find_the_same(client: TestClient, shown_key: str, query: str) -> None:
    address = f"/iiif/{shown_key}/object/search"
    second = client.get(address, params={"q": query}).json()
    answer = client.get(f"{address}/1", params={"q": query})
    assert answer.headers["content-type"].startswith("application/ld+json")
    first = answer.json()
    assert first["@type"] == "sc:AnnotationList"
    assert first["within"]["total"] == len(first["resources"])
    said = [(each["@id"], each["resource"]["chars"], each["on"]) for each in first["resources"]]
    assert said == [(each["id"], each["body"]["value"], each["target"]) for each in second["items"]]
    marks = [mark for page in second.get("annotations", []) for mark in page["items"]]
    exact = [mark["target"]["selector"][0]["exact"] for mark in marks]
    assert [hit["match"] for hit in first["hits"] if "before" in hit] == exact
    assert {key for hit in first["hits"] for key in hit["annotations"]} == {
        each["@id"] for each in first["resources"]
    }


def test_a_content_state_is_found_at_its_own_id(client: TestClient, shown_key: str) -> None:
    state = client.get(f"/iiif/{shown_key}/content-state.json").json()
    assert state["id"] == f"http://testserver/iiif/{shown_key}/content-state.json"
    assert state["motivation"] == ["contentState"]
    assert client.get(f"/iiif/{shown_key[:-1]}z/content-state.json").status_code in (404, 422)
