"""Whole records as some sixty institutions serve them: what reaches captions, dates, makers and rights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from data_prep.institutions import profile_for
from iconoclip.people import person
from iconoclip.rights import judge, may_train
from tests.data_prep.iiif.documents import canvas_3, image_3, manifest_3, read

RECORDS: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "whole_records.yaml").read_text(encoding="utf-8")
)


def test_the_table_is_as_large_as_it_should_be() -> None:
    assert len(RECORDS) >= 60


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["label"][:40])
def test_a_record_says_what_its_reader_expects(record: dict[str, Any]) -> None:
    def words(text: str) -> dict[str, list[str]]:
        return {record["tag"]: [text]}

    canvases = [
        canvas_3(str(number), image_3(str(number)), label={"none": [label]})
        for number, label in enumerate(record["canvases"])
    ]
    pairs = [line.partition(" = ")[::2] for line in record["metadata"]]
    document = manifest_3(
        *canvases,
        id=record["address"],
        label=words(record["label"]),
        metadata=[{"label": words(label), "value": words(value)} for label, value in pairs],
        rights=record.get("rights"),
        requiredStatement={"label": words("Attribution"), "value": words(record.get("credit", ""))},
    )
    candidates = read(document, profile_for(record["address"])).candidates
    first, expected = candidates[0], record["expected"]
    texts = [caption.text for caption in first.captions]
    everything = [caption.text for one in candidates for caption in one.captions]
    found: dict[str, Any] = {
        "captions": everything or "none",
        "says": [part for part in expected.get("says", []) if any(part in text for text in texts)],
        "never": [part for part in expected.get("never", []) if not any(part in text for text in everything)],
        "years": [first.date.earliest, first.date.latest] if first.date else None,
        "makers": [person(creator).name for creator in first.creators],
        "language": first.captions[0].language if first.captions else None,
        "train": first.rights_raw is not None and may_train(judge(first.rights_raw), "open"),
    }
    assert {name: found[name] for name in expected} == expected, texts
