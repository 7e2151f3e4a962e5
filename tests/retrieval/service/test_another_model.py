"""`serve --model` with a model that the index was not built with: the service does not start."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from starlette.testclient import TestClient

from iconoclip.errors import ConfigError, MissingRequirement
from retrieval.config import ServeConfig
from retrieval.engine import SearchEngine
from retrieval.service.app import create_app
from retrieval.service.serve import serve
from tests import commands
from tests.retrieval.conftest import write_model

WEIGHTS = "open_clip_model.safetensors"


@pytest.fixture(scope="module")
def other_weights(index_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index's own model with slightly changed weights."""
    folder = tmp_path_factory.mktemp("other") / "model"
    shutil.copytree(index_folder.parent / "model", folder)
    weights = load_file(folder / WEIGHTS)
    weights["logit_scale"] = weights["logit_scale"] + torch.tensor(0.1)
    save_file(weights, folder / WEIGHTS)
    return folder


@pytest.fixture(scope="module")
def other_dimension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("wide") / "model", embed_dim=48)


def test_the_command_ends_with_2_and_says_which_model(index_folder: Path, other_weights: Path) -> None:
    done = commands.run(["serve", index_folder, "--port", "0", "--model", other_weights])
    assert done.returncode == 2, done.stderr
    assert "not the model that the index was built with" in done.stderr
    assert str(other_weights) in done.stderr
    assert "serving at" not in done.stdout


def test_a_model_of_another_dimension_is_refused_by_that(index_folder: Path, other_dimension: Path) -> None:
    config = ServeConfig(index=str(index_folder), port=0, model=str(other_dimension))
    with pytest.raises(ConfigError, match="48 numbers, the index's 32"):
        serve(config)


def test_a_folder_without_a_model_is_a_missing_requirement(index_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingRequirement, match="not there"):
        serve(ServeConfig(index=str(index_folder), port=0, model=str(tmp_path)))


def test_a_model_replaced_under_a_running_service_is_a_503_for_requests_that_need_it(
    index_folder: Path, other_weights: Path
) -> None:
    with SearchEngine.open(index_folder, model=str(other_weights)) as engine:
        client = TestClient(create_app(engine, ServeConfig(index=str(index_folder))))
        for asked in ({"q": "a lion"}, {"q": "a lion", "mode": "semantic"}):
            refused = client.get("/api/search", params=asked)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "not_ready")
        assert json.loads(client.get("/api/search").text)["total"] > 0
