"""Folders of transformers become open_clip models with the same features, or are refused with the reason."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from iconoclip.embeddings import EmbeddingStore
from iconoclip.errors import BadInput, ConfigError, DamagedData, MissingRequirement
from retrieval.encode.encoder import Encoder
from tests import commands
from training.config import ExportConfig, TrainConfig
from training.export import export
from training.model import LoadedModel, load_model
from training.train import train
from training.weights.transformers_folder.preprocessing import preprocessing
from training.weights.transformers_folder.siglip import IN_TIMM

from .test_configs import small_tokenizer

TEXTS = ["red, a disc blue", "white, a square black"]
VISION: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}
TEXT: dict[str, Any] = {
    "vocab_size": 60,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 20,
    "bos_token_id": 0,
    "pad_token_id": 1,
    "eos_token_id": 2,
}


def config_of_transformers(name: str, **changes: Any) -> Any:
    """The config of a small model of transformers."""
    import transformers

    own: dict[str, dict[str, Any]] = {
        "CLIP": {"projection_dim": 24},
        "Siglip": {},
        "AltCLIP": {"projection_dim": 10},
        "ChineseCLIP": {"projection_dim": 24},
    }
    text = {"Siglip": {"projection_size": 32}, "AltCLIP": {"project_dim": 12}}.get(name, {})
    return getattr(transformers, f"{name}Config")(
        text_config=TEXT | text | changes.get("text", {}),
        vision_config=VISION | changes.get("vision", {}),
        **own[name],
    )


def of_transformers(name: str, folder: Path) -> Any:
    """A small model of transformers with random weights, written to a folder with a tokenizer."""
    import transformers

    config = config_of_transformers(name)
    torch.manual_seed(5)
    model = getattr(transformers, f"{name}Model")(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    small_tokenizer(folder)
    return model


def of_both(model: Any, loaded: LoadedModel, *, mask: bool) -> None:
    """Both towers compute what those of transformers do."""
    pixels = torch.randn(2, 3, 32, 32)
    tokens = loaded.tokenize([*TEXTS, "red"])
    masks = {"attention_mask": (tokens != 1).long()} if mask else {}
    ours: Any = loaded.model.eval()
    with torch.no_grad():
        pairs = (
            (ours.encode_image(pixels), model.get_image_features(pixel_values=pixels).pooler_output),
            (ours.encode_text(tokens), model.get_text_features(input_ids=tokens, **masks).pooler_output),
        )
    for one, other in pairs:
        unit = nn.functional.normalize
        torch.testing.assert_close(unit(one, dim=-1), unit(other, dim=-1), rtol=0, atol=1e-5)
    assert ours.logit_scale.item() == pytest.approx(model.logit_scale.item(), abs=1e-6)


@pytest.mark.parametrize("name", ["CLIP", "Siglip", "AltCLIP", "ChineseCLIP"])
def test_a_folder_of_transformers_becomes_a_model_with_its_features(name: str, tmp_path: Path) -> None:
    model = of_transformers(name, tmp_path / "theirs")
    loaded = load_model(str(tmp_path / "theirs"))
    assert loaded.has_weights
    of_both(model, loaded, mask=name != "Siglip")
    assert loaded.tokenize(["red"])[0, :3].tolist() == [0, 4, 2]
    if name == "Siglip":
        assert loaded.model.logit_bias.item() == model.logit_bias.item()  # type: ignore[union-attr, operator]
        assert (loaded.preprocess["resize_mode"], loaded.preprocess["mean"]) == ("squash", [0.5] * 3)


@pytest.mark.long
def test_timms_towers_of_a_name_are_those_of_transformers() -> None:
    import timm
    from timm.layers import GELUTanh

    for (width, depth, patch, side), name in IN_TIMM.items():
        with torch.device("meta"):
            tower: Any = timm.create_model(name, num_classes=0, global_pool="map")
        assert (tower.embed_dim, len(tower.blocks), tower.patch_embed.patch_size) == (
            width,
            depth,
            (patch,) * 2,
        )
        assert tower.patch_embed.img_size == (side, side)
        # gelu_pytorch_tanh, in the blocks and in the head.
        assert isinstance(tower.blocks[0].mlp.act, GELUTanh)
        assert isinstance(tower.attn_pool.mlp.act, GELUTanh)


def test_what_open_clip_cannot_compute_is_refused(tmp_path: Path) -> None:
    relu = {"hidden_act": "relu"}
    cases: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("CLIP", {"text": {"hidden_act": "gelu"}}, "its towers have different activations"),
        ("CLIP", {"text": relu, "vision": relu}, "its activation is relu"),
        ("Siglip", {"vision": {"vision_use_head": False}}, "no pooling head"),
        ("Siglip", {"vision": {"layer_norm_eps": 1e-3}}, "the epsilon of its norms is 0.001"),
        ("Siglip", {"text": {"projection_size": 24}}, "vectors of different lengths"),
    )
    for number, (name, changes, reason) in enumerate(cases):
        folder = tmp_path / str(number)
        config_of_transformers(name, **changes).save_pretrained(folder)
        save_file({"x": torch.zeros(1)}, folder / "model.safetensors")
        with pytest.raises(BadInput, match=reason):
            load_model(str(folder))
    with pytest.raises(BadInput, match="this is a folder"):
        load_model("ViT-S-32", pretrained=str(tmp_path / "0"))
    with pytest.raises(ConfigError, match="neither a file nor a tag"):
        load_model("ViT-S-32", pretrained="laion3b")


def test_the_preprocessing_of_a_folder_is_kept(tmp_path: Path) -> None:
    cut = {"size": {"shortest_edge": 224}, "do_center_crop": True, "crop_size": {"height": 224, "width": 224}}
    whole = {"size": {"height": 256, "width": 256}, "resample": 2, "image_mean": [0.5] * 3}
    cases: tuple[tuple[str, str, dict[str, Any], tuple[str, str, float]], ...] = (
        ("clip", "preprocessor_config.json", cut | {"resample": 3}, ("shortest", "bicubic", 0.48145466)),
        (
            "clip",
            "preprocessor_config.json",
            {"size": 224, "crop_size": 224},
            ("shortest", "bicubic", 0.48145466),
        ),
        ("siglip", "preprocessor_config.json", whole, ("squash", "bilinear", 0.5)),
        ("chinese_clip", "preprocessor_config.json", whole, ("squash", "bilinear", 0.5)),
        ("siglip", "processor_config.json", {"image_processor": whole}, ("squash", "bilinear", 0.5)),
        ("siglip", "nothing.json", {}, ("squash", "bicubic", 0.5)),
        ("altclip", "nothing.json", {}, ("shortest", "bicubic", 0.48145466)),
    )
    for number, (kind, name, values, expected) in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / name).write_text(json.dumps(values))
        found = preprocessing(folder, kind)
        assert (found["resize_mode"], found["interpolation"], found["mean"][0]) == expected, (kind, name)


def test_a_folder_without_a_tokenizer_or_a_package_is_named(tmp_path: Path) -> None:
    of_transformers("Siglip", tmp_path / "model")
    settings = tmp_path / "model" / "tokenizer_config.json"
    if importlib.util.find_spec("sentencepiece") is None:
        settings.write_text(json.dumps({"tokenizer_class": "SiglipTokenizer"}))
        with pytest.raises(MissingRequirement, match="a package that is not installed") as caught:
            load_model(str(tmp_path / "model"))
        assert caught.value.remedy == "pip install sentencepiece"
    (tmp_path / "model" / "tokenizer.json").unlink()
    with pytest.raises(MissingRequirement, match="the folder holds no tokenizer"):
        load_model(str(tmp_path / "model"))
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(DamagedData, match="a safetensors file that is damaged or cut short"):
        load_model(str(tmp_path / "model"))
    # transformers would take the integers for the weights.
    save_file({"text_model.x.weight": torch.zeros(3, dtype=torch.int8)}, weights)
    with pytest.raises(BadInput, match="weights were quantised"):
        load_model(str(tmp_path / "model"))
    weights.unlink()
    index = {"weight_map": {"logit_scale": "model-00001-of-00001.safetensors"}}
    (tmp_path / "model" / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(DamagedData, match="a file of the sharded weights is missing"):
        load_model(str(tmp_path / "model"))


def test_a_folder_of_transformers_is_exported_and_encoded(shapes_set: Path, tmp_path: Path) -> None:
    theirs, out = tmp_path / "theirs", tmp_path / "base"
    model = of_transformers("AltCLIP", theirs)
    refused = commands.run(["encode", theirs, shapes_set, "--out", tmp_path / "store"])
    assert refused.returncode == 2
    assert f"iconoclip export {theirs} --out MODEL" in refused.stderr
    done = commands.run(["export", theirs, "--out", out, "--licence", "Apache-2.0"])
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert json.loads((out / "text_tower" / "config.json").read_text())["num_hidden_layers"] == 3
    assert "license: apache-2.0" in (out / "README.md").read_text()
    # A second command finds it done, and one that chooses what only a run has is refused.
    before = (out / "provenance.json").stat().st_mtime_ns
    export(ExportConfig(run_dir=theirs, out=out, licence="Apache-2.0"))
    assert (out / "provenance.json").stat().st_mtime_ns == before
    with pytest.raises(ConfigError, match="the model is no run"):
        export(ExportConfig(run_dir=theirs, out=out, step=3))
    loaded = load_model(str(out))
    of_both(model, loaded, mask=True)
    vectors = Encoder(out, precision="float32").encode_texts(TEXTS)
    tokens = loaded.tokenize(TEXTS)
    with torch.no_grad():
        theirs_TD = model.get_text_features(
            input_ids=tokens, attention_mask=tokens.ne(1).long()
        ).pooler_output
    unit = nn.functional.normalize(theirs_TD, dim=-1).numpy()
    np.testing.assert_allclose(vectors, unit, rtol=0, atol=1e-5)


@pytest.mark.long
@pytest.mark.parametrize("name", ["Siglip", "ChineseCLIP"])
def test_a_run_from_a_folder_of_transformers_ends_in_a_store(
    make_config: Callable[..., TrainConfig], shapes_set: Path, tmp_path: Path, name: str
) -> None:
    of_transformers(name, tmp_path / "theirs")
    config = make_config(model=str(tmp_path / "theirs"), max_steps=1, validation_split="none")
    train(config)
    done = commands.run(["export", config.run_dir, "--out", tmp_path / "tuned"])
    assert done.returncode == 0, done.stderr
    done = commands.run(["encode", tmp_path / "tuned", shapes_set, "--out", tmp_path / "store"])
    assert done.returncode == 0, done.stderr
    width = 32 if name == "Siglip" else 24
    assert EmbeddingStore(tmp_path / "store").vectors_ND.shape == (60, width)
    done = commands.run(
        ["evaluate", tmp_path / "theirs", shapes_set, "--out", tmp_path / "e", "--split", "val"]
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_a_repository_of_transformers_is_read_as_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    repository = tmp_path / "models--some--clip"
    model = of_transformers("ChineseCLIP", repository / "snapshots" / ("0" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    of_both(model, load_model("hf-hub:some/clip"), mask=True)
    with pytest.raises(MissingRequirement, match="cannot be downloaded"):
        load_model("hf-hub:some/other")
