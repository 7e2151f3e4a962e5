"""Real 2.1 documents, upgraded, are Presentation 3.0 according to iiif-prezi3, and lose no image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import iiif_prezi3
import pytest
from pydantic import ValidationError

from data_prep.iiif.document import parse_object
from data_prep.iiif.upgrade import is_version_3, upgrade

MATERIAL = Path(__file__).parents[2].parent / "shared" / "material"

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not MATERIAL.is_dir(), reason=f"the real material is not at {MATERIAL}"),
]

# iiif-prezi3 takes some milliseconds a canvas: the largest documents are left out.
MAX_BYTES = 150_000
# Values that are wrong in the source, and are kept as they are: readers check them.
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
