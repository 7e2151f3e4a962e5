"""`iconoclip segment`: a set of pages becomes a set of pictures that belong to their pages."""

from __future__ import annotations

import io
import json
import math
import signal
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image as PillowImage

from data_prep.contribute.check import check
from data_prep.contribute.config import CheckConfig
from data_prep.images.crops import Cutting, cut_pictures, upright_sides
from data_prep.images.store import Wanted
from data_prep.segment import verb
from data_prep.segment.config import SegmentConfig
from data_prep.segment.verb import segment
from iconoclip.cli import main
from iconoclip.config import build
from iconoclip.errors import BadInput, ConfigError, DamagedData, SomeRefused
from iconoclip.page_layout.measure import overlap
from iconoclip.record import Region, sample_key
from iconoclip.shardset import ShardSet
from tests.commands import THE_COMMAND, Command
from tests.data_prep.segment.conftest import HEIGHT, PICTURE, WIDTH, page
from tests.data_prep.segment.running import files_of, run

SHARES = (PICTURE[0] / WIDTH, PICTURE[1] / HEIGHT, PICTURE[2] / WIDTH, PICTURE[3] / HEIGHT)


def test_a_picture_becomes_a_sample_of_its_own_that_belongs_to_its_page(pages_set, tmp_path):
    pages = pages_set([page(), page(PICTURE)])
    found = run(pages, tmp_path / "out")
    ((record, image),) = found.samples()
    whole = [record for record, _ in pages.samples()][1]
    region = record.source.region
    # The source is three times as large as the stored page.
    box = (region.x / 3, region.y / 3, (region.x + region.width) / 3, (region.y + region.height) / 3)
    assert overlap(box, PICTURE) > 0.8
    assert record.key == sample_key("house", whole.source.id, region)
    assert (record.group, record.split, record.captions) == (whole.group, whole.split, whole.captions)
    assert record.object_type == "illustration"
    assert record.rights == whole.rights
    cut = PillowImage.open(io.BytesIO(image))
    assert cut.size == (record.image.width, record.image.height)
    assert abs(cut.width / cut.height - region.width / region.height) < 0.05
    assert np.asarray(cut).mean() < 130
    assert check(CheckConfig(shardset=found.folder)) == 0
    assert found.manifest.parents[0].digest == pages.digest


def test_every_page_is_in_the_table_with_its_boxes(pages_set, tmp_path):
    pages = pages_set([page(), page(PICTURE)])
    found = run(pages, tmp_path / "out")
    first, second = pq.read_table(tmp_path / "out" / "pages.parquet").to_pylist()
    assert (first["kind"], first["boxes"]) == ("text", [])
    (box,) = second["boxes"]
    assert box["key"] == next(iter(found.records())).key
    assert (second["width"], second["height"]) == (WIDTH, HEIGHT)
    corners = box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]
    assert overlap(corners, PICTURE) > 0.8


def test_a_finished_set_is_not_made_twice_and_a_repeat_gives_the_same_bytes(pages_set, tmp_path, capsys):
    pages = pages_set([page(PICTURE)])
    before = files_of(run(pages, tmp_path / "out").folder)
    run(pages, tmp_path / "out")
    assert "segmented already" in capsys.readouterr().out
    assert files_of(tmp_path / "out") == before
    assert files_of(run(pages, tmp_path / "again").folder) == before


def test_pages_read_before_a_stop_are_not_read_again(pages_set, tmp_path, monkeypatch):
    pages = pages_set([page(PICTURE), page(), page(PICTURE)], max_shard_bytes=100_000)
    assert len(pages.manifest.shards) > 1
    looks: list[str] = []
    real = verb._looked_at

    def counted(work, sample):
        looks.append(sample[0].key)
        if len(looks) == 3:
            raise KeyboardInterrupt
        return real(work, sample)

    monkeypatch.setattr(verb, "_looked_at", counted)
    with pytest.raises(KeyboardInterrupt):
        run(pages, tmp_path / "out", num_workers=0)
    assert not (tmp_path / "out" / "shardset.json").exists()
    found = run(pages, tmp_path / "out", num_workers=0)
    assert len(found) == 2
    assert len(looks) < 6
    assert files_of(found.folder) == files_of(run(pages, tmp_path / "alone").folder)


