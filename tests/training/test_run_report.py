"""The page about a run, through the real command: what it draws and states, and what it may not contain."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lxml.html
import numpy as np
import pyarrow as pa
import pytest
import yaml

from iconoclip.files import write_json
from iconoclip.rundir import RunDir
from iconoclip.shardset import ShardSet, Tombstone, with_tombstones
from tests import commands
from training.charts import axis, chart, thinned
from training.config import TrainConfig
from training.data.numbers import caption_numbers
from training.data.samples import load
from training.evaluation.nearest import NearestCaptions
from training.evaluation.retrieval_score import LanguageQueries
from training.run_report.pictures import pictures_of
from training.run_report.starts import starts_of

from .conftest import jpeg, make_record, write_set

HOSTILE = '<script src="https://evil.example/x.js"></script>'


def make_run(folder: Path) -> Path:
    """A run of 40 steps that was continued from step 20, as training writes it."""
    folder.mkdir()
    config = TrainConfig(shardsets=["nowhere"], run_dir=folder).model_dump(mode="json")
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    lines: list[dict[str, Any]] = []
    for step in range(1, 41):
        lines.append({"step": step, "samples": 8 * step, "loss": 4 - step / 20, "energy_kwh": step / 1000})
        if step % 20 == 0:
            lines.append({"step": step, "validation/en/recall@1": step / 100, "validation/en/recall@5": 0.9})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"cut')
    attempt = {"job_id": 7, "nodes": "n1", "exit_code": 137, "stop": "lost", "progress": 23}
    attempts = [
        {**attempt, "started_at": "2026-01-01T00:00:00Z", "ended_at": "2026-01-01T01:00:00Z"},
        {**attempt, "started_at": "2026-01-01T02:00:00Z", "ended_at": None},
    ]
    starts = [
        {"at": "2026-01-01T00:01:00Z", "step": 0, "host": "n1", "job": "7"},
        {"at": "2026-01-01T02:01:00Z", "step": 20, "host": "n1", "job": "7"},
    ]
    job = {"state": "running", "num_steps": 80, "starts": starts, "slurm": {"work": {"attempts": attempts}}}
    (folder / "job.json").write_text(json.dumps(job))
    data = {
        "num_samples": 5, "policy": "open", "by_language": {"en": 3, "de": 9}, "by_institution": {HOSTILE: 5},
        "by_rights": {"http://creativecommons.org/publicdomain/zero/1.0/": 5},
        "shardsets": [{"name": "s", "digest": "0123456789abcdef0"}],
    }  # fmt: skip
    (folder / "data.json").write_text(json.dumps(data))
    seen = [
        (20, "a cat", False),
        (40, "a dog", False),
        (60, "from before the restart", False),
        (40, HOSTILE, True),
    ]
    pictures = [
        {"step": step, "language": "en", "pictures": [
            {"key": "k-1", "own": HOSTILE, "nearest": text, "score": 0.5, "is_right": right}]}
        for step, text, right in seen
    ]  # fmt: skip
    (folder / "nearest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in pictures) + '{"cut')
    return folder


def test_the_page_of_a_run(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    done = commands.run(["report", str(run), "--no_pictures"])
    assert done.returncode == 0, done.stderr
    text = (run / "report.html").read_text()
    page = lxml.html.fromstring(text)
    # Nothing from other hosts, no scripts, whatever the records contain.
    assert not page.xpath("//script | //link | //*[@src][not(starts-with(@src, 'data:'))]")
    assert HOSTILE not in text
    words = re.sub(r"\s+", " ", page.text_content())
    assert "running, step 40 of 80" in words
    # Energy as in the card: 0.04 kWh at 250 g per kWh are 10 g.
    assert "about 0.04 kWh and 10 g of CO2" in words
    loss = page.xpath("//figure[figcaption='Loss']")[0]
    points = [tuple(map(float, one.split(","))) for one in loss.xpath(".//polyline/@points")[0].split()]
    assert len(points) == 40
    # Steps 1 and 40 of 40, from x 58 to x 360.
    assert (points[0][0], points[-1][0]) == pytest.approx((58 + 302 / 40, 360), abs=0.1)
    assert points == sorted(points)
    assert len(loss.xpath(".//line[@class='mark']")) == 1
    assert float(loss.xpath(".//line[@class='mark']/@x1")[0]) == 58 + 302 / 2
    rows = [[cell.text_content() for cell in row] for row in page.xpath("//tr[th]")]
    assert ["English", "40", "0.400", "0.900", "", "0.400 at step 40"] in rows
    assert ["2026-01-01T02:00:00Z", "20", "job 7 on n1", ""] in rows
    assert ["German", "", "9"] in rows
    assert "CC0" in "".join(row[0] for row in rows)
    # The last line of a step counts; what a killed process wrote after the checkpoint does not.
    moments = [item.text_content() for item in page.xpath("//ul[@class='moments']/li")]
    assert [moment[:2] for moment in moments] == ["20", "40"]
    assert "a dog" not in words
    assert "before the restart" not in words
    assert "0 of 1 at step 20, 1 of 1 at step 40" in words


def test_what_is_no_run_is_said_to_be_none(tmp_path: Path) -> None:
    done = commands.run(["report", str(tmp_path)])
    assert (done.returncode, "no run here" in done.stderr) == (4, True)
    run = make_run(tmp_path / "run")
    (run / "job.json").write_text("[]")
    done = commands.run(["report", str(run)])
    assert (done.returncode, "cannot be read" in done.stderr) == (2, True)


def test_a_run_that_has_recorded_nothing_has_a_page(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    for name in ("metrics.jsonl", "nearest.jsonl", "data.json"):
        (run / name).unlink()
    (run / "job.json").write_text("{}")
    assert commands.run(["report", str(run), "--out", str(tmp_path / "new" / "a.html")]).returncode == 0
    assert "Nothing is recorded yet" in (tmp_path / "new" / "a.html").read_text()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 100.0], (0.0, 100.0, 20.0)),
        ([1.1, 4.9], (1.0, 5.0, 1.0)),
        ([3.0], (2.0, 4.0, 1.0)),
        ([0.0, 0.0014], (0.0, 0.0015, 0.0005)),
        ([-3.0, 7.0], (-4.0, 8.0, 2.0)),
        ([0.0], (0.0, 1.0, 0.2)),
    ],
)
def test_axes_are_round_and_contain_the_values(
    values: list[float], expected: tuple[float, float, float]
) -> None:
    low, high, step = axis(values)
    assert low <= min(values)
    assert max(values) <= high
    if len(values) > 1:
        assert (low, high, step) == pytest.approx(expected)
    assert (high - low) / step <= 7


def test_long_curves_are_thinned_to_means() -> None:
    points = [(float(at), float(at % 2)) for at in range(1, 100_001)]
    few = thinned(points)
    assert len(few) <= 400
    assert few[-1] == points[-1]
    # A run of an even number of alternating zeros and ones has the mean one half.
    assert [value for _, value in few[:-2]] == pytest.approx([0.5] * len(few[:-2]), abs=0.01)
    assert chart("empty", {"": []}) is None


def test_lines_that_were_cut_or_hold_odd_ends_of_lines_are_read(tmp_path: Path) -> None:
    data = jpeg("red", "blue", "disc")
    record = make_record(0, data, {"en": "a\u2028b", "fr": "c\x85d"}, split="val")
    corpus = write_set(tmp_path / "set", [(record, data)])
    run = make_run(tmp_path / "run")
    config = TrainConfig(run_dir=run, data={"sources": [{"shards": str(corpus)}]})  # type: ignore[arg-type]
    (run / "config.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")))
    seen = {"key": record.key, "own": "a\u2028b", "nearest": "c\x85d", "score": 0.5, "is_right": False}
    line = {"step": 1, "language": "en", "pictures": [seen]}
    (run / "nearest.jsonl").write_bytes(
        json.dumps(line, ensure_ascii=False).encode() + b'\n{"step": 2, "language": "\xc3'
    )
    found = pictures_of(RunDir(run), last_step=40, shows=True)
    assert found
    assert [one.text for one in found.rows[0].moments] == ["c\x85d"]
    # The picture comes from a set that only data.sources names.
    assert (found.note, found.rows[0].data_uri[:22]) == ("", "data:image/jpeg;base64")


def test_what_was_withdrawn_is_neither_kept_nor_shown(tmp_path: Path) -> None:
    data = jpeg("red", "blue", "disc")
    records = [make_record(number, data, {"en": f"lion {number}"}, split="val") for number in range(3)]
    corpus = write_set(tmp_path / "set", [(one, data) for one in records])
    run = make_run(tmp_path / "run")
    config = TrainConfig(shardsets=[str(corpus)], run_dir=run)
    (run / "config.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")))
    samples = load([str(corpus)], split="val", policy="open")
    # Each picture is nearest to the caption of the next; the first line is of an earlier version.
    texts = tuple(f"lion {number}" for number in range(3))
    found = NearestCaptions(run)
    eye = np.eye(3, dtype=np.float32)
    old = {
        "step": 1,
        "language": "en",
        "pictures": [
            {"key": records[0].key, "own": "lion 0", "nearest": "lion 2", "score": 0.5, "is_right": False}
        ],
    }
    (run / "nearest.jsonl").write_text(json.dumps(old) + "\n")
    queries = LanguageQueries("en", np.arange(3), np.arange(3), texts)
    found.see(queries, eye, np.roll(eye, 1, axis=1), samples, [0, 1, 2])
    found.write(2)
    assert "lion" not in (run / "nearest.jsonl").read_text().splitlines()[1]

    def shown(*, shows: bool) -> list[tuple[str, list[str]]]:
        pictures = pictures_of(RunDir(run), last_step=40, shows=shows)
        assert pictures
        return [(row.own, [one.text for one in row.moments]) for row in pictures.rows]

    whole = [("lion 0", ["lion 2", "lion 1"]), ("lion 1", ["lion 2"]), ("lion 2", ["lion 0"])]
    assert shown(shows=True) == shown(shows=False) == whole
    tombstone = Tombstone(key=records[2].key, reason="asked to", at="2026-01-02T00:00:00Z")
    manifest = with_tombstones(ShardSet(corpus).manifest, [tombstone])
    write_json(corpus / "shardset.json", manifest.model_dump(mode="json"))
    left = [("lion 0", ["", "lion 1"]), ("lion 1", [""])]
    assert shown(shows=True) == shown(shows=False) == left
    (corpus / "shardset.json").unlink()
    pictures = pictures_of(RunDir(run), last_step=40, shows=False)
    assert pictures
    assert "the shard sets cannot be read" in pictures.note
    assert {row.own for row in pictures.rows} == {""}


def test_starts_without_a_scheduler_are_those_that_training_noted() -> None:
    starts = starts_of({"starts": [{"at": "t", "step": 3, "host": "h", "job": None}]})
    assert [(one.at, one.step, one.where, one.ended) for one in starts] == [("t", 3, "h", "")]
    assert starts_of({}) == []


def test_the_nearest_caption_is_the_one_with_the_largest_product(tmp_path: Path) -> None:
    images_ND = np.eye(3, dtype=np.float32)
    # The second text is nearest to the first picture and to the second, whose own it is.
    texts_TD = np.array([[0.1, 0, 0], [0.9, 0.8, 0], [0, 0, 0.7]], dtype=np.float32)
    queries = LanguageQueries("en", np.arange(3), np.arange(3), ("one", "two", "three"))
    samples: Any = SimpleNamespace(keys=pa.array(["k0", "k1", "k2", "k3"]))
    two, three = caption_numbers(pa.array(["two", "three"])).tolist()
    found = NearestCaptions(tmp_path)
    found.see(queries, texts_TD, images_ND, samples, [3, 1, 2])
    fewer = LanguageQueries("de", np.arange(1), np.arange(1), ("eins",))
    found.see(fewer, texts_TD, images_ND, samples, [3, 1, 2])
    found.write(5)
    found.write(6)
    lines = [json.loads(line) for line in (tmp_path / "nearest.jsonl").read_text().splitlines()]
    assert [(line["step"], line["language"]) for line in lines] == [(5, "en")]
    assert [(one["key"], one["nearest"], one["is_right"]) for one in lines[0]["pictures"]] == [
        ("k3", two, False), ("k1", two, True), ("k2", three, True),
    ]  # fmt: skip
