"""Real 2.1 documents, upgraded, are Presentation 3.0 in the eyes of iiif-prezi3, and lose no image on the
way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import iiif_prezi3
import pytest
from pydantic import ValidationError

from data_prep.iiif.document import parse_object
from data_prep.iiif.presentation import read_presentation
from data_prep.iiif.upgrade import is_version_3, upgrade
from data_prep.institutions import profile_for

MATERIAL = Path(__file__).parents[2].parent / "shared" / "material"

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not MATERIAL.is_dir(), reason=f"the real material is not at {MATERIAL}"),
]

# iiif-prezi3 takes some milliseconds a canvas: the largest documents are left out.
MAX_BYTES = 150_000
# Values that are wrong in the source, and are kept as they are: a reader judges them.
OF_THE_SOURCE = {"rights", "rendering", "homepage", "seeAlso", "partOf", "logo", "navDate", "thumbnail"}


def small(*folders: str) -> list[Path]:
    paths = [path for folder in folders for path in sorted((MATERIAL / folder).glob("*.json"))]
    return [path for path in paths if path.stat().st_size <= MAX_BYTES]


@pytest.mark.parametrize("path", small("manifests/v2", "collections/v2"), ids=lambda path: path.stem)
def test_an_upgraded_document_is_version_3(path: Path) -> None:
    value = parse_object(path.read_bytes(), str(path))
    assert isinstance(value, dict)
    upgraded = upgrade(value)
    assert is_version_3(upgraded)
    model: Any = getattr(iiif_prezi3, upgraded["type"])
    try:
        model(**upgraded)
    except ValidationError as error:
        wrong = [
            found for found in error.errors() if not {str(part) for part in found["loc"]} & OF_THE_SOURCE
        ]
        assert wrong == []


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


@pytest.mark.parametrize("folder", ["manifests/v2", "manifests/v3", "manifests/v3-converted"])
def test_every_image_is_a_candidate_or_refused(folder: str) -> None:
    paths = sorted((MATERIAL / folder).glob("*.json"))
    assert paths
    for path in paths:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
        expected = _num_images_2(value) if folder.endswith("v2") else _num_images_3(value)
        found = read_presentation(path.read_bytes(), str(path), profile_for(str(path)))
        canvases = {candidate.source.id for candidate in found.candidates}
        no_images = ("a canvas without an image", "a manifest without canvases", "a Canvas, neither")
        refused = [
            item
            for item in found.refusals
            if not item.reason.startswith(no_images) and "#xywh" not in item.source
        ]
        assert len(canvases) + len(refused) == expected, path.name
