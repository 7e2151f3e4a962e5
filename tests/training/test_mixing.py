"""Tars of other programs and shard sets are mixed by weight, and all else is as with shard sets alone."""

from __future__ import annotations

import functools
import gzip
import http.server
import io
import itertools
import json
import os
import shutil
import tarfile
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset
from PIL import Image

from iconoclip.config import to_yaml
from iconoclip.errors import (
    BadInput,
    ConfigError,
    DamagedData,
    IconoclipError,
    MissingRequirement,
    RightsForbid,
)
from iconoclip.rights import judge
from iconoclip.rundir import RunDir
from iconoclip.withdrawals import add_to_list
from tests import commands
from training.config import ExportConfig, TrainConfig
from training.data.mixing import Mix
from training.data.order import quotas
from training.data.seen_numbers import SeenNumbers
from training.data.sources import load_for
from training.export import export
from training.plan import load_for_training, make_dataset, make_plan
from training.seen import times_seen
from training.train import train

from .conftest import changed, jpeg, make_record, write_set
from .test_train import assert_same_run

MakeConfig = Callable[..., TrainConfig]
BY = "https://creativecommons.org/licenses/by/4.0/"
COLOURS = ("red", "green", "blue", "black", "white", "orange", "pink", "grey", "cyan", "navy")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICONOCLIP_CACHE", str(tmp_path / "cache"))


def write_tar(path: Path, samples: list[dict[str, Any]]) -> Path:
    """A tar as webdataset's own writer makes it."""
    path.parent.mkdir(exist_ok=True)
    with webdataset.TarWriter(str(path)) as writer:
        for sample in samples:
            writer.write(sample)
    return path


