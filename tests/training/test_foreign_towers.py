"""Weights of towers from timm and transformers: positions of another size, and names of older versions."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from retrieval.encode.encoder import Encoder
from training.model import Changes, load_model

from .conftest import SMALL_MODEL
from .test_checkpoints import same
from .test_configs import small_siglip2, small_xlm_r


@pytest.mark.long
def test_a_timm_tower_changes_its_size_as_open_clip_does(tmp_path: Path) -> None:
    config = small_siglip2(tmp_path / "tokenizer")
    folder, path = tmp_path / "model", tmp_path / "siglip2.json"
    path.write_text(json.dumps(config))
    first = load_model(str(path))
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    first.write_companions(folder)
    torch.save(first.model.state_dict(), folder / "open_clip_pytorch_model.bin")
    ours = load_model(str(folder), changes=Changes(image_size=192))
    theirs = open_clip.create_model(f"local-dir:{folder}", force_image_size=192).state_dict()
    assert theirs["visual.trunk.pos_embed"].shape != first.model.state_dict()["visual.trunk.pos_embed"].shape
    for name, one in theirs.items():
        torch.testing.assert_close(ours.model.state_dict()[name], one, rtol=0, atol=1e-6, msg=name)
    # A model directory of it says its size, so it can be loaded: by us, and by open_clip inside the folder.
    out = tmp_path / "out"
    out.mkdir()
    written = {"model_cfg": ours.model_config, "preprocess_cfg": ours.preprocess}
    (out / "open_clip_config.json").write_text(json.dumps(written))
    save_file(ours.model.state_dict(), out / "open_clip_model.safetensors")
    ours.write_companions(out)
    assert load_model(str(out)).image_size == 192
    with contextlib.chdir(out):
        again = open_clip.create_model("local-dir:.").state_dict()
    assert torch.equal(again["visual.trunk.pos_embed"], theirs["visual.trunk.pos_embed"])
    assert Encoder(out, precision="float32").preprocess.height_width == (192, 192)


@pytest.mark.long
def test_a_hugging_face_tower_of_an_older_transformers(tmp_path: Path) -> None:
    path, values = tmp_path / "xlm-r.json", json.loads(json.dumps(SMALL_MODEL))
    values["model_cfg"]["text_cfg"] = small_xlm_r(tmp_path / "xlm-r")
    path.write_text(json.dumps(values))
    loaded = load_model(str(path))
    with torch.no_grad():
        for parameter in loaded.model.parameters():
            parameter += 0.1
    tower = "text.transformer."
    older = {
        f"{tower}embeddings.position_ids": torch.arange(40)[None],
        f"{tower}pooler.dense.bias": torch.ones(16),
    }
    torch.save({"state_dict": loaded.model.state_dict() | older}, tmp_path / "epoch_1.pt")
    same(load_model(str(path), pretrained=str(tmp_path / "epoch_1.pt")), loaded)
