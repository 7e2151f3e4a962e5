"""Errors of servers and disks during a harvest, and their outcomes."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data_prep.harvest.config import HarvestConfig, StatusConfig
from data_prep.harvest.status import read_status, status
from data_prep.harvest.verb import harvest
from iconoclip.cli import main
from iconoclip.config import as_tree
from iconoclip.errors import DamagedData, MissingRequirement, SomeRefused, TryAgainLater
from iconoclip.shardset import ShardSet, ShardSetWriter
from tests import without_locks

CLOCK = "2026-01-02T03:04:05Z"


def config(archive: Any, out: Path, **values: Any) -> HarvestConfig:
    defaults: dict[str, Any] = {
        "harvested_at": CLOCK, "max_side_pixels": 64, "network.retry_seconds": 0.005, "num_workers": 1,
        "network.max_attempts": 2, "network.stall_seconds": 0.4, "network.max_wait_seconds": 2,
    }  # fmt: skip
    return HarvestConfig(sources=[archive.collection], out=out, **as_tree(defaults | values))


def refused(out: Path) -> dict[str, str]:
    lines = (out / "refused.jsonl").read_text().splitlines()
    return {entry["source"]: entry["reason"] for entry in map(json.loads, lines)}


def test_one_bad_item_costs_only_itself(archive, tmp_path, reply):
    """Each image of an archive broken in its own way; the others arrive."""

    async def cut(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n\xff\xd8\xff")

    async def hang(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n")
        await asyncio.sleep(3)

    good = archive._image
    broken = {
        "/image/0/": reply(b"<html>Please log in</html>"),
        "/image/1/": reply(b"%PDF-1.4"),
        "/image/2/": reply(script=cut),
        "/image/3/": reply(script=hang),
        "/image/4/": reply(status=404),
        "/image/5/": reply(status=500),
        "/image/6/": reply(status=302, headers={"Location": "http://169.254.169.254/latest/meta-data/"}),
        "/image/7/": reply(b""),
    }
    archive.prefixes = {**broken, **archive.prefixes}
    # Half an image with a Content-Length that fits it: only decoding can tell.
    archive.prefixes["/image/"] = lambda seen: (
        reply(good(seen).body[:-400]) if "/image/8/" in seen.path else good(seen)
    )
    with pytest.raises(SomeRefused):
        harvest(config(archive, tmp_path))
    reasons = {int(source.split("/")[-2]): reason for source, reason in refused(tmp_path).items()}
    assert sorted(reasons) == list(range(9))
    expected = [
        "HTML",
        "PDF",
        "broke off",
        "stalled",
        "HTTP 404",
        "HTTP 500",
        "private address",
        "empty",
        "truncated",
    ]
    for number, words in enumerate(expected):
        assert words in reasons[number], (number, reasons[number])
    assert len(ShardSet(tmp_path)) == 3


def test_bad_documents_cost_only_themselves(archive, tmp_path, reply):
    archive.routes["/manifest/0"] = reply(b"this is not JSON")
    archive.routes["/manifest/1"] = reply(b"")
    archive.routes["/manifest/2"] = reply(b"[" * 100_000)
    archive.routes["/manifest/3"] = reply(status=403)
    archive.routes["/manifest/4"] = reply(b"<!doctype html><title>Viewer</title>")
    archive.routes["/manifest/5"] = reply(
        json.dumps({"id": "x", "type": "Manifest", "items": "none"}).encode()
    )
    with pytest.raises(SomeRefused):
        harvest(config(archive, tmp_path))
    assert len(ShardSet(tmp_path)) == 6
    reasons = refused(tmp_path)
    assert reasons[f"{archive.origin}/manifest/3"] == "HTTP 403 Forbidden"
    assert len(reasons) == 6


def test_what_could_not_be_read_is_requested_again_by_every_run(archive, tmp_path, reply):
    """What is gone (404, 410) is requested again by a refresh alone."""
    archive.routes["/manifest/3"] = reply(status=403)
    archive.routes["/manifest/4"] = reply(status=410)
    archive.routes["/manifest/5"] = reply(status=404)
    with pytest.raises(SomeRefused):
        harvest(config(archive, tmp_path))
    for values, numbers in (({}, "3"), ({"refresh": True}, "345")):
        archive.requests.clear()
        with pytest.raises(SomeRefused):
            harvest(config(archive, tmp_path, **values))
        assert {number for number in "345" if f"/manifest/{number}" in archive.paths} == set(numbers)


def test_refused_items_are_retried_on_request(archive, tmp_path, reply):
    archive.routes["/manifest/3"] = reply(status=404)
    with pytest.raises(SomeRefused):
        harvest(config(archive, tmp_path))
    del archive.routes["/manifest/3"]
    archive.requests.clear()
    harvest(config(archive, tmp_path, retry_refused=True))
    assert len(ShardSet(tmp_path)) == 12
    assert len(archive.paths) == 2


def test_server_that_recovers_later(archive, tmp_path, reply):
    """An item that fails is retried later in the same run, after the others."""
    left = {"/image/2/": 4}
    good = archive._image

    def sometimes(seen: Any) -> Any:
        if left["/image/2/"] > 0:
            left["/image/2/"] -= 1
            return reply(status=500)
        return good(seen)

    archive.prefixes = {"/image/2/": sometimes, **archive.prefixes}
    harvest(config(archive, tmp_path))
    assert len(ShardSet(tmp_path)) == 12


def test_server_that_asks_to_wait_long(archive, tmp_path, reply):
    archive.prefixes = {"/image/5/": reply(status=429, headers={"Retry-After": "5000"}), **archive.prefixes}
    with pytest.raises(TryAgainLater, match="the server asks to wait 5000 s") as later:
        harvest(config(archive, tmp_path, network={"concurrency": 1}))
    assert later.value.exit_code == 75
    assert not (tmp_path / "shardset.json").exists()
    num_before = len(archive.paths)
    del archive.prefixes["/image/5/"]
    harvest(config(archive, tmp_path))
    assert len(ShardSet(tmp_path)) == 12
    # What arrived before the wait is not requested again.
    assert num_before + len(archive.paths[num_before:]) <= 13 + 12 + 1


def test_an_incomplete_harvest_can_be_packed(archive, tmp_path, reply):
    archive.prefixes = {"/image/5/": reply(status=429, headers={"Retry-After": "5000"}), **archive.prefixes}
    settings = config(archive, tmp_path, network={"concurrency": 1})
    with pytest.raises(TryAgainLater):
        harvest(settings)
    harvest(settings.model_copy(update={"pack_incomplete": True}))
    assert 0 < len(ShardSet(tmp_path)) < 12


def test_circles_and_duplicates_among_collections(archive, tmp_path):
    """A names B, B names A, and both name the same manifests."""

    def collection(name: str, other: str) -> Any:
        members = [{"id": f"{archive.origin}/collection/{other}", "type": "Collection"}]
        members += [{"id": f"{archive.origin}/manifest/{n}", "type": "Manifest"} for n in range(4)]
        return lambda seen: archive.json(
            {"id": f"{archive.origin}/collection/{name}", "type": "Collection", "items": members}, seen
        )

    archive.routes["/collection"] = archive.routes["/collection/a"] = collection("a", "b")
    archive.routes["/collection/b"] = collection("b", "a")
    harvest(config(archive, tmp_path))
    assert len(ShardSet(tmp_path)) == 4
    assert len(archive.paths) == len(set(archive.paths))


def test_reservations_are_kept_in_the_records(archive, tmp_path, reply):
    good = archive._image
    archive.prefixes["/image/2/"] = lambda seen: reply(good(seen).body, headers={"X-Robots-Tag": "noai"})
    archive.routes["/manifest/3"] = lambda seen: reply(
        archive._manifest(seen).body, headers={"tdm-reservation": "1", "Content-Type": "application/json"}
    )
    archive.prefixes = dict(sorted(archive.prefixes.items(), key=lambda pair: -len(pair[0])))
    harvest(config(archive, tmp_path))
    by_number = {
        record.source.manifest.rpartition("/")[2]: record.rights for record, _ in ShardSet(tmp_path).samples()
    }
    assert by_number["2"].opt_out == ("noai",)
    assert by_number["3"].opt_out == ("tdmrep",)
    assert [rights.may_train for number, rights in sorted(by_number.items()) if number in "234"] == [
        False,
        False,
        True,
    ]


def test_smaller_images_than_requested_are_counted(archive, tmp_path, picture, reply):
    archive.prefixes["/image/"] = lambda seen: reply(picture(int(seen.path.split("/")[2]), (32, 27)))
    harvest(config(archive, tmp_path))
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["notes"]["smaller_than_asked"] == 12
    record, _ = next(ShardSet(tmp_path).samples())
    assert (record.image.requested, record.image.received) == ((64, 53), (32, 27))


def test_the_info_is_requested_where_a_request_without_it_fails(archive, tmp_path, picture, reply):
    """A service that bounds its sizes says so in its info.json alone; over the bound it answers 400."""
    info = {
        "@context": "http://iiif.io/api/image/3/context.json", "type": "ImageService3", "protocol": "http://iiif.io/api/image",
        "profile": "level2", "width": 96, "height": 80, "maxWidth": 48,
    }  # fmt: skip

    def image(seen: Any) -> Any:
        number, what = seen.path.split("/")[2:4]
        if what == "info.json":
            return reply(json.dumps({**info, "id": f"{archive.origin}/image/{number}"}).encode())
        width = int(seen.path.split("/")[4].split(",")[0])
        return reply(picture(int(number), (48, 40))) if width <= 48 else reply(status=400)

    archive.num_manifests = 3
    archive.prefixes["/image/"] = image
    harvest(config(archive, tmp_path))
    assert {record.image.received for record, _ in ShardSet(tmp_path).samples()} == {(48, 40)}


def test_images_of_a_host_that_cannot_be_resolved_are_downloaded_later(archive, tmp_path):
    """The images' host cannot be resolved; once it can, the same folder resumes."""
    good = archive.manifest

    def elsewhere(number: int) -> dict[str, Any]:
        text = json.dumps(good(number))
        return json.loads(
            text.replace(f"{archive.origin}/image/", "http://images.invalid/image/") if number < 3 else text
        )

    archive.manifest = elsewhere
    settings = config(
        archive, tmp_path, contact="mail@library.example", network={"requests_per_minute": 60_000}
    )
    with pytest.raises(SomeRefused):
        harvest(settings)
    assert len(ShardSet(tmp_path)) == 9
    reasons = refused(tmp_path)
    assert len(reasons) == 3
    assert all("the name images.invalid cannot be resolved" in reason for reason in reasons.values())
    archive.manifest = good
    harvest(settings.model_copy(update={"refresh": True}))
    assert len(ShardSet(tmp_path)) == 12


