"""Public benchmarks are read by their descriptions, from small files in the layout of the official ones."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iconoclip.config import shipped_config
from iconoclip.errors import BadInput, ConfigError, MissingRequirement
from training.config import EvaluateConfig
from training.evaluate import evaluate
from training.evaluation.benchmark_config import Benchmark, benchmark_named
from training.evaluation.benchmark_files import BenchmarkFiles, values_at
from training.evaluation.inputs import inputs_of
from training.evaluation.retrieval_score import LanguageQueries, image_to_text, text_to_image

from .conftest import COLOURS, jpeg
from .test_zero_shot import model_folder

__all__ = ["model_folder"]
NAMES = list(COLOURS)


def paint(folder: Path, name: str, number: int) -> None:
    """A picture at a path below a folder; each number gives another one of six."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(jpeg(NAMES[number % 6], NAMES[(number + 1) % 6], "disc"))


def iconclass_ai(folder: Path) -> None:
    notations = [["25F23(LION)", "25F33(EAGLE)"], ["11H"], ["no such notation"]]
    rows = {f"IIHIM_{number}.jpg": notations[number % 3] for number in range(6)}
    (folder / "data.json").write_text(json.dumps(rows))
    for number, name in enumerate(rows):
        paint(folder, name, number)


def eufcc(folder: Path) -> None:
    facets = [f"{name}.hierarchy" for name in ("objectTypes", "subjects", "materials")]
    source = ["#portraitMedia.original", "database", "repository.keeper", "classifications.hierarchy"]
    columns = ["idInSource", *facets, *source]
    (folder / "data").mkdir()
    kinds = ["arma | espasa $ estampa", "document gràfic | mapa", "ceràmica"]
    for file, first, num in (("train", 0, 18), ("val", 18, 3), ("test_id", 21, 6), ("test_ood", 27, 3)):
        with (folder / "data" / f"{file}.csv").open("w", newline="") as out:
            table = csv.writer(out)
            table.writerow(columns)
            for number in range(first, first + num):
                keeper = '"Dimitrie" Museum, Bucharest' if number % 2 else "Rijksmuseum"
                table.writerow(
                    [
                        f"art_{number}",
                        kinds[number % 3],
                        "",
                        "paper",
                        "https://a.example",
                        "EUROPEANA",
                        keeper,
                        "",
                    ]
                )
                paint(folder, f"EUROPEANA/images/art_{number}.jpg", number % 3)


def semart(folder: Path) -> None:
    columns = [
        "IMAGE_FILE",
        "DESCRIPTION",
        "AUTHOR",
        "TITLE",
        "TECHNIQUE",
        "DATE",
        "TYPE",
        "SCHOOL",
        "TIMEFRAME",
    ]
    for split, first, num in (("train", 0, 12), ("val", 12, 2), ("test", 14, 4)):
        lines = ["\t".join(columns)]
        for number in range(first, first + num):
            row = [
                f"{number}-a.jpg",
                f"Gemälde {number}, with a comment",
                "A",
                "T",
                "oil",
                "1500",
                ["portrait", "religious"][number % 2],
                "Italian",
                "1451-1500",
            ]
            lines.append("\t".join(row))
            paint(folder, f"Images/{number}-a.jpg", number % 2)
        (folder / f"semart_{split}.csv").write_bytes("\n".join(lines).encode("latin-1"))


def artpedia(folder: Path) -> None:
    rows = {
        str(n): {
            "title": f"T{n}",
            "img_url": "https://a.example",
            "year": 1500,
            "split": ["train", "test"][n % 2],
            "visual_sentences": [f"A lion {n}.", f"A tower {n}."],
            "contextual_sentences": ["It hangs in Paris."],
        }
        for n in range(6)
    }
    (folder / "artpedia.json").write_text(json.dumps(rows))
    for number in range(6):
        paint(folder, f"images/{number}.jpg", number)


