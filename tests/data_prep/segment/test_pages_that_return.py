"""Pages that their source stops offering, and offers again, harvested from a real server on loopback."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image as PillowImage

from iconoclip.cli import main
from iconoclip.shardset import ShardSet
from iconoclip.shardset_manifest import GONE, WITHDRAWN
from tests.data_prep.harvest.conftest import Archive, Reply, Seen
from tests.data_prep.segment.conftest import HEIGHT, PICTURE, WIDTH, page
from tests.data_prep.segment.running import AT, command

SMALL = (150, 500, 380, 650)


class Book(Archive):
    """Pages with pictures, each in a manifest of its own."""

    def __init__(self) -> None:
        super().__init__(num_manifests=3)
        self.pages = [page(PICTURE), page(SMALL), page(PICTURE, SMALL)]

    def manifest(self, number: int) -> dict[str, Any]:
        written = json.dumps(super().manifest(number))
        written = written.replace('"width": 96', f'"width": {WIDTH}').replace(
            '"height": 80', f'"height": {HEIGHT}'
        )
        read: dict[str, Any] = json.loads(written)
        return read

    def _image(self, seen: Seen) -> Reply:
        _, _, number, _, size, *_ = seen.path.split("/")
        image = PillowImage.open(io.BytesIO(self.pages[int(number)]))
        if size != "max":
            image = image.resize(tuple(map(int, size.split(","))))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=92)
        return self.file(buffer.getvalue(), seen)


@pytest.fixture
def book() -> Iterator[Book]:
    made = Book()
    yield made
    made.stop()


@pytest.mark.parametrize("withdrawn", [False, True], ids=["gone", "gone, then withdrawn"])
def test_the_pictures_of_a_page_come_back_with_it_unless_they_were_withdrawn(book, tmp_path, withdrawn):
    pages, out = tmp_path / "book", tmp_path / "pictures"

    def step(num_manifests: int) -> dict[str, str]:
        """Harvest and segment; returns the reason of each tombstone."""
        book.num_manifests = num_manifests
        address = f"127.0.0.1:{book.port}"
        refresh = ["--refresh"] if pages.exists() else []
        harvest = ["harvest", book.collection, "--out", str(pages), "--network.allow_hosts", address]
        assert main([*harvest, *refresh, "--harvested_at", AT[1]]) == 0
        assert command(ShardSet(pages), out) == 0
        return {one.key: one.reason for one in ShardSet(out).manifest.tombstones}

    assert step(3) == {}
    before = {record.key for record in ShardSet(out).records()}
    assert len(before) == 4
    gone = step(2)
    assert set(gone.values()) == {GONE}
    assert {record.key for record in ShardSet(out).records()} == before - gone.keys()
    assert len(gone) == 2
    assert step(2) == gone, "they stay withdrawn in the runs after that"
    kept = set()
    if withdrawn:
        kept = {min(gone)}
        assert main(["takedown", str(out), min(gone), "--reason", "the heir objects"]) == 0
    assert step(3) == dict.fromkeys(kept, WITHDRAWN)
    assert {record.key for record in ShardSet(out).records()} == before - kept
    assert main(["check", str(out)]) == 0
