"""No damaged document may break a reader: every answer is a Found, and its parts are valid."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.candidate import Found, ImageService, Refusal
from data_prep.iiif.annotations import read_annotations
from data_prep.iiif.image_api import image_request, read_info
from data_prep.iiif.presentation import read_presentation
from data_prep.institutions import InstitutionProfile
from data_prep.sources.discovery import read_discovery
from data_prep.sources.europeana import read_europeana
from data_prep.sources.lido import read_lido
from data_prep.sources.oai_pmh import read_oai_pmh
from data_prep.sources.sru import read_sru

URI = "https://example.org/x"
ANY = InstitutionProfile(slug="example", name="Example Museum")
Reader = Callable[[bytes, str, InstitutionProfile, dict[str, Any] | None], Found]

JSON_READERS: dict[Reader, dict[str, Any]] = {
    read_presentation: {
        "type": "Collection",
        "id": URI,
        "label": {"en": ["C"]},
        "items": [
            {
                "id": f"{URI}/m",
                "type": "Manifest",
                "label": {"en": ["M"]},
                "metadata": [{"label": "Date", "value": "1650"}],
                "items": [
                    {
                        "id": f"{URI}/c",
                        "type": "Canvas",
                        "height": 10,
                        "width": 10,
                        "items": [
                            {
                                "type": "AnnotationPage",
                                "items": [
                                    {
                                        "type": "Annotation",
                                        "motivation": "painting",
                                        "body": {
                                            "id": f"{URI}.jpg",
                                            "type": "Image",
                                            "service": [
                                                {
                                                    "id": URI,
                                                    "type": "ImageService3",
                                                    "profile": "level1",
                                                    "sizes": [{"width": 1, "height": 2}],
                                                }
                                            ],
                                        },
                                    }
                                ],
                            }
                        ],
                    }
                ],
            }
        ],
    },
    read_annotations: {
        "@type": "sc:AnnotationList",
        "@id": URI,
        "resources": [
            {
                "@type": "oa:Annotation",
                "motivation": "oa:commenting",
                "resource": {"@type": "cnt:ContentAsText", "chars": "A dog"},
                "on": {
                    "full": f"{URI}/c",
                    "selector": {
                        "@type": "oa:Choice",
                        "default": {"@type": "oa:FragmentSelector", "value": "xywh=1,2,300,400"},
                    },
                },
            }
        ],
    },
    read_discovery: {
        "type": "OrderedCollectionPage",
        "prev": {"id": f"{URI}/0"},
        "partOf": {"id": URI},
        "orderedItems": [
            {
                "type": "Update",
                "endTime": "2026-01-01T00:00:00Z",
                "object": {"id": f"{URI}/m", "type": "Manifest"},
            },
            {"type": "Move", "object": {"id": f"{URI}/a"}, "target": {"id": f"{URI}/b"}},
            {"type": "Refresh"},
        ],
    },
    read_europeana: {
        "success": True,
        "nextCursor": "x",
        "totalResults": 5,
        "items": [
            {
                "id": "/1/2",
                "title": ["T"],
                "dcTitleLangAware": {"en": ["T"]},
                "rights": ["http://creativecommons.org/licenses/by/4.0/"],
                "edmIsShownBy": [f"{URI}.jpg"],
                "year": ["1650"],
            }
        ],
        "object": {
            "about": "/1/2",
            "proxies": [{"dcTitle": {"en": ["T"]}}],
            "aggregations": [
                {
                    "edmRights": {"def": ["x"]},
                    "edmIsShownBy": f"{URI}.jpg",
                    "webResources": [{"about": f"{URI}.jpg", "svcsHasService": [URI]}],
                }
            ],
        },
    },
}
INFO = {
    "@context": "http://iiif.io/api/image/2/context.json", "@id": URI, "width": 100, "height": 50,
    "sizes": [{"width": 10, "height": 5}],
    "profile": ["http://iiif.io/api/image/2/level0.json", {"maxWidth": 50, "supports": ["sizeByW"]}],
}  # fmt: skip

_JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["Manifest", URI, "xywh=1,2,3,4", "level9"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "@id", "type", "items", "value", "@value", "en", "service"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=5,
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [
        *([path] if path else []),
        *(found for key, child in children for found in _paths(child, (*path, key))),
    ]


def _mangled(seed: dict[str, Any], data: st.DataObject) -> bytes:
    value = json.loads(json.dumps(seed))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(_paths(value) or [("id",)]))
        parent = value
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = data.draw(_JUNK)
    return json.dumps(value).encode()


@settings(max_examples=250, deadline=None)
@given(reader=st.sampled_from(list(JSON_READERS)), data=st.data())
def test_mangled_json(reader: Reader, data: st.DataObject) -> None:
    context = data.draw(
        st.none()
        | st.dictionaries(
            st.sampled_from(["page", "size", "since", "depth", "record", "tokens", "only_deletes"]),
            _JUNK,
            max_size=3,
        )
    )
    assert isinstance(reader(_mangled(JSON_READERS[reader], data), URI, ANY, context), Found)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), max_side=st.integers(1, 2000))
def test_mangled_info(data: st.DataObject, max_side: int) -> None:
    found = read_info(_mangled(INFO, data), f"{URI}/info.json")
    assert isinstance(found, (ImageService, Refusal))
    if isinstance(found, ImageService):
        assert image_request(found, max_side=max_side).uri.startswith("http")


_TAGS = (
    "OAI-PMH",
    "ListRecords",
    "record",
    "header",
    "identifier",
    "metadata",
    "dc",
    "title",
    "lido",
    "titleSet",
    "appellationValue",
    "RDF",
    "Aggregation",
    "aggregatedCHO",
    "isShownBy",
    "ProvidedCHO",
    "searchRetrieveResponse",
    "records",
    "recordData",
    "resumptionToken",
    "event",
    "eventDate",
    "resourceSet",
    "linkResource",
    "subjectConcept",
    "conceptID",
    "Proxy",
    "WebResource",
)
_XML = st.recursive(
    st.sampled_from(["", "text", "https://example.org/1.jpg", "46A122", "1650"]),
    lambda inner: st.tuples(st.sampled_from(_TAGS), st.lists(inner, max_size=4)).map(
        lambda item: f'<{item[0]} rdf:about="#a" rdf:resource="#a" status="x">{"".join(item[1])}</{item[0]}>'
    ),
    max_leaves=12,
)


@settings(max_examples=250, deadline=None)
@given(
    reader=st.sampled_from([read_oai_pmh, read_lido, read_sru, read_europeana]),
    root=st.sampled_from(["OAI-PMH", "lido", "searchRetrieveResponse", "rdf:RDF"]),
    content=_XML,
    cut=st.integers(0, 3),
)
def test_mangled_xml(reader: Reader, root: str, content: str, cut: int) -> None:
    text = f'<{root} xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{content}</{root}>'
    found = reader(text[: len(text) - cut].encode(), URI, ANY, None)
    assert isinstance(found, Found)
    # The last page of OAI-PMH may be an empty token alone; every other empty document must be refused with a
    # reason.
    is_last_page = reader is read_oai_pmh and "resumptionToken" in content
    assert found.candidates or found.links or found.refusals or found.withdrawals or is_last_page


ATTACKS = {
    "billion laughs": (
        b'<!DOCTYPE a [<!ENTITY b "xxxxxxxxxx"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>'
    ),
    "a file from the disk": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "deep XML": b"<a>" * 50_000,
    "deep JSON": b'{"items":' * 50_000,
    "wide JSON": b'{"type":"Manifest","items":[' + b"{}," * 60_000 + b"{}]}",
    "a number without end": b'{"type":"Manifest","items":[{"width":' + b"9" * 5_000 + b"}]}",
    "not a number": b'{"type":"Manifest","items":[{"type":"Canvas","width":NaN,"height":Infinity}]}',
    "nulls": b"\x00" * 1000,
    "a lone surrogate": (
        b'{"type":"Manifest","id":"\\ud800","label":{"en":["\\ud800'
        b' x"]},"items":[{"type":"Canvas","id":"\\udfff"}]}'
    ),
}


@pytest.mark.parametrize(
    "reader", [*JSON_READERS, read_oai_pmh, read_lido, read_sru], ids=lambda reader: reader.__name__
)
@pytest.mark.parametrize("document", ATTACKS.values(), ids=ATTACKS.keys())
def test_attacks_are_refused(reader: Reader, document: bytes) -> None:
    found = reader(document, URI, ANY, None)
    assert found.candidates == ()
    assert found.refusals
    assert len(found.refusals) <= 1_001
