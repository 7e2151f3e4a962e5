"""Withdrawn pages take their pictures with them, and withdrawn pictures do not come back."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from data_prep.contribute.config import TakedownConfig
from data_prep.contribute.takedown import takedown
from iconoclip.cli import main
from iconoclip.shardset import ShardSet
from iconoclip.withdrawals import LISTS_VARIABLE, add_to_list
from tests.data_prep.segment.conftest import HEIGHT, PICTURE, WIDTH, page
from tests.data_prep.segment.running import command, run

SHARES = (PICTURE[0] / WIDTH, PICTURE[1] / HEIGHT, PICTURE[2] / WIDTH, PICTURE[3] / HEIGHT)


def test_withdrawn_pictures_stay_withdrawn_whatever_is_changed(pages_set, tmp_path):
    pages = pages_set([page(PICTURE), page(PICTURE), page(PICTURE)])
    first, second, third = run(pages, tmp_path / "out").records()
    of_pages = [record.key for record in pages.records()]

    def withdraw(folder, key):
        takedown(TakedownConfig(shardset=folder, keys=[key], reason="a claim", at="2026-02-01T00:00:00Z"))

    withdraw(tmp_path / "out", first.key)
    withdraw(pages.folder, of_pages[1])
    # Another engine setting looks at all pages again, and never saw the withdrawn one.
    after = run(ShardSet(pages.folder), tmp_path / "out", max_side_pixels=100)
    assert [record.key for record in after.records()] == [third.key]
    assert {one.key for one in after.manifest.tombstones} == {first.key, second.key}
    # Killed while it was written: the set has no manifest, and with it no tombstone.
    (tmp_path / "out" / "shardset.json").unlink()
    again = run(ShardSet(pages.folder), tmp_path / "out")
    assert [record.key for record in again.records()] == [third.key]
    kept = [row for part in (tmp_path / "out" / ".segment").glob("*.parquet")
            for row in pq.read_table(part).to_pylist()]  # fmt: skip
    assert of_pages[1] not in {row["key"] for row in kept}, "its picture is not on the disk either"


SMALLER = (150, 500, 380, 650)


@pytest.mark.parametrize(
    ("options", "code", "num_left"),
    [
        pytest.param(("--least_score", "0.999"), 2, 0, id="other options find none"),
        pytest.param(("--name", "another"), 0, 1, id="the set gets another name"),
        pytest.param(("--corrections", "nowhere.jsonl"), 4, 1, id="the command fails before it reads"),
    ],
)
def test_withdrawn_pictures_leave_the_folder_whatever_comes_of_the_command(
    pages_set, tmp_path, capsys, options, code, num_left
):
    pages = pages_set([page(PICTURE), page(SMALLER)])
    out = tmp_path / "pictures"
    assert command(pages, out) == 0
    (gone, image), _ = ShardSet(out).samples()
    first = next(iter(pages.records()))
    assert main(["takedown", str(pages.folder), first.key, "--reason", "the heir objects"]) == 0
    assert _is_in(out, image)
    capsys.readouterr()
    assert command(pages, out, *options) == code
    found = ShardSet(out)
    assert len(found) == num_left
    assert [(one.key, one.reason) for one in found.manifest.tombstones] == [(gone.key, "withdrawn")]
    assert not _is_in(out, image)
    assert main(["check", str(out)]) == 0
    if not num_left:
        assert "the set is empty now" in capsys.readouterr().err


def test_a_withdrawn_picture_does_not_come_back_with_other_edges(pages_set, tmp_path):
    pages = pages_set([page(PICTURE, SMALLER), page(PICTURE)])
    out = tmp_path / "pictures"
    assert command(pages, out) == 0
    *of_first, kept = ShardSet(out).records()
    gone, smaller = sorted(of_first, key=lambda record: record.source.region.y)
    assert main(["takedown", str(out), gone.key, "--reason", "a claim"]) == 0
    left, top, right, bottom = SHARES
    boxes = [
        (left + 0.02, top - 0.01, right + 0.01, bottom - 0.02),
        (left, top, left + 0.2, top + 0.1),
        (SMALLER[0] / WIDTH, SMALLER[1] / HEIGHT, SMALLER[2] / WIDTH, SMALLER[3] / HEIGHT),
    ]
    corrected = {
        "key": next(iter(pages.records())).key,
        "kind": "mixed",
        "boxes": [{"kind": "illustration", "box": box} for box in boxes],
    }
    (tmp_path / "corrections.jsonl").write_text(json.dumps(corrected) + "\n")
    assert command(pages, out, "--corrections", str(tmp_path / "corrections.jsonl")) == 0
    below, other = ShardSet(out).records()
    assert other.key == kept.key
    assert abs(below.source.region.y - smaller.source.region.y) < 30


def _is_in(folder: Path, image: bytes) -> bool:
    """Whether a file below a folder holds these bytes, also as a part keeps them."""
    parts = [row["images"] for path in folder.glob(".segment/*.parquet")
             for row in pq.read_table(path, columns=["images"]).to_pylist()]  # fmt: skip
    files = (path.read_bytes() for path in folder.rglob("*") if path.is_file())
    return any(image in images for images in parts) or any(image in data for data in files)


def test_lists_that_withdraw_pages_withdraw_their_pictures(pages_set, tmp_path, monkeypatch):
    (tmp_path / "inside").mkdir()
    folder = pages_set([page(PICTURE), page(SMALLER)]).folder.rename(tmp_path / "inside" / "book")
    pages, out = ShardSet(folder), tmp_path / "pictures"
    of_pages = [record.key for record in pages.records()]
    assert command(pages, out) == 0
    pictures = [record.key for record in ShardSet(out).records()]

    def check(code: int, num_gone: int) -> None:
        assert command(pages, out) == code
        found = ShardSet(out)
        assert [record.key for record in found.records()] == pictures[num_gone:]
        assert {one.key for one in found.manifest.tombstones} == set(pictures[:num_gone])

    add_to_list(folder.parent / "withdrawn.parquet", of_pages[:1])
    check(0, 1)
    add_to_list(tmp_path / "another.parquet", of_pages[1:])
    monkeypatch.setenv(LISTS_VARIABLE, str(tmp_path / "another.parquet"))
    check(2, 2)
