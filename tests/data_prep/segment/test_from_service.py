"""`iconoclip segment --crop_from service`: pictures at full resolution from a real server on loopback."""

from __future__ import annotations

import io
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from data_prep.contribute.check import check
from data_prep.contribute.config import CheckConfig, TakedownConfig
from data_prep.contribute.takedown import takedown
from data_prep.ledger.database import exclusive_lock
from data_prep.segment.config import SegmentConfig
from data_prep.segment.verb import segment
from iconoclip.cli import main
from iconoclip.config import as_tree
from iconoclip.errors import ConfigError, SomeRefused, TryAgainLater
from iconoclip.page_layout.measure import overlap
from iconoclip.record import Source, sample_key
from iconoclip.shardset import ShardSet
from tests.data_prep.harvest.conftest import Reply, Seen, Server
from tests.data_prep.segment.conftest import HEIGHT, PICTURE, WIDTH, page
from tests.data_prep.segment.test_bad_input import alto

SMALL = (140, 560, 400, 700)
_REQUEST = re.compile(r"/iiif/[\w-]+/(full|[\d,]+)/(?:max|(\d+),(\d+))/0/default\.jpg")


class ImageServer(Server):
    """Serves images by name with the Image API, level 2 of version 3; `failing` answers for some instead."""

    def __init__(self) -> None:
        super().__init__()
        self.images: dict[str, PillowImage.Image] = {}
        self.failing: dict[str, Reply] = {}
        self.prefixes["/iiif/"] = self._serve_image

    def _serve_image(self, seen: Seen) -> Reply:
        name = seen.path.split("/")[2]
        image = self.images[name]
        if seen.path.endswith("/info.json"):
            info = {
                "@context": "http://iiif.io/api/image/3/context.json", "id": f"{self.origin}/iiif/{name}",
                "type": "ImageService3", "protocol": "http://iiif.io/api/image", "profile": "level2",
                "width": image.width, "height": image.height,
            }  # fmt: skip
            return Reply(json.dumps(info).encode(), headers={"Content-Type": "application/json"})
        if name in self.failing:
            return self.failing[name]
        found = _REQUEST.fullmatch(seen.path)
        assert found is not None, seen.path
        cut = image
        if found[1] != "full":
            x, y, width, height = map(int, found[1].split(","))
            cut = image.crop((x, y, x + width, y + height))
        if found[2]:
            cut = cut.resize((int(found[2]), int(found[3])))
        buffer = io.BytesIO()
        cut.save(buffer, "JPEG", quality=92)
        return Reply(buffer.getvalue(), headers={"Content-Type": "image/jpeg"})

    def asked(self, ending: str = ".jpg") -> list[str]:
        """The paths that were requested since the last call."""
        paths = [seen.path for seen in self.requests if seen.path.endswith(ending)]
        self.requests.clear()
        return paths


@pytest.fixture
def server() -> Iterator[ImageServer]:
    made = ImageServer()
    yield made
    made.stop()


@pytest.fixture
def book(pages_set: Any, server: ImageServer) -> ShardSet:
    """Two pages with a picture, one with two; their full images are three times as large."""
    pages = [page(PICTURE), page(PICTURE), page(PICTURE, SMALL)]
    changes = {}
    for number, data in enumerate(pages):
        image = PillowImage.open(io.BytesIO(data)).convert("RGB")
        server.images[f"p{number}"] = image.resize((image.width * 3, image.height * 3))
        source = Source(
            id=f"https://house.example/book/page/{number}", manifest="https://house.example/book",
            image_service=f"{server.origin}/iiif/p{number}",
        )  # fmt: skip
        changes[f"page_{number}"] = {"source": source}
    found: ShardSet = pages_set(pages, **changes)
    return found


def run(pages: ShardSet, out: Path, server: Server, **values: Any) -> ShardSet:
    given = {
        "shardset": pages.folder, "out": out, "engine": "none", "num_workers": 1, "crop_from": "service",
        "max_side_pixels": 4096, "created_at": "2026-01-02T03:04:05Z",
        "network.allow_hosts": [f"127.0.0.1:{server.port}"], "network.retry_seconds": 0.01,
        "network.max_attempts": 1, "network.max_wait_seconds": 1.0, **values,
    }  # fmt: skip
    segment(SegmentConfig.model_validate(as_tree(given)))
    return ShardSet(out)


