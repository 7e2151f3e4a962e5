"""Findings of pages as numbers and as JSON, and the corrections that replace them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iconoclip.errors import BadInput
from iconoclip.page_layout.corrections import digest_of, read_corrections
from iconoclip.page_layout.findings import Finding, FoundBox, finding_from_json

KEY = "bnf-0123456789abcdef"


def sorted_corners(values: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    (left, right), (top, bottom) = sorted(values[0::2]), sorted(values[1::2])
    return left, top, right, bottom


shares = st.tuples(*[st.floats(0, 1)] * 4).map(sorted_corners)


@given(shares, st.integers(1, 5000), st.integers(1, 5000))
def test_pixels_of_a_box_lie_on_the_page_and_are_never_empty(corners, width, height):
    x, y, across, down = FoundBox("map", *corners, score=1.0).pixels(width, height)
    assert x >= 0
    assert y >= 0
    assert across >= 1
    assert down >= 1
    assert x + across <= width
    assert y + down <= height


def test_findings_survive_json():
    finding = Finding("mixed", 0.75, (FoundBox("initial", 0.1, 0.2, 0.3, 0.4, 0.5, -3.25),), "institution")
    assert finding_from_json(json.loads(json.dumps(finding.as_json()))) == finding


def line(kind: str = "text", boxes: str = "", key: str = KEY) -> str:
    return f'{{"key": "{key}", "kind": "{kind}", "boxes": [{boxes}]}}'


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "line 1"),
        ("[]", "line 1"),
        ('{"kind": "text", "boxes": []}', "'key' is missing"),
        (line(key="../etc"), "is no key"),
        (line(kind="poem"), "no kind of page"),
        (line(boxes='{"kind": "cat", "box": [0, 0, 1, 1]}'), "no kind of box"),
        (line(boxes='{"kind": "map", "box": [0, 0, 1, 2]}'), "lie on the page"),
        (line(boxes='{"kind": "map", "box": [0, 0, NaN, 1]}'), "lie on the page"),
        (line(boxes='{"kind": "map", "box": [1, 1]}'), "line 1"),
    ],
)
def test_what_is_no_correction_is_named_with_its_line(tmp_path, line, complaint):
    path = tmp_path / "corrections.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(BadInput, match=complaint):
        read_corrections(path)


def test_the_last_correction_of_a_page_counts(tmp_path):
    path = tmp_path / "corrections.jsonl"
    first, last = ({"key": KEY, "kind": kind, "boxes": []} for kind in ("text", "blank"))
    path.write_text(f"{json.dumps(first)}\n\n{json.dumps(last)}\n")
    found = read_corrections(path)
    assert found[KEY].kind == "blank"
    assert found[KEY].origin == "correction"
    assert digest_of(found, ["other-0123456789abcdef"]) == digest_of({}, [KEY])
    assert digest_of(found, [KEY]) != digest_of({}, [KEY])
