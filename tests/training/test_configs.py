"""Every shipped config is read, instantiated on a shrunken model of its kind, and trained for a few steps. No hub."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch

from iconoclip.config import load, shipped_config
from iconoclip.rundir import RunDir
from training.config import ExportConfig, TrainConfig
from training.export import export
from training.model import load_model
from training.train import train

from .conftest import COLOURS, SHAPES, SMALL_MODEL

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
    assert config.model in open_clip.list_models() or shipped_config(f"models/{config.model}.json").is_file()
    assert config.pretrained is None or config.pretrained in open_clip.list_pretrained_tags_by_model(
        config.model
    )
    # Compiling is left out: it takes a minute and a compiler.
    small = config.model_copy(update={
        "model": str(shrunken(config, tmp_path)), "pretrained": None, "batch_size": 8, "accelerator": "cpu", "devices": 1, "num_nodes": 1,
        "micro_batch_size": config.micro_batch_size and 3, "num_workers": min(config.num_workers, 1), "num_threads": 1, "wandb": False,
        "max_steps": 3, "compile": False, "precision": "float32", "log_every": 1, "field_weights": {}, "captions_per_image": min(2, config.captions_per_image),
        "validation_samples": 4,
    })  # fmt: skip
    assert train(small) == 0
    losses = [line["loss"] for line in RunDir(small.run_dir).metrics() if "loss" in line]
    assert len(losses) == 3
    assert all(loss > 0 for loss in losses)
    export(ExportConfig(run_dir=small.run_dir, out=tmp_path / "model"))
    model = open_clip.create_model(f"local-dir:{tmp_path / 'model'}")
    assert hasattr(model, "logit_scale")
    tokens = open_clip.get_tokenizer(f"local-dir:{tmp_path / 'model'}")(["red, a disc blue"])
    assert model.encode_text(tokens).shape == (1, 16)


def shrunken(config: TrainConfig, folder: Path) -> Path:
    """A model of the same make as the config's, a thousand times smaller."""
    values: dict[str, Any] = json.loads(json.dumps(SMALL_MODEL))
    if "xlm-roberta" in config.model:
        values["model_cfg"]["text_cfg"] = small_xlm_r(folder / "xlm-r")
    if "SigLIP" in config.model:
        values["model_cfg"] |= {"init_logit_bias": -10, "custom_text": True}
        values["model_cfg"]["text_cfg"] |= {"no_causal_mask": True, "pool_type": "last", "proj_bias": True}
    path = folder / "shrunken.json"
    path.write_text(json.dumps(values))
    return path


def small_xlm_r(folder: Path) -> dict[str, Any]:
    """An XLM-R of one narrow layer with a tokenizer of a few words, in a folder as the hub would give it."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig

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
    XLMRobertaConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, max_position_embeddings=40,
    ).save_pretrained(folder)  # fmt: skip
    return {
        "context_length": 16, "hf_model_name": str(folder), "hf_tokenizer_name": str(folder), "hf_pooler_type": "mean_pooler", "hf_model_pretrained": False,
    }  # fmt: skip


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


def test_the_sigmoid_loss_gives_a_model_the_bias_it_needs(
    make_config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    config = make_config(loss="siglip", max_steps=1, validation_split="none")
    train(config)
    export(ExportConfig(run_dir=config.run_dir, out=tmp_path / "model"))
    model = open_clip.create_model(f"local-dir:{tmp_path / 'model'}")
    # SigLIP starts at -10 (arXiv 2303.15343, section 3.2); one small step moves it by about its learning rate.
    assert model.logit_bias.item() == pytest.approx(-10, abs=0.01)
