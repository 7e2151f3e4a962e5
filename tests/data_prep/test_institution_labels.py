"""The labels of each institution are read with their meaning there: invented objects under its real
labels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from data_prep.candidate import Candidate
from data_prep.iiif.presentation import read_presentation
from data_prep.institutions import load_profile, profile_for, shipped_names

CASES: dict[str, dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "institution_labels.yaml").read_text(encoding="utf-8")
)
# The profile without a public file behind it, and the invented archives, which have their own tests.
ELSEWHERE = {"armorial-wexcombe", "armorial-aldersheim", "armorial-valcendre", "emblems-lussigny", "kb"}

# Values to choose from, one after the other. Every ignored value could be mistaken for each of the others.
TEXTS = (
    "Harvesters resting under a walnut tree",
    "Two fishing boats before a storm",
    "The market of a small town by night",
    "Children skating on a frozen canal",
    "A shepherd with his flock at evening",
)
NAMES = ("Clara Inventa", "Johannes Nemo", "Ottilie Quisquam")
YEARS = ("1623", "1641", "1688")
STATEMENT = "http://creativecommons.org/licenses/by/4.0/"
MISLEADING = ("1777", "Marble statue of an emperor with a lion", "Augusta Falsa")
ABOUT_CAPTIONS = ("title", "caption", "description", "subject", "person")
# These enter a sentence next to a subject or a person.
DETAILS = ("place", "technique")
SUBJECT = ("dc:subject", "Shepherds")


def _property(version: int, text: str, tags: list[str]) -> Any:
    """A text as version 2 or 3 writes it; `Titel|Title` is one text in several languages."""
    texts = text.split("|")
    if version == 3:
        return {tag: [part] for tag, part in zip(tags, texts, strict=False)}
    if len(texts) == 1:
        return text
    return [{"@value": part, "@language": tag} for tag, part in zip(tags, texts, strict=True)]


def _image(version: int, at: str) -> dict[str, Any]:
    service = {"@id": f"{at}/image", "profile": "http://iiif.io/api/image/2/level1.json"}
    if version == 2:
        resource = {
            "@id": f"{at}/image/full/full/0/default.jpg",
            "@type": "dctypes:Image",
            "service": service,
        }
        return {"images": [{"@type": "oa:Annotation", "motivation": "sc:painting", "resource": resource}]}
    body = {"id": f"{at}/image/full/max/0/default.jpg", "type": "Image", "service": [service]}
    painting = {"type": "Annotation", "motivation": "painting", "body": body, "target": f"{at}/canvas"}
    return {"items": [{"type": "AnnotationPage", "items": [painting]}]}


def _manifest(case: dict[str, Any], pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """A manifest with one canvas, in the shape of the institution: version, languages, where metadata is."""
    version, at, tags = case.get("version", 2), case["at"], case.get("tags", ["none"])
    metadata = [{"label": _property(version, label, tags), "value": value} for label, value in pairs]
    if version == 3:
        metadata = [{**pair, "value": {tags[0]: [pair["value"]]}} for pair in metadata]
    names = {"@id": "@id", "@type": "@type", "summary": "description"}
    if version == 3:
        names = {"@id": "id", "@type": "type", "summary": "summary"}
    canvas = {
        names["@id"]: f"{at}/canvas",
        names["@type"]: "Canvas" if version == 3 else "sc:Canvas",
        "label": _property(version, "The label of the canvas", tags),
        "width": 1500,
        "height": 1000,
        **_image(version, at),
        **({"metadata": metadata} if case.get("on") == "canvas" else {}),
    }
    return {
        "@context": f"http://iiif.io/api/presentation/{version}/context.json",
        names["@id"]: at,
        names["@type"]: "Manifest" if version == 3 else "sc:Manifest",
        "label": _property(version, "The label of the manifest", tags),
        names["summary"]: _property(version, "The summary of the manifest", tags),
        **({} if case.get("on") == "canvas" else {"metadata": metadata}),
        **({"items": [canvas]} if version == 3 else {"sequences": [{"canvases": [canvas]}]}),
    }


def _read(case: dict[str, Any], pairs: list[tuple[str, str]]) -> Candidate:
    document = json.dumps(_manifest(case, pairs)).encode()
    found = read_presentation(document, case["at"], profile_for(case["at"]))
    assert not found.refusals
    (candidate,) = found.candidates
    return candidate


def _values(labels: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """Every label that means something, its field, and an invented value for it."""
    count: dict[str, int] = {}
    for label, field in labels.items():
        if field == "ignore":
            continue
        kind = "text" if field in ABOUT_CAPTIONS else field
        number = count[kind] = count.get(kind, -1) + 1
        values = {"text": TEXTS, "creator": NAMES, "date": YEARS, "rights": (STATEMENT,)}
        choice = values.get(kind, (f"Invented {field}",))
        yield label, field, choice[number % len(choice)]


def _description(candidate: Candidate) -> tuple[Any, ...]:
    """The description of the object, without the pairs that it was made from."""
    captions = [(caption.text, caption.field) for caption in candidate.captions]
    stated = (
        candidate.creators,
        candidate.date,
        candidate.object_type,
        candidate.rights_raw,
        candidate.attribution,
    )
    return (captions, *stated, candidate.source.homepage)


@cache
def _captions_of(candidate: Candidate) -> str:
    return "\n".join(caption.text for caption in candidate.captions)


def test_every_profile_is_covered() -> None:
    assert set(shipped_names()) == set(CASES) | ELSEWHERE


@pytest.mark.parametrize("slug", CASES)
def test_labels_are_read_as_the_fields_they_mean(slug: str) -> None:
    case = CASES[slug]
    expected = list(_values(case["labels"]))
    candidate = _read(case, [(label, value) for label, _, value in expected])
    assert candidate.institution.slug == slug
    fields = {field for _, field, _ in expected}
    shown = (*ABOUT_CAPTIONS, *DETAILS) if fields & {"subject", "person"} else ABOUT_CAPTIONS
    for label, field, value in expected:
        if field in shown:
            assert value in _captions_of(candidate), label
    titles = [caption.text for caption in candidate.captions if caption.field == "title"]
    # What else is known of the object follows its title.
    stated = [value for _, field, value in expected if field == "title"]
    assert [value for value in stated if not any(title.startswith(value) for title in titles)] == []
    assert set(candidate.creators) == {value for _, field, value in expected if field == "creator"}
    years = {int(value) for _, field, value in expected if field == "date"}
    assert candidate.date is None if not years else candidate.date and candidate.date.earliest in years
    types: set[str | None] = {"The summary of the manifest"} if case.get("summary") == "type" else set()
    types |= {value for _, field, value in expected if field == "type"}
    assert candidate.object_type in (types or {None})
    if "rights" in case["labels"].values():
        assert STATEMENT in (candidate.rights_raw or "")
    if "attribution" in case["labels"].values():
        assert candidate.attribution == "Invented attribution"


@pytest.mark.parametrize("slug", CASES)
def test_each_label_alone_is_read_too(slug: str) -> None:
    """A field that two labels can fill does not depend on one of them."""
    case = CASES[slug]
    empty = _description(_read(case, []))
    for label, field, value in _values(case["labels"]):
        if field in DETAILS:
            assert value in _captions_of(_read(case, [SUBJECT, (label, value)])), label
        elif field != "note":
            assert _description(_read(case, [(label, value)])) != empty, (label, field)


@pytest.mark.parametrize("slug", [slug for slug, case in CASES.items() if "note" in case["labels"].values()])
def test_notes_are_no_captions_unless_a_composition_asks_for_them(slug: str) -> None:
    case = CASES[slug]
    for label in (label for label, field in case["labels"].items() if field == "note"):
        assert load_profile(slug).field_of(label.split("|")[0])[0] == "note"
        for value in MISLEADING:
            assert _description(_read(case, [(label, value)])) == _description(_read(case, [])), label


@pytest.mark.parametrize("slug", CASES)
def test_labels_that_do_not_describe_the_picture_change_nothing(slug: str) -> None:
    case = CASES[slug]
    empty = _description(_read(case, []))
    for label in (label for label, field in case["labels"].items() if field == "ignore"):
        for value in MISLEADING:
            assert _description(_read(case, [(label, value)])) == empty, label


def _titled(case: dict[str, Any]) -> set[str]:
    """The properties that are titles at this institution, but for the label."""
    return {name for name in ("summary", "canvas") if case.get(name) == "title"}


@pytest.mark.parametrize("slug", CASES)
def test_properties_are_what_they_are_at_this_institution(slug: str) -> None:
    case = CASES[slug]
    # A short title may be followed by facts about the object.
    texts = {caption.text.partition(". ")[0]: caption.field for caption in _read(case, []).captions}
    for name, usual in (("label", "title"), ("summary", "description"), ("canvas", "ignore")):
        meaning = case.get(name, usual)
        if name == "label" and meaning == "ignore" and not _titled(case):
            # Where nothing else is a title, the label is better than none.
            meaning = "title"
        text = f"The {name} of the manifest" if name != "canvas" else "The label of the canvas"
        assert texts.get(text, "ignore") == ("ignore" if meaning == "type" else meaning), name


def test_titles_lose_what_their_institution_appends() -> None:
    assert (
        load_profile("leiden").trimmed("Nova descriptio insulae COLLBN 003-02-999")
        == "Nova descriptio insulae"
    )
    assert (
        load_profile("cambridge").trimmed("A book of hours; Latin (MS Add. 9999)") == "A book of hours; Latin"
    )
    assert load_profile("cambridge").trimmed("A book of hours (fragment)") == "A book of hours (fragment)"
    assert (
        load_profile("getty").trimmed("Le Matin (1720–1721), Anne Inventa (French, 1690 - 1760)")
        == "Le Matin"
    )
    assert load_profile("getty").trimmed("Le Matin (sketch)") == "Le Matin (sketch)"
    assert load_profile("bl").trimmed("The harvest   / by C. Inventa ; with plates") == "The harvest"


def test_pages_of_objects_lead_to_their_manifests() -> None:
    manifest = "https://www.loc.gov/item/2003999999/manifest.json"
    assert profile_for(manifest).manifest_of("https://www.loc.gov/item/2003999999/") == manifest
    assert profile_for(manifest).manifest_of("https://www.loc.gov/collections/x/") is None


@pytest.mark.parametrize(
    ("slug", "text", "uri"),
    [
        ("zlb", "Public Domain / Gemeinfrei", "http://creativecommons.org/publicdomain/mark/1.0/"),
        (
            "nb-no",
            "https://www.nb.no/lisens/publicdomain",
            "http://creativecommons.org/publicdomain/mark/1.0/",
        ),
        ("nb-no", "https://www.nb.no/lisens/stromming", None),
        (
            "vatican",
            "Images Copyright Biblioteca Apostolica Vaticana",
            "http://rightsstatements.org/vocab/InC/1.0/",
        ),
        ("loc", "Public Domain", None),
    ],
)
def test_a_rights_statement_has_the_meaning_that_its_institution_defines(
    slug: str, text: str, uri: str | None
) -> None:
    assert load_profile(slug).rights_uri(text) == uri