def test_a_killed_command_resumes_and_gives_the_same_bytes(pages_set, tmp_path):
    pages = pages_set([page(PICTURE), page()] * 2, max_shard_bytes=50_000)
    assert len(pages.manifest.shards) > 2
    line = ["segment", str(pages.folder), "--engine", "none", "--created_at", "2026-01-02T03:04:05Z"]
    out, alone = tmp_path / "out", tmp_path / "alone"
    command = Command([*THE_COMMAND, *line, "--out", out])
    while not list((out / ".segment").glob("*.parquet")):
        time.sleep(0.001)
    command.send_signal(signal.SIGKILL)
    assert command.wait() == -signal.SIGKILL, command.stderr
    num_parts = len(list((out / ".segment").glob("*.parquet")))
    assert 0 < num_parts < len(pages.manifest.shards)
    assert not (out / "segment.json").exists()
    for folder in (out, alone):
        assert main([*line, "--out", str(folder)]) == 0
    assert files_of(out) == files_of(alone)


def test_the_tasks_of_an_array_make_the_set_of_one(pages_set, tmp_path):
    pages = pages_set([page(PICTURE), page(), page(PICTURE)], max_shard_bytes=100_000)
    for task in (1, 0):
        segment(
            SegmentConfig(shardset=pages.folder, out=tmp_path / "out", engine="none", task=task, num_tasks=2)
        )
        assert not (tmp_path / "out" / "shardset.json").exists()
    assert files_of(run(pages, tmp_path / "out").folder) == files_of(run(pages, tmp_path / "alone").folder)


@pytest.mark.parametrize(
    ("statement", "display", "redistribute"),
    [
        ("http://creativecommons.org/licenses/by-nd/4.0/", "link", "no"),
        ("http://creativecommons.org/licenses/by/4.0/", "yes", "yes"),
        ("http://rightsstatements.org/vocab/InC/1.0/", "link", "no"),
    ],
)
def test_a_part_has_no_wider_rights_than_its_page(pages_set, tmp_path, statement, display, redistribute):
    pages = pages_set([page(PICTURE)], page_0={"statement": statement})
    (record,) = run(pages, tmp_path / "out").records()
    assert (record.rights.display, record.rights.redistribute) == (display, redistribute)
    assert record.rights.uri == next(iter(pages.records())).rights.uri
    # The sheet shows no picture that may not be shown.
    html = (tmp_path / "out" / "report.html").read_text()
    shown = next(iter(pages.records())).rights.display != "link"
    assert ("data:image/jpeg" in html) == shown


def test_a_part_of_a_part_is_placed_in_the_whole_image(pages_set, tmp_path):
    data = page(PICTURE)
    source = {
        "id": "https://house.example/fold-out",
        "region": Region(x=1000, y=500, width=WIDTH, height=HEIGHT),
    }
    pages = pages_set([data])
    whole = next(iter(pages.records()))
    changed = whole.source.model_copy(update=source)
    pages = pages_set([data], name="parts", page_0={"source": changed})
    (record,) = run(pages, tmp_path / "out").records()
    region = record.source.region
    box = region.x - 1000, region.y - 500, region.x - 1000 + region.width, region.y - 500 + region.height
    assert overlap(box, PICTURE) > 0.8


def test_other_kinds_are_listed_and_become_samples_on_request(pages_set, tmp_path):
    band = (100, 100, 460, 140)
    pages = pages_set([page(band), page(PICTURE)])
    assert [record.object_type for record in run(pages, tmp_path / "out").records()] == ["illustration"]
    every = run(pages, tmp_path / "every", kinds=["illustration", "ornament"])
    assert sorted(record.object_type for record in every.records()) == ["illustration", "ornament"]


