"""Sets by reference, sets at addresses, weights, and conflicts, through the real command."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from iconoclip import withdrawals
from iconoclip.cli import main
from iconoclip.record import Caption
from iconoclip.rights import judge
from iconoclip.shardset import ShardSet
from tests.data_prep.contribute.served import Server
from training.data.order import quotas
from training.data.samples import load

CC0 = "http://creativecommons.org/publicdomain/zero/1.0/"
IN_COPYRIGHT = "http://rightsstatements.org/vocab/InC/1.0/"


def merged(out: Path, *words: object) -> int:
    return main(["merge", *map(str, words), "--out", str(out), "--created_at", "2026-02-03T00:00:00Z"])


def keys(shardset: ShardSet) -> list[str]:
    return shardset.table(["key"])["key"].to_pylist()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """What is in tmp_path/www, with an empty cache, and lists that are read again at once."""
    monkeypatch.setenv("ICONOCLIP_CACHE", str(tmp_path / "cache"))
    (tmp_path / "www").mkdir()
    with Server(tmp_path / "www").running() as server:
        yield server


def put(make_set, tmp_path: Path, slug: str, count: int) -> Path:
    """A set on the web server."""
    shardset = make_set(slug, count)
    target = tmp_path / "www" / slug
    shutil.rmtree(target, ignore_errors=True)
    shutil.move(shardset.folder, target)
    return target


def test_a_set_by_reference_is_checked_moved_and_read(make_set, tmp_path, capsys):
    one, two = make_set("one", 4), make_set("two", 3)
    assert merged(tmp_path / "all", one.folder, two.folder, "--by_reference") == 0
    assert "7 samples of 2 shard sets" in capsys.readouterr().out
    both = ShardSet(tmp_path / "all")
    assert [parent.address for parent in both.manifest.parents] == ["../one", "../two"]
    assert {shard.at for shard in both.manifest.shards} <= {
        f"../{one.manifest.name}/{shard.name}" for one in (one, two) for shard in one.manifest.shards
    }
    assert main(["check", str(tmp_path / "all")]) == 0
    # The paths are relative: all of it can be moved.
    (tmp_path / "elsewhere").mkdir()
    for name in ("one", "two", "all"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    moved = ShardSet(tmp_path / "elsewhere" / "all")
    assert [record.key for record, _ in moved.samples()] == keys(moved)


def test_a_part_that_was_replaced_is_refused_until_the_merge_is_run_again(make_set, tmp_path, capsys):
    one, two = make_set("one", 4), make_set("two", 3)
    words = (tmp_path / "all", one.folder, two.folder, "--by_reference")
    merged(*words)
    make_set("one", 6, {0: {"creators": ("Anna",)}})
    assert main(["check", str(tmp_path / "all")]) == 2
    assert merged(*words) == 0
    assert len(ShardSet(tmp_path / "all")) == 9
    assert main(["check", str(tmp_path / "all")]) == 0
    shutil.rmtree(two.folder)
    capsys.readouterr()
    assert main(["check", str(tmp_path / "all")]) == 2
    assert "is not there" in capsys.readouterr().out


def test_a_purge_in_a_part_leaves_sets_by_reference_sound(make_set, tmp_path, capsys):
    part, whole = make_set("ours", 14).folder, tmp_path / "whole"
    assert merged(whole, part, "--by_reference", "--name", "whole") == 0
    first, *others = ShardSet(part).manifest.shards
    assert others
    rows = ShardSet(part).table(["key", "shard"]).to_pylist()
    gone = [row["key"] for row in rows if row["shard"] == first.name]
    gone += [row["key"] for row in rows if row["shard"] == others[0].name][:1]
    why = ["--reason", "the heir asked", "--purge", "--yes"]
    assert main(["takedown", str(part), *gone, *why]) == 0
    # The first shard is gone, and samples of the second were replaced by zeros.
    assert first.name not in {shard.name for shard in ShardSet(part).manifest.shards}
    ShardSet(whole).verify()
    assert main(["check", str(whole)]) == 0
    assert keys(ShardSet(whole)) == [row["key"] for row in rows if row["key"] not in gone]
    # A copy of the set by reference can be made.
    assert merged(tmp_path / "copy", whole, "--name", "copy") == 0
    assert keys(ShardSet(tmp_path / "copy")) == keys(ShardSet(whole))


def test_only_what_changed_is_read_of_sets_at_addresses(make_set, tmp_path, server, capsys):
    put(make_set, tmp_path, "one", 4)
    two = put(make_set, tmp_path, "two", 3)
    words = (f"{server.address}/one", f"{server.address}/two", "--by_reference", "--near_duplicate_bits", -1)
    assert merged(tmp_path / "all", *words) == 0
    assert server.take() == {
        f"/{name}/{file}": 1 for name in ("one", "two") for file in ("shardset.json", "records.parquet")
    }
    # Nothing changed: the manifests alone are read.
    manifests = {"/one/shardset.json": 1, "/two/shardset.json": 1}
    assert merged(tmp_path / "all", *words) == 0
    assert "merged already" in capsys.readouterr().out
    assert server.take() == manifests
    # A withdrawal changes no index.
    gone = keys(ShardSet(two))[0]
    main(["takedown", str(two), gone, "--reason", "the heir asked"])
    assert merged(tmp_path / "all", *words) == 0
    assert server.take() == manifests
    assert gone not in keys(ShardSet(tmp_path / "all"))
    # New pictures: one index.
    put(make_set, tmp_path, "one", 5)
    assert merged(tmp_path / "all", *words) == 0
    assert server.take() == {**manifests, "/one/records.parquet": 1}
    # Reading pictures requests each shard once.
    assert len(list(ShardSet(tmp_path / "all").samples())) == 5 + 2
    assert server.take() == {
        f"/{Path(shard.at or '').parent.name}/{Path(shard.at or '').name}": 1
        for shard in ShardSet(tmp_path / "all").manifest.shards
    }
    assert main(["check", str(tmp_path / "all")]) == 0
    assert server.take() == {}


def test_copies_are_measured_by_a_few_bytes(make_set, tmp_path, server):
    """Two sets with the same grey pictures: only pictures whose hash is shared are requested, each once."""
    put(make_set, tmp_path, "one", 3)
    put(make_set, tmp_path, "two", 3)
    words = (f"{server.address}/one", f"{server.address}/two", "--by_reference")
    merged(tmp_path / "all", *words)
    first = server.take()
    assert sum(count for path, count in first.items() if path.endswith(".tar")) <= 6
    merged(tmp_path / "all", *words, "--update", "--name", "merged")
    assert not [path for path in server.take() if path.endswith(".tar")]


def test_by_copy_from_addresses_downloads_changed_shards_only(make_set, tmp_path, server):
    one = put(make_set, tmp_path, "one", 40)
    assert len(ShardSet(one).manifest.shards) > 1
    merged(tmp_path / "all", f"{server.address}/one")
    server.take()
    before = {shard.sha256 for shard in ShardSet(one).manifest.shards}
    put(make_set, tmp_path, "one", 41)
    merged(tmp_path / "all", f"{server.address}/one")
    changed = [shard for shard in ShardSet(one).manifest.shards if shard.sha256 not in before]
    assert [path for path in server.take() if path.endswith(".tar")] == [f"/one/{changed[0].name}"]
    assert len(ShardSet(tmp_path / "all")) == 41


def test_a_withdrawal_at_an_address_is_known_within_a_minute(make_set, tmp_path, server, monkeypatch, capsys):
    one = put(make_set, tmp_path, "one", 4)
    merged(tmp_path / "copy", f"{server.address}/one")
    gone = keys(ShardSet(one))[1]
    main(["takedown", str(one), gone, "--reason", "the heir asked"])
    server.take()
    assert gone in keys(ShardSet(tmp_path / "copy"))
    assert server.take() == {}
    monkeypatch.setattr(withdrawals, "SECONDS_BETWEEN_READS", -1.0)
    assert gone not in keys(ShardSet(tmp_path / "copy"))
    # A server that cannot be reached changes nothing, and this is reported.
    server.is_up = False
    capsys.readouterr()
    assert gone not in keys(ShardSet(tmp_path / "copy"))
    assert "what was known before counts" in capsys.readouterr().err


@pytest.mark.parametrize("named_by", ["file", "environment", "merge"])
def test_a_published_list_is_followed(named_by, make_set, tmp_path, server, monkeypatch, capsys):
    one = put(make_set, tmp_path, "partner", 4)
    gone = keys(ShardSet(one))[2]
    (tmp_path / "ours").mkdir()
    shutil.copytree(one, tmp_path / "ours" / "copy")
    address = f"{server.address}/partner/withdrawn.parquet"
    main(["takedown", str(one), gone, "--reason", "the heir asked"])
    assert pq.read_table(one / "withdrawn.parquet").to_pydict() == {"key": [gone]}
    copy = tmp_path / "ours" / "copy"
    assert gone in keys(ShardSet(copy))
    if named_by == "file":
        (tmp_path / "ours" / "withdrawals.txt").write_text(f"# of our partner\n{address}\n")
    elif named_by == "environment":
        monkeypatch.setenv("ICONOCLIP_WITHDRAWN", address)
    else:
        merged(tmp_path / "m" / "all", copy, "--withdrawals", address)
        copy = tmp_path / "m" / "all"
    assert gone not in keys(ShardSet(copy))
    assert gone not in load([str(copy)], split="all", policy="open").keys.to_pylist()
    if named_by == "merge":
        assert [stone.key for stone in ShardSet(copy).manifest.tombstones] == [gone]
        return
    # A list that was never read is required: without it the withdrawals are unknown.
    server.is_up = False
    shutil.rmtree(tmp_path / "cache")
    assert main(["check", str(copy)]) == 75
    assert "is not known" in capsys.readouterr().err


@pytest.mark.parametrize(
    "at", ["file:///etc/passwd.tar", "http://169.254.169.254/x.tar", "http://[::ffff:a9fe:a9fe]/x.tar"]
)
def test_a_manifest_may_not_name_any_address(at, make_set, tmp_path, capsys):
    one = make_set("one", 3)
    merged(tmp_path / "all", one.folder, "--by_reference")
    path = tmp_path / "all" / "shardset.json"
    manifest = json.loads(path.read_text())
    for shard in manifest["shards"]:
        shard["at"] = at
    path.write_text(json.dumps(manifest))
    assert main(["check", str(tmp_path / "all")]) == 2
    assert "a manifest names an address" in capsys.readouterr().out


def test_weights_decide_how_often_training_draws_a_set(make_set, tmp_path, capsys):
    one, two = make_set("one", 9), make_set("two", 3)
    for how in ([], ["--by_reference"]):
        out = tmp_path / f"all{len(how)}"
        assert merged(out, one.folder, two.folder, "--weights", "{two: 3}", *how) == 0
        assert ShardSet(out).manifest.parents[1].weight == 3
        samples = load([str(out)], split="all", policy="open")
        found = quotas(samples.institution_N, 1.0, samples.weight_N)
        # 9 and 3 * 3 of 12 places: six each.
        assert [(len(rows), quota) for rows, quota in found or ()] == [(9, 6), (3, 6)]
        assert main(["check", str(out)]) == 0
    assert merged(tmp_path / "x", one.folder, two.folder, "--weights", "{three: 3}") == 2
    assert "no set is called 'three'" in capsys.readouterr().err
    assert merged(tmp_path / "x", one.folder, two.folder, "--weights", "{two: 0}") == 2


def test_weighted_quotas_by_hand():
    # Institution 0 has 4 samples of weight 1, institution 1 has 2 of weight 1 and 2 of weight 3: 4 : 2 : 6 of
    # 8 places are 2.67, 1.33 and 4; the remainder goes to the larger fraction.
    institutions, weights = np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.array([1.0] * 6 + [3.0] * 2)
    assert [quota for _, quota in quotas(institutions, 1.0, weights) or ()] == [3, 1, 4]
    # Five of institution 0, one of institution 1 with weight 2: alpha = 0 alone gives each 3 of 6 places, the
    # weight makes that 1 : 2.
    few = np.array([0, 0, 0, 0, 0, 1]), 0.0, np.array([1.0] * 5 + [2.0])
    assert [quota for _, quota in quotas(*few) or ()] == [2, 4]
    assert quotas(institutions, 1.0, np.ones(8)) is None


def test_conflicts_are_explained_and_the_strictest_rights_count(make_set, tmp_path, capsys):
    other = (Caption(text="A cow of another colour", language="en", field="title"),)
    make_set("one", 4).folder.rename(tmp_path / "first")
    second = make_set("one", 3, {0: {"rights": judge(IN_COPYRIGHT)}, 1: {"captions": other}})
    words = [tmp_path / "first", second.folder, "--report", tmp_path / "conflicts.json"]
    assert merged(tmp_path / "all", *words) == 2
    said = capsys.readouterr().err
    assert "3 keys occur in two sets (1: different rights; 1: different texts; 1: nothing differs)" in said
    assert IN_COPYRIGHT in said
    assert "A cow of another colour" in said
    assert json.loads((tmp_path / "conflicts.json").read_text())["num_conflicts"] == 3
    assert not (tmp_path / "all" / "shardset.json").exists()
    for how in ([], ["--by_reference"]):
        out = tmp_path / f"all{len(how)}"
        assert merged(out, *words, "--duplicates", "first", *how) == 0
        records = list(ShardSet(out).records())
        assert [record.rights.train for record in records] == ["no", "yes", "yes", "yes"]
        assert records[0].rights.uri == IN_COPYRIGHT
        assert records[1].captions[0].text == "A red cow, 1"
        assert main(["check", str(out)]) == 0


@pytest.mark.long
def test_a_set_in_s3(make_set, tmp_path, monkeypatch):
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        address = "http://{}:{}".format(*server.get_host_and_port())
        for name, value in (
            ("AWS_ENDPOINT_URL_S3", address),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("ICONOCLIP_CACHE", str(tmp_path / "cache")),
        ):
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(withdrawals, "SECONDS_BETWEEN_READS", -1.0)
        one = make_set("one", 5).folder
        bucket = boto3.resource("s3").Bucket("sets")
        bucket.create()
        for path in one.rglob("*"):
            if path.is_file():
                bucket.upload_file(str(path), f"one/{path.relative_to(one)}")
        assert merged(tmp_path / "m" / "all", "s3://sets/one", "--by_reference") == 0
        assert len(list(ShardSet(tmp_path / "m" / "all").samples())) == 5
        assert main(["check", str(tmp_path / "m" / "all")]) == 0
        main(["takedown", str(one), keys(ShardSet(one))[0], "--reason", "the heir asked"])
        bucket.upload_file(str(one / "shardset.json"), "one/shardset.json")
        assert len(list(ShardSet(tmp_path / "m" / "all").samples())) == 4
    finally:
        server.stop()
