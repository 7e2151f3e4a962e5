"""The whole pipeline on the real images of two national libraries: pack, train, export, encode, index,
search."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from iconoclip.cli import main

pytestmark = [pytest.mark.corpus, pytest.mark.long]


def test_the_pipeline_works_on_real_images(
    material: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards, run, model, embeddings, index = (
        str(tmp_path / name) for name in ("shards", "run", "model", "embeddings", "index")
    )
    table = str(material / "images" / "metadata.jsonl")
    commands = [
        ["pack", table, "--out", shards, "--config", "harvest/table.yaml", "--max-side-pixels", "256"],
        ["train", shards, "--run-dir", run, "--config", "train/smoke.yaml", "--schedule.max-steps", "3"],
        ["export", run, "--out", model],
        ["encode", model, shards, "--out", embeddings],
        ["index", embeddings, "--shardset", shards, "--model", model, "--out", index],
    ]
    for arguments in commands:
        assert main(arguments) == 0, (arguments, capsys.readouterr().err)
    capsys.readouterr()
    # Three steps teach a model nothing; the words of the catalogue find the pictures all the same.
    assert main(["search", "Tête de jeune garçon Dürer", "--index", index, "--k", "3", "--json"]) == 0
    hits = json.loads(capsys.readouterr().out)["hits"]
    assert len(hits) == 3
    assert hits[0]["title"].startswith("Tête de jeune garçon penchée vers la droite")
    assert hits[0]["rights"]["statement"] == "PDM"
    assert hits[0]["manifest"].startswith("https://gallica.bnf.fr/")
