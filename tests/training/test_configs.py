"""Every shipped config is read, instantiated on a shrunken model of its kind, and trained for a few steps. No
hub.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch

from iconoclip.cli import main
from iconoclip.config import load, shipped_config
from iconoclip.options import options_of
from iconoclip.rundir import RunDir
from training.config import OF_OPEN_CLIP, ExportConfig, TrainConfig
from training.export import export
from training.model import load_model
from training.optimizer import parameter_groups
from training.train import train

from .conftest import COLOURS, SHAPES, SMALL_MODEL, changed

CONFIGS = sorted(path.name for path in shipped_config("train").glob("*.yaml"))
WORDS = [*COLOURS, *COLOURS.values(), *SHAPES, *SHAPES.values(), "a", "un", ","]


def test_there_is_a_config_for_each_scale() -> None:
    assert {"demo.yaml", "vit-b-32-finetune.yaml", "vit-l-14-lora.yaml", "xlm-r-lit.yaml"} <= set(CONFIGS)
    assert {"siglip2-multilingual.yaml", "vit-b-16-scratch.yaml"} <= set(CONFIGS)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_shipped_config_trains(name: str, shapes_set: Path, tmp_path: Path) -> None:
    path = shipped_config(f"train/{name}")
    assert path.read_text().startswith("# ")
    config = load(TrainConfig, path, shardsets=[str(shapes_set)], run_dir=tmp_path / "run")
    # The model it names exists, or is shipped; its weights have a tag that open_clip knows.
    name, tag = config.model.name, config.model.pretrained
    assert name in open_clip.list_models() or shipped_config(f"models/{name}.json").is_file()
    assert tag is None or tag in open_clip.list_pretrained_tags_by_model(name)
    # Compiling is left out: test_compile.py has it.
    hardware, data = config.hardware, config.data
    small = changed(
        config,
        model=str(shrunken(config, tmp_path)),
        pretrained=None,
        batch_size=8,
        device="cpu",
        devices=1,
        num_nodes=1,
        micro_batch_size=hardware.micro_batch_size and 3,
        num_workers=min(data.num_workers, 1),
        num_threads=1,
        wandb=False,
        max_steps=3,
        compile=False,
        precision="float32",
        log_every=1,
        field_weights={},
        captions_per_image=min(2, data.captions_per_image),
        validation_samples=4,
    )
    assert train(small) == 0
    losses = [line["loss"] for line in RunDir(small.run_dir).metrics() if "loss" in line]
    assert len(losses) == 3
    assert all(loss > 0 for loss in losses)
    export(ExportConfig(run_dir=small.run_dir, out=tmp_path / "model"))
    model = open_clip.create_model(f"local-dir:{tmp_path / 'model'}")
    assert hasattr(model, "logit_scale")
    tokens = open_clip.get_tokenizer(f"local-dir:{tmp_path / 'model'}")(["red, a disc blue"])
    assert model.encode_text(tokens).shape == (1, RunDir(small.run_dir).job["model_config"]["embed_dim"])


def shrunken(config: TrainConfig, folder: Path) -> Path:
    """A model of the same make as the config's, a thousand times smaller."""
    values: dict[str, Any] = json.loads(json.dumps(SMALL_MODEL))
    if "xlm-roberta" in config.model.name:
        values["model_cfg"]["text_cfg"] = small_xlm_r(folder / "xlm-r")
    if "SigLIP2" in config.model.name:
        values = small_siglip2(folder / "siglip2")
    path = folder / "shrunken.json"
    path.write_text(json.dumps(values))
    return path


def small_siglip2(folder: Path) -> dict[str, Any]:
    """A SigLIP 2 as open_clip makes them, small: timm's image tower, a text tower without a mask, a tokenizer
    of its own.
    """
    config = json.loads(
        (Path(open_clip.__file__).parent / "model_configs/ViT-B-16-SigLIP2-256.json").read_text()
    )
    config["embed_dim"] = 96
    config["vision_cfg"] |= {"image_size": 160, "timm_model_name": "test_vit3"}
    config["text_cfg"] |= {
        "context_length": 16,
        "vocab_size": small_tokenizer(folder),
        "hf_tokenizer_name": str(folder),
        "width": 32,
        "heads": 2,
        "layers": 1,
    }
    return {"model_cfg": config, "preprocess_cfg": SMALL_MODEL["preprocess_cfg"]}


