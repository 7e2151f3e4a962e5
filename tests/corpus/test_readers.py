"""Every real document of the shared material through its reader: no crash, and nothing is dropped silently.

Run with `-s` to see the report: documents, candidates, links and refusals by reason.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from data_prep.candidate import Found, ImageService, Refusal
from data_prep.iiif.annotations import read_annotations
from data_prep.iiif.image_api import image_request, read_info
from data_prep.iiif.presentation import read_presentation
from data_prep.institutions import load_profile, profile_for
from data_prep.sources.discovery import read_discovery
from data_prep.sources.europeana import read_europeana
from data_prep.sources.lido import read_lido
from data_prep.sources.oai_pmh import read_oai_pmh
from data_prep.sources.sru import read_sru
from iconoclip.rights import canonical_uri

MATERIAL = Path(__file__).parents[2].parent / "shared" / "material"

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not MATERIAL.is_dir(), reason=f"the real material is not at {MATERIAL}"),
]


def documents(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((MATERIAL / folder).rglob("*")) if path.is_file()]
    assert found, f"no material in {folders}"
    return found


def presentation(path: Path) -> Found:
    return read_presentation(path.read_bytes(), str(path), profile_for(str(path)))


def report(name: str, found: list[Found]) -> None:
    reasons = Counter(re.sub(r"[:'(].*", "", refusal.reason) for item in found for refusal in item.refusals)
    print(
        f"\n{name}: {len(found)} documents, {sum(len(item.candidates) for item in found)} candidates,"
        f" {sum(len(item.links) for item in found)} links, {sum(reasons.values())} refusals"
    )
    for reason, number in reasons.most_common():
        print(f"  {number:5}  {reason}")


@pytest.mark.parametrize(
    "folder", ["manifests/v2", "manifests/v3", "manifests/v3-converted", "collections", "cookbook"]
)
def test_every_presentation_document_is_read(folder: str) -> None:
    found = []
    for path in documents(folder):
        item = presentation(path)
        assert item.candidates or item.links or item.refusals, f"{path.name} was dropped silently"
        keys = [(candidate.source.id, candidate.region) for candidate in item.candidates]
        assert len(keys) == len(set(keys)), f"{path.name}: two samples of one key"
        if folder.startswith("manifests"):
            check_images(folder, path, item)
        found.append(item)
    report(folder, found)
    assert found


def check_images(folder: str, path: Path, found: Found) -> None:
    """Every image of a manifest is a candidate, or is refused."""
    value = json.loads(path.read_text(encoding="utf-8-sig"))
    expected = _num_images_2(value) if folder.endswith("v2") else _num_images_3(value)
    canvases = {candidate.source.id for candidate in found.candidates}
    no_images = ("a canvas without an image", "a manifest without canvases", "a Canvas, neither")
    refused = [
        item
        for item in found.refusals
        if not item.reason.startswith(no_images) and "#xywh" not in item.source
    ]
    assert len(canvases) + len(refused) == expected, path.name


def _num_images_2(value: Any) -> int:
    sequences = value.get("sequences", [])
    canvases = (
        (sequences if isinstance(sequences, dict) else sequences[0]).get("canvases", []) if sequences else []
    )
    if "images" in value:  # a canvas alone
        canvases = [value]
    resources = [image["resource"] for canvas in canvases for image in canvas.get("images", [])]
    alternatives = [item.get("item", []) for item in resources if item.get("@type") == "oa:Choice"]
    return len(resources) + sum(len(item) if isinstance(item, list) else 1 for item in alternatives)


def _num_images_3(value: Any) -> int:
    """Bodies painted on the canvases of a manifest, each item of a Choice counted."""
    number = 0
    for canvas in value.get("items", []):
        for page in canvas.get("items", []):
            for annotation in page.get("items", []):
                body = annotation.get("body", [])
                for item in body if isinstance(body, list) else [body]:
                    number += len(item["items"]) if item.get("type") == "Choice" else 1
    return number


BAD_MANIFESTS = {
    # name: candidates, links, refusals, a word of the first refusal
    "iiif-apis__wellcomelibrary-b15404535-empty-license-string-manifest.json": (1, 0, 0, ""),
    "iiif-download__manifest_empty.json": (0, 0, 1, "a canvas without an image"),
    "iiif-presentation-api__broken.json": (383, 0, 0, ""),
    "iiif-presentation-api__manifest_annotationListsInvalid.json": (1, 1, 2, "a canvas without an image"),
    "mirador__emptyCanvas.json": (238, 0, 84, "a canvas without an image"),
    "parser__duplicate-member-collection.json": (0, 1, 0, ""),
    "parser__malformed-image-annotation.json": (1, 0, 0, ""),
    "php-iiif-prezi-reader__empty-manifest.json": (0, 0, 1, "a manifest without canvases"),
    "pv__3_broken_choice.json": (0, 0, 2, "painted with Video"),
    "pv__3_broken_collection.json": (0, 2, 0, ""),
    "pv__3_broken_embedded_annos.json": (0, 0, 1, "painted with Sound"),
    "pv__3_broken_service.json": (1, 0, 0, ""),
    "pv__3_old_cc_license.json": (1, 0, 0, ""),
    "pv__3_old_format_label.json": (1, 0, 0, ""),
    "pv__3_rights_lang_issues.json": (1, 0, 0, ""),
    "pv__3_version2image.json": (1, 1, 0, ""),
    "sickle__ListRecordsBroken.xml": (0, 0, 1, "not JSON"),
    "tify__invalid.json": (0, 0, 1, "a string, not an object"),
    "tify__not-json.json": (0, 0, 1, "not JSON"),
}
BAD_TRANSPORT = {
    "bom_manifest.json": (0, 0, 1, "a manifest without canvases"),
    "cyclic_collection_a.json": (0, 1, 0, ""),
    "cyclic_collection_b.json": (0, 1, 0, ""),
    "empty_body.json": (0, 0, 1, "empty"),
    "truncated_manifest.json": (0, 0, 1, "truncated"),
    "waf_challenge.html": (0, 0, 1, "an HTML page ('Just a moment...')"),
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(("manifests/" + n, e) for n, e in BAD_MANIFESTS.items()),
        *(("transport/" + n, e) for n, e in BAD_TRANSPORT.items()),
    ],
)
def test_bad_documents_have_the_right_outcome(name: str, expected: tuple[int, int, int, str]) -> None:
    num_candidates, num_links, num_refusals, reason = expected
    found = presentation(MATERIAL / "bad" / name)
    assert (len(found.candidates), len(found.links), len(found.refusals)) == (
        num_candidates,
        num_links,
        num_refusals,
    )
    assert num_refusals == 0 or reason in found.refusals[0].reason


def test_the_table_of_bad_manifests_is_complete() -> None:
    assert {path.name for path in documents("bad/manifests")} == set(BAD_MANIFESTS)


BAD_INFO = {
    # Error answers and XML in place of an info.json are refused ...
    "1_0_error_bad1.xml": "the image server answered with an error",
    "1_0_error_bad2.xml": "the image server answered with an error",
    "1_0_error_ex1.xml": "the image server answered with an error",
    "1_0_error_ex3.xml": "neither JSON nor",
    "1_0_info_bad2.xml": "neither JSON nor",
    # ... what is merely odd is read: the profile tells what a wrong context hides, a size that is none is
    # left out
    "1_1_info_bad_context.json": (1, 0),
    "2_0_info_bad_context.json": (2, 2),
    "2_1_info_bad_context2.json": (2, 2),
    "3_0_info_bad_context1.json": (3, 2),
    "3_0_info_bad_context2.json": (3, 2),
    "3_0_info_bad_context3.json": (3, 2),
    "3_0_info_bad_profile1.json": (3, 2),
    "3_0_info_bad_profile2.json": (3, 1),
    "3_0_info_bad_sizes1.json": (3, 2),
    "3_0_info_bad_sizes2.json": (3, 2),
    "3_0_info_bad_sizes3.json": (3, 2),
    "3_0_info_bad_sizes4.json": (3, 2),
}


@pytest.mark.parametrize(("name", "expected"), BAD_INFO.items())
def test_bad_info_has_the_right_outcome(name: str, expected: str | tuple[int, int]) -> None:
    path = MATERIAL / "bad" / "info" / f"zimeon__info_json_{name}"
    found = read_info(path.read_bytes(), "https://example.org/iiif/x/info.json")
    if isinstance(expected, str):
        assert isinstance(found, Refusal)
        assert expected in found.reason
    else:
        assert isinstance(found, ImageService)
        assert (found.version, found.level) == expected


def test_the_table_of_bad_info_is_complete() -> None:
    assert {path.name.removeprefix("zimeon__info_json_") for path in documents("bad/info")} == set(BAD_INFO)


def is_of_oai(path: Path) -> bool:
    return path.suffix == ".xml" and "sru" not in path.name


def test_every_answer_of_oai_pmh_is_read() -> None:
    found = []
    for path in filter(is_of_oai, documents("oai")):
        item = read_oai_pmh(
            path.read_bytes(), f"https://example.org/oai?file={path.stem}", profile_for("https://example.org")
        )
        assert item.candidates or item.links or item.refusals or item.withdrawals, (
            f"{path.name} was dropped silently"
        )
        found.append(item)
    report("oai", found)
    assert (
        sum(len(item.withdrawals) for item in found) == 6
    )  # the headers of status `deleted`, less one without a name


def test_recorded_interactions_are_read() -> None:
    """Answers as two other harvesters recorded them, in YAML."""
    import yaml

    found = []
    for path in documents("oai"):
        if path.suffix != ".yaml":
            continue
        for interaction in yaml.safe_load(path.read_text())["interactions"]:
            body = interaction["response"]["body"]
            text = body.get("string") or body.get("content") or ""
            item = read_oai_pmh(
                text.encode() if isinstance(text, str) else text,
                interaction["request"]["uri"],
                profile_for(""),
            )
            assert item.candidates or item.links or item.refusals or item.withdrawals, path.name
            found.append(item)
    report("oai, recorded", found)
    assert found


def test_every_answer_of_sru_is_read() -> None:
    found = []
    for name, profile in (
        ("gallica__sru_sample", "gallica"),
        ("kb_sru__Centsprenten_small", "kb"),
        ("kb_sru__AtlasBeudeker_133records_raw", "kb"),
    ):
        path = MATERIAL / "oai" / f"{name}.xml"
        found.append(read_sru(path.read_bytes(), "https://example.org/sru?query=x", load_profile(profile)))
    report("sru", found)
    assert [len(item.candidates) for item in found] == [0, 5, 133]
    assert found[0].links[0].uri == "https://gallica.bnf.fr/iiif/ark:/12148/btv1b10033406t/manifest.json"
    assert all(candidate.captions for item in found for candidate in item.candidates)


def test_every_edm_record_is_read() -> None:
    found = {
        path.name: read_europeana(path.read_bytes(), str(path), load_profile("europeana"))
        for path in documents("edm")
    }
    report("edm", list(found.values()))
    with_images = {name for name, item in found.items() if item.candidates}
    assert with_images == {
        "rdf_with_iiif_sample.xml",
        "rdf_with_iiif_sample_II.xml",
    }  # the others are of films and 3D
    assert all(item.refusals for name, item in found.items() if name not in with_images)


def test_every_lido_record_is_read() -> None:
    found = [
        read_lido(path.read_bytes(), str(path), profile_for(str(path)))
        for path in documents("metadata/nationalmuseum-lido")
    ]
    report("lido", found)
    candidates = [candidate for item in found for candidate in item.candidates]
    assert len(candidates) == len(found)
    assert len({candidate.source.id for candidate in candidates}) == len(candidates)
    assert all(
        canonical_uri(candidate.rights_raw) == "http://creativecommons.org/licenses/by-sa/4.0/"
        for candidate in candidates
    )
    assert all(
        caption.language == "sv"
        for candidate in candidates
        for caption in candidate.captions
        if not caption.language_detected
    )


def test_every_activity_is_read() -> None:
    found = [
        read_discovery(path.read_bytes(), f"https://example.org/{path.name}", profile_for(""))
        for path in documents("discovery")
    ]
    report("discovery", found)
    assert found
    assert all(item.links or item.withdrawals or item.refusals for item in found)


def test_every_annotation_list_is_refused_or_read() -> None:
    found = [
        read_annotations(path.read_bytes(), str(path), profile_for("")) for path in documents("annotations")
    ]
    report("annotations", found)
    assert found
    assert all(item.refusals for item in found)  # without its manifest, nobody knows which image they are of


def test_a_real_list_of_annotations_gives_regions_of_its_page() -> None:
    name = "dzkimgs.l.u-tokyo.ac.jp__dzkimgs.l.u-tokyo.ac.jp__iiif__zuzoubu__12b02"
    manifest = presentation(MATERIAL / f"manifests/v3-converted/{name}__manifest.json")
    (link,) = manifest.links
    listed = (MATERIAL / f"annotations/v3/{name}__list__p0001-0025.json").read_bytes()
    found = read_annotations(listed, link.uri, profile_for(link.uri), link.context)
    stated = json.loads(listed)["items"]
    assert len(found.candidates) == len({item["target"] for item in stated}) > 1
    assert str(found.candidates[0].region) == "9912,13519,2583,2663"  # canvas and image are of one size
    assert found.candidates[0].captions[0].text.startswith("大日如來")
    assert all(candidate.group == manifest.candidates[0].group for candidate in found.candidates)


def test_bad_answers_have_the_right_outcome() -> None:
    repeated = read_oai_pmh(
        (MATERIAL / "bad/transport/oai_repeating_token.xml").read_bytes(),
        "https://example.org/oai",
        profile_for(""),
    )
    assert [withdrawal.source_id for withdrawal in repeated.withdrawals] == ["oai:x:1"]
    assert repeated.links == ()
    assert "repeats its resumption token" in repeated.refusals[0].reason
    broken = read_oai_pmh(
        (MATERIAL / "bad/manifests/sickle__ListRecordsBroken.xml").read_bytes(),
        "https://example.org/oai",
        profile_for(""),
    )
    assert "not XML" in broken.refusals[0].reason
    latin = (MATERIAL / "bad/transport/latin1_oai_dc.xml").read_bytes()
    with_image = latin.replace(
        b"</oai_dc:dc>", b"<dc:relation>https://example.org/1.jpg</dc:relation></oai_dc:dc>"
    )
    (candidate,) = read_oai_pmh(with_image, "https://example.org/oai", load_profile("gallica")).candidates
    assert (candidate.captions[0].text, candidate.captions[0].language) == ("Scène de théâtre", "fr")


def test_every_info_json_leads_to_a_request() -> None:
    refused = []
    for path in documents("info"):
        found = read_info(path.read_bytes(), "https://example.org/iiif/x/info.json")
        if isinstance(found, Refusal):
            refused.append(path.name)
            continue
        stated = json.loads(path.read_bytes())
        assert (found.width, found.height) == (stated["width"], stated["height"])
        request = image_request(found, max_side=256)
        whole = "" if request.tiles else "full/"
        for uri in [tile.uri for tile in request.tiles] or [request.uri]:
            assert uri.startswith(f"{found.id}/{whole}")
            assert uri.endswith(("/0/default.jpg", "/0/native.jpg"))
    assert refused == ["iiif.wellcomecollection.org__autocomplete.json"]  # a search service
