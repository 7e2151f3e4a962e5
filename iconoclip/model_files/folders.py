"""What a folder is, by the files in it, and which of them holds the weights."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from iconoclip.model_files.first_bytes import AGAIN, NUM_BYTES, by_first_bytes
from iconoclip.model_files.found import Found

OPEN_CLIP_CONFIG, TRANSFORMERS_CONFIG = "open_clip_config.json", "config.json"
MAX_CONFIG_BYTES = 1_000_000
# For tokenizers and configs of transformers. It overrides the options in a model's config, where
# `trust_remote_code` would run a Python file of the folder; without it transformers asks at the terminal.
NO_CODE = {"trust_remote_code": False}
# In the order in which open_clip prefers them, then those of transformers.
WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_model.safetensors.index.json",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "pytorch_model.pth",
    "model.pth",
)
CONVERTED = ("clip", "siglip", "altclip", "chinese_clip")
"""values of `model_type` in transformers that training reads"""
FAMILIES = "CLIP, SigLIP, AltCLIP and Chinese-CLIP are read"
OTHER_WEIGHTS = {
    "flax_model.msgpack": "Flax",
    "tf_model.h5": "TensorFlow",
    "model.onnx": "ONNX",
    "onnx/*.onnx": "ONNX",
    "*.gguf": "llama.cpp (GGUF)",
    "openvino_model.xml": "OpenVINO",
    "weights.npz": "MLX",
    "*.engine": "TensorRT",
}
# What ends like weights, and is none.
NO_WEIGHTS = (
    "training_args.bin",
    "optimizer.bin",
    "optimizer.pt",
    "scheduler.bin",
    "scheduler.pt",
    "scaler.pt",
)
# Part 1 of 2 and so on, as transformers and open_clip name them.
PIECES = "*-0*-of-0*.*"
QUANTISED_REMEDY = "give the model from before, in float32, float16 or bfloat16"


class Row(NamedTuple):
    """A kind of folder.

    Args:
        pattern: of the path of a file in it.
        what: the folder in words.
        remedy: what to do with it.
    """

    pattern: str
    what: str
    remedy: str


FOLDERS = (
    Row(r"adapter_config\.json", "a PEFT adapter (LoRA), which changes a model that is not in the folder",
        "add it to its model with peft's `merge_and_unload()`, save that, and give its folder"),
    Row(r"model_index\.json", "a diffusers pipeline, a generator of images",
        "give a CLIP model, such as ViT-B-32:laion2b_s34b_b79k"),
    Row(r"modules\.json", "a sentence-transformers model",
        "give the folder of the CLIP model inside it, the one with config.json and its weights"),
    Row(r"job\.json", "a run of iconoclip train",
        "export it (`iconoclip export RUN --out MODEL`), and give MODEL"),
    Row(r"shardset\.json", "a shard set", "give a model; a shard set is what it is trained on"),
    Row(r"store\.json", "an embedding store", "give the model that wrote it; store.json names it"),
    Row(r"CURRENT", "a search index", "give the model that it was built with"),
    Row(r"\.metadata|.*\.distcp", "a checkpoint of torch.distributed, in pieces",
        "join it: `python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER X.pt`, give X.pt"),
    Row(r"zero_to_fp32\.py|mp_rank_\d+_model_states\.pt", "a checkpoint of DeepSpeed, in pieces",
        "join it with the zero_to_fp32.py in this folder or the one above, and give the file"),
    Row(r"epoch_\w+\.pt", "a folder of checkpoints of open_clip's training",
        "give its architecture as the model's name, and one of the files as `pretrained`"),
    Row(r"saved_model\.pb", "a TensorFlow model", "give its PyTorch weights"),
    Row(r"snapshots", "a folder of the Hugging Face cache", "give the folder snapshots/... inside it"),
    Row(r"Manifest\.json|.*\.mlmodel", "a Core ML package", "give the PyTorch weights it was made from"),
)  # fmt: skip
# Only where there is no config of a model: the Trainer of transformers leaves these next to a whole one.
WITHOUT_A_CONFIG = (
    Row(r"latest|global_step\d+", "a folder of checkpoints of DeepSpeed",
        "join one with the zero_to_fp32.py that DeepSpeed writes into it, and give the file"),
    Row(r"params\.txt|tensorboard|out\.log", "a run of open_clip's training",
        "give its architecture as the model's name, and a file of its checkpoints/ as `pretrained`"),
    Row(r"random_states_\d+\.pkl|trainer_state\.json", "a checkpoint of accelerate or of a Trainer",
        "give its architecture as the model's name, and its file of weights as `pretrained`"),
)  # fmt: skip


def of_folder(folder: Path) -> Found:
    """What a folder is, and whether training reads it."""
    names = sorted(path.name for path in folder.iterdir())
    if (damaged := _small_pointer(folder)) is not None:
        return damaged
    if OPEN_CLIP_CONFIG in names:
        return _with_weights(folder, Found("open_clip folder", "a model directory"))
    if (found := _of_rows(FOLDERS, names)) is not None:
        return found
    if TRANSFORMERS_CONFIG in names:
        return _of_transformers(folder)
    if (found := _of_rows(WITHOUT_A_CONFIG, names)) is not None:
        return found
    if others := _other_weights(folder):
        what = f"a folder of weights for {others} alone"
        return Found("foreign", what, "give the folder with the PyTorch weights they were made from")
    if (weights := weights_in(folder)) is not None:
        remedy = f"give its architecture as the model's name, and {weights.name} as `pretrained`"
        return Found("foreign", "a folder of weights without the config of a model", remedy)
    return Found(
        "absent",
        f"no model directory here: neither {OPEN_CLIP_CONFIG} nor {TRANSFORMERS_CONFIG}",
        "give a folder that `iconoclip export`, open_clip or transformers wrote, with all its files",
    )


def _of_rows(rows: Iterable[Row], names: list[str]) -> Found | None:
    for row in rows:
        if any(re.fullmatch(row.pattern, name) for name in names):
            return Found("foreign", row.what, row.remedy)
    return None


def _small_pointer(folder: Path) -> Found | None:
    """The refusal of a folder where a config or a tokenizer is what stands for the file: a pointer, or a
    page. Nothing else would say so: its reader reports JSON that is damaged.
    """
    for path in sorted(one for ending in ("json", "txt", "model") for one in folder.glob(f"*.{ending}")):
        # The index of sharded weights has its own message, when it is read.
        if path.name.endswith(".index.json") or not path.is_file():
            continue
        with path.open("rb") as file:
            found = by_first_bytes(file.read(NUM_BYTES))
        if found is not None and found.kind == "damaged" and "pointer" in found.what:
            return Found("damaged", f"a folder whose {path.name} is {found.what}", found.remedy)
    return None


def weights_in(folder: Path) -> Path | None:
    """The file of weights in a folder, or the index of several; None if there is none.

    The names are tried in the order of `WEIGHTS`; then a single other file will do.
    """
    for name in WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    others = [path for ending in ("safetensors", "bin", "pt", "pth") for path in folder.glob(f"*.{ending}")]
    # OpenVINO's are next to a graph of the same name.
    others = [
        path for path in others if path.name not in NO_WEIGHTS and not path.with_suffix(".xml").is_file()
    ]
    return others[0] if len(others) == 1 else None


def read_config(path: Path, max_bytes: int = MAX_CONFIG_BYTES) -> dict[str, Any]:
    """A JSON file of a bounded size; empty if it is none."""
    try:
        values = json.loads(path.read_text(encoding="utf-8")) if path.stat().st_size <= max_bytes else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _of_transformers(folder: Path) -> Found:
    config = read_config(folder / TRANSFORMERS_CONFIG)
    if not config:
        return Found("damaged", f"a folder whose {TRANSFORMERS_CONFIG} is no JSON document", AGAIN)
    kind = str(config.get("model_type") or "")
    if not kind and "architecture" in config:
        remedy = "give a CLIP model; an architecture of open_clip names its timm tower itself"
        return Found("foreign", f"an image model of timm ({config['architecture']})", remedy)
    if kind == "siglip2":
        remedy = "give a SigLIP 2 of fixed resolution, such as google/siglip2-base-patch16-256"
        return Found("foreign", "a SigLIP 2 of variable resolution (NaFlex)", remedy)
    if isinstance(how := config.get("quantization_config"), dict):
        method = str(how.get("quant_method") or "").strip() or "another program"
        return Found("foreign", f"a transformers {kind} model quantised by {method}", QUANTISED_REMEDY)
    if kind.removesuffix("_text_model").removesuffix("_vision_model") in CONVERTED and kind not in CONVERTED:
        remedy = "give the folder of the whole model, whose config.json has text_config and vision_config"
        return Found("foreign", f"one tower of a transformers model ({kind})", remedy)
    if kind not in CONVERTED:
        what = (
            f"a transformers model of the type {kind}"
            if kind
            else "a folder with a config.json of something else"
        )
        return Found("foreign", what, f"give a CLIP model: {FAMILIES}")
    if "vision_config" not in config and "text_config" not in config:
        remedy = "give the folder of the whole model, whose config.json has text_config and vision_config"
        return Found("foreign", f"one tower of a transformers {kind} model", remedy)
    return _with_weights(folder, Found("transformers folder", f"a transformers {kind} model"))


def _with_weights(folder: Path, found: Found) -> Found:
    if weights_in(folder):
        return found
    if any(folder.glob(PIECES)):
        what = "the model directory holds parts of its weights, and no index of them"
        return Found(
            "absent", what, "copy the file that ends in .index.json too, and all parts that it names"
        )
    others = _other_weights(folder)
    only = f"; only those for {others}" if others else ""
    remedy = "copy its model.safetensors, open_clip_model.safetensors or open_clip_pytorch_model.bin too"
    return Found("absent", f"the model directory holds no weights for PyTorch{only}", remedy)


def _other_weights(folder: Path) -> str:
    """The programs, in words, for which a folder holds weights that are not read; empty if there are none."""
    labels = (label for pattern, label in OTHER_WEIGHTS.items() if any(folder.glob(pattern)))
    return " and ".join(dict.fromkeys(labels))
