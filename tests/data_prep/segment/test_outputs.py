"""What a run leaves in its folder: never files of two runs that count as finished."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.data_prep.segment.conftest import PICTURE, page
from tests.data_prep.segment.running import command, files_of


def test_a_run_without_pictures_leaves_the_set_of_an_earlier_one(pages_set, tmp_path, capsys):
    pages = pages_set([page(PICTURE), page()])
    out = tmp_path / "out"
    assert command(pages, out) == 0
    before = files_of(out)
    capsys.readouterr()
    assert command(pages, out, "--least_score", "0.999") == 2
    said = capsys.readouterr().err
    assert "no picture was found on 2 pages" in said
    assert "the set of an earlier run stays as it was" in said
    assert files_of(out) == before
    assert command(pages, out) == 0
    assert files_of(out) == before


@pytest.mark.parametrize("is_cut_short", [False, True])
def test_a_run_without_pictures_leaves_nothing_that_counts_as_finished(pages_set, tmp_path, is_cut_short):
    pages = pages_set([page(PICTURE), page()])
    assert command(pages, tmp_path / "right") == 0
    out = tmp_path / "out"
    if is_cut_short:
        # As a kill leaves it: the set without segment.json.
        shutil.copytree(tmp_path / "right", out)
        (out / "segment.json").unlink()
    assert command(pages, out, "--least_score", "0.999") == 2
    assert sorted(files_of(out)) == ["pages.parquet", "report.html"]
    assert command(pages, out) == 0
    assert files_of(out) == files_of(tmp_path / "right")


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.long)])
def test_whatever_is_cut_short_the_same_command_makes_whole(pages_set, tmp_path, monkeypatch, step):
    pages = pages_set([page(PICTURE)])
    out, states = tmp_path / "out", tmp_path / "states"
    other = ("--max_side_pixels", "100", "--name", "another")
    assert command(pages, out, *other) == 0
    assert command(pages, out) == 0
    before = files_of(out)

    def watched(real):
        def call(*args, **values):
            state = states / f"{len(list(states.iterdir())):02}"
            shutil.copytree(out, state)
            return real(*args, **values)

        return call

    states.mkdir()
    for name in ("replace", "unlink"):
        monkeypatch.setattr(Path, name, watched(getattr(Path, name)))
    assert command(pages, out, *other) == 0
    monkeypatch.undo()
    # Each state is what a kill would leave before the next file appears or goes.
    every = sorted(states.iterdir())
    assert len(every) > 8
    for state in every[::step]:
        assert command(pages, state) == 0
        assert files_of(state) == before, f"killed before step {state.name} of {len(every)}"


def test_a_damaged_segment_json_means_that_the_set_is_not_finished(pages_set, tmp_path, capsys):
    pages = pages_set([page(PICTURE)])
    out = tmp_path / "out"
    assert command(pages, out) == 0
    before = files_of(out)
    whole = json.loads(before["segment.json"])
    for text in ("[]", "[" * 100_000, json.dumps({**whole, "service": []})):
        (out / "segment.json").write_text(text)
        assert command(pages, out) == 0, text[:50]
        assert files_of(out) == before
    assert "segmented already" not in capsys.readouterr().out