def said_of(out: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((out / "segment.json").read_text())["service"]
    return said


def test_pictures_are_cut_at_full_resolution(book, server, tmp_path):
    found = run(book, tmp_path / "out", server)
    infos = [seen.path for seen in server.requests if seen.path.endswith("info.json")]
    assert sorted(infos) == ["/iiif/p0/info.json", "/iiif/p1/info.json", "/iiif/p2/info.json"]
    assert len(server.asked()) == 4
    assert len(found) == 4
    for record, image in found.samples():
        region = record.source.region
        whole = server.images[record.source.image_service.rpartition("/")[2]]
        cut = PillowImage.open(io.BytesIO(image)).convert("RGB")
        assert cut.size == (record.image.width, record.image.height) == (region.width, region.height)
        place = (region.x, region.y, region.x + region.width, region.y + region.height)
        difference = np.abs(np.asarray(cut, int) - np.asarray(whole.crop(place), int))
        assert difference.mean() < 6
        assert record.source.image.startswith(f"{record.source.image_service}/{region}/")
    assert said_of(tmp_path / "out")["num_cut"] == 4
    assert check(CheckConfig(shardset=found.folder)) == 0
    # What is there already is not requested again.
    run(book, tmp_path / "out", server)
    assert server.asked("") == []


def test_the_true_size_is_that_of_the_service(book, server, tmp_path):
    # The manifest stated half of it.
    server.images["p0"] = server.images["p0"].resize((WIDTH * 6, HEIGHT * 6))
    first, picture = next(iter(run(book, tmp_path / "out", server, max_side_pixels=600).samples()))
    region, image = first.source.region, first.image
    assert (image.source_width, image.source_height) == (6 * WIDTH, 6 * HEIGHT)
    assert max(image.width, image.height) == 600
    assert overlap(
        (region.x / 6, region.y / 6, (region.x + region.width) / 6, (region.y + region.height) / 6), PICTURE
    ) > 0.8  # fmt: skip
    assert first.key == sample_key("house", first.source.id, region)
    # Withdrawn by the key that it has now, although the page states another place.
    whole = next(iter(book.records()))
    takedown(
        TakedownConfig(shardset=book.folder, keys=[whole.key], reason="a claim", at="2026-02-01T00:00:00Z")
    )
    server.asked()
    after = run(ShardSet(book.folder), tmp_path / "out", server, max_side_pixels=600)
    assert len(after) == 3
    assert first.key in {one.key for one in after.manifest.tombstones}
    assert server.asked() == []
    files = [path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not any(picture in data for data in files), "nor is it in what was downloaded"


def test_a_caption_is_measured_on_the_image_of_the_service(server, pages_set, tmp_path):
    data = page(PICTURE)
    # The manifest stated half of it.
    server.images["p0"] = PillowImage.open(io.BytesIO(data)).resize((WIDTH * 6, HEIGHT * 6))
    source = Source(id="https://house.example/1", image_service=f"{server.origin}/iiif/p0")
    pages = pages_set([data], page_0={"source": source})
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / f"{next(iter(pages.records())).key}.xml").write_text(
        alto("pixel", (WIDTH, HEIGHT), 1)
    )
    line = ["segment", str(pages.folder), "--out", str(tmp_path / "out"), "--engine", "none",
            "--crop_from", "service", "--text_folder", str(tmp_path / "texts"), "--num_workers", "1",
            "--network.allow_hosts", f"127.0.0.1:{server.port}"]  # fmt: skip
    assert main(line) == 0
    (found,) = ShardSet(tmp_path / "out").records()
    assert (found.source.region.x, found.source.region.width) == (
        6 * PICTURE[0],
        6 * (PICTURE[2] - PICTURE[0]),
    )
    # 10 pixels below the picture, and 14 high.
    box = found.captions[0].box
    assert (box.x, box.y) == (6 * PICTURE[0], 6 * (PICTURE[3] + 10))
    assert (box.width, box.height) == (6 * (PICTURE[2] - PICTURE[0]), 6 * 14)


def test_a_refused_picture_is_cut_from_the_page_and_downloaded_later(book, server, tmp_path):
    server.failing = {
        "p0": Reply(b"no such region", 400), "p1": Reply(b"gone", 404), "p2": Reply(b"not a picture"),
    }  # fmt: skip
    with pytest.raises(SomeRefused, match="refused 4 pictures"):
        run(book, tmp_path / "out", server)
    found, said = ShardSet(tmp_path / "out"), said_of(tmp_path / "out")
    assert all(record.image.width < 320 for record in found.records()), "from the stored page"
    assert (said["num_cut"], said["num_refused"], said["num_open"]) == (0, 4, 3)
    reasons = {each["where"].rpartition("/")[2]: each["reason"] for each in said["refused"]}
    assert "400" in reasons["p0"]
    assert "404" in reasons["p1"]
    assert reasons["p2"]
    # The same command retries what may come back.
    server.failing, _ = {}, server.asked()
    with pytest.raises(SomeRefused, match="refused 1 pictures"):
        run(book, tmp_path / "out", server)
    assert {path.split("/")[2] for path in server.asked()} == {"p0", "p2"}
    assert sum(record.image.width > 600 for record in ShardSet(tmp_path / "out").records()) == 3


def test_a_server_that_asks_to_wait_gets_no_request_and_nothing_is_lost(book, server, tmp_path):
    server.failing = {"p1": Reply(b"later", 503, {"Retry-After": "3600"})}
    with pytest.raises(TryAgainLater, match="must wait"):
        run(book, tmp_path / "out", server, **{"network.concurrency": 1})
    assert not (tmp_path / "out" / "shardset.json").exists()
    before = server.asked()
    server.failing = {}
    assert len(run(book, tmp_path / "out", server)) == 4
    asked_again = set(before) & set(server.asked())
    assert {path.split("/")[2] for path in asked_again} == {"p1"}


def test_no_request_is_sent_without_the_option(book, server, pages_set, tmp_path):
    with pytest.raises(SomeRefused):
        run(book, tmp_path / "private", server, **{"network.allow_hosts": []})
    assert server.asked("") == []
    elsewhere = Source(id="https://house.example/1", image_service="https://images.example/iiif/1")
    far = pages_set([page(PICTURE)], name="far", page_0={"source": elsewhere})
    with pytest.raises(ConfigError, match="no contact"):
        run(far, tmp_path / "far-out", server)
    line = ["segment", str(far.folder), "--out", str(tmp_path / "far-out"), "--engine", "none"]
    assert main([*line, "--crop_from", "service"]) == 2
    # A page without a service is no failure.
    plain = pages_set([page(PICTURE)], name="plain")
    assert len(run(plain, tmp_path / "plain-out", server)) == 1
    assert said_of(tmp_path / "plain-out")["num_without_service"] == 1
    assert main([*line, "--crop_from", "page"]) == 0


def manifest_of(server: ImageServer) -> dict[str, Any]:
    """A book of all images of the server."""
    canvases = []
    for name, image in server.images.items():
        canvas, service = f"{server.origin}/canvas/{name}", f"{server.origin}/iiif/{name}"
        size = {"width": image.width, "height": image.height}
        body = {
            "id": f"{service}/full/max/0/default.jpg", "type": "Image", "format": "image/jpeg", **size,
            "service": [{"id": service, "type": "ImageService3", "profile": "level2"}],
        }  # fmt: skip
        painting = {
            "id": f"{canvas}/a", "type": "Annotation", "motivation": "painting", "body": body,
            "target": canvas,
        }  # fmt: skip
        page_of_it = {"id": f"{canvas}/p", "type": "AnnotationPage", "items": [painting]}
        canvases.append({"id": canvas, "type": "Canvas", **size, "items": [page_of_it]})
    return {
        "@context": "http://iiif.io/api/presentation/3/context.json", "id": f"{server.origin}/manifest",
        "type": "Manifest", "label": {"en": ["A book of herbs"]}, "items": canvases,
        "rights": "http://creativecommons.org/publicdomain/mark/1.0/",
    }  # fmt: skip


def test_a_catalogue_downloads_pages_small_and_only_their_pictures_large(book, server, tmp_path):
    server.images["blank"] = PillowImage.new("RGB", (WIDTH * 3, HEIGHT * 3), (225, 225, 225))
    document = json.dumps(manifest_of(server)).encode()
    server.routes["/manifest"] = Reply(document, headers={"Content-Type": "application/json"})
    listed, out = str(tmp_path / "catalogue"), tmp_path / "out"
    assert main(["catalogue", f"{server.origin}/manifest", "--out", listed]) == 0
    line = ["segment", listed, "--out", str(out), "--engine", "none", "--num_workers", "1",
            "--page_side_pixels", "800", "--max_side_pixels", "4096"]  # fmt: skip
    server.asked()
    assert main(line) == 0
    asked = server.asked()
    pages = [path for path in asked if "/full/" in path]
    assert sorted(pages) == sorted(f"/iiif/{name}/full/560,800/0/default.jpg" for name in server.images)
    assert len(asked) - len(pages) == 4
    found = ShardSet(out)
    assert len(found) == 4
    assert all((r.image.width, r.image.height) == (r.source.region.width, r.source.region.height)
               for r in found.records())  # fmt: skip
    assert {record.group for record in found.records()} == {f"{server.origin}/manifest"}
    assert len({record.split for record in found.records()}) == 1
    # Finished: nothing is requested, and a condition without a catalogue is refused.
    assert main(line) == 0
    assert server.asked("") == []
    assert main(["segment", str(out / "pages"), "--out", str(tmp_path / "x"), "--where", "true"]) == 2


def test_tasks_read_pages_that_one_command_downloaded(server, tmp_path, capsys):
    image = PillowImage.open(io.BytesIO(page(PICTURE))).convert("RGB")
    server.images["p0"] = image.resize((WIDTH * 3, HEIGHT * 3))
    document = json.dumps(manifest_of(server)).encode()
    server.routes["/manifest"] = Reply(document, headers={"Content-Type": "application/json"})
    listed, out = str(tmp_path / "a catalogue"), tmp_path / "out"
    assert main(["catalogue", f"{server.origin}/manifest", "--out", listed]) == 0
    line = ["segment", listed, "--out", str(out), "--engine", "none", "--num_workers", "0",
            "--page_side_pixels", "400", "--where", "train = 'yes'", "--contact", "someone@house.example",
            "--network.allow_hosts", "one.example", "two.example", "--network.max_attempts", "2"]  # fmt: skip
    task = [*line, "--task", "1", "--num_tasks", "2"]
    server.asked()
    capsys.readouterr()
    assert main(task) == 2
    said = capsys.readouterr().err.replace("\n", " ")
    remedy = shlex.split(said[said.index("iconoclip harvest") :])
    assert server.asked("") == []
    # The command has the options that were given.
    assert main(remedy[1:]) == 0
    assert server.asked() == ["/iiif/p0/full/280,400/0/default.jpg"]
    for option in ("--where", "--contact", "--network.allow_hosts", "--network.max_attempts"):
        place, theirs = remedy.index(option), line.index(option)
        assert remedy[place : place + 2] == line[theirs : theirs + 2]
    # Tasks do not wait for each other, nor for a harvest.
    with exclusive_lock(out / "pages" / ".harvest" / "lock"):
        for number in ("0", "1"):
            assert main([*line, "--task", number, "--num_tasks", "2"]) == 0
    # Pages of another condition, or of another size, are not these.
    for old, new in (("train = 'yes'", "true"), ("400", "500")):
        assert main([new if word == old else word for word in task]) == 2
        assert "downloaded before" in capsys.readouterr().err
    assert server.asked("") == []
