"""Another context length than the architecture's: how many tokens of a text the model reads.

A shorter context keeps the first position embeddings, so texts that fit have the same features as before. A
longer one keeps the first 20 and stretches the others (Long-CLIP; Zhang et al. 2024, arXiv 2403.15378): the
first positions are those that short captions have trained.

Letters: L context length, W width.
"""

from __future__ import annotations

from typing import Any, Final

import torch
import torch.nn.functional as F
from open_clip.hf_model import HFTextEncoder
from open_clip.model import CLIP
from open_clip.transformer import TextTransformer
from torch import Tensor, nn

from iconoclip.errors import ConfigError
from training.model import LoadedModel

KEPT_POSITIONS: Final = 20


def set_context_length(loaded: LoadedModel, length: int) -> None:
    """Change how many tokens the text tower and its tokenizer read.

    Raises:
        ConfigError: the tower cannot read as many, or is of a kind whose positions are not known.
    """
    model: Any = loaded.model
    tower = getattr(model, "text", model)
    if isinstance(tower, HFTextEncoder):
        _check_room(tower, length)
    elif isinstance(tower, CLIP | TextTransformer) and getattr(tower, "cls_emb", None) is None:
        _resize(tower, length)
    else:
        raise ConfigError(
            f"the context length of a {type(tower).__name__} cannot be changed",
            where="model.context_length",
            remedy="leave it out",
        )
    model.context_length = length
    loaded.tokenizer.context_length = length
    loaded.model_config["text_cfg"]["context_length"] = length


def _check_room(tower: HFTextEncoder, length: int) -> None:
    # XLM-R and its like count positions from the padding id + 1; T5 has relative positions and no limit.
    most = getattr(tower.config, "max_position_embeddings", None)
    offset = (tower.config.pad_token_id or 0) + 1 if "roberta" in tower.config.model_type else 0
    if most is not None and length > most - offset:
        raise ConfigError(
            f"the text tower reads at most {most - offset} tokens, not {length}",
            where="model.context_length",
            remedy=f"set {most - offset} or less",
        )


def _resize(tower: Any, length: int) -> None:
    weight_LW: Tensor = tower.positional_embedding.detach()
    tower.positional_embedding = nn.Parameter(resized(weight_LW, length))
    tower.context_length = length
    if hasattr(tower, "num_pos"):
        tower.num_pos = length
    if tower.attn_mask is not None:
        mask_LL = torch.full((length, length), float("-inf"), device=weight_LW.device).triu_(1)
        tower.register_buffer("attn_mask", mask_LL, persistent=False)


def resized(weight_LW: Tensor, length: int) -> Tensor:
    """Position embeddings for another context length, [L', W]."""
    old = len(weight_LW)
    if length <= old:
        return weight_LW[:length].clone()
    kept = min(KEPT_POSITIONS, old - 1)
    rest_1WL = weight_LW[kept:].T[None].float()
    stretched_1WL = F.interpolate(rest_1WL, size=length - kept, mode="linear", align_corners=True)
    return torch.cat([weight_LW[:kept], stretched_1WL[0].T.to(weight_LW.dtype)])
