"""A collection changes between two harvests: what is requested again, stored, or withdrawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data_prep.harvest.config import HarvestConfig
from data_prep.harvest.verb import harvest
from iconoclip.config import as_tree
from iconoclip.errors import SomeRefused
from iconoclip.shardset import ShardSet

FIRST, SECOND, THIRD = "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"


def config(address: str, out: Path, **values: Any) -> HarvestConfig:
    defaults: dict[str, Any] = {
        "harvested_at": FIRST, "max_side_pixels": 64, "network.retry_seconds": 0.01, "num_workers": 1,
    }  # fmt: skip
    return HarvestConfig(sources=[address], out=out, **as_tree(defaults | values))


def numbers(out: Path) -> list[int]:
    """The manifests of a set's samples, by their number, in no order."""
    return sorted(
        int((record.source.manifest or "").rpartition("/")[2]) for record, _ in ShardSet(out).samples()
    )


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


class Stream:
    """A change stream of an archive's manifests, two activities a page, that can be added to."""

    def __init__(self, archive: Any, reply: Any) -> None:
        self.archive, self.reply = archive, reply
        self.activities: list[dict[str, Any]] = []
        archive.routes["/stream"] = lambda seen: archive.json(self._collection(), seen)
        archive.prefixes["/page/"] = lambda seen: archive.json(
            self._page(int(seen.path.rpartition("/")[2])), seen
        )

    @property
    def address(self) -> str:
        return f"{self.archive.origin}/stream"

    def publish(self, kind: str, number: int | None, **more: Any) -> None:
        """The next activity, a minute after the last."""
        minute = len(self.activities)
        activity: dict[str, Any] = {"type": kind, "endTime": f"2026-01-01T00:{minute:02}:00Z", **more}
        if number is not None:
            activity["object"] = {"id": f"{self.archive.origin}/manifest/{number}", "type": "Manifest"}
        self.activities.append(activity)

    def _collection(self) -> dict[str, Any]:
        last = f"{self.archive.origin}/page/{(len(self.activities) - 1) // 2}"
        return {
            "id": self.address,
            "type": "OrderedCollection",
            "last": {"id": last, "type": "OrderedCollectionPage"},
        }

    def _page(self, number: int) -> dict[str, Any]:
        page = {
            "id": f"{self.archive.origin}/page/{number}",
            "type": "OrderedCollectionPage",
            "partOf": {"id": self.address, "type": "OrderedCollection"},
            "orderedItems": self.activities[2 * number : 2 * number + 2],
        }
        if number:
            page["prev"] = {
                "id": f"{self.archive.origin}/page/{number - 1}",
                "type": "OrderedCollectionPage",
            }
        return page


@pytest.fixture
def stream(archive: Any, reply: Any) -> Stream:
    """Six manifests, created one after the other, on three pages."""
    stream = Stream(archive, reply)
    for number in range(6):
        stream.publish("Create", number)
    return stream


def change(archive: Any, number: int, title: str) -> None:
    value = archive.manifest(number) | {"label": {"en": [title]}}
    archive.routes[f"/manifest/{number}"] = lambda seen: archive.json(value, seen)


def test_a_stream_is_read_from_where_the_harvest_before_ended(archive, stream, tmp_path):
    harvest(config(stream.address, tmp_path))
    assert numbers(tmp_path) == [0, 1, 2, 3, 4, 5]
    change(archive, 2, "A drawing of a whale and not of a ship")
    stream.publish("Update", 2)
    stream.publish("Delete", 4)
    stream.publish("Create", 6)
    stream.publish("Add", 7, target={"id": stream.address})
    stream.publish("Remove", 1, origin={"id": stream.address})
    moved = {"id": f"{archive.origin}/manifest/8", "type": "Manifest"}
    stream.publish("Move", 0, target=moved)
    archive.requests.clear()

    harvest(config(stream.address, tmp_path, refresh=True, harvested_at=SECOND))
    assert numbers(tmp_path) == [2, 3, 5, 6, 7, 8]
    shardset = ShardSet(tmp_path)
    shardset.verify()
    titles = {record.source.manifest: record.title for record, _ in shardset.samples()}
    assert titles[f"{archive.origin}/manifest/2"] == "A drawing of a whale and not of a ship"
    assert {stone.reason for stone in shardset.manifest.tombstones} == {"no longer offered by its source"}
    assert len(shardset.manifest.tombstones) == 3
    # Pages 5, 4, 3 are new; page 2 holds the newest activity that was seen before, and ends the walk.
    assert sorted(path for path in archive.paths if path.startswith(("/stream", "/page"))) == [
        "/page/2", "/page/3", "/page/4", "/page/5", "/stream",
    ]  # fmt: skip
    asked = {path for path in archive.paths if path.startswith("/manifest")}
    assert asked == {f"/manifest/{number}" for number in (2, 6, 7, 8)}
    images = {seen.path.split("/")[2]: seen for seen in archive.requests if seen.path.startswith("/image")}
    assert images.keys() == {"2", "6", "7", "8"}
    assert "if-none-match" in images["2"].headers


