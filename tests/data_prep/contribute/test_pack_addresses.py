"""A table whose pictures are web addresses: rate-limited, resumed, refused with reasons."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from iconoclip.cli import main
from iconoclip.shardset import ShardSet
from tests.data_prep.harvest.conftest import PDM, Reply, Seen, Server, draw

AGENT = "iconoclip"


class Pictures(Server):
    """A museum's server of plain files with rules for robots."""

    def __init__(self) -> None:
        super().__init__()
        self.prefixes["/open/"] = self._picture
        self.prefixes["/closed/"] = self._picture
        self.routes["/open/page.jpg"] = Reply(b"<!doctype html><title>Log in</title>")
        self.routes["/robots.txt"] = Reply(b"User-agent: *\nDisallow: /closed/\n")

    def _picture(self, seen: Seen) -> Reply:
        number = int(seen.path.rpartition("/")[2].removesuffix(".jpg"))
        return Reply(draw(number), headers={"Content-Type": "image/jpeg"})


@pytest.fixture
def museum() -> Iterator[Pictures]:
    server = Pictures()
    yield server
    server.stop()


def table(folder: Path, addresses: list[str]) -> Path:
    path = folder / "catalogue.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "image", "title", "rights"])
        rows.writerows(
            [number, address, f"A ship with {number + 3} sails off the coast", PDM]
            for number, address in enumerate(addresses)
        )
    return path


def pack(path: Path, out: Path, server: Server, *words: str) -> int:
    hosts = ["--network.allow_hosts", server.origin.removeprefix("http://")]
    known = ["--institution", "kb", "--contact", "scans@library.org", "--num_workers", "1", "--yes"]
    known += ["--network.retry_seconds", "0.01"]
    return main(["pack", str(path), "--out", str(out), *known, *hosts, *words])


def reasons(out: Path) -> dict[str, str]:
    lines = [json.loads(line) for line in (out / "refused.jsonl").read_text().splitlines()]
    return {line["source"]: line["reason"] for line in lines}


def test_addresses_are_requested_and_what_fails_is_refused_with_its_reason(
    museum: Pictures, tmp_path: Path
) -> None:
    names = ["open/1.jpg", "open/2.jpg", "closed/3.jpg", "gone/4.jpg", "open/page.jpg"]
    path = table(tmp_path, [f"{museum.origin}/{name}" for name in names])
    assert pack(path, tmp_path / "set", museum, "--network.max_attempts", "1") == 3
    stored = [record for record, _ in ShardSet(tmp_path / "set").samples()]
    assert [record.source.image for record in stored] == [f"{museum.origin}/{name}" for name in names[:2]]
    found = reasons(tmp_path / "set")
    assert len(found) == 3
    expected = {"2": "robots.txt", "3": "404", "4": "HTML"}
    assert {number for number, text in expected.items() if text in found[number]} == set(expected), found
    # What robots.txt excludes is not requested; the User-Agent names the client.
    assert "/closed/3.jpg" not in museum.paths
    assert all("scans@library.org" in seen.headers["user-agent"] for seen in museum.requests)


def test_requests_keep_to_the_rate_that_is_set(museum: Pictures, tmp_path: Path) -> None:
    path = table(tmp_path, [f"{museum.origin}/open/{number}.jpg" for number in range(5)])
    rate = ["--network.requests_per_minute", "600", "--network.concurrency", "1"]
    assert pack(path, tmp_path / "set", museum, *rate) == 0
    times = [seen.at for seen in museum.requests if seen.path.startswith("/open/")]
    # Five requests at ten per second take four tenths of a second; arrival wavers a little.
    assert times[-1] - times[0] > 0.35
    assert museum.most_open == 1


def test_after_a_retry_after_only_the_rest_is_requested(
    museum: Pictures, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path, [f"{museum.origin}/open/{number}.jpg" for number in range(4)])
    wait = Reply(status=503, headers={"Retry-After": "3600"})
    museum.routes["/open/2.jpg"] = wait
    one = ["--network.concurrency", "1"]
    assert pack(path, tmp_path / "set", museum, *one) == 75
    assert "again later" in capsys.readouterr().err
    assert not (tmp_path / "set" / "shardset.json").exists()
    del museum.routes["/open/2.jpg"]
    had = set(museum.paths) - {"/open/2.jpg"}
    museum.requests.clear()
    assert pack(path, tmp_path / "set", museum, *one) == 0
    assert len(ShardSet(tmp_path / "set")) == 4
    assert not had & set(museum.paths)
    museum.requests.clear()
    straight = tmp_path / "straight"
    assert pack(path, straight, museum, *one) == 0
    shards = sorted(file.name for file in straight.glob("*.tar"))
    assert shards
    for name in shards:
        assert _members(straight / name) == _members(tmp_path / "set" / name)


def _members(path: Path) -> list[tuple[str, bytes]]:
    """Names and pictures of a shard; its records contain the time of packing."""
    import tarfile

    with tarfile.open(path) as tar:
        files = [(member.name, tar.extractfile(member)) for member in tar]
        return [(name, file.read()) for name, file in files if file and name.endswith(".jpg")]


def test_without_a_contact_no_other_server_gets_a_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path, ["http://images.ahausen.example/a.jpg"])
    words = ["--institution", "kb", "--num_workers", "1", "--yes"]
    assert main(["pack", str(path), "--out", str(tmp_path / "set"), *words]) == 2
    assert "--contact" in capsys.readouterr().err
