"""Exported sets, read back by other tools: iiif-prezi3, a CSV reader, a decoder of content states."""

from __future__ import annotations

import base64
import csv
import io
import json
from typing import Any
from urllib.parse import unquote

import pytest
from iiif_prezi3 import Collection, Manifest
from starlette.testclient import TestClient

from iconoclip.record import Record
from retrieval.answers import Hit, RightsInfo
from retrieval.query.hits import hit_of
from retrieval.service.api.export_formats import csv_pieces
from retrieval.service.iiif.canvases import canvas_of, whole_page
from retrieval.service.iiif.presentation import manifest_of
from retrieval.service.iiif.published import MAX_VALIDATED
from tests.retrieval.service.armorial_index import HARVESTED_AT


def manifest_at(client: TestClient, path: str, **params: Any) -> dict[str, Any]:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/ld+json")
    return dict(answer.json())


def test_results_are_a_valid_manifest_with_a_canvas_per_hit(client: TestClient) -> None:
    document = manifest_at(client, "/iiif/search/manifest.json", q="a lion & a rose", k=30, fold=False)
    manifest = Manifest(**document)
    hits = client.get("/api/search", params={"q": "a lion & a rose", "k": 30, "fold": False}).json()["hits"]
    assert [canvas.id for canvas in manifest.items] == [
        f"http://testserver/iiif/{hit['key']}/canvas" for hit in hits
    ]
    assert client.get(document["id"]).json() == document, "the manifest is found at its own id"


@pytest.mark.parametrize(
    "query", ["", "?q=a+lion", "?reusable=true&k=3&q=a%20lion", "?k=3&q=a+lion&reusable=true"]
)
def test_the_id_of_a_manifest_is_the_address_of_the_request(client: TestClient, query: str) -> None:
    """Clover shows nothing where the two differ, be it in the order of parameters."""
    for path in ("/iiif/search/manifest.json", "/iiif/search/collection.json"):
        assert client.get(path + query).json()["id"] == f"http://testserver{path}{query}"


def test_canvases_keep_the_display_verdict_and_the_link_to_the_institution(
    client: TestClient, link_key: str
) -> None:
    document = manifest_at(client, "/iiif/search/manifest.json", k=200)
    canvases = {canvas["id"]: canvas for canvas in document["items"]}
    withheld = canvases[f"http://testserver/iiif/{link_key}/canvas"]
    assert withheld["items"] == [{"id": f"{withheld['id']}/page", "type": "AnnotationPage", "items": []}]
    assert "thumbnail" not in withheld
    assert withheld["homepage"][0]["id"].startswith("https://")
    painted = [canvas for canvas in canvases.values() if canvas["items"][0]["items"]]
    assert painted
    for canvas in painted:
        body = canvas["items"][0]["items"][0]["body"]
        assert (body["width"], body["height"]) == (canvas["width"], canvas["height"])
        assert canvas["rights"].startswith("http://")
        (note, *_) = canvas["annotations"][0]["items"]
        assert (note["motivation"], bool(note["body"]["value"])) == ("commenting", True)
        assert next(link["id"] for link in canvas["seeAlso"] if link["type"] == "Manifest").endswith(
            "manifest.json"
        )


def test_one_item_is_a_valid_manifest_and_its_picture_is_there(client: TestClient, shown_key: str) -> None:
    document = manifest_at(client, f"/iiif/{shown_key}/manifest.json")
    Manifest(**document)
    body = document["items"][0]["items"][0]["items"][0]["body"]
    assert client.get(body["id"]).headers["content-type"] == "image/jpeg"
    assert set(document["items"][0]["label"]) == {"en", "fr", "de"}


def test_results_are_a_valid_collection_of_the_institutions_manifests(client: TestClient) -> None:
    document = manifest_at(client, "/iiif/search/collection.json", k=50)
    Collection(**document)
    identities = [entry["id"] for entry in document["items"]]
    assert len(identities) == len(set(identities))
    assert all(identity.endswith("/manifest.json") for identity in identities)


def test_a_part_of_a_page_is_marked_on_the_page(client: TestClient) -> None:
    document = manifest_at(client, "/iiif/search/manifest.json", has_region=True, reusable=True, k=5)
    Manifest(**document)
    assert len(document["items"]) == 5
    for canvas in document["items"]:
        key = canvas["id"].split("/")[-2]
        record = client.get(f"/api/items/{key}").json()["item"]["record"]
        region, source = record["source"]["region"], record["image"]
        assert (canvas["width"], canvas["height"]) == (source["source_width"], source["source_height"])
        painted = canvas["items"][0]["items"][0]["body"]
        # Image API 3.0 and 2.1, section 4: {region}/{size}/{rotation}/{quality}.{format} behind the service's
        # address.
        assert painted["id"] == f"{record['source']['image_service']}/full/800,/0/default.jpg"
        (note, *_) = canvas["annotations"][0]["items"]
        xywh = f"xywh={region['x']},{region['y']},{region['width']},{region['height']}"
        assert note["target"] == f"{canvas['id']}#{xywh}"
        assert {"none": [f"{record['source']['canvas']}#{xywh}"]} in [
            entry["value"] for entry in canvas["metadata"]
        ]


