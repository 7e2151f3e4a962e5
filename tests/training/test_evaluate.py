"""Scores against brute force and against arithmetic on paper; the exported model is what was trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from iconoclip import metrics
from iconoclip.errors import BadInput, ConfigError, MissingRequirement
from iconoclip.record import Caption
from iconoclip.shardset import ShardSet
from tests import commands
from training.config import EvaluateConfig, ExportConfig
from training.data.samples import load
from training.evaluate import evaluate
from training.evaluation import retrieval_score
from training.evaluation.examples import choose
from training.evaluation.measure import century
from training.export import export
from training.train import train

from .conftest import config_of, jpeg, make_record, write_set


@pytest.fixture(scope="module")
def trained(
    shapes_set: Path, small_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A run of a few steps, and its export."""
    folder = tmp_path_factory.mktemp("trained")
    config = config_of(
        shardsets=[str(shapes_set)],
        run_dir=folder / "run",
        model=str(small_model),
        batch_size=10,
        epochs=2,
        num_workers=0,
        precision="float32",
        wandb=False,
        device="cpu",
        num_threads=1,
    )
    train(config)
    export(ExportConfig(run_dir=config.run_dir, out=folder / "model"))
    return config.run_dir, folder / "model"


def test_plain_open_clip_loads_the_export_bit_equal(trained: tuple[Path, Path], shapes_set: Path) -> None:
    from training.checkpoint import folder as checkpoints
    from training.checkpoint.file import read_checkpoint

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
    from training.checkpoint import folder as checkpoints

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
    """An image is asked for with what is said of its page, or else of its whole book."""
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


def test_recall_is_clip_benchmarks(shapes_set: Path) -> None:
    """clip-benchmark 1.6.2, metrics/zeroshot_retrieval.py: hits among the first k over the positives, then >
    0.

    The formula, written again; benchmarks/evaluate_clip_benchmark.py compares ours with the package itself.
    """
    generator = np.random.default_rng(0)
    queries = retrieval_score.LanguageQueries(
        "en", np.arange(40), generator.integers(0, 15, 40), tuple(map(str, range(15)))
    )
    texts_TD, images_ND = (generator.standard_normal((n, 6), dtype=np.float32) for n in (15, 40))
    scores_QN = torch.from_numpy(texts_TD[queries.text_Q] @ images_ND.T)
    positive_QN = torch.from_numpy(queries.text_Q[:, None] == queries.text_Q[None, :])
    found = retrieval_score.summary(retrieval_score.text_to_image(queries, texts_TD, images_ND))
    for k in (1, 5, 10):
        hits_Q = positive_QN.gather(1, scores_QN.topk(k, dim=1).indices).sum(1) / positive_QN.sum(1)
        assert found[f"recall@{k}"]["value"] == pytest.approx((hits_Q > 0).double().mean().item())


def decoded(data: bytes) -> Image.Image:
    import io

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


def test_equal_texts_are_equal_answers(tmp_path: Path) -> None:
    data = jpeg("red", "blue", "disc")
    texts = ["A portrait", "a  portrait ", "a landscape"]
    folder = write_set(
        tmp_path / "set", [(make_record(n, data, {"en": text}), data) for n, text in enumerate(texts)]
    )
    samples = load([str(folder)], split="all", policy="open")
    (queries,) = retrieval_score.choose_queries(samples, [0, 1, 2])
    assert queries.texts == ("A portrait", "a landscape")
    texts_TD = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    images_ND = np.array([[0.6, 0.8], [0.8, 0.6], [1.0, 0.0]], dtype=np.float32)
    # Text 0 scores .6, .8, 1: its answers, images 0 and 1, are third and second. Text 1 scores .8, .6, 0:
    # third.
    found = retrieval_score.text_to_image(queries, texts_TD, images_ND)
    assert [ranks.tolist() for ranks in found.ranks] == [[2, 3], [2, 3], [3]]
    summed = retrieval_score.summary(found)
    assert summed["recall@1"]["value"] == 0
    assert summed["mrr"]["value"] == pytest.approx((1 / 2 + 1 / 2 + 1 / 3) / 3)
    assert summed["map"]["value"] == pytest.approx((2 * (1 / 2 + 2 / 3) / 2 + 1 / 3) / 3)
    # Image to text: among two texts, images 0, 1, 2 score (.6, .8), (.8, .6), (1, 0); right are 0, 0, 1.
    backwards = retrieval_score.image_to_text(queries, texts_TD, images_ND)
    assert [ranks.tolist() for ranks in backwards.ranks] == [[2], [1], [2]]


