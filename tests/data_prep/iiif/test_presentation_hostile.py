"""Documents that cannot be used: each is refused with its reason, and none breaks the reader."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.iiif.presentation import read_presentation
from tests.data_prep.iiif.documents import ANY, MANIFEST_2, URI, canvas_3, image_3, manifest_3, read


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
def test_documents_of_other_kinds(document: bytes, reason: str) -> None:
    (refusal,) = read_presentation(document, URI, ANY).refusals
    assert reason in refusal.reason
    assert refusal.source == URI


def test_byte_order_marks_and_old_encodings_are_read() -> None:
    value = json.dumps(
        manifest_3(canvas_3("1", image_3("a")), label={"fr": ["Théâtre à l'été"]}), ensure_ascii=False
    )
    for document in (value.encode("utf-8-sig"), value.encode("utf-16"), value.encode("latin-1")):
        (candidate,) = read_presentation(document, URI, ANY).candidates
        assert candidate.captions[0].text == "Théâtre à l'été. Peinture, Anna Painter"


def test_lone_surrogates_are_removed() -> None:
    document = json.dumps(
        manifest_3(canvas_3("1", image_3("a")), label={"en": ["A lady \ud83d and \U0001f600"]})
    ).encode()
    (candidate,) = read_presentation(document, URI, ANY).candidates
    assert candidate.captions[0].text.startswith("A lady ? and \U0001f600")


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
        {
            "id": f"{URI}/list",
            "type": "AnnotationPage",
            "items": [
                {
                    "type": "Annotation",
                    "motivation": "commenting",
                    "body": {"type": "TextualBody", "value": "A small dog", "language": "en"},
                    "target": f"{URI}/canvas/1#xywh=10,20,300,400",
                }
            ],
        },
        {"id": f"{URI}/more", "type": "AnnotationPage"},
    ]
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