def test_thumbnails_come_from_the_institutions_image_service(client: TestClient) -> None:
    """In the size that is needed: 400 pixels on the longer side, or what there is."""
    queries: list[dict[str, bool]] = [{"has_region": True}, {}]
    for query in queries:
        document = manifest_at(client, "/iiif/search/manifest.json", reusable=True, k=12, **query)
        for canvas in document["items"]:
            record = client.get(f"/api/v1/items/{canvas['id'].split('/')[-2]}").json()["item"]["record"]
            theirs, ours = canvas["thumbnail"]
            service = record["source"]["image_service"]
            scale = min(1, 400 / max(canvas["width"], canvas["height"]))
            size = (round(canvas["width"] * scale), round(canvas["height"] * scale))
            assert (theirs["width"], theirs["height"]) == size
            assert theirs["id"] == f"{service}/full/{size[0]},/0/default.jpg"
            assert [(each["id"], each["type"]) for each in theirs["service"]] == [(service, "ImageService2")]
            assert client.get(ours["id"]).headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize(
    ("service", "kind"),
    [
        ("https://a.example/iiif/3/x", "ImageService3"), ("https://a.example/iiif/3.0/x", "ImageService3"),
        ("https://a.example/iiif3/x", "ImageService3"), ("https://a.example/image/v3/x", "ImageService3"),
        ("https://a.example/iiif/2/x", "ImageService2"), ("https://a.example/iiif/x33", "ImageService2"),
        ("javascript:alert(1)", None), (None, None),
    ],
)  # fmt: skip
def test_a_thumbnail_names_the_version_that_the_address_of_the_service_says(
    client: TestClient, shown_key: str, service: str | None, kind: str | None
) -> None:
    record = Record.model_validate(client.get(f"/api/v1/items/{shown_key}").json()["item"]["record"])
    source = record.source.model_copy(update={"image_service": service, "region": None})
    hit = hit_of(record.model_copy(update={"source": source}), rank=1, score=1.0)
    thumbnails = canvas_of(hit, "http://testserver")["thumbnail"]
    assert [each["service"][0]["type"] for each in thumbnails[:-1]] == ([kind] if kind else [])
    assert thumbnails[-1]["id"] == f"http://testserver/thumb/{hit.key}.jpg"


def test_a_page_that_is_not_available_is_not_invented(client: TestClient) -> None:
    key = client.get("/api/search?has_region=true&reusable=true&k=1").json()["hits"][0]["key"]
    record = Record.model_validate(client.get(f"/api/items/{key}").json()["item"]["record"])
    assert whole_page(record) is not None
    for part, change in (
        ("source", {"image_service": None}),
        ("source", {"image_service": "javascript:alert(1)"}),
        ("source", {"region": None}),
        ("image", {"source_width": None}),
        ("image", {"source_width": 10}),
    ):
        changed = getattr(record, part).model_copy(update=change)
        assert whole_page(record.model_copy(update={part: changed})) is None, change


@pytest.fixture(scope="module")
def kept_picture(client: TestClient, shown_key: str) -> str:
    """A picture to search with."""
    picture = client.get(f"/image/{shown_key}.jpg").content
    answer = client.post("/api/pictures", files={"image": picture})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["image"])


@pytest.mark.parametrize(
    "question",
    [
        {"q": "a lion"},
        {"image": "KEPT"},
        {"like": ["KEY"]},
        {"region": "KEY:0,0,0.5,0.5"},
        {"q": "azure", "term": ["0.5:a lion", "-0.3:KEY"]},
        {"like": ["KEY"], "unlike": ["OTHER"], "q": "in winter"},
        {"iconclass": "46A122"},
        {"image": "KEPT", "reusable": True, "minus": ["a lion"]},
    ],
    ids=str,
)
def test_every_kind_of_question_is_answered_in_every_form(
    client: TestClient, shown_key: str, link_key: str, kept_picture: str, question: dict[str, Any]
) -> None:
    names = {"KEPT": kept_picture, "KEY": shown_key, "OTHER": link_key}

    def filled(value: Any) -> Any:
        if isinstance(value, list):
            return [filled(each) for each in value]
        for name, real in names.items() if isinstance(value, str) else ():
            value = value.replace(name, real)
        return value

    params = {name: filled(value) for name, value in question.items()} | {"k": 12}
    keys = [hit["key"] for hit in client.get("/api/search", params=params).json()["hits"]]
    assert len(keys) == 12
    manifest = manifest_at(client, "/iiif/search/manifest.json", **params)
    Manifest(**manifest)
    assert [canvas["id"].split("/")[-2] for canvas in manifest["items"]] == keys
    assert client.get(manifest["id"]).json() == manifest
    Collection(**manifest_at(client, "/iiif/search/collection.json", **params))
    rows = csv.DictReader(
        io.StringIO(client.get("/api/search.csv", params=params).content.decode("utf-8-sig"))
    )
    assert [row["key"] for row in rows] == keys
    works = client.get("/api/search.jsonld", params=params).json()["itemListElement"]
    assert [work["item"]["identifier"] for work in works] == keys