def xm3600(folder: Path) -> None:
    lines = [
        {
            "image/key": f"{n:016x}",
            "image/locale": "de",
            "de": {"caption": [f"Bild {n}", f"Foto {n}"], "caption/tokenized": []},
            "sw": {"caption": [f"picha {n}"]},
        }
        for n in range(4)
    ]
    (folder / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    for number in range(4):
        paint(folder, f"images/{number:016x}.jpg", number)


def flickr30k(folder: Path) -> None:
    images = [
        {"filename": f"{n}.jpg", "imgid": n, "split": ["test", "train"][n % 2],
         "sentences": [{"raw": f"Dog {n} says {k}.", "tokens": []} for k in range(5)]}
        for n in range(8)
    ]  # fmt: skip
    (folder / "dataset_flickr30k.json").write_text(json.dumps({"images": images, "dataset": "flickr30k"}))
    for number in range(8):
        paint(folder, f"flickr30k-images/{number}.jpg", number)


def imagenet(folder: Path) -> None:
    for split, num in (("train", 6), ("val", 2)):
        for place, code in enumerate(("n01440764", "n01443537")):
            for number in range(num):
                paint(folder, f"{split}/{code}/{split}_{number}.JPEG", place)
    (folder / "LOC_synset_mapping.txt").write_text(
        "n01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus\n"
    )


WRITERS: dict[str, Callable[[Path], None]] = {
    "iconclass-ai": iconclass_ai, "eufcc-340k": eufcc, "semart": semart, "artpedia": artpedia,
    "xm3600": xm3600, "flickr30k": flickr30k, "imagenet": imagenet,
}  # fmt: skip
# Split, images, queries by language, and classes of zero-shot tests.
EXPECTED: dict[str, tuple[str, int, dict[str, int], dict[str, int]]] = {
    "iconclass-ai": ("test", 6, {"de": 6, "en": 6}, {}),
    "eufcc-340k": ("test", 6, {}, {"objectTypes": 4}),
    "semart": ("test", 4, {"en": 4}, {"type": 2}),
    "artpedia": ("test", 3, {"en": 6}, {}),
    "xm3600": ("test", 4, {"de": 8, "sw": 4}, {}),
    "flickr30k": ("test", 4, {"en": 20}, {}),
    "imagenet": ("test", 4, {}, {"class": 2}),
}


def config_for(name: str, folder: Path, **more: Any) -> EvaluateConfig:
    return EvaluateConfig(**{"model": "m", "benchmark": name, "data": folder, "out": folder / "out"} | more)


def test_each_benchmark_is_read_from_files_in_its_layout(tmp_path: Path) -> None:
    shipped = {path.stem for path in shipped_config("benchmarks").glob("*.yaml")}
    assert shipped == set(WRITERS) == set(EXPECTED)
    for name, (split, num_images, num_queries, classes) in EXPECTED.items():
        folder = tmp_path / name
        folder.mkdir()
        WRITERS[name](folder)
        inputs = inputs_of(config_for(name, folder, split=split))
        samples = inputs.samples(split)
        assert len(samples) == num_images, name
        queries = inputs.queries(samples, range(len(samples)))
        assert {one.language: len(one.text_Q) for one in queries} == num_queries, name
        assert {one.name: len(one.classes) for one in inputs.label_sets()} == classes, name
        about = benchmark_named(name)
        assert about.homepage.startswith("https://")
        assert all(one.source and one.is_verified for one in about.published)
    semart_set = inputs_of(config_for("semart", tmp_path / "semart")).samples("test")
    assert semart_set.captions.text[0].as_py().startswith("Gemälde 14")
    eufcc_inputs = inputs_of(config_for("eufcc-340k", tmp_path / "eufcc-340k", split="outer"))
    assert len(eufcc_inputs.samples("outer")) == 3
    assert set(eufcc_inputs.samples("test").values("institution")) == {
        '"Dimitrie" Museum, Bucharest',
        "Rijksmuseum",
    }
    assert sorted(eufcc_inputs.label_sets()[0].classes) == ["ceràmica", "espasa", "estampa", "mapa"]
    named = inputs_of(config_for("imagenet", tmp_path / "imagenet")).label_sets()[0]
    assert list(named.classes) == ["goldfish", "tench"]


def test_a_benchmark_is_measured_next_to_published_numbers(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flickr30k(tmp_path)
    config = config_for("flickr30k", tmp_path, model=str(model_folder), device="cpu", num_examples=1)
    assert evaluate(config) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "published: 0.687, CLIP ViT-L/14@336px, zero-shot" in shown
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert found["benchmark"] == "flickr30k"
    english = found["languages"]["en"]
    # Every caption is a query; a picture is found by any of its five.
    assert (english["text_to_image"]["num_queries"], english["image_to_text"]["num_queries"]) == (20, 4)
    assert evaluate(config) == 0
    assert "evaluated already" in capsys.readouterr().err
    # A picture that was missing and is there now makes another evaluation.
    (tmp_path / "flickr30k-images" / "2.jpg").rename(tmp_path / "2.jpg")
    assert evaluate(config) == 0
    assert "1 pictures are missing" in capsys.readouterr().err
    (tmp_path / "2.jpg").rename(tmp_path / "flickr30k-images" / "2.jpg")
    assert evaluate(config) == 0
    assert "already" not in capsys.readouterr().err
    # Another file is another evaluation.
    paint(tmp_path, "flickr30k-images/1.jpg", 5)
    (tmp_path / "eufcc").mkdir()
    eufcc(tmp_path / "eufcc")
    labels = config_for(
        "eufcc-340k", tmp_path / "eufcc", model=str(model_folder), device="cpu", num_examples=0
    )
    assert evaluate(labels.model_copy(update={"probes": ["institution"]})) == 0
    found = json.loads((tmp_path / "eufcc" / "out" / "evaluation.json").read_text())
    assert found["zero_shot"]["objectTypes"]["ca"]["num_classes"] == 4
    assert found["probes"]["institution"]["num_train"] == 18
    shown = " ".join(capsys.readouterr().out.split())
    assert "published: 0.370, CLIP zero-shot; over four facets" in shown


def test_any_text_of_an_image_finds_it_right() -> None:
    images_ND = np.eye(2, 3, dtype=np.float32)
    # Texts 0 and 1 are of image 0, text 2 of image 1. Image 0 is nearest to text 1; image 1 to text 0.
    texts_TD = np.array([[0.6, 0.8, 0], [1, 0, 0], [0.8, 0.6, 0]], dtype=np.float32)
    queries = LanguageQueries("en", np.array([0, 0, 1]), np.array([0, 1, 2]), ("a", "b", "c"))
    assert [one.tolist() for one in image_to_text(queries, texts_TD, images_ND).ranks] == [[1, 3], [2]]
    assert [one.tolist() for one in text_to_image(queries, texts_TD, images_ND).ranks] == [[2], [1], [2]]


def test_files_that_lack_or_differ_are_explained(tmp_path: Path) -> None:
    flickr30k(tmp_path)
    about = benchmark_named("flickr30k")
    for name in ("0.jpg", "2.jpg"):
        (tmp_path / "flickr30k-images" / name).unlink()
    samples = BenchmarkFiles("flickr30k", about, tmp_path).samples("test")
    assert (len(samples), samples.left_out) == (2, {"the picture is missing": 2})
    list_file = tmp_path / "dataset_flickr30k.json"
    rows = json.loads(list_file.read_text())
    rows["images"][4]["filename"] = "../../../../../etc/passwd"
    list_file.write_text(json.dumps(rows))
    assert len(BenchmarkFiles("flickr30k", about, tmp_path).samples("test")) == 1
    for number in (4, 6):
        (tmp_path / "flickr30k-images" / f"{number}.jpg").unlink()
    with pytest.raises(MissingRequirement, match="none of its 4 pictures"):
        BenchmarkFiles("flickr30k", about, tmp_path).samples("test")
    for odd in ("no\0name.jpg", 300 * "long" + ".jpg"):
        rows["images"][4]["filename"] = odd
        list_file.write_text(json.dumps(rows))
        with pytest.raises(MissingRequirement, match="none of its 4 pictures"):
            BenchmarkFiles("flickr30k", about, tmp_path).samples("test")
    for text in ("[1, 2", '{"images": 3}', '{"pictures": []}', '{"images": ["a"]}'):
        list_file.write_text(text)
        with pytest.raises(BadInput, match="not as Flickr30k"):
            BenchmarkFiles("flickr30k", about, tmp_path).samples("test")
    list_file.unlink()
    with pytest.raises(MissingRequirement, match="no dataset_flickr30k"):
        BenchmarkFiles("flickr30k", about, tmp_path).samples("test")
    with pytest.raises(MissingRequirement, match="no such folder"):
        BenchmarkFiles("flickr30k", about, tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="did you mean 'semart'"):
        benchmark_named("semar")
    for bad in ({"data": None}, {"shardsets": ["x"]}, {"benchmark": None}):
        with pytest.raises(ValueError, match="benchmark"):
            config_for("semart", tmp_path, **bad)
    paint(tmp_path, "p.jpg", 0)
    (tmp_path / "list.jsonl").write_text('{"file": "p.jpg"}')
    facts = {"title": "Mine", "homepage": "", "citation": "", "licence": "", "format": "jsonl"}
    mine = Benchmark(**facts, files={"test": "list.jsonl"}, id="no_such_column", image="{file}")
    with pytest.raises(BadInput, match="not as Mine describes it: KeyError: 'no_such_column'"):
        BenchmarkFiles("mine", mine, tmp_path).samples("test")
    assert values_at({"a": [{"b": [1, 2]}, {"b": 3}, {}]}, ["a", "b"]) == [1, 2, 3]
