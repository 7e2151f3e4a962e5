"""The drawn books over HTTP: manifests, images whose size the manifest knew, and the text of pages."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from builtin_collections.emblems import book
from builtin_collections.emblems.server.process import ServedBooks, serve_books
from data_prep.network.addresses import AllowList
from data_prep.network.fetch import Fetcher, Limits
from data_prep.network.hosts import Pace
from data_prep.page_text.captions import tie_captions
from data_prep.page_text.config import TextsConfig
from data_prep.page_text.fetching import FoundText, TextFetcher
from data_prep.page_text.folder import TextFolder
from data_prep.page_text.verb import texts
from data_prep.page_text.zones import PageText
from iconoclip.errors import SomeRefused
from iconoclip.record import Image as RecordImage
from iconoclip.record import Institution, Record, Source, sample_key
from iconoclip.rights import judge
from iconoclip.shardset import ShardSetWriter

SEED, NUM_PAGES = 7, 14


@pytest.fixture(scope="module")
def served() -> Iterator[ServedBooks]:
    with serve_books(num_volumes=4, num_pages=NUM_PAGES, seed=SEED) as found:
        yield found


@pytest.fixture(scope="module")
def manifests(served) -> list[dict]:
    """The manifests of all volumes, one per format of text."""
    with httpx2.Client(timeout=30) as client:
        top = client.get(served.collection).json()
        return [client.get(item["id"]).json() for item in top["items"]]


def test_a_manifest_has_a_canvas_for_each_image_with_labels_and_ranges(manifests):
    assert len(manifests) == 4
    for manifest in manifests:
        assert len(manifest["items"]) == NUM_PAGES
        assert manifest["structures"]
        labels = [canvas["label"]["none"][0] for canvas in manifest["items"]]
        assert labels[0] == "front cover"
        assert labels[-1] == "colour target"
        canvases = {canvas["id"] for canvas in manifest["items"]}
        for part in manifest["structures"]:
            assert {each["id"] for each in part["items"]} <= canvases


def test_an_image_has_the_size_that_its_manifest_states(manifests):
    body = manifests[0]["items"][3]["items"][0]["items"][0]["body"]
    service = body["service"][0]["id"]
    with httpx2.Client(timeout=30) as client:
        full = Image.open(io.BytesIO(client.get(body["id"]).content))
        part = Image.open(io.BytesIO(client.get(f"{service}/10,20,300,200/150,100/0/default.png").content))
        missing = client.get(service.replace("-f4", "-f99") + "/info.json").status_code
    assert full.size == (body["width"], body["height"])
    assert part.size == (150, 100)
    assert missing == 404
    volume = book.volume(SEED, 0, num_pages=NUM_PAGES)
    assert full.size == book.page(volume, 3)[0].size


def record_of(manifest: dict, number: int) -> Record:
    """As much of a harvested page's record as the text of the page needs."""
    canvas = manifest["items"][number]["id"]
    source = Source(id=canvas, canvas=canvas, manifest=manifest["id"])
    return Record.model_construct(source=source)


def fetched(served: ServedBooks, wanted: list[tuple[Record, tuple[int, int]]]) -> list[FoundText]:
    host = served.base.removeprefix("http://")

    async def run() -> list[FoundText]:
        pace = Pace(interval_seconds=0, concurrency=4, cool_down_seconds=0.05)
        async with Fetcher(
            contact=None, allowed=AllowList((host,)), pace_of=lambda _: pace, limits=Limits()
        ) as client:
            texts = TextFetcher(client)
            return [await texts.of_record(record, size) for record, size in wanted]

    return asyncio.run(run())


