"""A model goes to a hub, with a card that says what it is; a licence is never assumed."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from iconoclip.cli import main
from iconoclip.errors import BadInput
from tests.hub import Hub, serving_the_client
from training.config import EvaluateConfig, ExportConfig, TrainConfig
from training.evaluate import evaluate
from training.export import export

from .conftest import trained_run

NAME = "library/arms"


@pytest.fixture(scope="module")
def run(shapes_set: Path, small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    """A finished run of one step."""
    return trained_run(shapes_set, small_model, tmp_path_factory.mktemp("published") / "run", max_steps=1)


def test_no_licence_is_assumed_and_a_given_one_is_stated(run: TrainConfig, tmp_path: Path) -> None:
    export(ExportConfig(run_dir=run.run_dir, out=tmp_path / "model"))
    card = (tmp_path / "model" / "README.md").read_text()
    assert "stated no licence" in card
    assert "license:" not in card
    assert 'language: ["en", "fr"]' in card
    export(ExportConfig(run_dir=run.run_dir, out=tmp_path / "model", licence="CC-BY-4.0"))
    card = (tmp_path / "model" / "README.md").read_text()
    assert "\n# run\n" in card
    assert "license: cc-by-4.0\n" in card
    assert "The weights: CC-BY-4.0. No picture it was trained on asks for attribution." in card


def test_the_model_of_a_chain_is_called_as_the_chain(run: TrainConfig, tmp_path: Path) -> None:
    """There the run has the name of its step."""
    shutil.copytree(run.run_dir, tmp_path / "armorial" / "train")
    export(ExportConfig(run_dir=tmp_path / "armorial" / "train", out=tmp_path / "model"))
    assert "\n# armorial\n" in (tmp_path / "model" / "README.md").read_text()


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
    assert "val split; 95 % intervals" in card
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


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on loopback for the client library, with a token."""
    with serving_the_client(monkeypatch) as hub:
        yield hub


def push(run: TrainConfig, out: Path) -> int:
    """Run `iconoclip export --push`; returns the exit code."""
    return main(["export", str(run.run_dir), "--out", str(out), "--push", NAME])


def test_a_model_is_pushed_whole(
    run: TrainConfig, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export(ExportConfig(run_dir=run.run_dir, out=tmp_path / "model"))
    assert push(run, tmp_path / "model") == 0
    assert f"pushed: {hub.origin}/{NAME}" in capsys.readouterr().err
    assert hub.private[NAME]
    stored = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    files = hub.files(NAME)
    del files[".gitattributes"]
    assert files == stored
    assert hashlib.sha256(files["open_clip_model.safetensors"]).hexdigest() in hub.objects


def test_a_hub_that_refuses_or_cannot_be_reached_is_a_message(
    run: TrainConfig,
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    export(ExportConfig(run_dir=run.run_dir, out=tmp_path / "model"))
    monkeypatch.setenv("HF_TOKEN", "hf_bad")
    assert push(run, tmp_path / "model") == 2
    assert "the hub refuses: " in capsys.readouterr().err
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert push(run, tmp_path / "model") == 4
    printed = capsys.readouterr().err
    assert "the hub cannot be reached" in printed
    assert "exported already" in printed
