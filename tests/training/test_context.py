"""Another context length, captions that are longer than it, and what a tokenizer makes of each language."""

from __future__ import annotations

import json
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch

from iconoclip.errors import ConfigError
from training.config import ExportConfig, TrainConfig
from training.context import resized, set_context_length
from training.data.long_captions import LongTexts
from training.export import export
from training.model import load_model
from training.plan import make_dataset, make_plan
from training.train import train

from .conftest import config_of, jpeg, make_record, write_set

MakeConfig = Callable[..., TrainConfig]
START, END = 49406, 49407


class EndOnly:
    """A tokenizer as SigLIP's: no start, an end that also fills up."""

    context_length = 6

    def __call__(self, texts: list[str], context_length: int | None = None) -> torch.Tensor:
        length = context_length or self.context_length
        rows = [[10 + len(word) for word in text.split()][: length - 1] for text in texts]
        return torch.tensor([row + [1] * (length - len(row)) for row in rows])


def test_which_tokens_of_a_long_caption_are_kept() -> None:
    clip = open_clip.SimpleTokenizer(context_length=8)
    words = [f"{letter}" for letter in "abcdefghijklmnop"]
    text, fits = " ".join(words), " ".join(words[:6])
    ids = dict(zip(words, clip([" ".join(words)], context_length=40)[0, 1:].tolist(), strict=False))
    start, span, subset = (LongTexts(clip, kept, seed=3) for kept in ("start", "span", "subset"))
    positions = np.arange(200)
    assert torch.equal(start([text, fits]), clip([text, fits]))
    for texts in (span, subset):
        rows = texts([text] * 200, positions)
        assert rows.shape == (200, 8)
        assert (rows[:, 0] == START).all()
        assert (rows[:, -1] == END).all()
        places = np.array([[list(ids.values()).index(one) for one in row[1:-1].tolist()] for row in rows])
        assert (np.diff(places, axis=1) > 0).all()
        assert ((np.diff(places, axis=1) == 1).all()) == (texts is span)
        # Every token has its turn, and a resumed run draws the same.
        assert set(places.ravel().tolist()) == set(range(16))
        assert torch.equal(texts([text] * 3, np.array([7, 8, 9])), rows[7:10])
        # What fits is never changed.
        assert torch.equal(texts([fits] * 5, positions[:5]), clip([fits] * 5))
        # What a reader with another tokenizer is given: the same words.
        said = texts.spelled([text, fits], np.array([7, 8]))
        assert torch.equal(clip(said), torch.stack([rows[7], clip([fits])[0]]))
    assert start.spelled([text], positions[:1]) == [text]
    first = span([text] * 200, positions)[:, 1].tolist()
    counts = np.bincount([list(ids.values()).index(one) for one in first], minlength=11)
    # 11 places for a run of 6 in 16: each about 18 times, chi-squared below its 99.9 % point for 10 degrees.
    assert ((counts - 200 / 11) ** 2 / (200 / 11)).sum() < 29.6
    siglip = LongTexts(EndOnly(), "span", 0)
    assert siglip(["a bb ccc dddd eeeee ffffff ggggggg"], np.array([0]))[0, -1] == 1
    assert siglip.counts(["a bb ccc", ""]).tolist() == [3, 0]


def test_the_first_positions_stay_and_texts_that_fit_have_the_same_features(small_model: Path) -> None:
    texts = ["a red disc", "un disque bleu"]
    before, shorter, longer = (load_model(str(small_model)) for _ in range(3))
    for other in (shorter, longer):
        other.model.load_state_dict(before.model.state_dict())
    set_context_length(shorter, 8)
    set_context_length(longer, 40)
    with torch.no_grad():
        expected = before.model.encode_text(before.tokenize(texts))  # type: ignore[operator]
        for other, length in ((shorter, 8), (longer, 40)):
            ids = other.tokenize(texts)
            assert ids.shape == (2, length)
            torch.testing.assert_close(other.model.encode_text(ids), expected)  # type: ignore[operator]
    weight = torch.arange(30.0)[:, None]
    grown = resized(weight, 49)[:, 0]
    assert grown[:20].tolist() == list(range(20))
    # The 10 last positions become 29: from 20 to 29 in steps of 9/28.
    torch.testing.assert_close(grown[20:], 20 + torch.arange(29) * 9 / 28)
    with pytest.raises(ConfigError, match="cannot be changed"):
        set_context_length(types.SimpleNamespace(model=torch.nn.Linear(2, 2)), 8)  # type: ignore[arg-type]


def test_a_run_with_another_context_is_measured_trained_and_exported(
    small_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = jpeg("red", "blue", "disc")
    # A tokenizer of CLIP has a token for each of these words, and reads 4 of the 12 tokens of the long ones.
    long, short = " ".join(["red"] * 12), "a red disc"
    samples = [
        (make_record(n, data, {"en": long if n < 3 else short, "fr": "rouge"}), data) for n in range(12)
    ]
    folder = write_set(tmp_path / "set", samples)
    values: dict[str, Any] = {
        "shardsets": [str(folder)], "run_dir": tmp_path / "run", "model": str(small_model), "batch_size": 6,
        "num_workers": 0, "precision": "float32", "wandb": False, "device": "cpu", "num_threads": 1,
        "validation_split": "none", "model.context_length": 6, "data.long_captions": "subset",
    }  # fmt: skip
    config = config_of(**values)
    assert train(config_of(**values, dry_run=True, json=True)) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["context_length"] == 6
    assert facts["tokens"]["en"] == {
        "captions": 12, "measured": 12, "tokens_per_word": 1.0, "share_cut": 0.25,
    }  # fmt: skip
    plan = make_plan(config)
    loaded = load_model(str(small_model))
    set_context_length(loaded, 6)
    batch = make_dataset(plan, loaded).__getitems__(plan.schedule.batch(0))
    assert batch.tokens_BKL.shape == (6, 1, 6)
    assert train(config) == 0
    export(ExportConfig(run_dir=tmp_path / "run", out=tmp_path / "model"))
    card = (tmp_path / "model" / "README.md").read_text()
    assert "| language | captions | tokens per word | longer than 6 tokens |" in card
    assert "| en | 12 | 1.00 | 25.0 % |" in card
    model = open_clip.create_model(f"local-dir:{tmp_path / 'model'}")
    assert model.positional_embedding.shape[0] == 6
    assert open_clip.get_tokenizer(f"local-dir:{tmp_path / 'model'}")([short]).shape == (1, 6)
