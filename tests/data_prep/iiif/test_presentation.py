"""Manifests and Collections, as the standard writes them and as servers do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.candidate import Found
from data_prep.iiif.collections import MAX_DEPTH
from data_prep.iiif.presentation import read_presentation
from data_prep.institutions import InstitutionProfile, load_profile, profile_for

URI = "https://iiif.example.org/m/1"
ANY = InstitutionProfile(slug="example", name="Example Museum", hosts={"example.org": {}})  # type: ignore[dict-item]


def read(value: Any, profile: InstitutionProfile = ANY, context: dict[str, Any] | None = None) -> Found:
    return read_presentation(json.dumps(value).encode(), URI, profile, context)


def image_3(name: str, **changes: Any) -> dict[str, Any]:
    service = {"id": f"https://img.example.org/{name}", "type": "ImageService3", "profile": "level2"}
    body = {
        "id": f"https://img.example.org/{name}/full/max/0/default.jpg",
        "type": "Image",
        "format": "image/jpeg",
        "width": 3000,
        "height": 2000,
        "service": [service],
    }
    return {**body, **changes}


def canvas_3(name: str, *bodies: Any, **changes: Any) -> dict[str, Any]:
    annotations = [
        {
            "id": f"{URI}/a/{name}/{number}",
            "type": "Annotation",
            "motivation": "painting",
            "body": body,
            "target": name,
        }
        for number, body in enumerate(bodies)
    ]
    page = {"id": f"{URI}/p/{name}", "type": "AnnotationPage", "items": annotations}
    return {
        "id": f"{URI}/canvas/{name}",
        "type": "Canvas",
        "width": 1500,
        "height": 1000,
        "items": [page],
        **changes,
    }


def manifest_3(*canvases: Any, **changes: Any) -> dict[str, Any]:
    return {
        "@context": "http://iiif.io/api/presentation/3/context.json",
        "id": URI,
        "type": "Manifest",
        "label": {"en": ["Portrait of a Lady"], "nl": ["Portret van een dame"]},
        "rights": "http://creativecommons.org/licenses/by/4.0/",
        "requiredStatement": {"label": {"en": ["Credit"]}, "value": {"en": ["<b>Example</b> Museum"]}},
        "homepage": [{"id": "https://example.org/lady", "type": "Text", "format": "text/html"}],
        "metadata": [
            {"label": {"en": ["Artist"]}, "value": {"none": ["Anna Painter"]}},
            {"label": {"en": ["Object type"]}, "value": {"en": ["painting"]}},
            {"label": {"en": ["Shelfmark"]}, "value": {"none": ["SK-A-1"]}},
        ],
        "items": list(canvases),
        **changes,
    }


def test_a_manifest_of_version_3() -> None:
    found = read(manifest_3(canvas_3("1", image_3("a"))))
    (candidate,) = found.candidates
    assert candidate.source.id == candidate.source.canvas == f"{URI}/canvas/1"
    assert candidate.source.manifest == candidate.group == URI
    assert candidate.source.homepage == "https://example.org/lady"
    assert candidate.rights_raw == "http://creativecommons.org/licenses/by/4.0/"
    assert candidate.attribution == "Example Museum"
    assert candidate.creators == ("Anna Painter",)
    assert candidate.object_type == "painting"
    assert [(c.text, c.language, c.field, c.language_detected) for c in candidate.captions] == [
        ("Portrait of a Lady", "en", "title", False),
        ("Portret van een dame", "nl", "title", False),
    ]
    assert candidate.service is not None
    assert (candidate.service.id, candidate.service.version, candidate.service.level) == (
        "https://img.example.org/a",
        3,
        2,
    )
    assert candidate.source_size == (3000, 2000)
    assert found.refusals == ()


MANIFEST_2: dict[str, Any] = {
    "@context": "http://iiif.io/api/presentation/2/context.json",
    "@id": URI,
    "@type": "sc:Manifest",
    "label": [
        {"@value": "Portrait of a Lady", "@language": "en"},
        {"@value": "Portret van een dame", "@language": "nl"},
    ],
    "license": "http://creativecommons.org/licenses/by/4.0/",
    "attribution": "<b>Example</b> Museum",
    "related": {"@id": "https://example.org/lady", "format": "text/html"},
    "metadata": [
        {"label": "Artist", "value": "Anna Painter"},
        {
            "label": [{"@value": "Objekttyp", "@language": "de"}],
            "value": [{"@value": "painting", "@language": "en"}],
        },
        {"label": "Shelfmark", "value": "SK-A-1"},
    ],
    "sequences": [
        {
            "@type": "sc:Sequence",
            "canvases": [
                {
                    "@id": f"{URI}/canvas/1",
                    "@type": "sc:Canvas",
                    "label": "f. 1r",
                    "width": 1500,
                    "height": 1000,
                    "images": [
                        {
                            "@type": "oa:Annotation",
                            "motivation": "sc:painting",
                            "on": f"{URI}/canvas/1",
                            "resource": {
                                "@id": "https://img.example.org/a/full/full/0/default.jpg",
                                "@type": "dctypes:Image",
                                "format": "image/jpeg",
                                "width": 3000,
                                "height": 2000,
                                "service": {
                                    "@context": "http://iiif.io/api/image/2/context.json",
                                    "@id": "https://img.example.org/a",
                                    "profile": "http://iiif.io/api/image/2/level2.json",
                                },
                            },
                        }
                    ],
                }
            ],
        }
    ],
}


def test_version_2_says_the_same_as_version_3() -> None:
    (new,) = read(manifest_3(canvas_3("1", image_3("a")))).candidates
    (old,) = read(MANIFEST_2).candidates
    for name in ("source_size", "group", "rights_raw", "attribution", "creators", "object_type", "captions"):
        assert getattr(old, name) == getattr(new, name), name
    assert (old.source.id, old.source.homepage) == (new.source.id, new.source.homepage)
    assert old.service is not None
    assert (old.service.id, old.service.version, old.service.level) == ("https://img.example.org/a", 2, 2)


def test_odd_shapes_of_version_2_are_read() -> None:
    value = {
        **MANIFEST_2,
        "sequences": MANIFEST_2["sequences"][0],  # an object, not a list
        "metadata": {"artist": {"label": "Artist", "value": "Anna Painter"}, "Object type": "painting"},
        "license": ["http://creativecommons.org/licenses/by/4.0/", "https://example.org/terms"],
    }
    (candidate,) = read(value).candidates
    assert (candidate.creators, candidate.object_type) == (("Anna Painter",), "painting")
    assert candidate.rights_raw == "http://creativecommons.org/licenses/by/4.0/ | https://example.org/terms"


def test_several_images_and_choices_have_keys_of_their_own() -> None:
    choice = {
        "type": "Choice",
        "items": [
            image_3("natural", label={"en": ["Natural light"]}),
            image_3("xray", label={"en": ["X-ray of the panel"]}),
        ],
    }
    found = read(manifest_3(canvas_3("1", choice, image_3("detail"))))
    assert [candidate.source.image_service for candidate in found.candidates] == [
        "https://img.example.org/natural",
        "https://img.example.org/xray",
        "https://img.example.org/detail",
    ]
    assert len({candidate.source.id for candidate in found.candidates}) == 3
    assert found.candidates[0].source.id == f"{URI}/canvas/1"
    assert found.candidates[1].captions[0].text == "Portrait of a Lady"
    assert found.candidates[1].captions[-1].text == "X-ray of the panel"


def test_images_without_a_service_and_with_old_services() -> None:
    bare = {
        "id": "https://example.org/a.jpg",
        "type": "Image",
        "format": "image/jpeg",
        "width": 30,
        "height": 20,
    }
    old_service = {
        "@context": "http://library.stanford.edu/iiif/image-api/1.1/context.json",
        "@id": "https://img.example.org/old/",
        "profile": "http://library.stanford.edu/iiif/image-api/1.1/compliance.html#level1",
    }
    old = image_3("old", id="https://img.example.org/old/full/full/0/native.jpg", service=old_service)
    first, second = read(manifest_3(canvas_3("1", bare), canvas_3("2", old))).candidates
    assert (first.service, first.image_uri, first.source_size) == (
        None,
        "https://example.org/a.jpg",
        (30, 20),
    )
    assert second.service is not None
    assert (second.service.id, second.service.version, second.service.level) == (
        "https://img.example.org/old",
        1,
        1,
    )


def test_the_size_at_a_small_image_is_not_that_of_the_full_one() -> None:
    small = image_3("a", id="https://img.example.org/a/full/!100,100/0/default.jpg", width=100, height=67)
    (candidate,) = read(manifest_3(canvas_3("1", small))).candidates
    assert candidate.source_size is None
    assert candidate.service is not None
    assert candidate.service.width is None


def test_a_part_of_an_image_is_a_region() -> None:
    body = {
        "type": "SpecificResource",
        "source": image_3("a"),
        "selector": {"type": "ImageApiSelector", "region": "100,200,300,400"},
    }
    (candidate,) = read(manifest_3(canvas_3("1", body))).candidates
    assert str(candidate.region) == "100,200,300,400"


def test_what_is_said_of_a_canvas_goes_before_what_is_said_of_the_whole() -> None:
    canvas = canvas_3(
        "1",
        image_3("a"),
        label={"en": ["The lady at her desk"]},
        rights="http://creativecommons.org/licenses/by-nc/4.0/",
        metadata=[{"label": {"en": ["Artist"]}, "value": {"none": ["Somebody Else"]}}],
    )
    (candidate,) = read(manifest_3(canvas)).candidates
    assert [caption.text for caption in candidate.captions][:2] == [
        "The lady at her desk",
        "Portrait of a Lady",
    ]
    assert candidate.rights_raw == "http://creativecommons.org/licenses/by-nc/4.0/"
    assert candidate.creators == ("Somebody Else",)


def test_chapters_of_few_pages_describe_them() -> None:
    structures = [
        {
            "id": f"{URI}/r/1",
            "type": "Range",
            "label": {"de": ["Die Heilung des Blinden"]},
            "items": [{"id": f"{URI}/canvas/1", "type": "Canvas"}],
        },
        {
            "id": f"{URI}/r/2",
            "type": "Range",
            "label": {"none": ["f. 2"]},
            "items": [{"id": f"{URI}/canvas/2", "type": "Canvas"}],
        },
    ]
    first, second = read(
        manifest_3(canvas_3("1", image_3("a")), canvas_3("2", image_3("b")), structures=structures)
    ).candidates
    assert (first.captions[0].text, first.captions[0].field) == ("Die Heilung des Blinden", "contents")
    assert all(caption.field != "contents" for caption in second.captions)


def test_rights_in_metadata_and_credit_lines() -> None:
    without = manifest_3(canvas_3("1", image_3("a")))
    del without["rights"]
    (silent,) = read(without).candidates
    assert silent.rights_raw is None
    credit = {
        "label": {"en": ["Credit"]},
        "value": {"en": ['<a href="http://creativecommons.org/licenses/by/4.0/">CC BY</a>']},
    }
    (credited,) = read({**without, "requiredStatement": credit}).candidates
    assert "http://creativecommons.org/licenses/by/4.0/" in (credited.rights_raw or "")
    texts_only = {
        "label": {"en": ["Credit"]},
        "value": {"en": ["Metadata are http://creativecommons.org/publicdomain/zero/1.0/"]},
    }
    (warned,) = read({**without, "requiredStatement": texts_only}).candidates
    assert warned.rights_raw is None


def test_rights_of_the_image_go_first() -> None:
    licensed = image_3("a", rights="http://creativecommons.org/licenses/by-nc/4.0/")
    service = {"@context": "http://iiif.io/api/image/2/context.json", "@id": "https://img.example.org/b", "license": ["http://rightsstatements.org/vocab/InC/1.0/"],
               "profile": "http://iiif.io/api/image/2/level2.json"}  # fmt: skip
    first, second, third = read(
        manifest_3(
            canvas_3("1", licensed), canvas_3("2", image_3("b", service=service)), canvas_3("3", image_3("c"))
        )
    ).candidates
    assert first.rights_raw == "http://creativecommons.org/licenses/by-nc/4.0/"
    assert second.rights_raw == "http://rightsstatements.org/vocab/InC/1.0/"
    assert third.rights_raw == "http://creativecommons.org/licenses/by/4.0/"


def test_a_rights_text_that_the_profile_explains_is_followed_by_its_uri() -> None:
    value = manifest_3(canvas_3("1", image_3("a")), rights="Domaine public")
    (candidate,) = read(value, load_profile("gallica")).candidates
    assert candidate.rights_raw == "Domaine public (http://rightsstatements.org/vocab/NoC-OKLR/1.0/)"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (manifest_3(), "without canvases"),
        (manifest_3(canvas_3("1")), "without an image"),
        (
            manifest_3(canvas_3("1", {"id": "https://example.org/a.mp4", "type": "Video"})),
            "painted with Video",
        ),
        (
            manifest_3(canvas_3("1", image_3("a", id="file:///etc/passwd", service=[]))),
            "without an http address",
        ),
        (manifest_3(canvas_3("1", "https://example.org/thing")), "only an address"),
        (manifest_3({"id": "x", "type": "Range"}), "a Range where a Canvas"),
        ({"type": "Collection", "id": URI, "items": []}, "an empty collection"),
        ({"type": "AnnotationPage", "id": URI, "items": []}, "an AnnotationPage, neither"),
        ({"hello": 1}, "without a type"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(value: Any, reason: str) -> None:
    found = read(value)
    assert found.candidates == ()
    assert reason in found.refusals[0].reason


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"<!DOCTYPE html><html><title>Just a moment...</title>", "HTML page ('Just a moment...')"),
        (b"<?xml version='1.0'?><a/>", "XML"),
        (b'{"type": "Manifest", "items": [', "truncated"),
        (b'{"type": "Manif', "truncated"),
        (b"nonsense", "not JSON"),
        (b'"a string"', "a string"),
        (b"null", "null"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "not JSON"),
    ],
)
def test_documents_that_are_none(document: bytes, reason: str) -> None:
    (refusal,) = read_presentation(document, URI, ANY).refusals
    assert reason in refusal.reason
    assert refusal.source == URI


def test_byte_order_marks_and_old_encodings_are_read() -> None:
    value = json.dumps(
        manifest_3(canvas_3("1", image_3("a")), label={"fr": ["Théâtre à l'été"]}), ensure_ascii=False
    )
    for document in (value.encode("utf-8-sig"), value.encode("utf-16"), value.encode("latin-1")):
        (candidate,) = read_presentation(document, URI, ANY).candidates
        assert candidate.captions[0].text == "Théâtre à l'été"


def test_half_characters_do_not_get_through() -> None:
    document = json.dumps(
        manifest_3(canvas_3("1", image_3("a")), label={"en": ["A lady \ud83d and \U0001f600"]})
    ).encode()
    (candidate,) = read_presentation(document, URI, ANY).candidates
    assert candidate.captions[0].text == "A lady ? and \U0001f600"


def test_services_behind_a_login_are_refused() -> None:
    login = {"@id": "https://example.org/login", "profile": "http://iiif.io/api/auth/1/login"}
    service = {
        "id": "https://img.example.org/a",
        "type": "ImageService3",
        "profile": "level2",
        "service": [login],
    }
    found = read(manifest_3(canvas_3("1", image_3("a", service=[service]))))
    assert found.candidates == ()
    assert "login" in found.refusals[0].reason


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


def test_paged_collections_lead_on() -> None:
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
    # A stranger's server does not speak for the library.
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


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["Manifest", "Canvas", "xywh=1,2,3,4", URI]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "@id", "type", "items", "value", "@value", "service", "en"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        found += _paths(child, (*path, key))
    return found


def _full_manifest() -> dict[str, Any]:
    annotations = [
        {"id": f"{URI}/list", "type": "AnnotationPage", "items": [
            {"type": "Annotation", "motivation": "commenting", "body": {"type": "TextualBody", "value": "A small dog", "language": "en"},
             "target": f"{URI}/canvas/1#xywh=10,20,300,400"}]},
        {"id": f"{URI}/more", "type": "AnnotationPage"},
    ]  # fmt: skip
    choice = {
        "type": "Choice",
        "items": [
            image_3("x"),
            {
                "type": "SpecificResource",
                "source": image_3("y"),
                "selector": {"type": "ImageApiSelector", "region": "1,2,3,4"},
            },
        ],
    }
    structures = [
        {
            "id": f"{URI}/r",
            "type": "Range",
            "label": {"en": ["Chapter"]},
            "items": [{"id": f"{URI}/canvas/1", "type": "Canvas"}],
        }
    ]
    canvases = (
        canvas_3("1", image_3("a"), annotations=annotations),
        canvas_3("2", choice, metadata=[{"label": {"en": ["Title"]}, "value": {"en": ["Two"]}}]),
    )
    return manifest_3(
        *canvases, structures=structures, navDate="1900-01-01T00:00:00Z", provider=[{"label": {"en": ["P"]}}]
    )


_SEEDS = (
    _full_manifest(),
    MANIFEST_2,
    {"type": "Collection", "id": URI, "items": [{"id": f"{URI}/x", "type": "Manifest"}], "first": f"{URI}/1"},
)


@settings(max_examples=300, deadline=None)
@given(seed=st.sampled_from(_SEEDS), data=st.data())
def test_no_mutated_document_breaks_the_reader(seed: dict[str, Any], data: st.DataObject) -> None:
    value = json.loads(json.dumps(seed))
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(_paths(value)))
        parent = value
        for key in path[:-1]:
            parent = parent[key]
        if data.draw(st.booleans()):
            parent[path[-1]] = data.draw(_JSON)
        else:
            del parent[path[-1]]
        if not _paths(value):
            break
    found = read(value)
    assert found.candidates or found.links or found.refusals
    for candidate in found.candidates:
        assert candidate.service is not None or candidate.image_uri is not None


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(document: bytes) -> None:
    found = read_presentation(document, URI, ANY)
    assert found.refusals