def test_a_stream_without_news_changes_no_byte(archive, stream, tmp_path, capsys):
    harvest(config(stream.address, tmp_path))
    before = files(tmp_path)
    for at in (SECOND, THIRD):
        archive.requests.clear()
        harvest(config(stream.address, tmp_path, refresh=True, harvested_at=at))
        assert "nothing has changed" in capsys.readouterr().out
        assert files(tmp_path) == before
        assert archive.paths == ["/stream", "/page/2"]


def test_deleted_items_may_come_back(archive, stream, tmp_path):
    harvest(config(stream.address, tmp_path))
    stream.publish("Delete", 3)
    harvest(config(stream.address, tmp_path, refresh=True, harvested_at=SECOND))
    assert numbers(tmp_path) == [0, 1, 2, 4, 5]
    stream.publish("Create", 3)
    harvest(config(stream.address, tmp_path, refresh=True, harvested_at=THIRD))
    assert numbers(tmp_path) == [0, 1, 2, 3, 4, 5]
    assert ShardSet(tmp_path).manifest.tombstones == ()


def test_before_a_refresh_only_deletes_count(archive, stream, tmp_path):
    harvest(config(stream.address, tmp_path))
    change(archive, 5, "A drawing of a whale")
    stream.publish("Delete", 0)
    stream.publish("Update", 5)
    stream.publish("Refresh", None)
    stream.publish("Update", 2)
    archive.requests.clear()
    harvest(config(stream.address, tmp_path, refresh=True, harvested_at=SECOND))
    assert numbers(tmp_path) == [1, 2, 3, 4, 5]
    # The list after the Refresh is complete; the Update before it adds nothing.
    assert [path for path in archive.paths if path.startswith("/manifest")] == ["/manifest/2"]


def test_a_lost_page_loses_no_known_document(archive, stream, tmp_path, reply):
    harvest(config(stream.address, tmp_path))
    for number in (6, 7, 8, 9):
        stream.publish("Create", number)
    archive.routes["/page/3"] = reply(status=404)
    with pytest.raises(SomeRefused):
        harvest(config(stream.address, tmp_path, refresh=True, harvested_at=SECOND))
    assert numbers(tmp_path) == [0, 1, 2, 3, 4, 5, 8, 9]
    # The time "seen until" is not trusted: what the lost page named is requested again.
    del archive.routes["/page/3"]
    with pytest.raises(SomeRefused):
        harvest(config(stream.address, tmp_path, refresh=True, harvested_at=THIRD))
    assert numbers(tmp_path) == list(range(10))


def test_tasks_of_an_array_read_changes_as_one(archive, stream, tmp_path):
    def run(out: Path, **values: Any) -> None:
        harvest(config(stream.address, out / "one", **values))
        for task in range(3):
            harvest(config(stream.address, out / "three", num_tasks=3, task=task, **values))

    run(tmp_path)
    change(archive, 2, "A drawing of a whale and not of a ship")
    stream.publish("Update", 2)
    stream.publish("Delete", 4)
    stream.publish("Create", 6)
    run(tmp_path, refresh=True, harvested_at=SECOND)
    assert numbers(tmp_path / "three") == [0, 1, 2, 3, 5, 6]
    one, three = files(tmp_path / "one"), files(tmp_path / "three")
    assert one.keys() == three.keys()
    assert [name for name in one if one[name] != three[name] and name != "report.json"] == []


# OAI-PMH


def oai(records: str) -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><responseDate>2026-01-01T00:00:00Z</responseDate>
<request verb="ListRecords" metadataPrefix="oai_dc">http://x</request><ListRecords>{records}</ListRecords></OAI-PMH>""".encode()


def record(number: int, relation: str) -> str:
    return f"""<record><header><identifier>oai:x:{number}</identifier>
<datestamp>2026-01-01</datestamp></header>
<metadata><oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/"
    xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:title>A drawing of a ship at anchor, number {number}</dc:title>
<dc:rights>http://creativecommons.org/publicdomain/mark/1.0/</dc:rights>
<dc:relation>{relation}</dc:relation></oai_dc:dc></metadata></record>"""


