"""Collections, their pages and content states lead to manifests; which profile a document gets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from data_prep.iiif.collections import MAX_DEPTH
from data_prep.iiif.presentation import read_presentation
from data_prep.institutions import profile_for
from tests.data_prep.iiif.documents import MANIFEST_2, URI, canvas_3, image_3, manifest_3, read


def test_collections_give_links_each_once() -> None:
    child = {"@id": "https://example.org/c/1", "@type": "sc:Collection", "label": "Objects"}
    value = {
        "@type": "sc:Collection",
        "@id": URI,
        "collections": [child],
        "members": [
            child,
            {"@id": "https://example.org/m/2", "@type": "sc:Manifest", "label": "Two"},
            {"@id": URI, "@type": "sc:Collection"},
        ],
        "manifests": [{"@id": "/m/3", "@type": "sc:Manifest"}],
    }
    links = read(value).links
    assert [link.uri for link in links] == [
        "https://example.org/c/1",
        "https://iiif.example.org/m/3",
        "https://example.org/m/2",
    ]
    assert all(link.kind == "presentation" and link.context["depth"] == 1 for link in links)


def test_paged_collections_link_to_the_next_page() -> None:
    first = read({"@type": "sc:Collection", "@id": URI, "total": 2, "first": f"{URI}?page=1"})
    assert [link.uri for link in first.links] == [f"{URI}?page=1"]
    page = {
        "@type": "sc:Collection",
        "@id": f"{URI}?page=1",
        "manifests": [{"@id": f"{URI}/x"}],
        "next": f"{URI}?page=2",
    }
    assert [link.uri for link in read(page).links] == [f"{URI}/x", f"{URI}?page=2"]


def test_depth_is_bounded() -> None:
    value = {"type": "Collection", "id": URI, "items": [{"id": f"{URI}/x", "type": "Collection"}]}
    found = read(value, context={"depth": MAX_DEPTH})
    assert found.links == ()
    assert "deep" in found.refusals[0].reason


def test_a_manifest_inside_of_a_collection_is_read_at_once() -> None:
    found = read(
        {
            "type": "Collection",
            "id": URI,
            "items": [manifest_3(canvas_3("1", image_3("a")), id=f"{URI}/inner")],
        }
    )
    assert [candidate.group for candidate in found.candidates] == [f"{URI}/inner"]
    assert found.links == ()


def test_a_file_takes_the_profile_of_the_host_it_names() -> None:
    value = json.dumps(
        {**MANIFEST_2, "@id": "https://gallica.bnf.fr/iiif/ark:/12148/x/manifest.json"}
    ).encode()
    from_file = read_presentation(value, "/home/me/x.json", profile_for("/home/me/x.json"))
    assert from_file.candidates[0].institution.slug == "gallica"
    # Texts of an unknown server are not those of the library.
    from_web = read_presentation(
        value, "https://evil.example/x.json", profile_for("https://evil.example/x.json")
    )
    assert from_web.candidates[0].institution.slug == "evil-example"


def test_an_institution_known_by_its_host_only_is_named_by_its_manifest() -> None:
    value = manifest_3(
        canvas_3("1", image_3("a")), provider=[{"type": "Agent", "label": {"en": ["Museum of Somewhere"]}}]
    )
    unknown, named = read(value, profile_for(URI)), read(value)
    assert (unknown.candidates[0].institution.slug, unknown.candidates[0].institution.name) == (
        "iiif-example-org",
        "Museum of Somewhere",
    )
    assert named.candidates[0].institution.name == "Example Museum"


def test_a_canvas_alone_is_read() -> None:
    found = read(
        {"@context": "http://iiif.io/api/presentation/3/context.json", **canvas_3("1", image_3("a"))}
    )
    assert [candidate.source.canvas for candidate in found.candidates] == [f"{URI}/canvas/1"]


@pytest.mark.parametrize(
    "target",
    [
        {"id": f"{URI}/x", "type": "Manifest"},
        {"id": f"{URI}/c", "type": "Canvas", "partOf": [{"id": f"{URI}/x", "type": "Manifest"}]},
        {
            "type": "SpecificResource",
            "source": {
                "id": f"{URI}/c",
                "type": "Canvas",
                "partOf": [{"id": f"{URI}/x", "type": "Manifest"}],
            },
        },
    ],
)
def test_a_content_state_leads_to_its_manifest(target: Any) -> None:
    found = read(
        {
            "id": "https://example.org/s",
            "type": "Annotation",
            "motivation": ["contentState"],
            "target": target,
        }
    )
    assert [link.uri for link in found.links] == [f"{URI}/x"]