def plain(first: int, num: int) -> list[dict[str, Any]]:
    """Samples of an image and its text."""
    return [
        {
            "__key__": f"{number:06d}",
            "jpg": jpeg(COLOURS[number % 10], COLOURS[number // 10 % 10], "disc"),
            "txt": f"picture number {number}",
        }
        for number in range(first, first + num)
    ]


@pytest.fixture
def laion(tmp_path: Path) -> Path:
    """Three plain tars of ten samples each, in a folder of their own."""
    for number in range(3):
        write_tar(tmp_path / "laion" / f"laion-{number:05d}.tar", plain(10 * number, 10))
    return tmp_path / "laion"


def of_tars(*words: Path | str, rights: str | None = "CC0", **more: Any) -> dict[str, Any]:
    return {"shards": [str(word) for word in words], "rights": rights, **more}


def drawn(config: TrainConfig, epochs: int = 1) -> Counter[str]:
    """How often each key comes in the first epochs."""
    plan = make_plan(config)
    rows = np.concatenate([plan.schedule.order.rows(epoch) for epoch in range(epochs)])
    return Counter(plan.samples.keys[int(row)].as_py() for row in rows)


def test_shares_are_the_weights_and_a_mixed_run_resumes_exactly(
    make_config: MakeConfig, laion: Path, tmp_path: Path
) -> None:
    source = of_tars(laion / "laion-{00000..00002}.tar", weight=1)
    changes = {"data.sources": [source], "data.weights": [3], "epochs": 1, "checkpoint_every": 3}
    config = make_config(**changes)
    counts = drawn(config)
    # 50 samples of the set and 30 of the tars: an epoch of 80, of which a quarter comes from the tars.
    assert counts.total() == 80
    assert sum(num for key, num in counts.items() if key.startswith("laion-")) == 20
    assert train(config) == 0
    pieces = changed(config, run_dir=tmp_path / "pieces")
    for until in (4, 10):
        # Named in another way, and with the cache gone: only the content of the files counts.
        shutil.rmtree(tmp_path / "cache")
        moved = source | {"shards": [str(path) for path in sorted(laion.glob("*.tar"))]}
        train(changed(pieces, max_steps=until, **{"data.sources": [moved]}))
    assert_same_run(config.run_dir, tmp_path / "pieces")
    data = json.loads((config.run_dir / "data.json").read_text())
    assert data["shares"] == {"north": 0.75, "laion": 0.25}
    assert [one.get("rights") for one in data["shardsets"]] == [None, "CC0"]
    some = [key for key in counts if key.startswith("laion-")][:3]
    assert times_seen(RunDir(config.run_dir), some, 10) == {key: counts[key] for key in some}
    export(ExportConfig(run_dir=config.run_dir, out=tmp_path / "model"))
    card = (tmp_path / "model" / "README.md").read_text()
    assert "3 tars of another program, with the rights that the user stated: CC0" in card
    assert "| laion | 25.0 % |" in card


def test_a_source_gets_its_share_whatever_its_institutions() -> None:
    generator = np.random.default_rng(0)
    source_N = np.repeat([0, 1, 2], [700, 250, 50])
    institution_N = np.where(source_N == 2, 9, generator.integers(0, 4, 1000))
    for alpha in (1.0, 0.5, 0.0):
        weight_N = Mix((0, 1, 2), (2.0, 1.0, 1.0), alpha).sample_weights(
            source_N, institution_N, np.ones(1000)
        )
        found = quotas(institution_N, alpha, weight_N)
        assert found
        per_source = np.zeros(3)
        for rows, quota in found:
            assert len(np.unique(source_N[rows])) == 1
            per_source[source_N[rows[0]]] += quota
        # Whole numbers: each of at most 9 classes is rounded.
        assert np.abs(per_source - [500, 250, 250]).max() <= 5


def test_what_tars_lack_is_counted_and_never_trained_on(
    make_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = jpeg("red", "blue", "disc")
    record = make_record(7, good, {"en": "from a set", "fr": "d'un lot"})
    test_record = make_record(8, good, {"en": "held out"}, split="test")
    closed = make_record(
        9, good, {"en": "closed"}, rights=judge("http://rightsstatements.org/vocab/InC/1.0/")
    )
    facts: list[dict[str, Any]] = [
        {"jpg": good, "txt": "plain"},
        {"png": jpeg("pink", "red", "disc"), "json": {"caption": "a title", "language": "en", "license": BY}},
        {"jpg": good, "json": {"captions": {"de": ["eins", "zwei"], "fr": "un"}}},
        {"jpg": good, "cls": b"1"},
        {"jpg": good, "webp": good, "txt": "two images"},
        {"jpg": good},
        {"txt": "no image"},
        {"jpg": b"\xff\xd8 not an image", "txt": "broken"},
        {"jpg": good, "txt": b"\xff\xfe\xff"},
        {"jpg": good, "json": b"{not json"},
        {"jpg": good, "txt": "mine", "json": {"rights": "all mine, ask me"}},
        {"jpg": good, "json": json.loads(record.model_dump_json())},
        {"jpg": good, "json": json.loads(test_record.model_dump_json())},
        {"jpg": good, "json": json.loads(closed.model_dump_json())},
        {
            "jpg": good,
            "en.txt": "an oak",
            "pt-BR.txt": "um carvalho",
            "alt.txt": "not read",
            "raw.txt": "nor this",
        },
    ]
    path = write_tar(tmp_path / "odd.tar", [{"__key__": f"s{n}"} | one for n, one in enumerate(facts)])
    with tarfile.open(path, "a") as tar:
        for name in ("s0.jpg", "s0.txt", "README", "__meta__.json"):
            info = tarfile.TarInfo(name)
            info.size = len(good)
            tar.addfile(info, io.BytesIO(good))
        link = tarfile.TarInfo("s99.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    (tmp_path / "classes.txt").write_text("lion\nunicorn\n")
    source = of_tars(path, name="odd", class_names=str(tmp_path / "classes.txt"))
    samples = load_for(make_config(shardsets=[], **{"data.sources": [source]}))
    texts = {
        (caption.language, text): caption.field
        for row in range(len(samples))
        for number in samples.captions.of_row(row)
        for caption, text in [(samples.captions.kind_of(number), samples.captions.text[number].as_py())]
    }
    assert texts == {
        ("und", "plain"): "caption", ("en", "a title"): "caption", ("de", "eins"): "caption",
        ("de", "zwei"): "caption", ("fr", "un"): "caption", ("und", "unicorn"): "class",
        ("und", "two images"): "caption", ("en", "from a set"): "blazon", ("fr", "d'un lot"): "blazon",
        ("en", "an oak"): "caption", ("pt-BR", "um carvalho"): "caption",
    }  # fmt: skip
    assert record.key in samples.keys.to_pylist()
    assert samples.left_out == {
        "rights: the policy 'open' says no": 2,
        "odd: JSON that is damaged": 1,
        "odd: a further text of one sample, whose ending is neither .txt nor a language before it": 2,
        "odd: a second image of one sample": 1,
        "odd: an image that cannot be decoded": 1,
        "odd: members that are no plain files": 1,
        "odd: members without an extension": 1,
        "odd: no caption": 1,
        "odd: no image": 1,
        "odd: text that is not UTF-8": 2,
    }
    assert samples.counts()["by_rights"]["http://creativecommons.org/licenses/by/4.0/"] == 1
    # A key that is withdrawn anywhere is not used from a tar either.
    gone = [record.key, samples.keys[0].as_py()]
    add_to_list(tmp_path / "gone.parquet", gone)
    monkeypatch.setenv("ICONOCLIP_WITHDRAWN", str(tmp_path / "gone.parquet"))
    left = load_for(make_config(shardsets=[], **{"data.sources": [source]}))
    assert left.keys.to_pylist() == [key for key in samples.keys.to_pylist() if key not in gone]


def test_tars_without_a_usable_sample_say_why(make_config: MakeConfig, tmp_path: Path) -> None:
    good = jpeg("red", "blue", "disc")
    image, text = ("a.jpg", good), ("a.txt", b"red")
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a.jpg", good)
    contents: list[tuple[bytes | list[tuple[str, bytes]], str, str]] = [
        # What the file contains, or its members; the reason; a word of the remedy.
        (b"", "no tar but an empty file", "download"),
        (b"<!DOCTYPE html><html>", "no tar but an HTML page", "download"),
        (b"version https://git-lfs.github.com/spec/v1\n", "no tar but a Git LFS pointer", "download"),
        (gzip.compress(good), "no tar but an archive", "plain .tar"),
        (zipped.getvalue(), "no tar but a zip archive", "plain .tar"),
        (b'{"error": 1}' + bytes(2000), "damaged tars", "download"),
        ([image, ("a.cls", b"7")], "a class whose name is not in class_names", "class_names"),
        ([image, ("a.json", b'{"alt_text": "red"}')], "none of the caption_keys", "caption_keys"),
        ([image, ("b.txt", b"red")], "1: no caption; 1: no image", "--sort=name"),
        ([(f"v1.{name}", data) for name, data in (image, text)], "a dot within the name", "no dot"),
        ([image], "no caption", "KEY.txt"),
    ]
    for number, (content, reason, remedy) in enumerate(contents):
        path = tmp_path / f"t{number}.tar"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            with tarfile.open(path, "w") as tar:
                for name, data in content:
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
        with pytest.raises(BadInput) as caught:
            load_for(make_config(shardsets=[], **{"data.sources": [of_tars(path)]}))
        assert reason in caught.value.what
        assert remedy in (caught.value.remedy or "")


def test_pictures_of_every_format_are_trained_on(make_config: MakeConfig, tmp_path: Path) -> None:
    """What the reader of tars takes for an image, the loader can decode; patterns name tars too."""
    members: list[dict[str, Any]] = []
    for ending, kind in (
        ("tif", "TIFF"),
        ("gif", "GIF"),
        ("bmp", "BMP"),
        ("jp2", "JPEG2000"),
        ("webp", "WEBP"),
    ):
        file = io.BytesIO()
        Image.new("RGB", (40, 40), COLOURS[len(members)]).save(file, kind)
        members.append({"__key__": ending, ending: file.getvalue(), "txt": f"in {kind}"})
    write_tar(tmp_path / "formats-0.tar", members[:2])
    write_tar(tmp_path / "formats-1.tar", members[2:])
    source = of_tars(tmp_path / "formats-*.tar", name="formats")
    plan = make_plan(make_config(shardsets=[], batch_size=5, **{"data.sources": [source]}))
    assert len(plan.samples) == 5
    batch = make_dataset(plan, load_for_training(plan.config.model, plan.config.loss, 0)).__getitems__(
        [(row, row) for row in range(5)]
    )
    assert (batch.problem, batch.damaged) == (None, ())


def test_a_cut_tar_a_changed_tar_and_the_same_key_twice(
    make_config: MakeConfig, laion: Path, tmp_path: Path
) -> None:
    first, second, third = sorted(laion.glob("*.tar"))
    third.write_bytes(second.read_bytes()[:-15_000])
    (tmp_path / "more").mkdir()
    twice = write_tar(tmp_path / "more" / "twice.tar", [*plain(0, 2), *plain(5, 1), *plain(1, 1)])
    config = make_config(shardsets=[], **{"data.sources": [of_tars(first, third, twice, name="all")]})
    samples = load_for(config)
    assert samples.left_out["all: the key of an earlier sample"] == 1
    assert samples.left_out["all: damaged tars: what follows the damage"] == 1
    assert 10 + 3 < len(samples) < 10 + 10 + 3
    before = samples.sets[0].digest
    assert load_for(config).sets[0].digest == before
    # An index that nobody has opened for two weeks goes when the next one is written.
    old = samples.sets[0].folder
    os.utime(old / "shardset.json", (1e9, 1e9))
    notes = sorted(old.parent.glob("tar-*.json"))
    os.utime(notes[0], (1e9, 1e9))
    write_tar(first, plain(90, 4))
    with pytest.raises(DamagedData, match="has changed"):
        samples.sets[0].verify_shard(samples.sets[0].manifest.shards[0])
    again = load_for(config)
    assert len(again) == len(samples) - 6
    assert again.sets[0].digest != before
    assert not old.exists()
    assert [one for one in notes if not one.exists()] == notes[:1]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The address of the folder, from a real server."""
    handler = functools.partial(_Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_tars_at_addresses_are_the_same_samples(
    make_config: MakeConfig, laion: Path, address: str, tmp_path: Path
) -> None:
    local = load_for(make_config(shardsets=[], **{"data.sources": [of_tars(laion, name="all")]}))
    remote_source = of_tars(f"{address}/laion/laion-{{00000..00002}}.tar", name="all")
    remote = load_for(make_config(shardsets=[], **{"data.sources": [remote_source]}))
    assert remote.keys == local.keys
    shards = remote.sets[0].manifest.shards
    assert [one.sha256 for one in shards] == [one.sha256 for one in local.sets[0].manifest.shards]
    path = remote.sets[0].path_of(shards[1].name)
    assert path.parent == tmp_path / "cache" / "shards"
    path.unlink()
    assert remote.sets[0].path_of(shards[1].name).read_bytes() == sorted(laion.glob("*.tar"))[1].read_bytes()


@pytest.mark.long
def test_a_run_trains_on_tars_in_s3(
    laion: Path, make_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From an S3 server of moto, by the command: dry run, training, and again after a tar has changed."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        for name, value in (
            ("AWS_ENDPOINT_URL_S3", "http://{}:{}".format(*server.get_host_and_port())),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ):
            monkeypatch.setenv(name, value)
        bucket = boto3.resource("s3").Bucket("tars")
        bucket.create()
        tars = sorted(laion.glob("*.tar"))
        for path in tars:
            bucket.upload_file(str(path), f"some/{path.name}")
        changes: dict[str, Any] = {"shardsets": [], "max_steps": 3, "validation_split": "none"}
        local = make_config(
            run_dir=tmp_path / "local", **changes, **{"data.sources": [of_tars(laion, name="all")]}
        )
        source = of_tars("s3://tars/some/laion-{00000..00002}.tar", name="all")
        remote = make_config(run_dir=tmp_path / "remote", **changes, **{"data.sources": [source]})
        (tmp_path / "remote.yaml").write_text(to_yaml(remote))
        words = ["train", "--config", tmp_path / "remote.yaml"]
        done = commands.run([*words, "--dry-run", "--json"])
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["num_samples"] == 30
        done = commands.run(words)
        assert done.returncode == 0, done.stderr
        # The index of the dry run is used.
        assert "read tars" not in done.stderr
        train(local)
        losses = [
            [line["loss"] for line in RunDir(one.run_dir).metrics() if "loss" in line]
            for one in (local, remote)
        ]
        assert losses[0] == losses[1]
        # Another tar under the same name: its ETag differs, and it is read again.
        bucket.upload_file(str(write_tar(tmp_path / "new.tar", plain(500, 4))), f"some/{tars[1].name}")
        done = commands.run([*words, "--dry-run", "--json"])
        assert json.loads(done.stdout)["num_samples"] == 24
        bucket.Object(f"some/{tars[2].name}").delete()
        done = commands.run([*words, "--dry-run"])
        assert (done.returncode, "s3://tars/some/laion-00002.tar" in done.stderr) == (4, True)
    finally:
        server.stop()


def test_what_may_not_be_mixed_is_refused(
    make_config: MakeConfig, laion: Path, shapes_set: Path, address: str, tmp_path: Path
) -> None:
    served = write_set(
        tmp_path / "served", [(make_record(1, jpeg("red", "blue", "disc"), {"en": "x"}), b"x")]
    )
    tar = next(served.glob("*.tar")).name
    for name in ("a.parquet", "packed/a.tar.gz", "pictures/a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    refused: list[tuple[type[IconoclipError], str, dict[str, Any]]] = [
        (ConfigError, "commands", {"data.sources": [of_tars("pipe:curl http://a.example/x.tar")]}),
        (ConfigError, "packed tar", {"data.sources": [of_tars("http://a.example/x.tar.gz")]}),
        (ConfigError, "named by their paths", {"data.sources": [of_tars("file:///data/x.tar")]}),
        (ConfigError, "no file matches", {"data.sources": [of_tars(laion / "*.x.tar")]}),
        (MissingRequirement, "no such file or folder", {"data.sources": [of_tars(laion / "none")]}),
        (ConfigError, "neither a shard set nor a tar", {"data.sources": [of_tars(tmp_path / "a.parquet")]}),
        (ConfigError, "a folder of packed tars", {"data.sources": [of_tars(tmp_path / "packed")]}),
        (ConfigError, "no shard set, and holds no tars", {"data.sources": [of_tars(tmp_path / "pictures")]}),
        (ConfigError, "does not have the form", {"data.sources": [of_tars(laion, language="in English")]}),
        (ConfigError, "not a finite number", {"data.sources": [of_tars(laion, weight=float("inf"))]}),
        (ConfigError, "at least 0", {"data.field_weights": {"title": -1.0}}),
        (ConfigError, "states no rights", {"data.sources": [of_tars(laion, rights=None)]}),
        (ConfigError, "state no rights", {"shardsets": [str(laion)]}),
        (RightsForbid, "does not allow", {"data.sources": [of_tars(laion, rights="In copyright")]}),
        (RightsForbid, "no statement that is understood", {"data.sources": [of_tars(laion, rights="ours")]}),
        (ConfigError, "belong to a shard set", {"data.sources": [of_tars(next(shapes_set.glob("*.tar")))]}),
        (ConfigError, "belong to a shard set", {"data.sources": [of_tars(f"{address}/served/{tar}")]}),
        (ConfigError, "both shard sets and tars", {"data.sources": [of_tars(laion, shapes_set)]}),
        (ConfigError, "states the rights of each", {"data.sources": [of_tars(shapes_set)]}),
        (IconoclipError, "no such tar", {"data.sources": [of_tars(laion / "laion-{00002..00003}.tar")]}),
        (ConfigError, "not a list", {"data.sources": [of_tars(laion / "laion-{0..3.tar")]}),
        (ConfigError, "10,000,000,000 tars", {"data.sources": [of_tars(laion / "{0..9999999999}.tar")]}),
        (BadInput, "they are empty", {"data.sources": [of_tars(write_tar(tmp_path / "0.tar", []))]}),
        (ConfigError, "some sources have a weight", {"data.sources": [of_tars(laion, weight=2)]}),
        (ConfigError, "1 weights for 2", {"shardsets": ["a", "b"], "data.weights": [1]}),
        (ConfigError, "nothing to train on", {"shardsets": []}),
    ]  # fmt: skip
    for kind, message, changes in refused:
        with pytest.raises(kind, match=message):
            load_for(make_config(**changes))


def test_keys_that_came_before_are_known_whatever_the_parts() -> None:
    draw, seen, known = np.random.default_rng(4), SeenNumbers(), set[int]()
    for _ in range(60):
        part = draw.integers(-300, 300, draw.integers(0, 40))
        wanted = []
        for number in part.tolist():
            wanted.append(number not in known)
            known.add(number)
        assert seen.add(part).tolist() == wanted
    lengths = [len(one) for one in seen._sorted]
    assert sum(lengths) == len(known)
    # Few arrays, so that each part is compared with few.
    assert all(first > 2 * second for first, second in itertools.pairwise(lengths))
