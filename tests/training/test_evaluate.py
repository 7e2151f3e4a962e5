"""`evaluate` against brute force through open_clip; the exported model is what was trained."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from iconoclip.errors import BadInput, ConfigError, MissingRequirement
from iconoclip.record import Caption
from iconoclip.shardset import ShardSet
from tests import commands
from training.checkpoint import folder as checkpoints
from training.checkpoint.file import read_checkpoint
from training.config import EvaluateConfig, ExportConfig
from training.evaluate import evaluate, show
from training.export import export

from .conftest import jpeg, make_record, trained_run, write_set


@pytest.fixture(scope="module")
def trained(
    shapes_set: Path, small_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A run of a few steps, and its export."""
    folder = tmp_path_factory.mktemp("trained")
    config = trained_run(shapes_set, small_model, folder / "run", epochs=2)
    export(ExportConfig(run_dir=config.run_dir, out=folder / "model"))
    return config.run_dir, folder / "model"


def test_plain_open_clip_loads_the_export_bit_equal(trained: tuple[Path, Path], shapes_set: Path) -> None:
    run, folder = trained
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    path, _ = checkpoints.latest_sound(run / "checkpoints")
    assert path
    saved = {
        name.removeprefix("model."): tensor for name, tensor in read_checkpoint(path)["state_dict"].items()
    }
    state = model.state_dict()
    assert state.keys() == saved.keys()
    assert all(torch.equal(state[name], saved[name]) for name in state)
    # The preprocessing is training's: squashed to 32 pixels, mean and deviation one half.
    grey = preprocess(Image.new("RGB", (50, 90), (255, 0, 0)))
    assert grey.shape == (3, 32, 32)
    assert grey[:, 5, 5].tolist() == [1.0, -1.0, -1.0]
    provenance = json.loads((folder / "provenance.json").read_text())
    assert provenance["shardsets"] == [{"name": "north", "digest": ShardSet(shapes_set).digest}]
    assert "| north | 50 |" in (folder / "README.md").read_text()


