"""The kinds of pages that a IIIF manifest tells by its labels and its ranges."""

from __future__ import annotations

import json
from typing import Any

import pytest

from data_prep.candidate import Refusal
from data_prep.page_text.folder import TextFolder
from data_prep.page_text.ranges import manifest_pages

BASE = "https://house.example/book"


def canvas(number: int) -> str:
    return f"{BASE}/canvas/{number}"


def manifest(*ranges: tuple[str, list[int]], labels: dict[int, str] | None = None, count: int = 12) -> bytes:
    """A manifest of Presentation 3.0 whose canvases have numbers for labels."""
    return json.dumps(
        {
            "id": BASE,
            "type": "Manifest",
            "items": [
                {
                    "id": canvas(number),
                    "type": "Canvas",
                    "label": {"none": [(labels or {}).get(number, str(number))]},
                }
                for number in range(count)
            ],
            "structures": [
                {
                    "id": f"{BASE}/range/{number}",
                    "type": "Range",
                    "label": {"none": [label]},
                    "items": [{"id": canvas(each), "type": "Canvas"} for each in canvases],
                }
                for number, (label, canvases) in enumerate(ranges)
            ],
        }
    ).encode()


def told(document: bytes) -> dict[int, str]:
    found = manifest_pages(document, BASE)
    assert not isinstance(found, Refusal), found
    return {int(name.rsplit("/", 1)[1]): kind for name, kind in found.items()}


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("Title page", "text"), ("Titelblatt", "text"), ("Page de titre", "text"), ("Titre", "text"),
        ("Table des planches", "text"), ("List of plates", "text"), ("Inhaltsverzeichnis", "text"),
        ("Abbildungsverzeichnis", "text"), ("Planche, 12r", "picture"), ("Tafel IV", "picture"),
        ("Plate 3. The heron", "picture"), ("Frontispiece", "picture"), ("[Illustration]", "picture"),
        ("Carte, 5v", "map"), ("Map: the coast of Brittany", "map"), ("Front cover", "binding"),
        ("Vorderer Einband", "binding"), ("Blank", "blank"), ("Colour checker", "target"),
        ("Music", "music"), ("Plan de l'ouvrage par ses auteurs", None), ("Chapter 3", None),
        ("Of the maps and plates that follow", None), ("12r", None), ("", None),
    ],
)  # fmt: skip
def test_a_label_that_names_a_sort_of_page_tells_its_kind(label, kind):
    assert told(manifest((label, [3]))).get(3) == kind
    assert told(manifest(labels={3: label})).get(3) == kind


def test_a_subject_of_many_pages_is_no_sort_of_page():
    pages = list(range(2, 9))
    assert told(manifest(("Maps and makers", pages))) == {}
    assert told(manifest(("Plates", pages))) == dict.fromkeys(pages, "picture")


def test_the_range_with_the_fewest_pages_decides_and_the_page_itself_before_it():
    document = manifest(("Plates", [1, 2, 3, 4]), ("Map, 3r", [3]), labels={4: "blank"})
    assert told(document) == {1: "picture", 2: "picture", 3: "map", 4: "blank"}


def test_ranges_within_ranges_and_those_of_presentation_2():
    inner: dict[str, Any] = {
        "id": "r2", "type": "Range", "label": {"en": ["The heron"]},
        "items": [{"id": f"{canvas(5)}#xywh=0,0,9,9", "type": "Canvas"},
                  {"type": "SpecificResource", "source": {"id": canvas(6), "type": "Canvas"}}],
    }  # fmt: skip
    outer = {"id": "r1", "type": "Range", "label": {"en": ["Plates"]}, "items": [inner]}
    document = {**json.loads(manifest()), "structures": [outer]}
    assert told(json.dumps(document).encode()) == {5: "picture", 6: "picture"}
    old = {
        "@id": BASE, "@type": "sc:Manifest", "label": "A book",
        "sequences": [{"canvases": [{"@id": canvas(n), "@type": "sc:Canvas", "label": f"p. {n}"}
                                    for n in range(4)]}],
        "structures": [
            {"@id": "a", "@type": "sc:Range", "label": "Planches", "ranges": ["b"], "canvases": [canvas(1)]},
            {"@id": "b", "@type": "sc:Range", "label": "Le héron", "ranges": ["a"], "canvases": [canvas(2)]},
        ],
    }  # fmt: skip
    assert told(json.dumps(old).encode()) == {1: "picture", 2: "picture"}, "a circle ends"


def test_a_manifest_in_a_folder_of_texts_and_one_that_is_none(tmp_path):
    (tmp_path / "a.manifest.json").write_bytes(manifest(("Plates", [1])))
    (tmp_path / "b.manifest.json").write_text('{"type": "AnnotationPage", "id": "x", "items": []}')
    (tmp_path / "c.manifest.json").write_text("{" * 10)
    folder = TextFolder(tmp_path)
    assert len(folder) == 0
    assert len(folder.refusals) == 2
    assert "no IIIF manifest, but AnnotationPage" in folder.refusals[0].reason
