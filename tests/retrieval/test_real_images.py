"""The real pictures of two national libraries, through encode, index and search."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from iconoclip.record import Caption, Institution, Record, Source, sample_key
from iconoclip.record import Image as StoredImage
from iconoclip.rights import judge
from retrieval.encode.pixels import decode, to_jpeg
from retrieval.engine import SearchEngine
from retrieval.questions import Filters, Query

MATERIAL = Path(__file__).parents[3] / "shared" / "material" / "images"

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not MATERIAL.is_dir(), reason="needs the real material in ../shared/material"),
]


def sample(row: dict[str, Any]) -> tuple[Record, bytes]:
    image = decode((MATERIAL.parent / row["file"]).read_bytes())
    image.thumbnail((256, 256))
    jpeg = to_jpeg(image)
    slug = "bnf" if "France" in row["institution"] else "kb"
    creators = row.get("creator") or []
    record = Record(
        key=sample_key(slug, row["file"]),
        institution=Institution(slug=slug, name=row["institution"]),
        source=Source(id=row["file"], manifest=row.get("iiif_manifest")),
        captions=(Caption(text=row["caption"], language=row["caption_lang"] or "und", field="title"),),
        creators=tuple([creators] if isinstance(creators, str) else creators),
        rights=judge(str(row.get("rights") or "")),
        image=StoredImage(width=image.width, height=image.height, sha256=hashlib.sha256(jpeg).hexdigest()),
        group=str(row.get("iiif_manifest") or row["file"]),
        harvested_at="2026-01-01T00:00:00Z",
        harvested_by="test",
    )
    return record, jpeg


# `tests/corpus/test_pipeline.py` has the short form.
@pytest.mark.long
def test_the_pipeline_works_on_real_images(make_index: Callable[..., Path]) -> None:
    lines = (MATERIAL / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    samples = [sample(json.loads(line)) for line in lines]
    with SearchEngine.open(make_index(samples)) as engine:
        assert engine.status().num_items == len(samples)
        for text in ("Dürer tête de jeune garçon", "durer tete garcon"):
            assert "jeune garçon" in engine.search(Query(text=text, mode="keyword")).hits[0].title
        for record, jpeg in samples[::20]:
            # A half-size copy is another file, and still the same picture.
            with Image.open(io.BytesIO(jpeg)) as image:
                copy = image.convert("RGB").resize((image.width // 2 or 1, image.height // 2 or 1))
            found = engine.search(Query(image=to_jpeg(copy), k=5, fold=False)).hits
            assert record.key in {hit.key for hit in found}
        facets = engine.facets(Filters())
        assert {value.value for value in facets.institution} == {"bnf", "kb"}
        only = engine.search(Query(text="portrait", filters=Filters(institution=("kb",)), k=200, fold=False))
        assert only.total == sum(hit.score >= 0.5 for hit in only.hits)
        listed = engine.search(Query(filters=Filters(institution=("kb",))))
        assert listed.total == sum(record.institution.slug == "kb" for record, _ in samples)
