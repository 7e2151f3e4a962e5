"""CLIP of transformers: both towers are open_clip's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from training.weights.read import State

TANH = ("gelu_pytorch_tanh", "gelu_new", "gelu_fast")
_BLOCK = {
    "self_attn.out_proj": "attn.out_proj",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}


def model_cfg(config: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """open_clip's config of a CLIPConfig, and no towers of its own.

    Raises:
        NotImplementedError: open_clip has no such model; the message says why.
    """
    text, vision = config.text_config, config.vision_config
    if (text.hidden_act == "quick_gelu") != (vision.hidden_act == "quick_gelu"):
        raise NotImplementedError("its towers have different activations")
    # transformers takes the highest id for the end of a text where the config has the old value 2.
    is_highest = text.eos_token_id in (2, text.vocab_size - 1)
    ends = {} if is_highest else {"pool_type": "eos", "eos_id": text.eos_token_id}
    text_cfg = {
        "context_length": text.max_position_embeddings,
        "vocab_size": text.vocab_size,
        "hf_tokenizer_name": "./",
        **ends,
        **transformer_cfg(text),
        "heads": text.num_attention_heads,
    }
    return with_activation(
        {"embed_dim": config.projection_dim, "vision_cfg": vision_cfg(vision), "text_cfg": text_cfg}, vision
    ), {}


def with_activation(found: dict[str, Any], vision: Any) -> dict[str, Any]:
    """The config, with QuickGELU if the image tower has it."""
    return found | ({"quick_gelu": True} if vision.hidden_act == "quick_gelu" else {})


def vision_cfg(vision: Any) -> dict[str, Any]:
    """open_clip's config of the image tower of CLIP, AltCLIP and Chinese-CLIP."""
    return {
        "image_size": vision.image_size,
        "patch_size": vision.patch_size,
        **transformer_cfg(vision),
        "head_width": vision.hidden_size // vision.num_attention_heads,
    }


def transformer_cfg(config: Any, *, usual_eps: float = 1e-5) -> dict[str, Any]:
    """Width, depth, activation and the epsilon of the norms.

    Raises:
        NotImplementedError: the activation is none of open_clip's.
    """
    if config.hidden_act not in ("quick_gelu", "gelu", *TANH):
        raise NotImplementedError(f"its activation is {config.hidden_act}")
    width, inner = config.hidden_size, config.intermediate_size
    ratio = inner / width if int(width * (inner / width)) == inner else (inner + 0.5) / width
    found: dict[str, Any] = {"width": width, "layers": config.num_hidden_layers, "mlp_ratio": ratio}
    if config.hidden_act in TANH:
        found["act_kwargs"] = {"approximate": "tanh"}
    if config.layer_norm_eps != usual_eps:
        found["norm_kwargs"] = {"eps": config.layer_norm_eps}
    return found


def weights(model: Any) -> State:
    """The weights of a CLIPModel with open_clip's names."""
    own: State = model.state_dict()
    return {
        **image_tower(own),
        "token_embedding.weight": own["text_model.embeddings.token_embedding.weight"],
        "positional_embedding": own["text_model.embeddings.position_embedding.weight"],
        **blocks(own, "text_model.encoder.layers.", "transformer.resblocks."),
        **pair(own, "text_model.final_layer_norm", "ln_final"),
        "text_projection": own["text_projection.weight"].T.contiguous(),
        "logit_scale": own["logit_scale"],
    }


def image_tower(own: State) -> State:
    """The weights of an image tower, from the names that the three families share."""
    return {
        "visual.class_embedding": own["vision_model.embeddings.class_embedding"],
        "visual.conv1.weight": own["vision_model.embeddings.patch_embedding.weight"],
        "visual.positional_embedding": own["vision_model.embeddings.position_embedding.weight"],
        **pair(own, "vision_model.pre_layrnorm", "visual.ln_pre"),
        **blocks(own, "vision_model.encoder.layers.", "visual.transformer.resblocks."),
        **pair(own, "vision_model.post_layernorm", "visual.ln_post"),
        "visual.proj": own["visual_projection.weight"].T.contiguous(),
    }


def pair(own: State, name: str, new: str) -> State:
    """A weight and its bias under another name."""
    return {f"{new}.{part}": own[f"{name}.{part}"] for part in ("weight", "bias")}


def blocks(
    own: State, prefix: str, new: str, *, stacked: str = "attn.in_proj_", names: Mapping[str, str] = _BLOCK
) -> State:
    """The blocks of a transformer; open_clip and timm keep query, key and value in one matrix, `stacked`.

    `names` has their names for the other layers.
    """
    found: State = {}
    for number in sorted({int(name.split(".")[3]) for name in own if name.startswith(prefix)}):
        old, block = f"{prefix}{number}.", f"{new}{number}."
        for part in ("weight", "bias"):
            rows = [own[f"{old}self_attn.{letter}_proj.{part}"] for letter in "qkv"]
            found[f"{block}{stacked}{part}"] = torch.cat(rows)
        for name, renamed in names.items():
            found |= pair(own, f"{old}{name}", f"{block}{renamed}")
    return found
