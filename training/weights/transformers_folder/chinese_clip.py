"""Chinese-CLIP: open_clip's image tower, and a BERT whose first token is projected."""

from __future__ import annotations

import re
from typing import Any

from training.model_files import TEXT_TOWER
from training.weights.read import State
from training.weights.transformers_folder.clip import image_tower, vision_cfg, with_activation

# The texts that the authors trained with are cut at this length.
CONTEXT_LENGTH = 52
# What a text tower of transformers is built from.
BUILT_FROM = (
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
    "hidden_act",
    "hidden_dropout_prob", "attention_probs_dropout_prob", "max_position_embeddings", "type_vocab_size",
    "layer_norm_eps", "pad_token_id", "bos_token_id", "eos_token_id",
)  # fmt: skip


def model_cfg(config: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """open_clip's config of a ChineseCLIPConfig, and the config of its BERT."""
    text, vision = config.text_config, config.vision_config
    text_cfg = hugging_face_text_cfg(min(CONTEXT_LENGTH, text.max_position_embeddings))
    found = {"embed_dim": config.projection_dim, "vision_cfg": vision_cfg(vision), "text_cfg": text_cfg}
    return with_activation(found, vision), {TEXT_TOWER: text_tower(text, "bert")}


def hugging_face_text_cfg(context_length: int) -> dict[str, Any]:
    """The text config of a model whose tower is in a folder next to its config."""
    return {
        "context_length": context_length,
        "hf_model_name": f"./{TEXT_TOWER}",
        "hf_model_pretrained": False,
        "hf_tokenizer_name": "./",
        "hf_proj_type": "linear",
        "hf_pooler_type": "cls_last_hidden_state_pooler",
    }


def text_tower(text: Any, model_type: str) -> dict[str, Any]:
    """The config of a text tower as one of its plain type."""
    return {"model_type": model_type, **{name: getattr(text, name, None) for name in BUILT_FROM}}


def weights(model: Any) -> State:
    """The weights of a ChineseCLIPModel with open_clip's names."""
    own: State = model.state_dict()
    return {
        **image_tower(own),
        **text_weights(own, "text_model."),
        "text.proj.weight": own["text_projection.weight"],
        "logit_scale": own["logit_scale"],
    }


def text_weights(own: State, prefix: str) -> State:
    """The weights of a BERT or RoBERTa with the names of the plain model."""
    return {
        re.sub(r"^text\.transformer\.encoder\.layers\.", "text.transformer.encoder.layer.", name): tensor
        for name, tensor in (
            (f"text.transformer.{name.removeprefix(prefix)}", one)
            for name, one in own.items()
            if name.startswith((f"{prefix}embeddings.", f"{prefix}encoder."))
        )
        if not name.endswith(("position_ids", "token_type_ids"))
    }
