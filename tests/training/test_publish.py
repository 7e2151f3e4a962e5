"""A model goes to a hub, with a card that says what it is; a licence is never assumed."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from iconoclip.errors import BadInput
from training.config import EvaluateConfig, ExportConfig, TrainConfig
from training.evaluate import evaluate
from training.export import export
from training.train import train

from .conftest import config_of


@pytest.fixture(scope="module")
def run(shapes_set: Path, small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    """A finished run of one step."""
    config = config_of(
        shardsets=[str(shapes_set)],
        run_dir=tmp_path_factory.mktemp("published") / "run",
        model=str(small_model),
        batch_size=10,
        max_steps=1,
        num_workers=0,
        precision="float32",
        wandb=False,
        device="cpu",
        num_threads=1,
    )
    train(config)
    return config


def test_no_licence_is_assumed_and_a_given_one_is_stated(run: TrainConfig, tmp_path: Path) -> None:
    export(ExportConfig(run_dir=run.run_dir, out=tmp_path / "model"))
    card = (tmp_path / "model" / "README.md").read_text()
    assert "stated no licence" in card
    assert "license:" not in card
    assert 'language: ["en", "fr"]' in card
    export(ExportConfig(run_dir=run.run_dir, out=tmp_path / "model", licence="CC-BY-4.0"))
    card = (tmp_path / "model" / "README.md").read_text()
    assert "license: cc-by-4.0\n" in card
    assert "The weights: CC-BY-4.0. No picture it was trained on asks for attribution." in card


def test_the_card_takes_the_scores_of_this_model_alone(run: TrainConfig, tmp_path: Path) -> None:
    model, half = tmp_path / "model", tmp_path / "half"
    export(ExportConfig(run_dir=run.run_dir, out=model))
    evaluate(
        EvaluateConfig(model=str(model), shardsets=run.shardsets, split="val", out=tmp_path / "evaluation")
    )
    found = tmp_path / "evaluation" / "evaluation.json"
    export(ExportConfig(run_dir=run.run_dir, out=model, evaluations=[found]))
    card = (model / "README.md").read_text()
    value = json.loads(found.read_text())["languages"]["en"]["text_to_image"]["recall@1"]
    assert f"| en, text to image | {value['value']:.3f} ({value['low']:.3f}–{value['high']:.3f}) |" in card
    assert "| fr, north |" in card
    assert "On 10 images of `north`" in card
    with pytest.raises(BadInput, match="of another model"):
        export(
            ExportConfig(
                run_dir=run.run_dir,
                out=half,
                evaluations=[found],
                interpolate_with=str(model),
                interpolation=0.5,
                weights="last",
                step=1,
                licence="MIT",
            ).model_copy(update={"interpolate_with": str(other_model(model, tmp_path))})
        )
    assert not half.exists()
    with pytest.raises(BadInput, match="not an evaluation"):
        export(ExportConfig(run_dir=run.run_dir, out=half, evaluations=[model / "provenance.json"]))


def other_model(model: Path, folder: Path) -> Path:
    """The same architecture with other weights."""
    from safetensors.torch import load_file, save_file

    other = folder / "other"
    other.mkdir()
    (other / "open_clip_config.json").write_bytes((model / "open_clip_config.json").read_bytes())
    state = load_file(model / "open_clip_model.safetensors")
    save_file(
        {name: tensor + 1 for name, tensor in state.items()},
        other / "open_clip_model.safetensors",
        metadata={"format": "pt"},
    )
    return other


class Hub(ThreadingHTTPServer):
    """As much of a hub's API as an upload needs, on loopback."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.created: dict[str, Any] = {}
        self.tokens: set[str] = set()
        self.files: dict[str, bytes] = {}
        self.large: dict[str, bytes] = {}


class Answer(BaseHTTPRequestHandler):
    """The answers of the fake hub: huggingface.co/docs/hub/api and the Git LFS batch API."""

    server: Hub

    def log_message(self, *arguments: Any) -> None:
        pass

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _say(self, value: Any, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_PUT(self) -> None:
        self.server.large[self.path.rpartition("/")[2]] = self._body()
        self._say({})

    def do_GET(self) -> None:
        self._say({"id": "library/arms", "sha": "0" * 40, "siblings": [], "private": True})

    def do_POST(self) -> None:
        body = self._body()
        token = self.headers.get("Authorization", "")
        if token != "Bearer hf_good":
            return self._say({"error": "Invalid username or password."}, 401)
        hub, address = self.server, self.server.address
        if self.path == "/api/repos/create":
            hub.created = json.loads(body)
            return self._say({"url": f"{address}/library/arms", "name": "library/arms", "id": "1"})
        if "/preupload/" in self.path:
            wanted = [one["path"] for one in json.loads(body)["files"]]
            modes = [
                {
                    "path": path,
                    "uploadMode": "lfs" if path.endswith("safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for path in wanted
            ]
            return self._say({"files": modes})
        if self.path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**one, "actions": {"upload": {"href": f"{address}/blobs/{one['oid']}"}}}
                for one in json.loads(body)["objects"]
            ]
            return self._say({"transfer": "basic", "objects": objects})
        if "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    hub.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                elif line["key"] == "lfsFile":
                    hub.files[line["value"]["path"]] = hub.large[line["value"]["oid"]]
            return self._say(
                {"commitOid": "1" * 40, "commitUrl": f"{address}/library/arms/commit/1", "success": True}
            )
        return self._say({})


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub that listens on loopback."""
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()


def push(
    run: TrainConfig, out: Path, endpoint: str, token: str = "hf_good"
) -> subprocess.CompletedProcess[str]:
    """The command as a person gives it."""
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    # Xet, the hub's own transfer protocol, is left out: the fake hub speaks Git LFS.
    environment |= {"HF_ENDPOINT": endpoint, "HF_TOKEN": token, "HF_HUB_DISABLE_XET": "1"}
    words = ["export", str(run.run_dir), "--out", str(out), "--push", "library/arms"]
    return subprocess.run(
        [sys.executable, "-m", "iconoclip.cli", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_model_is_pushed_whole(run: TrainConfig, hub: Hub, tmp_path: Path) -> None:
    export(ExportConfig(run_dir=run.run_dir, out=tmp_path / "model"))
    done = push(run, tmp_path / "model", hub.address)
    assert done.returncode == 0, done.stderr
    assert f"pushed: {hub.address}/library/arms" in done.stderr
    assert hub.created.get("visibility") == "private" or hub.created.get("private"), hub.created
    stored = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    assert hub.files == stored
    assert hashlib.sha256(hub.files["open_clip_model.safetensors"]).hexdigest() in hub.large


def test_a_hub_that_refuses_or_cannot_be_reached_is_a_message(
    run: TrainConfig, hub: Hub, tmp_path: Path
) -> None:
    export(ExportConfig(run_dir=run.run_dir, out=tmp_path / "model"))
    refused = push(run, tmp_path / "model", hub.address, token="hf_bad")
    assert refused.returncode == 2, refused.stderr
    assert "the hub refuses: " in refused.stderr
    assert "Traceback" not in refused.stderr
    gone = push(run, tmp_path / "model", "http://127.0.0.1:9")
    assert gone.returncode == 4, gone.stderr
    assert "the hub cannot be reached" in gone.stderr
    assert "exported already" in gone.stderr
