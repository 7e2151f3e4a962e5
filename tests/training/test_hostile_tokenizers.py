"""A model directory whose config wants to run a Python file of its own as its tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from iconoclip.errors import IconoclipError
from retrieval.encode.encoder import tokenizer_of as tokenizer_to_encode_with
from training.blueprint import known_tokenizer, tokenizer_of
from training.model import load_model

TEXT = {
    "hf_tokenizer_name": "x", "context_length": 8, "width": 16, "heads": 1, "layers": 1,
    "tokenizer_kwargs": {"trust_remote_code": True},
}  # fmt: skip
VISION = {"image_size": 32, "layers": 1, "width": 16, "head_width": 16, "patch_size": 32}
CONFIG: dict[str, Any] = {"embed_dim": 8, "vision_cfg": VISION, "text_cfg": TEXT}


def hostile_folder(folder: Path) -> Path:
    folder.mkdir()
    code = f"import pathlib; pathlib.Path({str(folder / 'ran')!r}).touch()\n"
    code += "from transformers import PreTrainedTokenizer\nclass Evil(PreTrainedTokenizer): pass\n"
    (folder / "evil.py").write_text(code)
    auto = {"auto_map": {"AutoTokenizer": ["evil.Evil", None]}, "tokenizer_class": "Evil"}
    (folder / "tokenizer_config.json").write_text(json.dumps(auto))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": {}}))
    return folder


def test_no_file_of_a_model_directory_is_run(tmp_path: Path) -> None:
    folder = hostile_folder(tmp_path / "model")
    directory: Any = SimpleNamespace(folder=folder, config={"model_cfg": CONFIG})
    for attempt in (
        lambda: tokenizer_of(TEXT, folder),
        lambda: known_tokenizer(f"local-dir:{folder}", CONFIG),
        lambda: tokenizer_to_encode_with(directory),
    ):
        with pytest.raises(ValueError, match="trust_remote_code"):
            attempt()
    with pytest.raises(IconoclipError):
        load_model(str(folder), load_weights=False)
    assert not (folder / "ran").exists()
    # Tokenizers without files have no such option.
    assert known_tokenizer("ViT-B-32", {"text_cfg": {}})(["a lion"]).shape == (1, 77)
