"""Findings of pages as numbers and as JSON, and the corrections that replace them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iconoclip.errors import BadInput
from iconoclip.page_layout.corrections import as_correction, digest_of, read_corrections
from iconoclip.page_layout.findings import LEAST_SIDE, Finding, FoundBox, finding_from_json
from iconoclip.page_layout.kinds import BOX_KINDS, PAGE_KINDS

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


# Edges that lie close to each other, too: what an institution marks may be a thousandth of a pixel wide.
widths = st.one_of(st.floats(0, 1), st.floats(1e-9, 1e-3))
not_empty = (
    st.tuples(st.floats(0, 0.999), st.floats(0, 0.999), widths, widths)
    .map(lambda one: (one[0], one[1], min(one[0] + one[2], 1.0), min(one[1] + one[3], 1.0)))
    .filter(lambda one: one[0] < one[2] and one[1] < one[3])
)
boxes = st.builds(
    lambda kind, corners, score, tilt: FoundBox(kind, *corners, score=score, tilt=tilt),
    st.sampled_from(BOX_KINDS), not_empty, st.floats(0, 1), st.floats(-45, 45),
)  # fmt: skip
findings = st.builds(
    Finding,
    st.sampled_from(PAGE_KINDS),
    st.floats(0, 1),
    st.lists(boxes, max_size=3).map(tuple),
    st.sampled_from(["model", "institution", "correction"]),
)


@given(findings)
def test_findings_survive_json(finding):
    assert finding_from_json(json.loads(json.dumps(finding.as_json()))) == finding


@given(findings)
def test_a_finding_written_as_a_correction_is_read_as_the_same_boxes(tmp_path_factory, finding):
    path = tmp_path_factory.getbasetemp() / "written.jsonl"
    path.write_text(json.dumps(as_correction(KEY, finding)) + "\n")
    if any(min(box.right - box.left, box.bottom - box.top) < LEAST_SIDE for box in finding.boxes):
        with pytest.raises(BadInput, match=r"line 1 .*less than 0\.001 of the page"):
            read_corrections(path)
    else:
        expected = replace(finding, probability=1.0, origin="correction")
        assert read_corrections(path) == {KEY: expected}


def line(kind: str = "text", boxes: str = "", key: str = KEY) -> str:
    return f'{{"key": "{key}", "kind": "{kind}", "boxes": [{boxes}]}}'


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "line 1"),
        ("[]", "no JSON object"),
        ('"text"', "no JSON object"),
        ('{"kind": "text", "boxes": []}', "'key' is missing"),
        (line(key="../etc"), "is no key"),
        (line(kind="poem"), "no kind of page"),
        (line(boxes='{"kind": "cat", "box": [0, 0, 1, 1]}'), "no kind of box"),
        (line(boxes='{"kind": "map", "box": [0, 0, 1, 2]}'), "shares of the page"),
        (line(boxes='{"kind": "map", "box": [0, 0, NaN, 1]}'), "shares of the page"),
        (line(boxes='{"kind": "map", "box": [0.5, 0, 0.5, 1]}'), "is empty"),
        (line(boxes='{"kind": "map", "box": [0.1, 0.2, 0.100004, 0.6]}'), "less than 0.001 of the page"),
        (line(boxes='{"kind": "map", "box": [1, 1]}'), "line 1"),
        (line(boxes='{"kind": "map", "box": ["0", "0", "1", "1"]}'), "is a number from 0 to 1"),
        (line(boxes='{"kind": ["map"], "box": [0, 0, 1, 1]}'), "no kind of box"),
        (line(boxes='{"kind": "map", "box": [0, 0, 1, 1], "tilt": 1%s}' % ("0" * 400)), "tilt is a number"),
        (line(boxes='{"kind": "map", "box": [0, 0, 1, 1], "tilt": 1%s}' % ("0" * 5000)), "line 1"),
        (line(boxes='{"kind": "map", "box": [0, 0, 1, 1], "tilt": 1e400}'), "tilt is a number"),
        (line(boxes='{"kind": "map", "box": [0, 0, 1, 1], "tilt": NaN}'), "tilt is a number"),
        (line(boxes='{"kind": "map", "box": [0, 0, 1, 1], "score": NaN}'), "score is a number"),
        (line(boxes='{"kind": "map", "box": [0, 0, 1, 1], "score": true}'), "score is a number"),
        (line(boxes="5"), "line 1"),
        ("[" * 200_000, "line 1"),
        ('{"key":' * 200_000, "line 1"),
    ],
)
def test_what_is_no_correction_is_named_with_its_line(tmp_path, line, complaint):
    path = tmp_path / "corrections.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(BadInput, match=complaint) as refused:
        read_corrections(path)
    assert refused.value.where == str(path)
    assert "line 1" in refused.value.what


def test_the_last_correction_of_a_page_counts(tmp_path):
    path = tmp_path / "corrections.jsonl"
    first, last = ({"key": KEY, "kind": kind, "boxes": []} for kind in ("text", "blank"))
    # As an editor of Windows writes it: with a byte order mark, and other ends of lines.
    path.write_bytes(f"\ufeff{json.dumps(first)}\r\n\r\n{json.dumps(last)}\r\n".encode())
    found = read_corrections(path)
    assert found[KEY].kind == "blank"
    assert found[KEY].origin == "correction"
    assert digest_of(found, ["other-0123456789abcdef"]) == digest_of({}, [KEY])
    assert digest_of(found, [KEY]) != digest_of({}, [KEY])
