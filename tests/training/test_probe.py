"""Probes of frozen features: the linear one at its optimum, neighbours by hand, splits by group."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iconoclip.errors import BadInput, ConfigError
from iconoclip.record import Date
from training.config import EvaluateConfig
from training.data.samples import load
from training.evaluate import evaluate
from training.evaluation.probe import (
    DEFAULT_PENALTY,
    PENALTIES,
    Features,
    choose_penalty,
    classes_of,
    fit_path,
    main_language,
    nearest,
    probe,
)

from .conftest import COLOURS, jpeg, make_record, write_set
from .test_zero_shot import model_folder

__all__ = ["model_folder"]


def unit(values: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
    found = values / np.linalg.norm(values, axis=1, keepdims=True)
    return found.astype(np.float32)


def test_the_linear_probe_is_at_the_optimum_of_its_penalty() -> None:
    generator = np.random.default_rng(1)
    y_N = generator.integers(0, 3, 60)
    x_ND = unit(generator.normal(size=(60, 5)) + np.eye(3, 5)[y_N] * 2)
    for penalty, (weights_DC, bias_C) in fit_path(x_ND, y_N, 3, 1e-4).items():
        logits = x_ND.astype(np.float64) @ weights_DC + bias_C
        chance_NC = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        error_NC = (chance_NC - np.eye(3)[y_N]) / 60
        # The gradient of the mean cross-entropy with the penalty, by hand, is zero.
        assert np.abs(x_ND.T @ error_NC + penalty * weights_DC).max() < 1e-5
        assert np.abs(error_NC.sum(axis=0)).max() < 1e-5


def test_neighbours_vote_by_their_similarity() -> None:
    angles = np.deg2rad([0, 40, 41, 42, 90])
    x_ND = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    y_N = np.array([0, 1, 1, 1, 0])
    asked = np.deg2rad([2.0, 35.0])
    x_MD = np.stack([np.cos(asked), np.sin(asked)], axis=1).astype(np.float32)
    # Near 2 degrees: exp(cos 2 / 0.07) = 1.59e6 against exp(cos 38/.07) + ... = 7.7e4 + 6.8e4 + 5.9e4.
    assert nearest(x_ND, y_N, x_MD, 2).tolist() == [0, 1]


@pytest.mark.long
def test_the_penalty_is_chosen_on_groups_that_were_not_seen() -> None:
    generator = np.random.default_rng(0)
    # Groups of ten equal pictures: within a group noise identifies the class, else the first dimension alone.
    group_N = np.repeat(np.arange(40), 10)
    y_N = group_N % 2
    noise = np.repeat(generator.normal(size=(40, 30)), 10, axis=0)
    x_ND = unit(np.hstack([np.where(y_N, 1, -1)[:, None] * 0.6 + 0.3 * noise[:, :1], noise[:, 1:]]))
    chosen = choose_penalty(x_ND, y_N, group_N, 2)
    seen = choose_penalty(x_ND, y_N, np.arange(400), 2)
    assert chosen > seen or chosen == PENALTIES[0]
    assert choose_penalty(x_ND, y_N, np.zeros(400, dtype=int), 2) in (DEFAULT_PENALTY, *PENALTIES)


def test_a_caption_field_in_two_languages_gives_one_class_to_an_image(tmp_path: Path) -> None:
    samples = []
    for number in range(4):
        data, kind = jpeg("red", "blue", "disc", size=(40 + number, 40)), number % 2
        texts = {"fr": ("pièce", "estampe")[kind], "en": ("coin", "print")[kind]}
        samples.append((make_record(number, data, texts if number < 3 else {"en": "print"}), data))
    found = load([str(write_set(tmp_path / "two", samples))], split="all", policy="open")
    # Four captions in English, three in French.
    assert main_language(found, "blazon") == "en"
    assert classes_of(found, range(4), "field:blazon") == ["coin", "print", "coin", "print"]
    assert classes_of(found, range(4), "field:blazon", "fr") == ["pièce", "estampe", "pièce", None]


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures whose ground shows the type of the object, the century and the division of Iconclass."""
    grounds, samples = list(COLOURS)[:3], []
    for number in range(54):
        place = number % 3
        data = jpeg(grounds[place], list(COLOURS)[3 + number % 2], "disc", size=(40 + number % 5, 40))
        samples.append(
            (
                make_record(
                    number, data, {"en": f"number {number}"},
                    object_type=("print", "coin", "map")[place],
                    date=Date(earliest=1410 + 100 * place, latest=1420 + 100 * place) if number % 2 else None,
                    iconclass=(("11H", "25F", "46A")[place],) if number % 9 else ("11H", "25F"),
                    split="test" if number // 6 % 3 == 2 else "train",
                ),
                data,
            )
        )  # fmt: skip
    return write_set(tmp_path_factory.mktemp("painted"), samples)


def test_evaluate_probes_what_a_field_says(
    painted: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values: dict[str, Any] = {
        "model": str(model_folder), "shardsets": [str(painted)], "out": tmp_path / "out", "device": "cpu",
        "num_examples": 0,
    }  # fmt: skip
    probes = ["object_type", "century", "iconclass"]
    assert evaluate(EvaluateConfig(probes=probes, **values)) == 0
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())["probes"]
    assert set(found) == set(probes)
    kind = found["object_type"]
    # Grounds of three colours are separated by any features.
    assert (kind["num_train"], kind["num_images"], kind["num_classes"]) == (36, 18, 3)
    assert kind["linear"]["accuracy@1"]["value"] == kind["neighbours"]["accuracy@1"]["value"] == 1.0
    assert kind["most_common_class"]["accuracy@1"]["value"] == pytest.approx(1 / 3)
    # Half have a date, and every ninth picture is in two divisions.
    assert found["century"]["num_without_class"] == 9
    assert found["iconclass"]["num_train"] + found["iconclass"]["num_images"] == 48
    assert "probe of object_type, 3 classes, 18 images: linear 1.000" in " ".join(
        capsys.readouterr().out.split()
    )
    assert "Probes of the image features" in (tmp_path / "out" / "report.html").read_text()
    samples = load([str(painted)], split="all", policy="open")
    assert set(classes_of(samples, range(54), "century")) == {None, "15th", "16th", "17th"}
    assert classes_of(samples, [4], "field:blazon") == ["number 4"]
    # Refused before anything is encoded, so nothing is lost.
    with pytest.raises(BadInput, match="no probe of 'field:blazon': 0 classes with 5 or more"):
        evaluate(
            EvaluateConfig(probes=["object_type", "field:blazon"], **values | {"out": tmp_path / "none"})
        )
    assert "embeddings" not in capsys.readouterr().err
    # The rows that are wanted, in their order.
    for name in ("century", "iconclass", "institution"):
        everyone = classes_of(samples, range(54), name)
        assert classes_of(samples, [30, 4, 30], name) == [everyone[30], everyone[4], everyone[30]], name
    some = Features(samples, range(54), np.ones((54, 2), dtype=np.float32))
    with pytest.raises(BadInput, match="1 classes with 5 or more"):
        probe(some, some, "institution")
    with pytest.raises(ConfigError, match="no classes can be made of 'colour'"):
        classes_of(samples, [0], "colour")
    for change in ({"split": "train"}, {"split": "all"}):
        with pytest.raises(ValueError, match="probes learn from"):
            EvaluateConfig(probes=["century"], **values | change)