def test_nothing_found_is_still_a_valid_manifest(client: TestClient) -> None:
    document = manifest_at(client, "/iiif/search/manifest.json", creator="nobody at all")
    Manifest(**document)
    (canvas,) = document["items"]
    assert "#" not in canvas["id"]
    assert canvas["items"][0]["items"] == []


def test_what_presentation_3_does_not_allow_is_left_out_and_the_rest_is_published(client: TestClient) -> None:
    hit = Hit.model_validate(client.get("/api/search?k=1&reusable=true").json()["hits"][0])
    caption = hit.captions[0].model_copy(update={"language": "no language at all"})
    odd = hit.model_copy(update={"homepage": "http://[not an address", "captions": (caption,), "width": 10})
    rights = hit.rights.model_copy(update={"uri": "in copyright"})
    canvases = [
        canvas_of(each, "http://here.example")
        for each in (odd, odd.model_copy(update={"rights": rights}), hit)
    ]
    document = manifest_of(canvases, "http://here.example/manifest.json", {"en": ["x"]}, 3)
    Manifest(**document)
    assert [canvas["width"] for canvas in document["items"]] == [10, 10, hit.width]
    assert document["items"][2] == canvases[2]
    assert "rights" in document["items"][0]
    assert "rights" not in document["items"][1]
    assert document["items"][0]["label"] == {"none": [caption.text]}


def test_an_object_of_more_pages_than_are_validated_is_published_whole(client: TestClient) -> None:
    hit = Hit.model_validate(client.get("/api/search?k=1").json()["hits"][0])
    canvases = [
        canvas_of(hit.model_copy(update={"key": f"{hit.key}{number}"}), "http://here.example")
        for number in range(MAX_VALIDATED + 3)
    ]
    document = manifest_of(canvases, "http://here.example/manifest.json", {"en": ["x"]}, len(canvases))
    assert document["items"] == canvases


def test_a_content_state_points_at_the_institutions_canvas(client: TestClient, shown_key: str) -> None:
    answer = client.get(f"/api/items/{shown_key}").json()
    encoded = answer["content_state"]
    padded = encoded + "=" * (-len(encoded) % 4)
    state = json.loads(unquote(base64.urlsafe_b64decode(padded).decode()))
    assert state["motivation"] == ["contentState"]
    assert state["target"]["id"] == answer["item"]["record"]["source"]["canvas"]
    assert state["target"]["partOf"][0]["id"] == answer["item"]["record"]["source"]["manifest"]


def test_csv_reads_back_with_rights_on_every_row(client: TestClient) -> None:
    answer = client.get("/api/search.csv", params={"q": "azure", "k": 20})
    assert answer.content.startswith("\ufeff".encode())
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    hits = client.get("/api/search", params={"q": "azure", "k": 20}).json()["hits"]
    assert [row["key"] for row in rows] == [hit["key"] for hit in hits]
    assert [row["title"] for row in rows] == [hit["title"] for hit in hits]
    assert all(row["rights_label"] and row["attribution"] for row in rows)
    assert all(row["source"] and row["harvested_at"] == HARVESTED_AT for row in rows)


@pytest.mark.parametrize("title", ['=HYPERLINK("http://evil.example")', "+1", "-1", "@SUM(A1)", "\tx"])
def test_no_cell_is_a_formula(title: str) -> None:
    rights = RightsInfo(
        uri=None, statement=None, label="none", display="link", attribution=None, may_reuse=False
    )
    hit = Hit.model_validate(
        {
            "rank": 1, "score": 0.5, "key": "a-0123456789abcdef", "title": title, "captions": [],
            "institution": "a",
            "institution_name": "A", "creators": [], "date": None, "object_type": None, "rights": rights,
            "manifest": None, "canvas": None, "homepage": None, "image_service": None, "region": None,
            "width": 1, "height": 1,
            "provenance": {"source": "s", "harvested_at": "t", "harvested_by": "p",
            "rights_judged_by": "open@1"},
        }
    )  # fmt: skip
    (row,) = csv.DictReader(io.StringIO("".join(csv_pieces((hit,), "http://x")).lstrip("\ufeff")))
    assert row["title"] == f"'{title}"


def test_json_ld_names_each_work_its_licence_and_its_institution(client: TestClient) -> None:
    answer = client.get("/api/search.jsonld", params={"q": "lion", "k": 10, "reusable": True})
    assert answer.headers["content-type"].startswith("application/ld+json")
    works = [element["item"] for element in answer.json()["itemListElement"]]
    assert len(works) == 10
    for work in works:
        assert work["@type"] == "VisualArtwork"
        assert work["license"].startswith("http://creativecommons.org/")
        assert work["provider"]["name"]
        assert work["sdDatePublished"] == HARVESTED_AT
        assert {name["@language"] for name in work["name"]} == {"en", "fr", "de"}
