"""Overlap, matching, the table of results and its intervals. Expected numbers come from arithmetic."""

from __future__ import annotations

import pytest

from iconoclip.page_layout.findings import Finding, FoundBox
from iconoclip.page_layout.measure import Score, box_score, f1_interval, match, overlap
from iconoclip.page_layout.table import Measured, as_markdown, kinds_as_markdown, rows_of


def test_overlap_is_intersection_over_union():
    assert overlap((0, 0, 2, 2), (1, 1, 3, 3)) == pytest.approx(1 / 7)
    assert overlap((0, 0, 2, 2), (2, 0, 4, 2)) == 0
    assert overlap((0, 0, 1, 1), (0, 0, 1, 1)) == 1


def test_each_box_is_matched_once_and_the_best_pairs_first():
    wanted = [(0.0, 0.0, 1.0, 1.0)]
    found = [(0.0, 0.0, 1.0, 0.6), (0.0, 0.0, 1.0, 0.9)]
    assert match(found, wanted, 0.5) == [(1, 0)]
    assert box_score(found, wanted, 0.5) == Score(1, 1, 0)
    assert Score(3, 1, 2).f1 == pytest.approx(6 / 9)
    assert Score().f1 == 1


def test_the_table_counts_pages_and_boxes_by_group():
    box = FoundBox("ornament", 0.0, 0.0, 0.5, 0.5, 0.9)
    pages = [
        Measured("a", "1", [("illustration", (0.0, 0.0, 0.5, 0.5))], "mixed", Finding("text", 0.9, (box,))),
        Measured("b", "2", [], "text", Finding("text", 0.9)),
    ]
    rows = rows_of(pages)
    # Found as a graphic, although as another kind of one.
    assert rows["a"].scores["graphic boxes at 0.5"] == Score(1, 0, 0)
    assert rows["a"].scores["pictures at 0.5"] == Score(0, 0, 1)
    assert rows["a"].scores["ornaments at 0.5"] == Score(0, 1, 0)
    assert rows["all"].num_right_kinds == 1
    assert "| all | 2 |" in as_markdown(rows)
    (line,) = [line for line in kinds_as_markdown(pages).splitlines() if line.startswith("| illustration")]
    # Marked once, found once as some kind, never as an illustration.
    assert line == "| illustration | 1 | 1.00 | 0.000 (1.00, 0.00) | 0.000 (1.00, 0.00) | ornament 1 |"


def test_intervals_are_those_of_documents_and_not_of_pages():
    alike = [Score(8, 2, 2)] * 5
    assert f1_interval(alike) == pytest.approx((0.8, 0.8)), "documents that are alike leave no doubt"
    # Of two documents, one all right and one all wrong, a resample has both with a chance of a half.
    assert f1_interval([Score(5, 0, 0), Score(0, 5, 5)]) == (0.0, 1.0)
    assert f1_interval([Score(), Score()]) == (1.0, 1.0), "nothing there and nothing found"
