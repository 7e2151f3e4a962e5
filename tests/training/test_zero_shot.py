"""Zero-shot classes equal open_clip's, truth follows Iconclass, and the report shows what it may."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch

from iconoclip.errors import BadInput, ConfigError
from iconoclip.iconclass import is_beneath
from iconoclip.rights import judge
from training.config import EvaluateConfig
from training.data.samples import load
from training.evaluate import evaluate
from training.evaluation import zero_shot
from training.model import load_model

from .conftest import SMALL_MODEL, jpeg, make_record, write_set

CLASSES = """
name: beasts
of: iconclass
prompts: {en: ["a {} on a shield", "{}"], fr: ["{}"]}
classes:
  "25F23(LION)": {en: [lion, cat], fr: [un lion]}
  "25F3": {}
"""


@pytest.fixture
def beasts(tmp_path: Path) -> Path:
    """A set of twelve: lions, a bird, both at once, and one of neither."""
    notations = [["25F23(LION)(+12)"], ["25F33(EAGLE)"], ["25F3", "25F23(LION)"], ["11H"]] * 3
    hostile = "<script>alert(1)</script> & a lion"
    samples = []
    for number, found in enumerate(notations):
        data = jpeg("red", ("blue", "green", "white", "black")[number % 4], "disc")
        rights = judge("http://creativecommons.org/publicdomain/mark/1.0/")
        if number == 0:
            rights = rights.model_copy(update={"display": "link"})
        texts = {"en": f"{hostile} {number}"}
        samples.append(
            (make_record(number, data, texts, iconclass=tuple(found), rights=rights, split="test"), data)
        )
    return write_set(tmp_path / "beasts", samples)


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """A model directory with random weights."""
    from safetensors.torch import save_file

    folder = tmp_path / "model"
    folder.mkdir()
    folder.joinpath("open_clip_config.json").write_text(json.dumps(SMALL_MODEL))
    torch.manual_seed(0)
    state = load_model(str(folder), load_weights=False).model.state_dict()
    save_file(state, folder / "open_clip_model.safetensors")
    return folder


def test_class_vectors_are_open_clips(model_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "labels.yaml"
    path.write_text(CLASSES.replace('"25F3": {}', '"25F3": {en: [bird], fr: [oiseau]}'))
    labels = zero_shot.read_labels(path)
    loaded = load_model(str(model_folder))
    loaded.model.eval()

    def embed(texts: Any) -> Any:
        with torch.no_grad():
            return loaded.model.encode_text(loaded.tokenize(list(texts)), normalize=True).numpy()  # type: ignore[operator]

    ours = zero_shot.class_vectors(labels, "fr", embed)
    with torch.no_grad():
        theirs = open_clip.build_zero_shot_classifier(
            loaded.model, loaded.tokenizer, ["un lion", "oiseau"], ["{}"], device="cpu"
        )
    np.testing.assert_allclose(ours, theirs.numpy().T, atol=1e-6)


def test_a_picture_belongs_to_the_branches_of_its_notations(beasts: Path, tmp_path: Path) -> None:
    path = tmp_path / "labels.yaml"
    path.write_text(CLASSES)
    labels = zero_shot.read_labels(path)
    # Iconclass itself names the branch 25F3 in both languages.
    assert labels.labels("25F3", "en") == ["birds"]
    assert labels.labels("25F23(LION)", "en") == ["lion", "cat"]
    found = zero_shot.truth(load([str(beasts)], split="test", policy="open"), [0, 1, 2, 3], labels)
    assert found.tolist() == [[True, False], [False, True], [True, True], [False, False]]


@pytest.mark.parametrize(
    ("notation", "branch", "found"),
    [
        ("25F23(LION)(+12)", "25F", True),
        ("25F", "25F", True),
        ("25F23(LION)", "25F23(LION)", True),
        ("2", "25F", False),
        # Iconclass: fabulous animals are a division of their own, next to animals; 31AA, aberrations, is one
        # of 31A.
        ("25FF41", "25F", False),
        ("25FF41", "25FF", True),
        ("31AA2", "31A", True),
        ("31A2", "31AA", False),
    ],
)
def test_a_branch_is_iconclass_own(notation: str, branch: str, found: bool) -> None:
    assert is_beneath(notation, branch) is found


def test_scores_by_hand() -> None:
    images = np.array([[1, 0], [0, 1], [1, 0], [0.6, 0.8]], dtype=np.float32)
    classes = np.eye(2, dtype=np.float32)
    truth = np.array([[True, False], [True, False], [True, True], [False, False]])
    found = zero_shot.classify(images, classes, truth)
    # The last belongs to none. Right: the first and the third. Class 0: 2 of 3; class 1: 1 of 1.
    assert found["num_images"] == 3
    assert found["accuracy@1"]["value"] == pytest.approx(2 / 3)
    assert found["accuracy@5"]["value"] == 1
    assert found["mean_class_recall"]["value"] == pytest.approx((2 / 3 + 1) / 2)


def test_evaluate_writes_all_of_it(
    beasts: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "labels.yaml"
    path.write_text(CLASSES)
    config = EvaluateConfig(
        model=str(model_folder), shardsets=[str(beasts)], out=tmp_path / "out", labels=[path], device="cpu",
        interpolate_with=str(model_folder), interpolation_points=2,
    )  # fmt: skip
    assert evaluate(config) == 0
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert found["zero_shot"]["beasts"]["fr"]["num_images"] == 9
    assert "beasts: zero-shot classification of 9 images" in capsys.readouterr().out
    # A model on the line between itself and itself is itself.
    both = [point["languages"]["en"]["recall@1"] for point in found["interpolation"]]
    assert both == [found["languages"]["en"]["text_to_image"]["recall@1"]["value"]] * 2
    page = (tmp_path / "out" / "report.html").read_text()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page
    assert "not shown" in page  # the image whose rights allow a link only
    assert page.count("data:image/jpeg;base64,") > 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"{}"]', '"no place"]'), "a prompt needs one {}"),
        (('"25F3": {}', '"zzz": {}'), "no label in 'en' for zzz"),
        (("of: iconclass", "of: nonsense"), "of"),
    ],
)
def test_a_label_set_that_is_none_is_refused(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = tmp_path / "labels.yaml"
    path.write_text(CLASSES.replace(*change))
    with pytest.raises((BadInput, ConfigError), match=message):
        zero_shot.read_labels(path)
