"""Collections, manifests, change stream: complete, valid for a strict reader, and describing what is
drawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from iiif_prezi3 import Collection, Manifest

from builtin_collections.armorial.blazon.languages import blazon
from builtin_collections.armorial.collection import NUM_WITHDRAWN, Holdings
from builtin_collections.armorial.server.process import ServedArmorial

Document = dict[str, Any]


def manifests_3(client: httpx2.Client, uri: str) -> Iterator[str]:
    """Manifest addresses below a 3.0 Collection."""
    document = client.get(uri).json()
    Collection(**document)
    for entry in document["items"]:
        if entry["type"] == "Collection":
            yield from manifests_3(client, entry["id"])
        else:
            yield entry["id"]


def manifests_2(client: httpx2.Client, uri: str) -> Iterator[str]:
    """Manifest addresses below a 2.1 collection, through its pages."""
    document = client.get(uri).json()
    assert document["@id"] == uri
    for entry in document.get("collections", []):
        yield from manifests_2(client, entry["@id"])
    for entry in [*document.get("manifests", []), *document.get("members", [])]:
        yield entry["@id"]
    for following in ("first", "next"):
        if following in document:
            yield from manifests_2(client, document[following])


def test_collection_3_lists_every_coat_once(
    served: ServedArmorial, client: httpx2.Client, holdings: tuple[Holdings, ...]
) -> None:
    found = list(manifests_3(client, served.wexcombe_collection))
    assert sorted(found) == sorted(
        f"{served.wexcombe}/iiif/{item.identifier}/manifest" for item in holdings[0].items
    )


def test_collection_2_lists_every_coat_once(
    served: ServedArmorial, client: httpx2.Client, holdings: tuple[Holdings, ...]
) -> None:
    found = list(manifests_2(client, served.aldersheim_collection))
    assert sorted(found) == sorted(
        f"{served.aldersheim}/iiif/{item.identifier}/manifest" for item in holdings[1].items
    )


def test_manifests_3_are_valid_and_describe_what_is_drawn(
    served: ServedArmorial, client: httpx2.Client, holdings: tuple[Holdings, ...]
) -> None:
    for held, base in ((holdings[0], served.wexcombe), (holdings[2], served.valcendre)):
        label = held.archive.labels["blazon"]
        for item in held.items[:25]:
            document = client.get(f"{base}/iiif/{item.identifier}/manifest").json()
            Manifest(**document)
            pairs = {
                values[0]: pair["value"] for pair in document["metadata"] for values in pair["label"].values()
            }
            assert pairs[label] == {tag: [blazon(item.arms, tag)] for tag in ("en", "fr", "de")}
            assert len(document["items"]) == item.num_copies
            assert document.get("rights") == item.rights
            title = next(iter(document["label"].values()))[0]
            assert item.family in title
            assert blazon(item.arms, "en") not in title


def test_manifests_2_describe_what_is_drawn(
    served: ServedArmorial, client: httpx2.Client, holdings: tuple[Holdings, ...]
) -> None:
    licences = set()
    for item in holdings[1].items[:60]:
        document = client.get(f"{served.aldersheim}/iiif/{item.identifier}/manifest").json()
        assert document["@type"] == "sc:Manifest"
        value = document["metadata"][0]["value"]
        assert {each["@language"]: each["@value"] for each in value} == {
            tag: blazon(item.arms, tag) for tag in ("en", "fr", "de")
        }
        (sequence,) = document["sequences"]
        assert len(sequence["canvases"]) == item.num_copies
        licences.add(document.get("license"))
    assert "https://creativecommons.org/publicdomain/mark/1.0/deed.de" in licences
    assert len(licences) >= 4


def test_everything_a_manifest_links_to_exists(served: ServedArmorial, client: httpx2.Client) -> None:
    three = client.get(f"{served.wexcombe}/iiif/wx-00002/manifest").json()
    body = three["items"][0]["items"][0]["items"][0]["body"]
    two = client.get(f"{served.aldersheim}/iiif/ald-00002/manifest").json()
    resource = two["sequences"][0]["canvases"][0]["images"][0]["resource"]
    for url in (
        body["id"],
        three["thumbnail"][0]["id"],
        three["homepage"][0]["id"],
        three["seeAlso"][0]["id"],
        f"{body['service'][0]['id']}/info.json",
        resource["@id"],
        two["thumbnail"]["@id"],
        two["related"]["@id"],
        two["seeAlso"]["@id"],
        two["within"],
        f"{resource['service']['@id']}/info.json",
    ):
        assert client.get(url).status_code == 200, url


def test_notations_name_the_charges(served: ServedArmorial, client: httpx2.Client) -> None:
    text = client.get(f"{served.wexcombe}/iiif/wx-00002/manifest").text
    assert "46A122(" in text


@pytest.mark.parametrize("archive", [0, 1, 2])
def test_the_archive_states_that_it_is_invented(
    served: ServedArmorial, client: httpx2.Client, holdings: tuple[Holdings, ...], archive: int
) -> None:
    base = (served.wexcombe, served.aldersheim, served.valcendre)[archive]
    held = holdings[archive]
    word = ("invented", "erfunden", "fictif")[archive]
    manifest = client.get(f"{base}/iiif/{held.items[0].identifier}/manifest").text
    assert word in manifest
    assert word in client.get(f"{base}/").text


def test_change_stream_read_backwards(
    served: ServedArmorial, client: httpx2.Client, holdings: tuple[Holdings, ...]
) -> None:
    stream = client.get(served.wexcombe_changes).json()
    assert stream["type"] == "OrderedCollection"
    pages = [client.get(stream["last"]["id"]).json()]
    while "prev" in pages[-1]:
        pages.append(client.get(pages[-1]["prev"]["id"]).json())
    assert pages[-1]["id"] == stream["first"]["id"]
    changes: list[Document] = [change for page in reversed(pages) for change in page["orderedItems"]]
    assert len(changes) == stream["totalItems"]
    times = [change["endTime"] for change in changes]
    assert times == sorted(times)
    last = {change["object"]["id"]: change["type"] for change in changes}
    assert set(last.values()) == {"Create", "Update", "Delete"}
    gone = [uri for uri, kind in last.items() if kind == "Delete"]
    assert len(gone) == NUM_WITHDRAWN
    assert len(last) - len(gone) == len(holdings[0].items)
    assert {client.get(uri).status_code for uri in gone} == {410}
    assert [page["startIndex"] for page in reversed(pages)] == [100 * number for number in range(len(pages))]


@pytest.mark.parametrize(
    "path",
    [
        "/..%2f..%2fetc/passwd",
        "/iiif/..%2F..%2F/manifest",
        "/iiif/wx-99999/manifest",
        "/collection/roll-99",
        "/collection/roll-0",
        "/activity/page-0",
        "/activity/page-99",
        "/item/%3Cscript%3E",
        "/record/nope.json",
        "/admin/",
        "//",
    ],
)
def test_nothing_else_is_served(served: ServedArmorial, client: httpx2.Client, path: str) -> None:
    assert client.get(served.wexcombe + path).status_code == 404


def test_robots_methods_and_cors(served: ServedArmorial, client: httpx2.Client) -> None:
    for base in (served.wexcombe, served.aldersheim, served.valcendre):
        robots = client.get(f"{base}/robots.txt")
        assert robots.headers["content-type"].startswith("text/plain")
        assert "User-agent: *" in robots.text
        assert client.post(f"{base}/robots.txt", content=b"x").status_code == 405
        head = client.head(f"{base}/robots.txt")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["access-control-allow-origin"] == "*"
        assert client.options(f"{base}/").status_code == 204
