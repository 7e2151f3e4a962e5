"""The architecture of OpenAI's CLIP, read off its weights."""

from __future__ import annotations

import re
from typing import Any

from training.weights.names import is_openai
from training.weights.read import State

HEAD_WIDTH = 64


def config_of_openai(state: State) -> dict[str, Any] | None:
    """open_clip's config for OpenAI's weights, with their activation; None for the weights of others.

    OpenAI's files state no architecture; its own code concludes it from the same shapes.
    """
    if not is_openai(state) or "text_projection" not in state:
        return None
    width, context_length = state["ln_final.weight"].shape[0], state["positional_embedding"].shape[0]
    return {
        "embed_dim": state["text_projection"].shape[1],
        "quick_gelu": True,
        "vision_cfg": _vision_cfg(state),
        "text_cfg": {
            "context_length": context_length,
            "vocab_size": state["token_embedding.weight"].shape[0],
            "width": width,
            "heads": max(1, width // HEAD_WIDTH),
            "layers": _num_different(state, r"transformer\.resblocks\.(\d+)\."),
        },
    }


def _vision_cfg(state: State) -> dict[str, Any]:
    if "visual.proj" in state:
        patches = state["visual.conv1.weight"]
        side = round((len(state["visual.positional_embedding"]) - 1) ** 0.5)
        return {
            "image_size": side * patches.shape[-1],
            "layers": _num_different(state, r"visual\.transformer\.resblocks\.(\d+)\."),
            "width": patches.shape[0],
            "head_width": min(HEAD_WIDTH, patches.shape[0]),
            "patch_size": patches.shape[-1],
        }
    # A ResNet divides the image by 32 before it pools.
    side = round((len(state["visual.attnpool.positional_embedding"]) - 1) ** 0.5)
    layers = [_num_different(state, rf"visual\.layer{number}\.(\d+)\.") for number in range(1, 5)]
    return {
        "image_size": side * 32,
        "layers": layers,
        "width": state["visual.layer1.0.conv1.weight"].shape[0],
        "patch_size": None,
    }


def _num_different(state: State, pattern: str) -> int:
    return len({found[1] for name in state if (found := re.match(pattern, name))})
