"""A benchmark that is frozen from a shard set: what is in it, who can read it, and the scores on it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from iconoclip.embeddings import write_store
from iconoclip.errors import BadInput, DamagedData, IconoclipError, MissingRequirement
from iconoclip.record import Caption
from iconoclip.rights import judge
from tests import commands
from training.benchmark.config import BenchmarkVerbConfig
from training.benchmark.files import write_sums
from training.benchmark.verb import benchmark

from .conftest import jpeg, make_record, write_set
from .test_zero_shot import model_folder

__all__ = ["model_folder"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve items: six to test, of which one may not be passed on, one may not be trained on and two share a
    text; four in val; two to train on.
    """
    samples = []
    for number in range(12):
        data = jpeg("red", ("blue", "green", "white", "black")[number % 4], "disc", size=(40 + number, 40))
        rights = {
            4: "http://creativecommons.org/licenses/by-nc/4.0/",
            5: "http://rightsstatements.org/vocab/InC/1.0/",
        }
        changes: dict[str, Any] = {
            "split": "test" if number < 6 else "val" if number < 10 else "train",
            "group": f"book-{number // 2}",
        }
        if number in rights:
            changes["rights"] = judge(rights[number], policy="noncommercial")
        text = 'A "lion",\n  rampant' if number < 2 else f"picture {number}"
        record = make_record(number, data, {"en": text, "fr": f"image {number}"}, **changes)
        whole = Caption(text="The whole book", language="en", field="title", level="work")
        samples.append((record.model_copy(update={"captions": (*record.captions, whole)}), data))
    return write_set(tmp_path_factory.mktemp("corpus") / "set", samples)


@pytest.fixture(scope="module")
def frozen(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frozen") / "lions"
    assert make(corpus, folder, licence="CC0-1.0") == 0
    return folder


def make(corpus: Path, out: Path, **more: Any) -> int:
    return benchmark(BenchmarkVerbConfig(action="make", target=str(corpus), out=out, **more))


def scores(folder: Path, out: Path, **more: Any) -> dict[str, Any]:
    assert (
        benchmark(BenchmarkVerbConfig(action="run", target=str(folder), out=out, device="cpu", **more)) == 0
    )
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def test_others_read_it_with_plain_python_and_the_same_set_gives_the_same_bytes(
    corpus: Path, frozen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len((frozen / "load.py").read_text().splitlines()) <= 40
    code = (
        "import load, json; checksum = load.check(); items, queries, relevant = load.load('test'); "
        "print(json.dumps([checksum, sorted(items), queries, {q: sorted(k) for q, k in relevant.items()}]))"
    )
    # -S: without the packages of this environment.
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=frozen, capture_output=True, check=True, text=True
    )
    _, items, queries, relevant = json.loads(done.stdout)
    # Of six, two are not open: CC BY-NC, and in copyright.
    assert len(items) == 4
    texts = {text: query for query, (language, text) in queries.items() if language == "en"}
    assert set(texts) == {'A "lion", rampant', "picture 2", "picture 3"}
    assert len(relevant[texts['A "lion", rampant']]) == 2
    assert sum(language == "fr" for language, _ in queries.values()) == 4
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=frozen, check=True)
    assert sorted(path.stem for path in (frozen / "pictures").iterdir()) == sorted(
        [
            *items,
            *(
                one["key"]
                for one in map(json.loads, (frozen / "items.jsonl").open())
                if one["split"] == "val"
            ),
        ]
    )
    about = json.loads((frozen / "benchmark.json").read_text())
    assert about["left_out"] == {"rights: the policy 'open' says no": 2}
    assert about["num_queries"] == {"test-en": 3, "test-fr": 4, "val-en": 4, "val-fr": 4}
    assert make(corpus, tmp_path / "again", name="north", licence="CC0-1.0") == 0
    assert (tmp_path / "again" / "SHA256SUMS").read_bytes() == (frozen / "SHA256SUMS").read_bytes()
    capsys.readouterr()
    assert make(corpus, tmp_path / "again", licence="CC0-1.0") == 0
    assert "made already" in capsys.readouterr().err
    # By reference: an item without its picture.
    assert make(corpus, tmp_path / "more", policy="noncommercial", references=True) == 0
    found = [json.loads(line) for line in (tmp_path / "more" / "items.jsonl").open()]
    assert [one["file"] for one in found if one["rights"].endswith("by-nc/4.0/")] == [None]
    with pytest.raises(MissingRequirement, match="the pictures of 1 items are not there"):
        scores(tmp_path / "more", tmp_path / "s.json", model="ViT-B-32:openai")


