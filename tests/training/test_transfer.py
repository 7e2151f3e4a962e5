"""Shards over HTTP: requests to a busy server, broken connections and short bodies are retried; a refusal is
a clear error.
"""

from __future__ import annotations

import itertools
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub.errors import OfflineModeIsEnabled

from iconoclip import transfer
from iconoclip.disk_full import is_disk_full
from iconoclip.errors import DamagedData, MissingRequirement, TryAgainLater
from training.config import TrainConfig
from training.data.samples import load
from training.data.storage import ShardReader
from training.train import train

from .test_train import losses

MakeConfig = Callable[..., TrainConfig]


@dataclass
class Trouble:
    """What happens to a path: for the first `times` requests, or for all of them."""

    kind: str = ""
    times: int = 1_000_000
    suffix: str = ".tar"
    asked: Counter[str] = field(default_factory=Counter)


@pytest.fixture
def served(
    shapes_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, Trouble]]:
    """The small set on a web server, an empty cache, and no time lost between tries."""
    monkeypatch.setenv("ICONOCLIP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(transfer, "PAUSES_SECONDS", (0.001,) * 3)
    trouble = Trouble()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            pass

        def do_GET(self) -> None:
            trouble.asked[self.path] += 1
            body = (shapes_set / self.path.rpartition("/")[2]).read_bytes()
            is_in_trouble = self.path.endswith(trouble.suffix) and trouble.asked[self.path] <= trouble.times
            if is_in_trouble and trouble.kind.isdigit():
                self.send_error(int(trouble.kind))
                return
            if is_in_trouble and trouble.kind == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                return
            self.send_response(200)
            if not (is_in_trouble and trouble.kind == "cut, of unknown length"):
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:900] if is_in_trouble and "cut" in trouble.kind else body)
            self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/set", trouble
    server.shutdown()
    thread.join()
    server.server_close()


KINDS = ("503", "500", "429", "408", "reset", "cut", "cut, of unknown length")


def test_a_temporary_error_changes_nothing(
    served: tuple[str, Trouble], shapes_set: Path, tmp_path: Path
) -> None:
    address, trouble = served
    local = load([str(shapes_set)], split="all", policy="open")
    reader = ShardReader(local)
    wanted = [reader.image_bytes(row) for row in range(len(local))]
    troubles = [
        *itertools.product(KINDS, [".tar"]),
        ("503", ".json"),
        ("cut", ".parquet"),
        ("reset", ".parquet"),
    ]
    for kind, suffix in troubles:
        trouble.kind, trouble.times, trouble.suffix = kind, 2, suffix
        trouble.asked.clear()
        for path in (tmp_path / "cache").glob("*/*"):
            path.unlink()
        samples = load([address], split="all", policy="open")
        reader = ShardReader(samples)
        assert [reader.image_bytes(row) for row in range(len(samples))] == wanted
        assert max(trouble.asked.values()) == 3, kind


def test_a_run_trains_through_a_busy_server(
    served: tuple[str, Trouble], make_config: MakeConfig, tmp_path: Path
) -> None:
    address, trouble = served
    here, there = (
        make_config(run_dir=tmp_path / name, max_steps=3, validation_split="none", **changes)
        for name, changes in (("here", {}), ("there", {"shardsets": [address]}))
    )
    trouble.kind, trouble.times = "503", 1
    train(here)
    train(there)
    assert losses(there.run_dir) == losses(here.run_dir)


@pytest.mark.parametrize("num_workers", [0, 1])
@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("503", TryAgainLater, "the server answers 503; tried 4 times"),
        ("reset", TryAgainLater, "cannot be read"),
        ("cut", TryAgainLater, "cannot be read"),
        ("cut, of unknown length", DamagedData, "not the one that shardset.json lists"),
        ("403", MissingRequirement, "refuses to give the file out"),
        ("404", MissingRequirement, "no such file"),
        ("400", MissingRequirement, "the server answers 400"),
    ],
)
def test_a_permanent_error_is_a_message(
    served: tuple[str, Trouble],
    make_config: MakeConfig,
    tmp_path: Path,
    kind: str,
    error: type[Exception],
    words: str,
    num_workers: int,
) -> None:
    address, trouble = served
    if num_workers and kind not in ("503", "403"):
        pytest.skip("two kinds are enough to see an error come through a loading process")
    trouble.kind = kind
    with pytest.raises(error, match=words) as caught:
        train(make_config(shardsets=[address], max_steps=1, validation_split="none", num_workers=num_workers))
    assert address in (caught.value.where or "")  # type: ignore[attr-defined]
    assert "Traceback" not in str(caught.value)
    assert not list((tmp_path / "cache").glob("*/*.tar"))
    assert not list((tmp_path / "cache").glob("*/*.partial"))


def test_a_full_disk_is_not_taken_for_an_error_of_the_server(served: tuple[str, Trouble]) -> None:
    address, trouble = served
    with pytest.raises(OSError) as caught:
        transfer.download(f"{address}/shardset.json", Path("/dev/full"), 10)
    assert is_disk_full(caught.value)
    assert sum(trouble.asked.values()) == 1


class Unrelated(Exception):
    """An error of a client that fsspec wraps: no OSError, the status somewhere inside it."""


def test_the_status_is_found_in_errors_of_every_client() -> None:
    botocore = Unrelated("SlowDown")
    botocore.response = {"ResponseMetadata": {"HTTPStatusCode": 503}}  # type: ignore[attr-defined]
    google, azure, wrapped = Unrelated("busy"), Unrelated("no"), FileNotFoundError("http://a/b")
    google.code, azure.status_code = 429, 403  # type: ignore[attr-defined]
    wrapped.__cause__ = google
    assert [transfer.status_of(one) for one in (botocore, google, azure, wrapped)] == [503, 429, 403, 429]
    refused = [transfer.refusal_of(one, "s3://b/k") for one in (botocore, google, azure, wrapped)]
    assert [one is not None for one in refused] == [False, False, True, False]
    assert transfer.refusal_of(PermissionError("Forbidden"), "s3://b/k")
    assert transfer.refusal_of(FileNotFoundError("k"), "s3://b/k")
    assert "HF_HUB_OFFLINE" in str(transfer.refusal_of(OfflineModeIsEnabled("no"), "hf://datasets/a/b"))
    assert not transfer.refusal_of(TimeoutError(), "s3://b/k")
    # As fsspec's reader of HTTP reports a server that is not there.
    unreachable = FileNotFoundError("http://a/b")
    unreachable.__cause__ = ConnectionRefusedError("Connect call failed")
    assert not transfer.refusal_of(unreachable, "http://a/b")