# The disk


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk; run the tests as root to see this one")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=False)


def test_full_disk_while_a_shard_is_written_leaves_no_half_shard(archive, tmp_path, small_disk):
    archive.num_manifests = 3
    harvest(config(archive, tmp_path / "whole"))
    (sample, *_) = ShardSet(tmp_path / "whole").samples()
    names = {"name": "set", "policy": "open@1", "created_at": CLOCK, "created_by": "test"}
    with pytest.raises(TryAgainLater, match="disk is full"), ShardSetWriter(small_disk, **names) as writer:
        writer.add(sample[0], bytes(3_000_000))
    assert list(small_disk.iterdir()) == []


def test_a_full_disk_is_a_clear_error_and_the_harvest_resumes(archive, tmp_path, small_disk):
    archive.num_manifests = 200
    settings = config(archive, small_disk / "out", max_side_pixels=96)
    with pytest.raises(TryAgainLater, match="disk is full") as full:
        harvest(settings)
    assert "run the same command again" in str(full.value)
    assert not (small_disk / "out" / "shardset.json").exists()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    harvest(settings)
    assert len(ShardSet(small_disk / "out")) == 200


# Status


def test_status_of_a_harvest(archive, tmp_path, capsys, reply):
    archive.rights = {1: None}
    archive.routes["/manifest/3"] = reply(status=404)
    with pytest.raises(SomeRefused):
        # On a busy machine 0.4 seconds are too few: attempts that never reached the server would count too.
        harvest(config(archive, tmp_path, **{"network.stall_seconds": 20}))
    found = read_status(tmp_path)
    assert found.is_finished
    assert found.items == {"fetched": 10, "refused": 1}
    assert found.documents == {"fetched": 12, "refused": 1}
    host = archive.origin.removeprefix("http://")
    assert found.hosts[host]["fetched"] == 10
    assert found.hosts[host]["requests"] == len(archive.requests)
    assert found.reasons == {"HTTP 404 Not Found": 1, "rights: missing": 1}
    capsys.readouterr()
    # By the command, which recognises that this is a harvest and not a run.
    assert main(["status", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["is_finished"]
    assert main(["status", str(tmp_path)]) == 0
    assert "finished" in capsys.readouterr().out


def test_status_of_a_waiting_harvest(archive, tmp_path, reply, capsys):
    archive.prefixes = {"/image/5/": reply(status=429, headers={"Retry-After": "5000"}), **archive.prefixes}
    with pytest.raises(TryAgainLater):
        harvest(config(archive, tmp_path, network={"concurrency": 1}))
    found = read_status(tmp_path)
    assert not found.is_finished
    assert found.items["pending"] > 0
    status(StatusConfig(folder=tmp_path))
    assert "asks to wait" in capsys.readouterr().out.replace("\n", " ")


def test_status_of_a_running_harvest_has_its_speed_and_time(archive, tmp_path, monkeypatch):
    """Status, from another process while the harvest runs."""
    monkeypatch.setattr("data_prep.harvest.engine.SECONDS_BETWEEN_PULSES", 0.2)
    archive.num_manifests = 60
    seen: list[Any] = []

    def watch() -> None:
        while not (seen and seen[-1].is_finished):
            with contextlib.suppress(MissingRequirement, DamagedData):
                seen.append(read_status(tmp_path))
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    harvest(config(archive, tmp_path, network={"requests_per_minute": 3000}))
    watcher.join(10)
    running = [found for found in seen if found.seconds_left is not None]
    assert running
    assert all(found.is_running and not found.is_finished for found in running)
    found = max(running, key=lambda found: found.items_per_second)
    num_left = found.items.get("pending", 0) + found.items.get("retry-later", 0)
    assert 0 < found.items_per_second < 100
    assert found.seconds_left == pytest.approx(num_left / found.items_per_second)
    assert seen[-1].items == {"fetched": 60}
    assert seen[-1].seconds_left is None


def test_status_without_a_harvest(tmp_path):
    with pytest.raises(MissingRequirement):
        status(StatusConfig(folder=tmp_path))


@pytest.mark.parametrize("number", without_locks.NUMBERS)
def test_a_harvest_runs_where_there_are_no_file_locks(archive, tmp_path, monkeypatch, number):
    without_locks.take_locks_away(monkeypatch, number)
    archive.num_manifests = 4
    harvest(config(archive, tmp_path))
    assert len(ShardSet(tmp_path)) == 4
    assert not list(tmp_path.rglob("*.marker"))


def test_tasks_do_not_share_a_rate_limit_without_file_locks(archive, tmp_path, monkeypatch):
    """The marker of a task that was killed on another node would close a host for good."""
    without_locks.take_locks_away(monkeypatch, errno.ENOLCK)
    with pytest.raises(MissingRequirement, match="no file locks"):
        harvest(config(archive, tmp_path, num_tasks=2, task=0))
    assert not archive.requests