def test_a_page_that_cannot_be_read_is_listed_and_nothing_is_lost(pages_set, tmp_path):
    good, data = page(PICTURE), page(PICTURE)
    broken = data[: len(data) // 2]
    pages = pages_set([good, good])
    folder = pages.folder
    # A shard set whose image is damaged, although every checksum fits.
    pages = pages_set([good, data], name="broken", page_1={})
    from iconoclip.shardset import ShardSetWriter
    from tests.data_prep.segment.conftest import record_of

    with ShardSetWriter(
        folder, name="book", policy="open@1", created_at="2026", created_by="a test"
    ) as writer:
        writer.add(record_of(0, good), good)
        writer.add(record_of(1, good), broken)
    with pytest.raises(SomeRefused, match="1 pages could not be read"):
        run(ShardSet(folder), tmp_path / "out")
    assert len(ShardSet(tmp_path / "out")) == 1
    report = json.loads((tmp_path / "out" / "segment.json").read_text())
    assert report["refused"][0]["key"] == record_of(1, good).key


def test_a_set_without_pictures_is_a_valid_result(pages_set, tmp_path):
    pages = pages_set([page(), page()])
    with pytest.raises(BadInput, match="no picture was found on 2 pages"):
        run(pages, tmp_path / "out")
    assert pq.read_table(tmp_path / "out" / "pages.parquet").num_rows == 2
    assert (tmp_path / "out" / "report.html").exists()


def test_a_foreign_set_is_never_overwritten(pages_set, tmp_path):
    pages, other = pages_set([page(PICTURE)]), pages_set([page()], name="other")
    before = files_of(other.folder)
    with pytest.raises(ConfigError, match="another shard set"):
        run(pages, other.folder)
    with pytest.raises(ConfigError, match="folder of their own"):
        run(pages, pages.folder)
    assert files_of(other.folder) == before


def test_a_damaged_shard_is_named(pages_set, tmp_path):
    pages = pages_set([page(PICTURE)])
    path = pages.folder / pages.manifest.shards[0].name
    path.write_bytes(path.read_bytes()[:-512] + b"x" * 512)
    with pytest.raises(DamagedData, match="checksum"):
        run(pages, tmp_path / "out")


def test_the_command_line(pages_set, tmp_path, capsys):
    pages = pages_set([page(PICTURE)])
    line = ["segment", str(pages.folder), "--out", str(tmp_path / "out"), "--engine", "none"]
    assert main([*line, "--dry_run"]) == 0
    assert "would look at 1 pages of 1 shards" in capsys.readouterr().out
    assert main(line) == 0
    assert main([*line[:4], "--engine", "hugging_face"]) == 2
    assert "`model`" in capsys.readouterr().err
    assert main(["segment", str(tmp_path / "nowhere"), "--out", str(tmp_path / "new")]) == 4


def test_texts_on_the_review_sheet_are_escaped(pages_set, tmp_path):
    from iconoclip.record import Caption

    title = "<script>alert(1)</script>"
    pages = pages_set(
        [page(PICTURE)], page_0={"captions": (Caption(text=title, language="en", field="title"),)}
    )
    run(pages, tmp_path / "out")
    html = (tmp_path / "out" / "report.html").read_text()
    assert title not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "http" not in html.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")


def test_a_fan_of_photographs_is_cut_within_bounds(pages_set, tmp_path):
    places = [(60 + 150 * x, 60 + 120 * y, 160 + 150 * x, 140 + 120 * y) for y in range(6) for x in range(5)]
    pages = pages_set([page(*places, size=(840, 840), text=False)])
    found = run(pages, tmp_path / "out")
    assert len(found) == 30


def test_a_tilted_picture_is_set_upright():
    # A dark rectangle of 200 x 100, turned clockwise by 10 degrees on white.
    image = PillowImage.new("L", (400, 300), 255)
    image.paste(30, (100, 100, 300, 200))
    turned = image.rotate(-10, PillowImage.Resampling.BICUBIC, fillcolor=255)
    angle = math.radians(10)
    across = 200 * math.cos(angle) + 100 * math.sin(angle)
    down = 200 * math.sin(angle) + 100 * math.cos(angle)
    box = (200 - across / 2) / 400, (150 - down / 2) / 300, (200 + across / 2) / 400, (150 + down / 2) / 300
    buffer = io.BytesIO()
    turned.save(buffer, "PNG")
    (crop,) = cut_pictures(buffer.getvalue(), [Cutting(box, 10.0)], Wanted())
    assert (crop.width, crop.height) == (200, 100)
    pixels = np.asarray(PillowImage.open(io.BytesIO(crop.jpeg)).convert("L"))
    assert (pixels < 128).mean() > 0.97
    assert upright_sides(across, down, 10.0) == pytest.approx((200, 100))


def test_options_that_do_not_fit_are_refused(tmp_path):
    for values in (
        {"out": tmp_path},
        {"shardset": tmp_path, "out": tmp_path, "engine": "none", "model": "x"},
        {"shardset": tmp_path, "out": tmp_path, "task": 2, "num_tasks": 2},
    ):
        with pytest.raises(ConfigError):
            build(SegmentConfig, values, "a test")
