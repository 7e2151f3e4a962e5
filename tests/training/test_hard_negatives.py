"""Hard negatives: which neighbours are found, what is drawn of them, and what the loss makes of them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from iconoclip.config import to_yaml
from iconoclip.embeddings import write_store
from iconoclip.errors import ConfigError, IconoclipError
from iconoclip.files import write_json
from iconoclip.shardset import ShardSet, Tombstone, with_tombstones
from tests.commands import Command
from training.checkpoint.file import read_checkpoint
from training.checkpoint.folder import latest_sound
from training.config import TrainConfig
from training.config_groups import LossConfig
from training.data import neighbours as search_module
from training.data.captions import caption_weights
from training.data.hard_negatives import HardNegatives
from training.data.neighbour_cache import Neighbours, find_neighbours
from training.data.samples import Samples, load
from training.losses import ContrastiveLoss, ExtraTexts, Relations
from training.module import ContrastiveModule
from training.negatives_config import HardNegativesConfig
from training.plan import load_for_training, make_dataset, make_plan
from training.train import train

from .conftest import changed, jpeg, make_record, write_set
from .gradients import assert_parts_make_the_whole

MakeConfig = Callable[..., TrainConfig]
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICONOCLIP_CACHE", str(tmp_path / "cache"))


FACTS: dict[str, Any] = {
    "model": "a test", "model_digest": "a" * 64, "shardset": "x", "shardset_digest": "b" * 64,
    "created_at": "2026-01-01T00:00:00Z", "created_by": "a test",
}  # fmt: skip


def unit(*shape: int, seed: int) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, dtype=torch.float64, generator=draw), dim=-1)


# Five samples with one caption each, and two hard negatives for each. Sample 0 has text 100 undrawn.
RELATIONS = Relations(
    torch.arange(5),
    torch.tensor([[10], [11], [12], [13], [14]]),
    torch.tensor([[1], [1], [2], [3], [4]]),
    torch.tensor([[10, 100], [11, -1], [12, -1], [13, -1], [14, -1]]),
)
ROWS = torch.tensor([[50, 51], [52, -1], [53, 0], [54, 55], [56, 57]])
TEXTS = torch.tensor([[60, 61], [62, -7], [63, 100], [64, 65], [66, 12]])
LABELS = torch.tensor([[[7], [8]], [[9], [0]], [[1], [1]], [[7], [7]], [[7], [7]]])


def counts(image: int, sample: int, number: int) -> bool:
    """Whether a hard negative is a wrong answer for an image, from the tables above."""
    row, text, label = (int(one[sample, number].squeeze()) for one in (ROWS, TEXTS, LABELS))
    own_texts = {int(RELATIONS.texts_BK[image, 0]), *map(int, RELATIONS.carried_BM[image])}  # type: ignore[index]
    return row >= 0 and row != image and text not in own_texts and label != int(RELATIONS.labels_BR[image, 0])


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_the_loss_is_that_of_a_few_loops(kind: Any) -> None:
    images, texts, extra = unit(5, 6, seed=0), unit(5, 1, 6, seed=1), unit(5, 2, 6, seed=2)
    scale, bias = torch.tensor(7.0).double(), torch.tensor(-2.0).double() if kind == "siglip" else None
    found = ContrastiveLoss(kind, "negative")(
        images, texts, scale, bias, RELATIONS, ExtraTexts(extra, ROWS, TEXTS, LABELS)
    )
    shift = 0.0 if bias is None else -2.0
    total, left_out = 0.0, 0
    for image in range(5):
        score = lambda text, image=image: 7 * float(images[image] @ text) + shift  # noqa: E731
        wrong = [score(texts[other, 0]) for other in range(5) if other != image]
        for sample in range(5):
            for number in range(2):
                if counts(image, sample, number):
                    wrong.append(score(extra[sample, number]))
                else:
                    left_out += 1
        own = score(texts[image, 0])
        if kind == "siglip":
            total += math.log1p(math.exp(-own)) + sum(math.log1p(math.exp(one)) for one in wrong)
            continue
        by_text = [7 * float(images[other] @ texts[image, 0]) for other in range(5)]
        total += (math.log(sum(map(math.exp, [own, *wrong]))) - own) / 2
        total += (math.log(sum(map(math.exp, by_text))) - own) / 2
    assert float(found) == pytest.approx(total / 5, rel=1e-12)
    # The one that is missing for all five, the label 1 for the samples 0 and 1 (twice each), the text 12 for
    # sample 2; what sample 0 itself is or has is among its four already.
    assert left_out == 5 + 2 * 2 + 1


def test_captions_of_a_neighbour_count_with_each_drawn_caption() -> None:
    images, texts, extra = unit(3, 6, seed=0), unit(3, 2, 6, seed=1), unit(3, 1, 6, seed=2)
    far = ExtraTexts(
        extra, torch.tensor([[7], [8], [9]]), torch.tensor([[70], [80], [90]]), torch.zeros(3, 1, 0)
    )
    relation = lambda k: Relations(torch.arange(3), k, torch.zeros(3, 0, dtype=torch.int64))  # noqa: E731
    numbers, scale = torch.arange(6).view(3, 2), torch.tensor(3.0).double()
    loss = ContrastiveLoss("clip", "ignore", z_loss=0.1)
    both = loss(images, texts, scale, None, relation(numbers), far)
    singly = [
        loss(images, texts[:, k : k + 1], scale, None, relation(numbers[:, k : k + 1]), far) for k in range(2)
    ]
    torch.testing.assert_close(both, torch.stack(singly).mean())


@pytest.fixture
def random_set(tmp_path: Path) -> Path:
    """70 samples of which some share groups or captions."""
    data, draw = jpeg("white", "red", "disc", (16, 16)), np.random.default_rng(5)
    samples = []
    for number in range(70):
        texts = {"en": f"text {draw.integers(60)}", "fr": f"texte {draw.integers(200)}"}
        group = f"group {draw.integers(30)}"
        samples.append((make_record(number, data, texts, group=group, split="train"), data))
    return write_set(tmp_path / "set", samples)


def vectors_of(num: int) -> npt.NDArray[np.float16]:
    found = unit(num, 9, seed=3).numpy()
    # Copies, exact and near.
    found[40:42] = found[8:9]
    found[42:43] = found[8:9] + 0.05
    found[55:56] = found[56:57]
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float16)


def by_hand(
    samples: Samples, vectors: npt.NDArray[np.float16], row: int, others: range, num: int, limit: float
) -> list[int]:
    """The neighbours of a row, by whole numbers."""
    captions = samples.captions
    texts = lambda one: {int(captions.text_C[number]) for number in captions.of_row(one)}  # noqa: E731
    whole = [[int(float(value) * 2**24) for value in vector] for vector in vectors]
    found = []
    for other in others:
        similarity = sum(a * b for a, b in zip(whole[row], whole[other], strict=True))
        is_same = samples.group_N[other] == samples.group_N[row] or texts(row) & texts(other)
        if not is_same and similarity <= limit * 2**48:
            found.append((-similarity, other))
    rows = [other for _, other in sorted(found)[:num]]
    return rows + [-1] * (num - len(rows))


def test_neighbours_are_the_nearest_that_are_no_false_negatives(
    random_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Several blocks of queries and of candidates, and more pairs than may be held together.
    monkeypatch.setattr(search_module, "QUERIES_TOGETHER", 32)
    monkeypatch.setattr(search_module, "BLOCK_BITS", 4)
    monkeypatch.setattr(search_module, "BLOCK", 16)
    monkeypatch.setattr(search_module, "MOST_PAIRS", 50)
    samples = load([str(random_set)], split="train", policy="open")
    vectors, keys = vectors_of(len(samples)), samples.keys.to_pylist()
    # In two stores, neither in the order of the rows; one key is unknown, and the last sample has no vector.
    order = np.random.default_rng(1).permutation(69)
    write_store(tmp_path / "a", vectors[order[:30]], [keys[row] for row in order[:30]], **FACTS)
    more = [*(keys[row] for row in order[30:]), "else"]
    write_store(tmp_path / "b", vectors[[*order[30:], 3]], more, **FACTS)
    stores = [tmp_path / "a", tmp_path / "b"]
    for num, limit in ((4, 0.9), (80, 1.0)):
        config = HardNegativesConfig(stores=stores, neighbours=num, max_similarity=limit)
        found = find_neighbours(samples, config, LossConfig(), CPU)
        assert found
        for row in range(69):
            assert found.rows_NM[row].tolist() == by_hand(samples, vectors, row, range(69), num, limit)
        assert (found.rows_NM[69] == -1).all()
        assert (found.facts["num_with_vector"], found.facts["num_candidates"]) == (69, 69)
        # The exact copies and the near ones of sample 8, each pair from both sides.
        assert found.facts["num_copies"] > 0
    few = HardNegativesConfig(stores=stores, max_candidates=3)
    found = find_neighbours(samples, few, LossConfig(), CPU)
    assert found
    assert set(np.unique(found.rows_NM).tolist()) == {-1, 0, 34, 68}


def test_stores_that_do_not_belong_to_the_run_are_refused(random_set: Path, tmp_path: Path) -> None:
    samples = load([str(random_set)], split="train", policy="open")
    vectors, keys = vectors_of(70)[:2], samples.keys.to_pylist()[:2]
    write_store(tmp_path / "own", vectors, keys, **FACTS)
    write_store(tmp_path / "unknown", vectors, ["p", "q"], **FACTS)
    write_store(tmp_path / "other", vectors, keys, **(FACTS | {"model_digest": "c" * 64}))
    write_store(tmp_path / "texts", vectors, keys, **FACTS, side="text")
    write_store(tmp_path / "one", vectors[:1], keys[:1], **FACTS)

    def error(*names: str) -> str:
        config = HardNegativesConfig(stores=[tmp_path / name for name in names])
        with pytest.raises(IconoclipError) as caught:
            find_neighbours(samples, config, LossConfig(), CPU)
        return str(caught.value)

    assert "no vector of any sample" in error("unknown")
    assert "of different models" in error("own", "other")
    assert "vectors of texts" in error("texts")
    assert "only one sample has a vector" in error("one")
    assert "no embedding store here" in error("own", "nowhere")
    # A store from elsewhere, whose checksums are right.
    long = np.vstack([vectors[0], 2 * vectors[1]])
    np.save(tmp_path / "own" / "vectors.npy", long)
    values = json.loads((tmp_path / "own" / "store.json").read_bytes())
    sha256 = hashlib.sha256((tmp_path / "own" / "vectors.npy").read_bytes()).hexdigest()
    write_json(tmp_path / "own" / "store.json", values | {"vectors_sha256": sha256})
    assert "does not have unit length" in error("own")
    assert not list((tmp_path / "cache").glob("neighbours/*/*"))


def test_neighbours_are_searched_once_and_again_after_a_withdrawal(
    random_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = load([str(random_set)], split="train", policy="open")
    write_store(tmp_path / "store", vectors_of(len(samples)), samples.keys.to_pylist(), **FACTS)
    config = HardNegativesConfig(stores=[tmp_path / "store"])
    first = find_neighbours(samples, config, LossConfig(), CPU)
    assert first
    assert "search neighbours: 70/70 samples" in capsys.readouterr().err
    again = find_neighbours(samples, config, LossConfig(), CPU)
    assert again
    assert again.digest == first.digest
    assert "search" not in capsys.readouterr().err
    # Damaged on the disk.
    file = next((tmp_path / "cache" / "neighbours").glob("*/neighbours.bin"))
    whole = file.read_bytes()
    file.write_bytes(whole[:40] + b"x" + whole[41:])
    find_neighbours(samples, config, LossConfig(), CPU)
    assert "is damaged; neighbours are searched again" in capsys.readouterr().err
    assert file.read_bytes() == whole
    # Withdrawn, though the store still has its vector.
    key = samples.keys[int(first.rows_NM[0, 0])].as_py()
    tombstone = Tombstone(key=key, reason="asked to", at="2026-01-02T00:00:00Z")
    manifest = with_tombstones(ShardSet(random_set).manifest, [tombstone])
    write_json(random_set / "shardset.json", manifest.model_dump(mode="json"))
    fewer = load([str(random_set)], split="train", policy="open")
    later = find_neighbours(fewer, config, LossConfig(), CPU)
    assert later
    # The rows after it have moved up by one; what was second is now the nearest.
    names = fewer.keys.to_pylist()
    assert key not in names
    assert names[later.rows_NM[0, 0]] == samples.keys[int(first.rows_NM[0, 1])].as_py()


def test_draws_are_a_function_of_seed_and_position(random_set: Path) -> None:
    captions = load([str(random_set)], split="train", policy="open").captions
    rows_NM = np.full((70, 3), -1, dtype=np.int32)
    rows_NM[0], rows_NM[1, :2] = [4, 5, 6], [7, 8]
    neighbours = Neighbours(rows_NM, "", "", {})
    # Only French captions have a weight.
    weights = caption_weights(captions, language_temperature=1.0, field_weights={}, origin_weights={})
    weight_C = np.where(np.arange(len(captions)) % 2 == 1, weights[np.arange(len(captions))], 0.0)
    assert captions.kind_of(1).language == "fr"

    def draw(seed: int, num: int, positions: range) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        drawer = HardNegatives(neighbours, captions, weight_C, num=num, seed=seed)
        row_B = np.array([position % 3 for position in positions])
        return drawer.draw(row_B, np.array(positions))

    rows_BE, captions_BE = draw(1, 2, range(3000))
    assert (draw(1, 2, range(1000, 1010))[0] == rows_BE[1000:1010]).all()
    assert (draw(1, 2, range(1000, 1010))[1] == captions_BE[1000:1010]).all()
    assert (draw(2, 2, range(3000))[0] != rows_BE).any()
    assert set(map(tuple, np.sort(rows_BE[0::3]).tolist())) == {(4, 5), (4, 6), (5, 6)}
    # 1,000 draws of two of three: each is in about two thirds, with a standard deviation of 15.
    assert all(abs(int((rows_BE[0::3] == row).sum()) - 667) < 75 for row in (4, 5, 6))
    assert set(map(tuple, np.sort(rows_BE[1::3]).tolist())) == {(7, 8)}
    assert (rows_BE[2::3] == -1).all()
    # A caption of that neighbour; each sample has two, the French one second.
    assert (captions_BE[0::3] == 2 * rows_BE[0::3] + 1).all()
    # More than there are.
    many, _ = draw(1, 5, range(3))
    assert sorted(many[0].tolist()) == [-1, -1, 4, 5, 6]
    assert many[2].tolist() == [-1] * 5


@pytest.fixture
def store(shapes_set: Path, tmp_path: Path) -> Path:
    """Random vectors of all pictures of the small set, those for validation as well."""
    keys = [record.key for record, _ in ShardSet(shapes_set).samples()]
    write_store(tmp_path / "store", unit(len(keys), 8, seed=4).numpy(), keys, **FACTS)
    return tmp_path / "store"


def test_a_batch_has_captions_of_neighbours_and_the_gradient_of_the_whole(
    store: Path, make_config: MakeConfig
) -> None:
    config = make_config(**{
        "hard_negatives.stores": [str(store)], "hard_negatives.captions": 3, "loss.related_by": ["group"],
    })  # fmt: skip
    plan = make_plan(config)
    loaded = load_for_training(config.model, config.loss, config.seed)
    dataset = make_dataset(plan, loaded)
    batch = dataset.__getitems__(plan.schedule.batch(5))
    found, captions = batch.negatives, plan.samples.captions
    assert found
    assert found.tokens_BEL.shape == (8, 3, 16)
    neighbours = plan.neighbours
    assert neighbours
    for sample, row in enumerate(batch.rows_B.tolist()):
        for number, other in enumerate(found.rows_BE[sample].tolist()):
            assert other in neighbours.rows_NM[row]
            texts = [captions.text[one].as_py() for one in captions.of_row(other)]
            ids = loaded.tokenize(texts)
            is_it = [torch.equal(one, found.tokens_BEL[sample, number]) for one in ids]
            assert any(is_it)
            own = captions.text_C[captions.of_row(other)[is_it.index(True)]]
            assert found.texts_BE[sample, number] == int(own)
            assert found.labels_BER[sample, number, 0] == int(plan.samples.group_N[other])
    # Whole or in parts, with the plain order of samples.
    plain = make_dataset(make_plan(make_config()), loaded).__getitems__(plan.schedule.batch(5))
    assert torch.equal(plain.rows_B, batch.rows_B)
    assert torch.equal(plain.tokens_BKL, batch.tokens_BKL)
    module = ContrastiveModule(loaded, plan.recipe)
    loss = assert_parts_make_the_whole(module, batch, 3)
    assert loss > module.backward_whole(plain)


def test_a_run_resumes_exactly_and_only_with_its_stores(store: Path, make_config: MakeConfig) -> None:
    changes: dict[str, Any] = {"hard_negatives.stores": [str(store)], "validation_split": "none"}
    whole = make_config(run_dir=store.parent / "whole", max_steps=4, **changes)
    pieces = changed(whole, run_dir=store.parent / "pieces")
    train(whole)
    train(changed(pieces, max_steps=2))
    train(pieces)
    ends = []
    for config in (whole, pieces):
        path, _ = latest_sound(config.run_dir / "checkpoints")
        assert path
        ends.append(read_checkpoint(path)["state_dict"])
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    facts = json.loads((whole.run_dir / "data.json").read_bytes())["hard_negatives"]
    # 50 samples to train on; the vectors of the ten others are not used.
    assert (facts["num_samples"], facts["num_with_vector"], facts["num_candidates"]) == (50, 50, 50)
    with pytest.raises(ConfigError, match="began with other embedding stores"):
        train(changed(pieces, max_steps=5, **{"hard_negatives.stores": []}))
    # The same store, elsewhere.
    moved = store.rename(store.with_name("moved"))
    train(changed(pieces, max_steps=5, **{"hard_negatives.stores": [str(moved)]}))


@pytest.mark.long
def test_the_whole_from_a_model_to_a_model(shapes_set: Path, make_config: MakeConfig, tmp_path: Path) -> None:
    """Trained, exported, encoded, then trained with hard negatives on one rank and on two."""
    from .test_ranks import launch, losses

    steps: dict[str, Any] = {"max_steps": 8, "validation_split": "none"}
    first = make_config(run_dir=tmp_path / "first", **steps)
    train(first)
    model, store = tmp_path / "model", tmp_path / "store"

    def run(*words: object) -> Command:
        command = Command(["-m", "iconoclip.cli", *words], cwd=tmp_path)
        assert command.wait(120) == 0, command.stderr
        return command

    run("export", first.run_dir, "--out", model)
    run("encode", model, shapes_set, "--out", store)
    options = ["--hard_negatives.stores", f"[{store}]", "--hard_negatives.captions", "2"]
    (tmp_path / "first.yaml").write_text(to_yaml(first))
    words = ["train", "--config", "first.yaml", "--run_dir", "again", *options]
    facts = json.loads(run(*words, "--dry-run", "--json").stdout)["hard_negatives"]
    assert facts["captions_per_sample"] == 2
    assert facts["num_with_neighbours"] == facts["num_samples"] == 50
    assert facts["num_bytes"] == 50 * 16 * 4
    # Searched by the dry run.
    assert "search neighbours" not in run(*words).stderr
    changes = {"hard_negatives.stores": [str(store)], "hard_negatives.captions": 2, **steps}
    alone = make_config(run_dir=tmp_path / "again", **changes)
    assert losses(alone) != pytest.approx(losses(first), abs=0.1)
    for strategy in ("ddp", "fsdp"):
        two = make_config(run_dir=tmp_path / strategy, devices=2, strategy=strategy, num_workers=1, **changes)
        launch(two, tmp_path)
        assert losses(two) == pytest.approx(losses(alone), abs=1e-4)
    said = run("seen", "again", "north-0123456789abcdef").stderr
    assert "captions of similar pictures as hard negatives, which are not counted" in said
    run("export", "again", "--out", "second")
    card = (tmp_path / "second" / "README.md").read_text()
    assert "hard negatives: 2 caption(s) of similar pictures with each sample" in card