def test_a_full_disk_leaves_nothing(corpus: Path, tmp_path: Path) -> None:
    words = ["benchmark", "make", corpus, "--out", tmp_path / "lions"]
    # Too small for a picture, and for the database of texts.
    for num_bytes in (300, 6_000):
        done = commands.run(words, max_file_bytes=num_bytes)
        assert (done.returncode, list(tmp_path.iterdir())) == (75, [])
        assert "the disk is full" in done.stderr


def write_hand_made(frozen: Path, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Vectors of the pictures and queries of a benchmark; gives the keys, and the right key of each query.

    Item n is the unit vector n; each query is nearest to the item before the right one.
    """
    lines = (frozen / "queries.tsv").read_text().splitlines()[1:]
    items = [json.loads(line) for line in (frozen / "items.jsonl").open()]
    keys = [one["key"] for one in items if one["split"] == "test"]
    vectors = np.eye(4, dtype=np.float32)
    np.save(folder / "v.npy", vectors * 3)
    (folder / "keys.txt").write_text("\n".join(keys))
    relevant = {
        line.split()[0]: line.split()[2]
        for path in (frozen / "qrels").iterdir() for line in path.read_text().splitlines()
    }  # fmt: skip
    texts = np.zeros((len(lines), 4), dtype=np.float32)
    for number, line in enumerate(lines):
        right = keys.index(relevant[line.split("\t")[0]]) if "test" in line.split("\t")[1] else 0
        texts[number, right], texts[number, (right + 1) % 4] = 0.6, 0.8
    np.save(folder / "q.npy", texts)
    return keys, relevant


def write_as_others_do(folder: Path, vectors: np.ndarray, keys: list[str]) -> None:
    """The same vectors as a store, and as the files of clip-retrieval."""
    facts = {"model": "m", "model_digest": "0" * 64, "shardset": "s", "shardset_digest": "0" * 64}
    write_store(
        folder / "store", vectors, keys, **facts, created_at="2026-01-01T00:00:00Z", created_by="a test"
    )
    for part, rows in ((0, slice(0, 3)), (1, slice(3, 4))):
        (folder / "clip" / "img_emb").mkdir(parents=True, exist_ok=True)
        (folder / "clip" / "metadata").mkdir(exist_ok=True)
        np.save(folder / "clip" / "img_emb" / f"img_emb_{part}.npy", vectors[rows].astype(np.float16))
        table = pa.table({"image_path": [f"/data/x/{key}.jpg" for key in keys[rows]]})
        pq.write_table(table, folder / "clip" / "metadata" / f"metadata_{part}.parquet")


def test_a_model_embeddings_and_results_are_scored_alike(
    frozen: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_model = scores(frozen, tmp_path / "model.json", model=str(model_folder))
    first = (tmp_path / "model.json").read_bytes()
    assert scores(frozen, tmp_path / "model.json", model=str(model_folder)) == by_model
    assert (tmp_path / "model.json").read_bytes() == first
    keys, relevant = write_hand_made(frozen, tmp_path)
    vectors = np.eye(4, dtype=np.float32)
    npy = scores(
        frozen, tmp_path / "a.json", embeddings=tmp_path / "v.npy", keys_file=tmp_path / "keys.txt",
        query_embeddings=tmp_path / "q.npy",
    )  # fmt: skip
    french = npy["languages"]["fr"]
    assert (french["recall@1"]["value"], french["recall@5"]["value"], french["mrr"]["value"]) == (
        0.0,
        1.0,
        0.5,
    )
    assert french["ndcg@10"]["value"] == pytest.approx(1 / np.log2(3))
    assert french["num_queries"] == 4
    write_as_others_do(tmp_path, vectors, keys)
    for folder in ("store", "clip"):
        found = scores(
            frozen, tmp_path / "b.json", embeddings=tmp_path / folder, query_embeddings=tmp_path / "q.npy"
        )
        assert found["languages"] == npy["languages"]
    # A search engine that lists the right item second, and nothing else.
    run = []
    for query, key in relevant.items():
        if query.startswith("test-fr"):
            other = keys[(keys.index(key) + 1) % 4]
            run += [f"{query} Q0 {other} 1 0.9 x", f"{query} Q0 {key} 2 0.8 x"]
    (tmp_path / "run.txt").write_text("\n".join(run))
    listed = scores(frozen, tmp_path / "c.json", results=tmp_path / "run.txt", languages=["fr"])
    assert listed["languages"]["fr"] == french
    # What lacks a vector is never found.
    np.save(tmp_path / "v.npy", vectors[:2])
    (tmp_path / "keys.txt").write_text("\n".join(keys[:2]))
    few = scores(
        frozen, tmp_path / "d.json", embeddings=tmp_path / "v.npy", keys_file=tmp_path / "keys.txt",
        query_embeddings=tmp_path / "q.npy",
    )  # fmt: skip
    assert few["num_missing"] == 2
    # Of four queries two have no picture: rank 2, rank 1 (the picture before it is missing), never, never.
    assert few["languages"]["fr"]["mrr"]["value"] == pytest.approx((1 / 2 + 1) / 4)
    assert few["languages"]["fr"]["recall@10"]["value"] == 0.5


def test_what_does_not_fit_is_refused(corpus: Path, frozen: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.eye(4, dtype=np.float32))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "keys.txt").write_text("a\nb\nc\nd")
    (tmp_path / "run.txt").write_text("one two")
    vectors = {"embeddings": tmp_path / "v.npy", "query_embeddings": tmp_path / "v.npy"}
    keyed = {**vectors, "keys_file": tmp_path / "keys.txt"}
    table: list[tuple[type[IconoclipError], str, dict[str, Any]]] = [
        (BadInput, "no vector is of an item", keyed),
        (BadInput, "needs --keys_file", vectors),
        (BadInput, "not a plain array", {**keyed, "embeddings": tmp_path / "objects.npy"}),
        (MissingRequirement, "not a folder of clip-retrieval", {**vectors, "embeddings": tmp_path}),
        (BadInput, "line 1 is not one of a TREC run", {"results": tmp_path / "run.txt"}),
        (BadInput, "no query in these languages", {"results": tmp_path / "run.txt", "languages": ["zu"]}),
    ]  # fmt: skip
    for kind, message, more in table:
        with pytest.raises(kind, match=message):
            scores(frozen, tmp_path / "s.json", **more)
    with pytest.raises(MissingRequirement, match="no benchmark here"):
        scores(tmp_path, tmp_path / "s.json", results=tmp_path / "run.txt")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "years.txt").write_text("of work")
    with pytest.raises(BadInput, match="holds something else"):
        make(corpus, tmp_path / "thesis")
    with pytest.raises(BadInput, match="no item is left"):
        make(
            write_set(
                tmp_path / "none", [(make_record(0, d := jpeg("red", "blue", "disc"), {"en": "x"}), d)]
            ),
            tmp_path / "o",
        )
    assert make(corpus, tmp_path / "changed") == 0
    picture = next((tmp_path / "changed" / "pictures").iterdir())
    picture.write_bytes(picture.read_bytes() + b"x")
    with pytest.raises(DamagedData, match="changed: pictures/"):
        scores(tmp_path / "changed", tmp_path / "s.json", results=tmp_path / "run.txt")
    # Judgements without a checksum, and queries without judgements.
    for number, (lines, message) in enumerate(
        [("test-en-00001 0 other-key 1\n", "not listed: qrels/test-zz"), ("", "have no judgement")]
    ):
        folder = Path(shutil.copytree(frozen, tmp_path / f"odd-{number}"))
        (folder / "qrels" / ("test-zz.txt" if lines else "test-en.txt")).write_text(lines)
        if not lines:
            write_sums(folder)
        with pytest.raises(DamagedData, match=message):
            scores(folder, tmp_path / "s.json", results=tmp_path / "run.txt")
    for change in ({"action": "make"}, {"action": "run"}, {"action": "run", "embeddings": tmp_path}):
        with pytest.raises(ValueError, match=r"needs|give"):
            BenchmarkVerbConfig(target="x", **change)