def test_the_caption_of_the_first_field_that_is_there_is_asked_with(tmp_path: Path) -> None:
    data = jpeg("red", "blue", "disc")
    captions = tuple(
        Caption(text=text, language="en", field=field)
        for text, field in (("f. 3r", "title"), ("A lion", "blazon"), ("A beast", "subject"))
    )
    folder = write_set(tmp_path / "set", [(make_record(0, data, {}, captions=captions), data)])
    samples = load([str(folder)], split="all", policy="open")
    assert retrieval_score.choose_queries(samples, [0])[0].texts == ("f. 3r",)
    assert retrieval_score.choose_queries(samples, [0], fields=["blazon", "title"])[0].texts == ("A lion",)
    assert retrieval_score.choose_queries(samples, [0], fields=["nothing"]) == []
    assert retrieval_score.choose_queries(samples, [0], languages=["fr"]) == []


def test_the_report_shows_no_text_twice() -> None:
    # Queries 0 and 3 have one text; 0, 1 and 3 are answered badly, 2 well.
    queries = retrieval_score.LanguageQueries("en", np.arange(4), np.array([0, 1, 2, 0]), ("a", "b", "c"))
    ranks = retrieval_score.Ranks(
        "text_to_image", "en", queries.image_Q, tuple(np.array([r]) for r in (9, 7, 1, 9))
    )
    well, badly = choose(ranks, queries, 3)
    assert well == [2]
    assert badly in ([0, 1], [3, 1])


def test_an_interval_counts_a_group_once() -> None:
    value_C = np.random.default_rng(1).random(30)
    cluster_Q = np.repeat(np.arange(30), 16)
    alone = metrics.bootstrap_interval(value_C)
    together = metrics.bootstrap_interval(np.repeat(value_C, 16), cluster_Q=cluster_Q)
    assert together == pytest.approx(alone)
    # As if each of the sixteen said something of its own: a quarter of the width.
    apart = metrics.bootstrap_interval(np.repeat(value_C, 16))
    assert (together[1] - together[0]) / (apart[1] - apart[0]) == pytest.approx(4, rel=0.15)
    assert metrics.bootstrap_interval(value_C, cluster_Q=np.zeros(30, dtype=np.int64)) == alone
    # Of two clusters a draw may take one twice: all ones, all zeros, or three ones in four.
    uneven = metrics.bootstrap_interval(np.array([1.0, 1.0, 1.0, 0.0]), cluster_Q=np.array([7, 7, 7, 2]))
    assert uneven == (0, 1)


@pytest.mark.parametrize(("by", "num"), [("group", 4), ("text", 3)])
def test_what_is_one_piece_of_evidence(tmp_path: Path, by: str, num: int) -> None:
    data = jpeg("red", "blue", "disc")
    samples = [
        (
            make_record(
                n,
                data,
                {"en": f"text {n % 3 if by == 'text' else n}"},
                group=f"north-{n % 4 if by == 'group' else n}",
            ),
            data,
        )
        for n in range(12)
    ]
    found = load([str(write_set(tmp_path / "set", samples))], split="all", policy="open")
    (queries,) = retrieval_score.choose_queries(found, range(12))
    assert len(set(queries.cluster_Q.tolist())) == num
    texts_TD = np.eye(len(queries.texts), dtype=np.float32)
    images_ND = texts_TD[queries.text_Q]
    ranks = retrieval_score.text_to_image(queries, texts_TD, images_ND)
    assert ranks.num_clusters == num
    assert ranks.of(queries.image_Q < 2).num_clusters == 2


@pytest.mark.parametrize(
    ("years", "name"),
    [
        ((1501, 1600), "16th"),
        ((1490, 1530), "16th"),
        ((1470, 1520), "15th"),
        ((1600, 1600), "16th"),
        ((1601, None), "17th"),
        ((None, 1015), "11th"),
        ((2001, 2005), "21st"),
        ((None, None), "undated"),
        ((-20, -10), "before the 1st"),
    ],
)
def test_a_date_range_has_one_century(years: tuple[int | None, int | None], name: str) -> None:
    assert century(*years) == name


def test_bad_input_is_answered(
    shapes_set: Path, trained: tuple[Path, Path], tmp_path: Path, small_model: Path
) -> None:
    values: dict[str, Any] = {"shardsets": [str(shapes_set)], "out": tmp_path / "out", "split": "val"}
    with pytest.raises(ConfigError, match="no model is called 'ViT-B-33'"):
        evaluate(EvaluateConfig(model="ViT-B-33", **values))
    with pytest.raises(BadInput, match="no caption to ask with"):
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


def test_a_hundred_thousand_images_need_no_square_matrix() -> None:
    import tracemalloc

    generator = np.random.default_rng(0)
    images_ND = generator.standard_normal((100_000, 8), dtype=np.float32)
    queries = retrieval_score.LanguageQueries(
        "en", np.arange(1024), np.arange(1024), tuple(map(str, range(1024)))
    )
    tracemalloc.start()
    found = retrieval_score.text_to_image(queries, images_ND[:1024], images_ND)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.ranks) == 1024
    assert (
        peak < 600e6
    )  # a whole matrix of 1024 by 100,000 and its copies would pass; 100,000 squared is 40 GB
    assert metrics.recall_at_k(found.ranks, 100_000) == 1
