"""SigLIP and SigLIP 2 (of fixed resolution): timm's image tower, open_clip's text tower.

open_clip's own copies of the first SigLIP compute GELU exactly, transformers approximates it with tanh as the
authors' code does. Where timm has no tower of that name with the same activation, the config of the tower is
written next to the model.
"""

from __future__ import annotations

from typing import Any

import torch

from training.model_files import IMAGE_TOWER
from training.weights.read import State
from training.weights.transformers_folder.clip import blocks, pair, transformer_cfg

TIMM_EPS = 1e-6
# Towers of timm with the tanh approximation, by width, layers, patch and image size in pixels.
IN_TIMM = {
    (768, 12, 32, 256): "vit_base_patch32_siglip_256",
    (1024, 24, 16, 512): "vit_large_patch16_siglip_512",
    (1152, 27, 16, 256): "vit_so400m_patch16_siglip_256",
    (1152, 27, 16, 384): "vit_so400m_patch16_siglip_384",
    (1152, 27, 16, 512): "vit_so400m_patch16_siglip_512",
    (1536, 40, 16, 256): "vit_giantopt_patch16_siglip_256",
    (1536, 40, 16, 384): "vit_giantopt_patch16_siglip_384",
}
ACTIVATIONS = {"gelu_pytorch_tanh": "gelu_tanh", "gelu_new": "gelu_tanh", "gelu": "gelu"}


def model_cfg(config: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """open_clip's config of a SiglipConfig, and that of the image tower if timm has none of its name.

    Raises:
        NotImplementedError: open_clip has no such model; the message says why.
    """
    text, vision = config.text_config, config.vision_config
    _check(text, vision)
    name, towers = _image_tower(vision)
    text_cfg = {
        "context_length": text.max_position_embeddings,
        "vocab_size": text.vocab_size,
        "hf_tokenizer_name": "./",
        **transformer_cfg(text),
        "heads": text.num_attention_heads,
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
    }
    found = {
        "embed_dim": vision.hidden_size,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": {
            "image_size": vision.image_size,
            "timm_model_name": name,
            "timm_model_pretrained": False,
            "timm_pool": "map",
            "timm_proj": "none",
        },
        "text_cfg": text_cfg,
    }
    return found, towers


def _check(text: Any, vision: Any) -> None:
    if not getattr(vision, "vision_use_head", True):
        raise NotImplementedError("its image tower has no pooling head")
    if (text.projection_size or text.hidden_size) != vision.hidden_size:
        raise NotImplementedError("its towers end in vectors of different lengths")
    if vision.hidden_act not in ACTIVATIONS:
        raise NotImplementedError(f"its activation is {vision.hidden_act}")
    if vision.layer_norm_eps != TIMM_EPS:
        raise NotImplementedError(
            f"the epsilon of its norms is {vision.layer_norm_eps}, not timm's {TIMM_EPS}"
        )


def _image_tower(vision: Any) -> tuple[str, dict[str, Any]]:
    """timm's name of the tower; or the name of a folder, with the config to be written there."""
    known = IN_TIMM.get((vision.hidden_size, vision.num_hidden_layers, vision.patch_size, vision.image_size))
    if known and ACTIVATIONS[vision.hidden_act] == "gelu_tanh":
        return known, {}
    config = {
        "architecture": "vit_base_patch16_siglip_224",
        "num_features": vision.hidden_size,
        "pretrained_cfg": {"input_size": [3, vision.image_size, vision.image_size]},
        "model_args": {
            "img_size": vision.image_size,
            "patch_size": vision.patch_size,
            "embed_dim": vision.hidden_size,
            "depth": vision.num_hidden_layers,
            "num_heads": vision.num_attention_heads,
            "mlp_ratio": (vision.intermediate_size + 0.5) / vision.hidden_size,
            "act_layer": ACTIVATIONS[vision.hidden_act],
            "class_token": False,
            "global_pool": "map",
        },
    }
    return f"local-dir:./{IMAGE_TOWER}", {IMAGE_TOWER: config}


def weights(model: Any) -> State:
    """The weights of a SiglipModel with the names of open_clip and timm."""
    own: State = model.state_dict()
    embeddings = "text_model.embeddings."
    return {
        **_image_weights(own),
        "text.token_embedding.weight": own[f"{embeddings}token_embedding.weight"],
        "text.positional_embedding": own[f"{embeddings}position_embedding.weight"],
        **blocks(own, "text_model.encoder.layers.", "text.transformer.resblocks."),
        **pair(own, "text_model.final_layer_norm", "text.ln_final"),
        **pair(own, "text_model.head", "text.text_projection"),
        "logit_scale": own["logit_scale"],
        "logit_bias": own["logit_bias"],
    }


def _image_weights(own: State) -> State:
    old, new = "vision_model.", "visual.trunk."
    found = {
        **pair(own, f"{old}embeddings.patch_embedding", f"{new}patch_embed.proj"),
        f"{new}pos_embed": own[f"{old}embeddings.position_embedding.weight"].unsqueeze(0),
        **pair(own, f"{old}post_layernorm", f"{new}norm"),
        **_pooling(own, f"{old}head.", f"{new}attn_pool."),
    }
    names = {
        "self_attn.out_proj": "attn.proj",
        "layer_norm1": "norm1",
        "layer_norm2": "norm2",
        "mlp.fc1": "mlp.fc1",
        "mlp.fc2": "mlp.fc2",
    }
    return found | blocks(own, f"{old}encoder.layers.", f"{new}blocks.", stacked="attn.qkv.", names=names)


def _pooling(own: State, old: str, new: str) -> State:
    """The pooling head: one query that attends to all patches."""
    found = {f"{new}latent": own[f"{old}probe"]}
    for part in ("weight", "bias"):
        query, key, value = own[f"{old}attention.in_proj_{part}"].chunk(3)
        found[f"{new}q.{part}"] = query.contiguous()
        found[f"{new}kv.{part}"] = torch.cat([key, value])
    return {
        **found,
        **pair(own, f"{old}attention.out_proj", f"{new}proj"),
        **pair(own, f"{old}layernorm", f"{new}norm"),
        **pair(own, f"{old}mlp.fc1", f"{new}mlp.fc1"),
        **pair(own, f"{old}mlp.fc2", f"{new}mlp.fc2"),
    }