@pytest.mark.long
def test_captions_come_from_the_institutions_text_in_each_of_its_formats(served, manifests):
    """On an image of half the size, as a harvest may have stored it."""
    wanted, truths = [], []
    for number, manifest in enumerate(manifests):
        volume = book.volume(SEED, number, num_pages=NUM_PAGES)
        for place, canvas in enumerate(manifest["items"]):
            truth = book.page(volume, place)[1]
            if any(picture.kind == "illustration" and picture.caption for picture in truth.pictures):
                wanted.append((record_of(manifest, place), (canvas["width"] // 2, canvas["height"] // 2)))
                truths.append(truth)
    num_right = num_captions = 0
    formats = set()
    for found, truth in zip(fetched(served, wanted), truths, strict=True):
        assert found.text is not None, found.refusals
        formats.add(found.text.format)
        pictures = [each for each in truth.pictures if each.kind == "illustration"]
        halves = [tuple(value / 2 for value in picture.box) for picture in pictures]
        tied = tie_captions(halves, found.text)
        for number, picture in enumerate(pictures):
            if picture.caption is not None:
                num_captions += 1
                text = tied[number].text if number in tied else ""
                num_right += text.replace(" ", "") == picture.caption.text.replace(" ", "").replace("ſ", "s")
    assert formats == {"ALTO", "hOCR", "IIIF annotations"}
    assert num_captions >= 6
    assert num_right >= 0.95 * num_captions


def test_a_page_without_text_and_a_manifest_that_is_gone_are_reasons_not_errors(served, manifests):
    gone = Source(id="x", canvas="x", manifest=f"{served.base}/iiif/nothing/manifest")
    renamed = Source(id="x", canvas="x", manifest=manifests[0]["id"])
    records = [
        Record.model_construct(source=source) for source in (gone, renamed, Source(id="a table's row"))
    ]
    first, second, third = fetched(served, [(record, (100, 100)) for record in records])
    assert "404" in first.refusals[0].reason
    assert "no longer a canvas" in second.refusals[0].reason
    assert third == FoundText(None)


def harvested(manifests: list[dict], folder: Path) -> list[Record]:
    """A shard set of one page per manifest, stored at half its size, as a harvest leaves it."""
    found = []
    with ShardSetWriter(
        folder, name="book", policy="open@1", created_at="2026-01-02T03:04:05Z", created_by="a test"
    ) as pages:
        for manifest in manifests:
            canvas = manifest["items"][3]
            size = canvas["width"] // 2, canvas["height"] // 2
            buffer = io.BytesIO()
            Image.new("L", size, 200).save(buffer, "JPEG")
            data = buffer.getvalue()
            record = Record(
                key=sample_key("emblems-lussigny", canvas["id"]),
                institution=Institution(slug="emblems-lussigny", name="A library"),
                source=Source(id=canvas["id"], canvas=canvas["id"], manifest=manifest["id"]),
                rights=judge(manifest["rights"]),
                image=RecordImage(
                    width=size[0], height=size[1], source_width=canvas["width"],
                    source_height=canvas["height"], sha256=hashlib.sha256(data).hexdigest(),
                ),
                group=manifest["id"],
                split="train",
                harvested_at="2026-01-02T03:04:05Z",
                harvested_by="a test",
            )  # fmt: skip
            pages.add(record, data)
            found.append(record)
    return found


def config_of(served: ServedBooks, folder: Path) -> TextsConfig:
    """The verb's config for the set in `folder`."""
    hosts = [served.base.removeprefix("http://")]
    return TextsConfig(shardset=folder / "pages", out=folder / "texts", network={"allow_hosts": hosts})


def test_the_verb_downloads_one_document_per_page_and_resumes(served, manifests, tmp_path):
    records = harvested(manifests, tmp_path / "pages")
    assert texts(config_of(served, tmp_path)) == 0
    folder = TextFolder(tmp_path / "texts")
    for number, record in enumerate(records):
        found = folder.of_record(record, (record.image.width, record.image.height))
        assert isinstance(found, PageText), found
        truth = book.page(book.volume(SEED, number, num_pages=NUM_PAGES), 3)[1]
        title = next(text for text in truth.texts if text.kind == "title")
        word = title.text.split()[0].replace("ſ", "s")
        zone = next(zone for zone in found.zones if zone.text and zone.text.startswith(word))
        # Half the size: within two pixels of half the place, in every format and unit.
        assert abs(zone.box[0] - title.box[0] / 2) <= 2
        assert abs(zone.box[1] - title.box[1] / 2) <= 2
        # The fourth page of each volume is its title page; the manifest's ranges say so.
        assert folder.page_kind(record) == "text"
    written = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "texts").glob("emblems*")}
    assert len(written) == len(records)
    assert texts(config_of(served, tmp_path)) == 0
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "texts").glob("emblems*")} == written


def test_a_document_that_is_refused_is_listed_with_the_reason(served, manifests, tmp_path):
    harvested([{**manifests[0], "id": f"{served.base}/iiif/nothing/manifest"}], tmp_path / "pages")
    with pytest.raises(SomeRefused):
        texts(config_of(served, tmp_path))
    report = json.loads((tmp_path / "texts" / "texts.json").read_text())
    assert (report["num_texts"], report["num_without"]) == (0, 1)
    assert "404" in report["refused"][0]["reason"]