def small_tokenizer(folder: Path) -> int:
    """Write a tokenizer of a few words, in a folder as the hub would give it; returns how many it knows."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    vocabulary = {word: number for number, word in enumerate([*specials, *dict.fromkeys(WORDS)])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    fast.save_pretrained(folder)
    return len(vocabulary)


def small_xlm_r(folder: Path) -> dict[str, Any]:
    """An XLM-R of two narrow layers, weights and tokenizer in a folder as the hub would give it."""
    from transformers import XLMRobertaConfig, XLMRobertaModel

    config = XLMRobertaConfig(
        vocab_size=small_tokenizer(folder),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
    )
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    return {
        "context_length": 16,
        "hf_model_name": str(folder),
        "hf_tokenizer_name": str(folder),
        "hf_pooler_type": "mean_pooler",
    }


def test_a_text_tower_starts_from_the_weights_in_its_folder(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    path = tmp_path / "model.json"
    values: dict[str, Any] = json.loads(json.dumps(SMALL_MODEL))
    values["model_cfg"]["text_cfg"] = small_xlm_r(tmp_path / "xlm-r")
    path.write_text(json.dumps(values))
    stored = load_file(tmp_path / "xlm-r" / "model.safetensors")
    state = load_model(str(path)).model.text.transformer.state_dict()  # type: ignore[union-attr]
    assert all(torch.equal(state[name], tensor) for name, tensor in stored.items())


def test_a_siglip2_resumes_from_its_exported_folder(
    make_config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    path = tmp_path / "siglip2.json"
    path.write_text(json.dumps(small_siglip2(tmp_path / "tokenizer")))
    changes: dict[str, Any] = {
        "loss": "siglip",
        "max_steps": 1,
        "validation_split": "none",
        "batch_size": 4,
        "layer_decay": 0.5,
        "gradient_checkpointing": True,
    }
    first = make_config(model=str(path), run_dir=tmp_path / "first", **changes)
    train(first)
    export(ExportConfig(run_dir=first.run_dir, out=tmp_path / "model"))
    tuned = make_config(model=f"local-dir:{tmp_path / 'model'}", run_dir=tmp_path / "tuned", **changes)
    groups = parameter_groups(
        load_model(tuned.model.name).model, learning_rate=1.0, weight_decay=0.1, layer_decay=0.5
    )
    rates = {group["lr"] for group in groups}
    # Nine layers in the image tower: the top at 1/2, the stem with its position embedding at 1/2^10.
    assert min(rates) == 0.5**10
    train(tuned)
    assert RunDir(tuned.run_dir).job["state"] == "finished"


def test_a_hugging_face_tower_is_not_asked_about_padding(tmp_path: Path) -> None:
    from training.text import encode_texts

    path = tmp_path / "model.json"
    values: dict[str, Any] = json.loads(json.dumps(SMALL_MODEL))
    values["model_cfg"]["text_cfg"] = small_xlm_r(tmp_path / "xlm-r")
    path.write_text(json.dumps(values))
    loaded = load_model(str(path))
    loaded.model.eval()
    tokens = loaded.tokenize(["red, a disc blue", "blanc"])
    assert tokens.shape == (2, 16)
    with torch.no_grad():
        ours = encode_texts(loaded.model, tokens)
        theirs = loaded.model.encode_text(tokens, normalize=True)  # type: ignore[operator]
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def test_options_of_open_clips_training_are_answered(capsys: pytest.CaptureFixture[str]) -> None:
    ours = {option.name for option in options_of(TrainConfig)}
    for option, remedy in OF_OPEN_CLIP.items():
        assert option not in ours
        assert set(re.findall(r"--([a-z][a-z_.]+)", remedy)) <= ours | {"benchmark"}
        assert main(["train", "shards", "--run_dir", "r", f"--{option.replace('_', '-')}", "1"]) == 2
        assert remedy in " ".join(capsys.readouterr().err.split())


def test_the_sigmoid_loss_gives_a_model_the_bias_it_needs(
    make_config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    config = make_config(loss="siglip", max_steps=1, validation_split="none")
    train(config)
    export(ExportConfig(run_dir=config.run_dir, out=tmp_path / "model"))
    model = open_clip.create_model(f"local-dir:{tmp_path / 'model'}")
    # SigLIP starts at -10 (arXiv 2303.15343, section 3.2); one small step moves it by about its learning
    # rate.
    assert model.logit_bias.item() == pytest.approx(-10, abs=0.01)