def deleted(number: int) -> str:
    return (
        f'<record><header status="deleted"><identifier>oai:x:{number}</identifier>'
        "<datestamp>2026-02-01</datestamp></header></record>"
    )


@pytest.fixture
def repository(archive: Any, reply: Any) -> dict[str, str]:
    """Records 0 and 1 point to manifests, records 2 and 3 to images. By the path of the list: its records."""
    lists: dict[str, str] = {
        "/oai?verb=ListRecords&metadataPrefix=oai_dc": "".join(
            record(n, f"{archive.origin}/iiif/{n}/manifest.json")
            if n < 2
            else record(n, f"{archive.origin}/image/{n}/full/max/0/default.jpg")
            for n in range(4)
        )
    }
    for number in range(2):
        value = archive.manifest(number)
        archive.routes[f"/iiif/{number}/manifest.json"] = lambda seen, value=value: archive.json(value, seen)
    archive.prefixes["/oai"] = lambda seen: reply(oai(lists[seen.path]), headers={"Content-Type": "text/xml"})
    return lists


def test_deleted_records_withdraw_their_manifest_and_their_images(archive, repository, tmp_path):
    settings = config(f"{archive.origin}/oai", tmp_path, source="oai-pmh")
    harvest(settings)
    keys = {
        record.source.manifest or record.source.id: record.key for record, _ in ShardSet(tmp_path).samples()
    }
    assert len(keys) == 4
    (path,) = repository
    repository[path] = repository[path].replace(
        record(1, f"{archive.origin}/iiif/1/manifest.json"), deleted(1)
    )
    repository[path] = repository[path].replace(
        record(3, f"{archive.origin}/image/3/full/max/0/default.jpg"), deleted(3)
    )
    harvest(settings.model_copy(update={"refresh": True, "harvested_at": SECOND}))
    gone = {stone.key for stone in ShardSet(tmp_path).manifest.tombstones}
    assert gone == {keys[f"{archive.origin}/manifest/1"], keys["oai:x:3"]}


def test_a_deletion_in_a_later_list_counts_for_the_first(archive, repository, tmp_path):
    """A list of all, and one of what has changed since: both given as sources."""
    changes = "/oai?verb=ListRecords&metadataPrefix=oai_dc&from=2026-02-01"
    repository[changes] = deleted(0) + deleted(2)
    sources = [archive.origin + path for path in repository]
    settings = config(sources[0], tmp_path, source="oai-pmh")
    harvest(HarvestConfig(**(settings.model_dump() | {"sources": sources})))
    kept = {record.source.manifest or record.source.id for record, _ in ShardSet(tmp_path).samples()}
    assert kept == {f"{archive.origin}/manifest/1", "oai:x:3"}


# Validators


def test_servers_without_etags_get_conditional_requests_by_date(archive, tmp_path, reply, capsys):
    """No ETag: the second harvest sends If-Modified-Since, and the server answers 304 to every request."""
    modified = "Thu, 01 Jan 2026 00:00:00 GMT"

    def dated(body: bytes, seen: Any, media_type: str = "image/jpeg") -> Any:
        if seen.headers.get("if-modified-since") == modified:
            return reply(status=304, headers={"Content-Length": "0"})
        return reply(body, headers={"Last-Modified": modified, "ETag": "", "Content-Type": media_type})

    archive.file = dated
    harvest(config(archive.collection, tmp_path))
    before = files(tmp_path)
    archive.requests.clear()
    harvest(config(archive.collection, tmp_path, refresh=True, harvested_at=SECOND))
    assert "nothing has changed" in capsys.readouterr().out
    assert files(tmp_path) == before
    asked = [seen for seen in archive.requests if seen.path in set(archive.paths)]
    assert len(asked) == 1 + 12 + 12
    assert {seen.headers.get("if-modified-since") for seen in asked} == {modified}
    assert {"if-none-match" in seen.headers for seen in asked} == {False}


def test_an_image_is_downloaded_once_its_rights_allow_it(archive, tmp_path):
    archive.rights = {3: None}
    with pytest.raises(SomeRefused):
        harvest(config(archive.collection, tmp_path))
    archive.rights = {5: None}
    with pytest.raises(SomeRefused):
        harvest(config(archive.collection, tmp_path, refresh=True, harvested_at=SECOND))
    assert numbers(tmp_path) == [0, 1, 2, 3, 4, *range(6, 12)]
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["by_reason"] == {"rights: missing": 1}
