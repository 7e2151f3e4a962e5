"""`iconoclip takedown` as in the guide: what may be named, which sets it changes, and that nothing comes
back."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import tarfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from iconoclip.cli import main
from iconoclip.record import Region, Source, sample_key
from iconoclip.shardset import ShardSet
from retrieval.generation.stores import reference
from retrieval.live.withdrawals import WatchedShardSets

WHY = ["--reason", "the heir asked, in a letter"]


def keys(folder: Path) -> list[str]:
    return ShardSet(folder).table(["key"])["key"].to_pylist()


def takedown(*words: object) -> int:
    return main(["takedown", *map(str, words)])


@pytest.fixture
def ours(make_set) -> Path:
    """Eight samples; the first has everything that may be named."""
    source = {
        "manifest": "https://iiif.example/1/manifest",
        "canvas": "https://iiif.example/1/canvas/p1",
        "image": "https://iiif.example/image/1/full/max/0/default.jpg",
        "image_service": "https://iiif.example/image/1",
        "homepage": "https://example.org/objects/1",
    }
    first = {"source": Source(id="https://ours.example/0", **source), "creators": ("Dürer, Albrecht",)}
    return make_set("ours", 8, {0: first}).folder


@pytest.mark.parametrize(
    "name",
    [
        sample_key("ours", "https://ours.example/0"),
        "https://ours.example/0",
        "http://IIIF.example/1/manifest/",
        "https://iiif.example/1/canvas/p1",
        "https://iiif.example/image/1/info.json",
        "https://iiif.example/image/1/0,0,100,100/!200,200/0/default.jpg",
        "https://example.org/objects/1/",
        "creator:Albrecht Durer",
    ],
)
def test_what_may_be_named(name, ours, tmp_path):
    first = sample_key("ours", "https://ours.example/0")
    (tmp_path / "names.txt").write_text(f"# from the letter\n{name}\n")
    assert takedown(ours, "--keys_file", tmp_path / "names.txt", *WHY) == 0
    assert len(keys(ours)) == 7
    assert first not in keys(ours)


def test_a_creator_is_named_without_life_dates_and_copies_after_one_stay(make_set):
    makers = (
        "Dürer, Albrecht (1471-1528). Dessinateur",
        "Dürer, Albrecht, 1471-1528",
        "after Albrecht Dürer",
        "Hans Dürer",
    )
    folder = make_set("ours", 4, {row: {"creators": (maker,)} for row, maker in enumerate(makers)}).folder
    rows = keys(folder)
    assert takedown(folder, "creator:Albrecht Dürer", *WHY) == 0
    assert keys(folder) == rows[2:]


def test_a_large_withdrawal_needs_a_confirmation(make_set, tmp_path, capsys):
    many, few = make_set("many", 102).folder, make_set("few", 2).folder
    assert takedown(tmp_path, "institution:many", *WHY) == 2
    assert "this means 102 samples; nothing was withdrawn" in capsys.readouterr().err
    assert takedown(tmp_path, "--institutions", "many", *WHY, "--yes") == 0
    assert (len(keys(many)), len(keys(few))) == (0, 2)


def test_a_dry_run_writes_nothing(ours, tmp_path, capsys):
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert takedown(ours, keys(ours)[0], "--dry_run") == 0
    assert "1 samples would be withdrawn, 0 are already" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_the_reason_is_in_the_log_of_its_owner_alone(ours, tmp_path):
    gone = keys(ours)[0]
    assert takedown(ours, gone, *WHY, "--at", "2026-03-04T00:00:00Z") == 0
    log = tmp_path / ".withdrawals.jsonl"
    entry = {"at": "2026-03-04T00:00:00Z", "reason": "the heir asked, in a letter", "keys": [gone]}
    assert json.loads(log.read_text()) == entry
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    published = b"".join(path.read_bytes() for path in ours.rglob("*") if path.is_file())
    assert b"the heir" not in published
    assert takedown(ours, keys(ours)[0]) == 2


def test_details_of_a_page_go_with_it(make_set):
    page = "https://pages.example/7"
    detail = Source(id=page, region=Region(x=0, y=0, width=9, height=9))
    changes = {
        0: {"source": Source(id=page), "key": sample_key("pages", page), "group": "book"},
        1: {"source": detail, "key": sample_key("pages", page, detail.region), "group": "book"},
        2: {"group": "book"},
    }
    folder = make_set("pages", 4, changes).folder
    assert takedown(folder, sample_key("pages", page), *WHY) == 0
    assert len(keys(folder)) == 2
    # A withdrawn detail leaves its page.
    folder = make_set("pages", 4, changes).folder.rename(folder.parent / "others")
    (folder.parent / "withdrawn.parquet").unlink()
    assert takedown(folder, changes[1]["key"], *WHY) == 0
    assert len(keys(folder)) == 3


def test_every_set_that_holds_it(make_set, tmp_path, capsys):
    """Merged by copy, by reference, of merged ones, and a copy in another folder."""
    one, two = make_set("one", 4).folder, make_set("two", 3).folder
    gone = keys(one)[1]
    assert main(["merge", str(one), str(two), "--out", str(tmp_path / "a" / "copy")]) == 0
    words = [
        "merge",
        str(tmp_path / "a" / "copy"),
        "--out",
        str(tmp_path / "b" / "reference"),
        "--by_reference",
    ]
    assert main(words) == 0
    shutil.copytree(one, tmp_path / "c" / "plain")
    assert takedown(one, gone, *WHY) == 0
    for name in ("a/copy", "b/reference"):
        assert gone not in keys(tmp_path / name)
    assert gone in keys(tmp_path / "c" / "plain")
    # Those that nothing names are found below a folder.
    assert takedown(one, gone, *WHY, "--within", tmp_path) == 0
    assert "c/plain: 1 samples withdrawn, 0 were before" in capsys.readouterr().out
    for name in ("a/copy", "b/reference", "c/plain"):
        assert gone in {stone.key for stone in ShardSet(tmp_path / name).manifest.tombstones}
    # From a merged set to its parents.
    other = keys(two)[0]
    assert takedown(tmp_path / "b" / "reference", other, *WHY) == 0
    assert other in {stone.key for stone in ShardSet(two).manifest.tombstones}


def pictures_of(folder: Path) -> None:
    for number in range(4):
        Image.new("RGB", (64, 48), (60 * number, 90, 30)).save(folder / f"{number}.jpg")
    with (folder / "table.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "caption", "rights"])
        rows.writerows([f"{n}.jpg", f"A ship, a cow, and {n} gulls", "CC0"] for n in range(4))


def test_it_never_comes_back_by_another_pack(tmp_path, capsys, monkeypatch):
    pictures_of(tmp_path)
    words = ["pack", str(tmp_path / "table.csv"), "--institution", "kb", "--num_workers", "1"]
    assert main([*words, "--out", str(tmp_path / "sets" / "first")]) == 0
    gone = keys(tmp_path / "sets" / "first")[1]
    assert takedown(tmp_path / "sets" / "first", gone, *WHY) == 0
    shutil.rmtree(tmp_path / "sets" / "first")
    capsys.readouterr()
    second = [*words, "--out", str(tmp_path / "sets" / "second")]
    assert main([*second, "--dry_run"]) == 3
    assert "refused   1.jpg: withdrawn\n" in capsys.readouterr().out
    assert main(second) == 3
    assert gone not in keys(tmp_path / "sets" / "second")
    assert gone not in {record.key for record, _ in ShardSet(tmp_path / "sets" / "second").samples()}
    assert gone.encode() not in b"".join(
        path.read_bytes() for path in (tmp_path / "sets" / "second").glob("*.tar")
    )
    # In another folder, the environment or a file names the list.
    monkeypatch.setenv("ICONOCLIP_WITHDRAWN", str(tmp_path / "sets" / "withdrawn.parquet"))
    assert main([*words, "--out", str(tmp_path / "else" / "third")]) == 3
    assert len(keys(tmp_path / "else" / "third")) == 3


def test_a_damaged_list_stops_every_reader(ours, tmp_path, capsys):
    (tmp_path / "withdrawn.parquet").write_bytes(b"PAR1 no more")
    assert main(["check", str(ours)]) == 2
    assert "not a list of withdrawals" in capsys.readouterr().err


def names_in(path: Path) -> list[str]:
    with tarfile.open(path) as tar:
        return tar.getnames()


def test_purge_removes_bytes_and_moves_nothing(make_set, tmp_path, capsys):
    one = make_set("one", 40).folder
    shardset = ShardSet(one)
    samples = {record.key: (record, image) for record, image in shardset.samples()}
    rows = {row["key"]: row for row in shardset.rows()}
    gone = [list(rows)[n] for n in (0, 5, 6, 39)]
    assert main(["merge", str(one), "--out", str(tmp_path / "all"), "--by_reference"]) == 0
    (one / "annotations").mkdir()
    pq.write_table(
        pa.table({"key": list(rows), "mood": ["calm"] * 40}), one / "annotations" / "moods.parquet"
    )
    watch = WatchedShardSets([reference(shardset)])
    assert takedown(one, *gone, *WHY, "--purge", "--within", tmp_path) == 0
    said = capsys.readouterr().out
    assert "4 samples removed from the files; also changed: annotations/moods.parquet" in said
    assert "not purged: backups, and copies on other machines" in said
    after = ShardSet(one)
    for key in gone:
        for path in [*one.rglob("*.tar"), *one.rglob("*.parquet"), tmp_path / "all" / "records.parquet"]:
            if path.name != "withdrawn.parquet":
                assert key.encode() not in path.read_bytes()
        if (one / rows[key]["shard"]).exists():
            start, size = rows[key]["image_offset"], rows[key]["image_size"]
            assert (one / rows[key]["shard"]).read_bytes()[start : start + size] == bytes(size)
    places = ("shard", "image_offset", "image_size", "record_offset", "record_size")
    assert {row["key"]: [row[name] for name in places] for row in after.rows()} == {
        key: [row[name] for name in places] for key, row in rows.items() if key not in gone
    }
    left = {key: sample for key, sample in samples.items() if key not in gone}
    assert {record.key: (record, image) for record, image in after.samples()} == left
    assert len(list(ShardSet(tmp_path / "all").samples())) == 36
    assert after.manifest.totals.num_samples == 36
    for folder in (one, tmp_path / "all"):
        assert main(["check", str(folder)]) == 0
    assert pq.read_table(one / "annotations" / "moods.parquet")["key"].to_pylist() == list(left)
    # An index that was built before still knows the set.
    assert watch.look()
    assert watch.withdrawn >= set(gone)
    assert watch.sets[0].manifest.records_sha256 == after.manifest.records_sha256
    # Any program reads the tars.
    names = [name for path in sorted(one.glob("*.tar")) for name in names_in(path)]
    assert [name.removesuffix(".jpg") for name in names if name.endswith(".jpg")] == list(left)
    assert "__withdrawn__" in names
    # Again, everything that was withdrawn and is not purged yet: nothing.
    digest = after.digest
    assert takedown(one, "--purge") == 0
    assert ShardSet(one).digest == digest


def test_everything_withdrawn_and_purged_is_an_empty_set(make_set):
    folder = make_set("one", 3).folder
    assert takedown(folder, "institution:one", *WHY, "--purge") == 0
    assert (len(ShardSet(folder)), list(folder.glob("*.tar"))) == (0, [])
    assert ShardSet(folder).table(["key"]).num_rows == 0


def test_the_filling_of_a_place_hides_no_other_member(make_set, capsys):
    folder = make_set("one", 6).folder
    assert takedown(folder, keys(folder)[0], *WHY, "--purge") == 0
    shard = folder / ShardSet(folder).manifest.shards[0].name
    data = bytearray(shard.read_bytes())
    data[600:610] = b"smuggled!!"
    shard.write_bytes(data)
    capsys.readouterr()
    assert main(["check", str(folder)]) == 2
    assert "shard-checksum" in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs OpenSSH")
def test_it_is_signed_in_the_same_command(ours, tmp_path):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    assert main(["sign", str(ours), "--key", str(key)]) == 0
    for name in keys(ours)[:2]:
        assert takedown(ours, name, *WHY, "--sign_key", key, "--purge") == 0
        assert (ours / "shardset.json.sig").exists()
        assert main(["check", str(ours)]) == 0


@pytest.mark.parametrize("number", range(int(os.environ.get("ICONOCLIP_KILLS", "3"))))
def test_a_killed_withdrawal_leaves_whole_sets_and_can_be_repeated(number, make_set, tmp_path):
    chance = random.Random(number)
    one, two = make_set("one", 60).folder, make_set("two", 40).folder
    assert main(["merge", str(one), str(two), "--out", str(tmp_path / "all"), "--by_reference"]) == 0
    gone = [*chance.sample(keys(one), 8), *chance.sample(keys(two), 5)]
    words = [one, *gone, *WHY, "--purge", "--within", tmp_path]
    started = time.monotonic()
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        os._exit(takedown(*words))
    time.sleep(chance.uniform(0.02, 0.6))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for folder, count in ((one, 60), (two, 40), (tmp_path / "all", 100)):
        shardset = ShardSet(folder)
        held = keys(folder)
        assert len(held) == len(set(held)) >= count - 13
        if folder != tmp_path / "all":
            shardset.verify()
        assert [record.key for record, _ in shardset.samples()] == held
    assert takedown(*words) == 0
    assert time.monotonic() > started
    for folder, count in ((one, 52), (two, 35), (tmp_path / "all", 87)):
        assert len(keys(folder)) == count
        assert main(["check", str(folder), "--decode_images", "false"]) == 0
        names = io.StringIO("".join(path.name for path in folder.iterdir()))
        assert "packed" not in names.getvalue()
