"""Manifests of both versions, as in the standard and as servers write them."""

from __future__ import annotations

import pytest

from data_prep.candidate import Refusal
from data_prep.iiif.document import parse_object
from data_prep.institutions import load_profile
from tests.data_prep.iiif.documents import MANIFEST_2, URI, canvas_3, image_3, manifest_3, read


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (b'<?xml version="1.0"?><!-- x --><meta:metadigit xmlns:meta="urn:x"/>', "XML ('metadigit')"),
        (b"<\xff\xfe>", "XML, which is neither"),
        (b"<!DOCTYPE html><title>Just a moment...</title>", "an HTML page ('Just a moment...')"),
        (b'{"id": "https://x.exam', "truncated JSON"),
    ],
)
def test_what_is_no_json_is_named(document: bytes, told: str) -> None:
    refused = parse_object(document, URI)
    assert isinstance(refused, Refusal)
    assert refused.reason.startswith(told)


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
        ("Portrait of a Lady. Painting, Anna Painter", "en", "title", False),
        ("Portret van een dame. Schilderij, Anna Painter", "nl", "title", False),
    ]
    assert candidate.service is not None
    assert (candidate.service.id, candidate.service.version, candidate.service.level) == (
        "https://img.example.org/a",
        3,
        2,
    )
    assert candidate.source_size == (3000, 2000)
    assert found.refusals == ()


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
    lady = "Portrait of a Lady. Painting, Anna Painter"
    assert found.candidates[0].captions[0].text == lady
    assert found.candidates[1].captions[-1].text == f"X-ray of the panel. {lady}"


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


def test_the_texts_of_a_canvas_come_before_those_of_the_work() -> None:
    canvas = canvas_3(
        "1",
        image_3("a"),
        label={"en": ["The lady at her context"]},
        rights="http://creativecommons.org/licenses/by-nc/4.0/",
        metadata=[{"label": {"en": ["Artist"]}, "value": {"none": ["Somebody Else"]}}],
    )
    (candidate,) = read(manifest_3(canvas)).candidates
    assert [caption.text for caption in candidate.captions][:2] == [
        "The lady at her context",
        "Portrait of a Lady. Painting, Anna Painter",
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
    assert (first.captions[0].text, first.captions[0].field) == (
        "Die Heilung des Blinden. „Portrait of a Lady“. Gemälde, Anna Painter",
        "contents",
    )
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


def test_rights_of_the_image_come_first() -> None:
    licensed = image_3("a", rights="http://creativecommons.org/licenses/by-nc/4.0/")
    service = {
        "@context": "http://iiif.io/api/image/2/context.json",
        "@id": "https://img.example.org/b",
        "license": ["http://rightsstatements.org/vocab/InC/1.0/"],
        "profile": "http://iiif.io/api/image/2/level2.json",
    }
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


def test_canvases_of_a_later_sequence_are_read_and_those_it_repeats_are_not():
    """2.1, section 5.2, wants the later sequences elsewhere; servers embed them, with canvases of their
    own."""

    def canvas(name: str, image: str) -> dict[str, object]:
        body = {"@id": f"https://example.org/{image}.jpg", "@type": "dctypes:Image", "format": "image/jpeg"}
        identity = f"https://example.org/{name}"
        images = [{"@type": "oa:Annotation", "motivation": "sc:painting", "resource": body, "on": identity}]
        return {"@id": identity, "@type": "sc:Canvas", "label": name, "images": images}

    first = [canvas("c1", "i1"), canvas("c2", "i2")]
    later = [canvas("c2", "i2"), canvas("c1", "i1"), canvas("c3", "i3"), canvas("c1", "i4")]
    manifest = {
        "@context": "http://iiif.io/api/presentation/2/context.json",
        "@id": "https://example.org/m",
        "@type": "sc:Manifest",
        "label": "A book in two orders",
        "sequences": [
            {"@type": "sc:Sequence", "canvases": first},
            {"@type": "sc:Sequence", "canvases": later},
        ],
    }
    found = read(manifest)
    assert [one.source.image for one in found.candidates] == [
        f"https://example.org/i{n}.jpg" for n in (1, 2, 3, 4)
    ]
    # The fourth shares its canvas with the first, and is distinguished by its image.
    assert len({one.source.id for one in found.candidates}) == 4