def test_an_export_that_is_done_says_so_and_a_foreign_folder_is_kept(
    trained: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, folder = trained
    assert export(ExportConfig(run_dir=run, out=folder)) == 0
    assert "exported already" in capsys.readouterr().err
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(BadInput, match="not an exported model"):
        export(ExportConfig(run_dir=run, out=tmp_path))
    assert (tmp_path / "thesis.txt").exists()
    with pytest.raises(MissingRequirement, match="no run here"):
        export(ExportConfig(run_dir=tmp_path, out=tmp_path / "out"))


def test_evaluate_agrees_with_brute_force_through_open_clip(
    trained: tuple[Path, Path], shapes_set: Path, tmp_path: Path
) -> None:
    config = EvaluateConfig(
        model=str(trained[1]), shardsets=[str(shapes_set)], out=tmp_path, split="train", device="cpu"
    )
    assert evaluate(config) == 0
    found = json.loads((tmp_path / "evaluation.json").read_text())
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{trained[1]}")
    model.eval()
    tokenizer = open_clip.get_tokenizer(f"local-dir:{trained[1]}")
    samples = [(r, data) for r, data in ShardSet(shapes_set).samples() if r.split == "train"]
    with torch.no_grad():
        images = model.encode_image(
            torch.stack([preprocess(decoded(data)) for _, data in samples]), normalize=True
        )
        for language, position in (("en", 0), ("fr", 1)):
            texts = model.encode_text(
                tokenizer([r.captions[position].text for r, _ in samples]), normalize=True
            )
            scores = (texts @ images.T).numpy()
            for direction, matrix in (("text_to_image", scores), ("image_to_text", scores.T)):
                ranks = np.array([1 + np.sum(np.delete(row, n) >= row[n]) for n, row in enumerate(matrix)])
                entry = found["languages"][language][direction]
                for k in (1, 5, 10):
                    assert entry[f"recall@{k}"]["value"] == pytest.approx(
                        np.mean(ranks <= k), abs=0.021
                    )  # one tie of 50
                assert entry["mrr"]["value"] == pytest.approx(np.mean(1 / ranks), abs=0.02)
                assert entry["by_institution"]["north"]["num_queries"] == 50
                assert {name: one["num_queries"] for name, one in entry["by_century"].items()} == {
                    "undated": 50
                }
                assert entry["recall@5"]["low"] <= entry["recall@5"]["value"] <= entry["recall@5"]["high"]


@pytest.mark.long
def test_before_and_after_are_one_table(
    trained: tuple[Path, Path], shapes_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tmp_path / "base"
    export(ExportConfig(run_dir=trained[0], out=base, step=trained_step(trained[0])))
    weights = load_file(base / "open_clip_model.safetensors")
    torch.manual_seed(1)
    shuffled = {name: torch.randn_like(tensor) * 0.1 for name, tensor in weights.items()}
    save_file(shuffled, base / "open_clip_model.safetensors", metadata={"format": "pt"})
    out = tmp_path / "out"
    values: dict[str, Any] = {"shardsets": [str(shapes_set)], "split": "all", "device": "cpu"}
    line = {"interpolate_with": str(base), "interpolation_points": 3}
    evaluate(EvaluateConfig(model=str(trained[1]), before=str(base), out=out, **line, **values))
    found = json.loads((out / "evaluation.json").read_text())
    evaluate(EvaluateConfig(model=str(base), out=tmp_path / "alone", **values))
    alone = json.loads((tmp_path / "alone" / "evaluation.json").read_text())
    assert found["before"]["languages"] == alone["languages"]
    for direction in ("text_to_image", "image_to_text"):
        change = found["difference"]["en"][direction]["mrr"]
        now, then = (one["languages"]["en"][direction]["mrr"]["value"] for one in (found, alone))
        assert change["value"] == pytest.approx(now - then)
        assert change["low"] <= change["value"] <= change["high"]
    shown = capsys.readouterr().out
    assert "before" in shown
    assert "difference" in shown
    page = (out / "report.html").read_text()
    assert "Before and after" in page
    assert page.count(">change</th>") == 4
    # The line from the base to this model begins and ends with their own scores, and is drawn for each
    # language.
    assert [point["weight"] for point in found["interpolation"]] == [0, 0.5, 1]
    ends = [found["interpolation"][at]["languages"] for at in (0, -1)]
    wanted = [
        {
            name: {f"recall@{k}": entry["text_to_image"][f"recall@{k}"]["value"] for k in (1, 5, 10)}
            for name, entry in one["languages"].items()
        }
        for one in (alone, found)
    ]
    assert ends == wanted
    assert wanted[0] != wanted[1]
    assert page.count('<polyline class="curve"') == 2
    assert page.count('<circle class="point"') + page.count('<circle class="best"') == 2 * 3


def trained_step(run: Path) -> int:
    return checkpoints.step_of(checkpoints.checkpoints_in(run / "checkpoints")[0])


def test_an_architecture_without_weights_is_not_measured(shapes_set: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'ViT-B-32' is an architecture without weights") as caught:
        evaluate(EvaluateConfig(model="ViT-B-32", shardsets=[str(shapes_set)], split="val", out=tmp_path))
    assert caught.value.remedy
    assert "laion2b_s34b_b79k" in caught.value.remedy


def test_two_ranks_measure_what_one_does(
    trained: tuple[Path, Path], shapes_set: Path, tmp_path: Path
) -> None:
    words = ["evaluate", str(trained[1]), str(shapes_set), "--split", "all", "--device", "cpu"]
    values: dict[str, Any] = {"shardsets": [str(shapes_set)], "split": "all", "device": "cpu"}
    evaluate(EvaluateConfig(model=str(trained[1]), out=tmp_path / "alone", **values))
    done = commands.run([*words, "--devices", "2", "--out", tmp_path / "both"])
    assert done.returncode == 0, done.stderr
    alone, both = (
        json.loads((tmp_path / name / "evaluation.json").read_text()) for name in ("alone", "both")
    )
    assert both.pop("at")
    assert alone.pop("at")
    assert both == alone
    assert done.stdout.count("recall@10") == 1


def test_the_command_counts_what_its_queries_are_about(trained: tuple[Path, Path], tmp_path: Path) -> None:
    """The query for an image is a caption of its page, or else of its whole book."""
    colours = ("red", "green", "blue", "black")
    samples = []
    for number, colour in enumerate(colours):
        data = jpeg("white", colour, "disc")
        levels = ("work", "page") if number < 3 else ("work",)
        texts = {"work": f"A book of {colour} shapes", "page": f"A {colour} disc"}
        captions = tuple(
            Caption(text=texts[level], language="en", field="title", level=level, role="title")
            for level in levels
        )
        samples.append((make_record(number, data, {}, captions=captions), data))
    folder = write_set(tmp_path / "set", samples)
    out = tmp_path / "out"
    done = commands.run(["evaluate", trained[1], folder, "--split", "all", "--device", "cpu", "--out", out])
    assert done.returncode == 0, done.stderr
    found = json.loads((out / "evaluation.json").read_text())
    assert found["languages"]["en"]["levels"] == {"page": 3, "work": 1}


def test_brackets_in_names_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    interval = {"value": 0.5, "low": 0.4, "high": 0.6}
    scores = dict.fromkeys(("recall@1", "recall@5", "recall@10", "mrr", "map"), interval)
    language = {"text_to_image": scores, "image_to_text": scores, "levels": {"[bold]page": 3}}
    probes = {name: {"accuracy@1": interval} for name in ("linear", "neighbours", "most_common_class")}
    published = {
        "measure": "[x]/text_to_image/recall@1", "value": 0.4, "is_verified": True, "model": "[dim]M",
        "note": "", "source": "https://a.example/[1]",
    }  # fmt: skip
    show({
        "model": "/runs/[red]one[/red]/:dog:", "num_images": 3, "split": "val",
        "languages": {"[x]": language},
        "zero_shot": {"[/]": {"en": {"num_images": 3, "num_classes": 2, "accuracy@1": interval}}},
        "probes": {"field:[/b]": {**probes, "num_classes": 2, "num_images": 3}}, "published": [published],
        "unverified": ["[i]"],
    })  # fmt: skip
    shown = capsys.readouterr().out
    for text in (
        "/runs/[red]one[/red]/:dog: on 3", "[x]", "3 [bold]page", "[/]: zero-shot", "field:[/b]", "[dim]M",
        "0.500 ±0.100; published: 0.400", "[1]", "not verified: [i]",
    ):  # fmt: skip
        assert text in shown


def decoded(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def test_an_evaluation_that_is_done_says_so(
    trained: tuple[Path, Path], shapes_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values: dict[str, Any] = {
        "model": str(trained[1]),
        "shardsets": [str(shapes_set)],
        "out": tmp_path,
        "split": "val",
    }
    evaluate(EvaluateConfig(**values))
    assert "evaluated already" not in capsys.readouterr().err
    evaluate(EvaluateConfig(**values))
    assert "evaluated already" in capsys.readouterr().err
    evaluate(EvaluateConfig(**values, languages=["fr"]))
    assert "evaluated already" not in capsys.readouterr().err
    assert list(json.loads((tmp_path / "evaluation.json").read_text())["languages"]) == ["fr"]


def test_bad_input_is_answered(
    shapes_set: Path, trained: tuple[Path, Path], tmp_path: Path, small_model: Path
) -> None:
    values: dict[str, Any] = {"shardsets": [str(shapes_set)], "out": tmp_path / "out", "split": "val"}
    with pytest.raises(ConfigError, match="no model is called 'ViT-B-33'"):
        evaluate(EvaluateConfig(model="ViT-B-33", **values))
    with pytest.raises(BadInput, match="no caption to query with"):
        evaluate(EvaluateConfig(model=str(trained[1]), caption_fields=["poem"], **values))
    empty = tmp_path / "empty"
    empty.mkdir()
    empty.joinpath("open_clip_config.json").write_text(small_model.read_text())
    with pytest.raises(MissingRequirement, match="holds no weights"):
        evaluate(EvaluateConfig(model=str(empty), **values))
    empty.joinpath("open_clip_model.safetensors").write_bytes(
        (trained[1] / "open_clip_model.safetensors").read_bytes()
    )
    wider = json.loads(small_model.read_text())
    wider["model_cfg"]["vision_cfg"]["width"] = 48
    empty.joinpath("open_clip_config.json").write_text(json.dumps(wider))
    with pytest.raises(BadInput, match=r"the weights do not fit the model: visual\."):
        evaluate(EvaluateConfig(model=str(empty), **values))
    assert not (tmp_path / "out").exists()
