"""Tars of other programs and shard sets are mixed by weight, and all else is as with shard sets alone."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iconoclip.config import to_yaml
from iconoclip.errors import (
    BadInput,
    ConfigError,
    IconoclipError,
    MissingRequirement,
    RightsForbid,
)
from iconoclip.rundir import RunDir
from tests import commands
from training.config import ExportConfig, TrainConfig
from training.data.mixing import Mix
from training.data.order import quotas
from training.data.sources import load_for
from training.export import export
from training.plan import make_plan
from training.seen import times_seen
from training.train import train

from .conftest import changed, jpeg, make_record, write_set
from .tars_of_others import laion_tars, of_tars, plain, write_tar
from .test_train import assert_same_run

MakeConfig = Callable[..., TrainConfig]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICONOCLIP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def laion(tmp_path: Path) -> Path:
    return laion_tars(tmp_path)


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
