"""What is no CLIP model is named, with the one thing to do. The files are made as their formats state."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from iconoclip.model_files import recognise

CLIP_NAMES = ("visual.proj", "token_embedding.weight", "logit_scale")


def safetensors(names: Sequence[str], *, cut: int = 0) -> bytes:
    """A file of safetensors with a number for each name."""
    header = {
        name: {"dtype": "F32", "shape": [1], "data_offsets": [4 * at, 4 * at + 4]}
        for at, name in enumerate(names)
    }
    text = json.dumps(header | {"__metadata__": {"format": "pt"}}).encode()
    data = struct.pack("<Q", len(text)) + text + bytes(4 * len(names))
    return data[: len(data) - cut]


def saved(value: object, *, is_old: bool = False) -> bytes:
    """A file as torch.save writes it, also as torch before 1.6 did."""
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=not is_old)
    return file.getvalue()


def state(*names: str) -> dict[str, torch.Tensor]:
    return {name: torch.zeros(1) for name in names}


def zipped(**files: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "/"), data)
    return file.getvalue()


def arrays(*names: str) -> bytes:
    file = io.BytesIO()
    np.savez(file, **{name: np.zeros(1) for name in names})  # type: ignore[arg-type]
    return file.getvalue()


FILES = (
    # What the file contains, what it is called, and a word of what to do.
    (b"", "an empty file", "download it again"),
    (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        "Git LFS pointer",
        "git lfs pull",
    ),
    (b"../.git/annex/objects/aa/bb/SHA256E-s1--00/SHA256E-s1--00", "git-annex pointer", "git annex get"),
    (b"<!DOCTYPE html>\n<html><title>Log in</title>", "an HTML page", "hf download"),
    (b"\n  <html lang='en'>", "an HTML page", "hf download"),
    (
        b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
        "an XML document",
        "download it again",
    ),
    (b'{"error": "Repository not found"}', "a JSON document", "download it again"),
    (b"Entry not found\n", "a text file", "download it again"),
    (b"GGUF\x03\x00\x00\x00" + bytes(64), "a GGUF file", "safetensors"),
    (b"\x08\x08\x12\x07pytorch\x1a\x052.1.0:\x80\x01", "an ONNX file", "exported from"),
    (b"\x89HDF\r\n\x1a\n" + bytes(64), "Keras or TensorFlow", "PyTorch weights"),
    (b"\x1c\x00\x00\x00TFL3" + bytes(64), "TensorFlow Lite", "PyTorch weights"),
    (b"\x82\xabtext_model_\x81\xa5embed\x01", "Flax weights", "PyTorch weights"),
    (gzip.compress(b"weights", mtime=0), "an archive", "unpack it"),
    (b"a/model.pt".ljust(257, b"\0") + b"ustar\x0000" + bytes(248), "a tar archive", "unpack it"),
    (b"\x89PNG\r\n\x1a\n" + bytes(64), "a picture", "PyTorch weights"),
    (b"# xet version 0\nfilesize = 12\nhash = 'aa'\n", "a Git Xet pointer", "hf download"),
    (bytes(5000), "a file that begins with zeros", "download it again"),
    (b"\x00\x01\x02\x03 of no kind", "a file of an unknown kind", "download it again"),
    (zipped(README=b"hello"), "a zip archive", "unpack it"),
    (
        zipped(archive__data=b"x" * 200)[:-80],
        "a zip archive that is damaged or cut short",
        "download it again",
    ),
    (saved(state(*CLIP_NAMES))[:-900], "a zip archive that is damaged or cut short", "download it again"),
    (saved(state(*CLIP_NAMES), is_old=True)[:90], "a file that is damaged or cut short", "download it again"),
    (safetensors(CLIP_NAMES, cut=2), "a safetensors file that is damaged or cut short", "download it again"),
    (b"\x40" + bytes(7) + b"{not a header", "a safetensors file that is damaged", "download it again"),
    (pickle.dumps({"visual.proj": [1.0]}), "a pickle that torch did not write", "torch.save"),
    (arrays("arr_0"), "without the two towers", "image tower and a text tower"),
    (
        saved({"iconoclip": {"step": 1}, "pytorch-lightning_version": "2", "state_dict": {}}),
        "a checkpoint of an iconoclip run",
        "iconoclip export RUN",
    ),
    (
        saved({"pytorch-lightning_version": "2", "state_dict": state("model.conv.weight")}),
        "a Lightning checkpoint without the two towers",
        "image tower and a text tower",
    ),
    (b"ftrt" + bytes(64), "a TensorRT engine", "model.safetensors"),
    (b"<?xml version='1.0'?>\n<net name='clip' version='11'>", "an OpenVINO graph", "model.safetensors"),
    (b"\x78\x9c\xfe" + bytes(range(64)), "of an unknown kind", "model.safetensors"),
    (safetensors([*CLIP_NAMES, "visual.proj.SCB"]), "weights were quantised", "float32"),
    (safetensors([*CLIP_NAMES, "visual.proj.quant_state.bitsandbytes__nf4"]), "quantised", "float32"),
    (saved(state(*CLIP_NAMES, "visual.fc._packed_params.dtype")), "weights were quantised", "float32"),
    (saved({"state": {}, "param_groups": []}), "the state of an optimizer", "saved with it"),
    (
        safetensors(["base_model.model.text_model.encoder.layers.0.self_attn.q_proj.lora_A.weight"]),
        "a PEFT adapter",
        "merge_and_unload",
    ),
    (
        safetensors(["lora_unet_down_blocks_0.lora_up.weight"]),
        "an adapter of an image generator",
        "text tower",
    ),
    (saved({"state_dict": state("model.diffusion_model.out.0.weight")}), "a Stable Diffusion", "text tower"),
    (safetensors(["down_blocks.0.resnets.0.conv1.weight"]), "a part of a diffusers pipeline", "text tower"),
    (
        safetensors(["text_decoder.bert.embeddings.weight", "vision_proj.weight"]),
        "a BLIP model",
        "text tower",
    ),
    (safetensors(["query_tokens", "qformer.encoder.layer.0.x"]), "a BLIP-2 model", "text tower"),
    (safetensors(["language_model.model.layers.0.w", "vision_tower.x"]), "generates text", "text tower"),
    (
        safetensors(["visual.trunk.stem.0.reparam_conv.weight", "text.token_embedding.weight"]),
        "MobileCLIP weights that were reparametrised",
        "MobileCLIP-S1:datacompdr",
    ),
    (
        safetensors(["visual.blocks.0.attn.q_proj.weight", "text.token_embedding.weight"]),
        "an EVA-CLIP checkpoint",
        "EVA02-B-16",
    ),
    (
        saved({"state_dict": state("module.visual.proj", "module.bert.embeddings.x.weight")}),
        "a Chinese-CLIP",
        "folder of transformers",
    ),
    (
        safetensors([*CLIP_NAMES, "positional_embedding_res"]),
        "a Long-CLIP checkpoint",
        "model.context_length",
    ),
    (saved(state("transformer.embeddings.x", "LinearTransformation.bias")), "(M-CLIP)", "text tower"),
    (saved(state("image_encoder.x", "prompt_encoder.x", "mask_decoder.x")), "Segment Anything", "text tower"),
    (saved(state("modality_trunks.vision.x", "modality_preprocessors.text.x")), "ImageBind", "text tower"),
    (
        safetensors(["vision_model.encoder.layers.0.x", "text_model.encoder.layers.0.x"]),
        "a transformers model, without its config",
        "config.json",
    ),
    (safetensors(["vision_model.encoder.layers.0.x"]), "one tower of a transformers", "text tower"),
    (
        safetensors(["model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight"]),
        "a language model",
        "image tower",
    ),
    (safetensors(["encoder.layer.0.attention.self.query.weight"]), "a text model", "image tower"),
    (safetensors(["visual.proj", "visual.conv1.weight"]), "without its text tower", "text tower"),
    (safetensors(["token_embedding.weight", "ln_final.bias"]), "without its image tower", "image tower"),
    (saved(state("layer1.0.conv1.weight", "fc.bias")), "an image model without a text tower", "text tower"),
    (saved(state("cls_token", "blocks.0.norm1.bias"), is_old=True), "an image model", "text tower"),
    (safetensors(["some.weight"]), "its first names are some.weight", "text tower"),
)
READABLE = (
    (safetensors(CLIP_NAMES), "safetensors"),
    (saved(state(*CLIP_NAMES)), "torch"),
    (saved({"epoch": 3, "state_dict": state(*(f"module.{name}" for name in CLIP_NAMES))}), "torch"),
    (saved(state(*CLIP_NAMES), is_old=True), "torch"),
    (
        saved(
            {"pytorch-lightning_version": "2", "state_dict": state(*(f"model.{one}" for one in CLIP_NAMES))}
        ),
        "torch",
    ),
    (arrays("params/img/embedding/kernel", "params/txt/head/bias"), "npz"),
    (b'{"weight_map": {"visual.proj": "a", "text.proj": "b"}}', "sharded"),
    # The first byte of this header's length is that of "{".
    (
        safetensors([*CLIP_NAMES, "x" * (0x7B + 256 - len(safetensors([*CLIP_NAMES, ""])) % 256)]),
        "safetensors",
    ),
)


def test_a_file_is_named_with_the_one_thing_to_do(tmp_path: Path) -> None:
    path, wrong = tmp_path / "weights", []
    for content, what, remedy in FILES:
        path.write_bytes(content)
        found = recognise(path)
        if what not in found.what or remedy not in found.remedy or found.is_readable:
            wrong.append((what, found))
    for content, kind in READABLE:
        path.write_bytes(content)
        if (found := recognise(path)).kind != kind:
            wrong.append((kind, found))
    assert not wrong
    # In 8 bits, without the names that programs for quantisation use.
    path.write_bytes(safetensors(CLIP_NAMES).replace(b'"F32"', b'"I8" '))
    assert "were quantised" in recognise(path).what
    assert recognise(tmp_path / "nothing").kind == "absent"
    # As a copy of a folder of the Hugging Face cache without the files that its links lead to.
    (tmp_path / "link").symlink_to("../blobs/00")
    assert "a link to a file that is not here" in recognise(tmp_path / "link").what


LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
FOLDERS = (
    # A file in the folder and its JSON, what the folder is called, and a word of what to do.
    ({"adapter_config.json": {}, "adapter_model.safetensors": {}}, "a PEFT adapter", "merge_and_unload"),
    ({"model_index.json": {}}, "a diffusers pipeline", "CLIP model"),
    ({"modules.json": {}, "config.json": {"model_type": "bert"}}, "sentence-transformers", "inside it"),
    ({"config.yaml": {}, "job.json": {}}, "a run of iconoclip train", "iconoclip export RUN"),
    ({"shardset.json": {}}, "a shard set", "give a model"),
    ({".metadata": {}, "__0_0.distcp": {}}, "torch.distributed", "dcp_to_torch"),
    ({"latest": "global_step10", "global_step10": {}}, "checkpoints of DeepSpeed", "zero_to_fp32.py"),
    ({"model.safetensors": {}, "random_states_0.pkl": {}}, "a checkpoint of accelerate", "pretrained"),
    ({"config.json": {"model_type": "clip"}, "trainer_state.json": {}}, "one tower", "vision_config"),
    ({"model.safetensors": {}, "README.md": {}}, "without the config of a model", "model.safetensors as"),
    (
        {"open_clip_config.json": {}, "openvino_model.xml": {}, "openvino_model.bin": {}},
        "only those for OpenVINO",
        "model.safetensors",
    ),
    (
        {"open_clip_config.json": {}, "optimizer.pt": {}, "scheduler.pt": {}},
        "holds no weights for PyTorch",
        "model.safetensors",
    ),
    ({"params.txt": {}, "checkpoints": {}}, "a run of open_clip's training", "checkpoints/"),
    (
        {"open_clip_config.json": LFS, "model.safetensors": {}},
        "config.json is a Git LFS",
        "git lfs pull",
    ),
    (
        {
            "config.json": {"model_type": "clip", "text_config": {}},
            "model.safetensors": {},
            "vocab.json": LFS,
        },
        "vocab.json is a Git LFS pointer",
        "git lfs pull",
    ),
    (
        {"config.json": {"model_type": "siglip_text_model"}},
        "one tower of a transformers model",
        "vision_config",
    ),
    (
        {"config.json": {"model_type": "clip", "quantization_config": {"quant_method": "gptq"}}},
        "clip model quantised by gptq",
        "float32",
    ),
    ({"model-Q4.gguf": {}}, "weights for llama.cpp (GGUF) alone", "PyTorch weights"),
    ({"open_clip_config.json": {}, "onnx": {"model.onnx": {}}}, "only those for ONNX", "open_clip_model"),
    (
        {
            "open_clip_config.json": {},
            "open_clip_model-00001-of-00002.safetensors": {},
            "x-00002-of-00002.bin": {},
        },
        "parts of its weights, and no index",
        ".index.json",
    ),
    ({"epoch_12.pt": {}}, "checkpoints of open_clip's training", "pretrained"),
    ({"snapshots": {}, "refs": {}}, "the Hugging Face cache", "snapshots/"),
    ({"config.json": {"model_type": "blip"}}, "a transformers model of the type blip", "Chinese-CLIP"),
    ({"config.json": {"model_type": "siglip2"}}, "variable resolution (NaFlex)", "fixed resolution"),
    ({"config.json": {"model_type": "clip"}, "model.safetensors": {}}, "one tower", "vision_config"),
    ({"config.json": {"architecture": "vit_base"}}, "an image model of timm (vit_base)", "CLIP model"),
    ({"config.json": "broken"}, "config.json is no JSON document", "download it again"),
    ({"config.json": {"a": 1}}, "a config.json of something else", "CLIP model"),
    ({"config.json": {"model_type": "clip", "text_config": {}}}, "holds no weights", "model.safetensors"),
    ({"open_clip_config.json": {}, "flax_model.msgpack": {}}, "only those for Flax", "open_clip_model"),
    ({"notes.txt": {}}, "no model directory here", "iconoclip export"),
)


def test_a_folder_is_named_with_the_one_thing_to_do(tmp_path: Path) -> None:
    wrong = []
    for number, (files, what, remedy) in enumerate(FOLDERS):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, content in files.items():
            if name == "onnx":
                (folder / name).mkdir()
                (folder / name / "model.onnx").touch()
                continue
            (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
        found = recognise(folder)
        if what not in found.what or remedy not in found.remedy or found.is_readable:
            wrong.append((what, found))
    assert not wrong
