"""Encodes texts without computing values that are not used.

A causal text tower takes its output at the end-of-text token, and later tokens do not affect it. So
texts are sorted by length and encoded in parts, each truncated to its longest text. Captions fill a
quarter of a context of 77, so this saves most of the work. The last block is computed only for the
end-of-text token, which saves about half of that block. The result equals open_clip's `encode_text`
to rounding (tests/training/test_text.py).

Letters: T texts, L context length, W width, D embedding dimension.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from open_clip.hf_model import HFTextEncoder
from open_clip.model import CLIP, CustomTextCLIP
from open_clip.transformer import ResidualAttentionBlock, TextTransformer, Transformer
from torch import Tensor, nn

from training.model import at_least_float32

TEXTS_PER_PART = 64


def encode_texts(model: nn.Module, tokens_TL: Tensor) -> Tensor:
    """Unit-length text features in float32, [T, D]."""
    tower = _causal_tower(model)
    if tower is None or len(tokens_TL) == 0:
        features_TD = model.encode_text(_without_masked(model, tokens_TL))  # type: ignore[operator]
    else:
        features_TD = _encode_sorted(tower, tokens_TL)
    return F.normalize(at_least_float32(features_TD), dim=-1)


def _without_masked(model: nn.Module, tokens_TL: Tensor) -> Tensor:
    """Remove columns that are padding in every text; Hugging Face towers mask padding."""
    tower = getattr(model, "text", None)
    if not isinstance(tower, HFTextEncoder) or len(tokens_TL) == 0:
        return tokens_TL
    is_used_L = (tokens_TL != tower.config.pad_token_id).any(dim=0)
    return tokens_TL[:, : int(is_used_L.nonzero().max()) + 1] if is_used_L.any() else tokens_TL


def _causal_tower(model: nn.Module) -> CLIP | TextTransformer | None:
    """The part of the model that contains the text tower, if skipping the padding
    cannot change its output.
    """
    tower = model.text if isinstance(model, CustomTextCLIP) else model
    if isinstance(tower, CLIP):
        is_plain = tower.attn_mask is not None and tower.text_pool_type in ("argmax", "eos")
    elif isinstance(tower, TextTransformer):
        is_plain = (
            tower.attn_mask is not None
            and tower.cls_emb is None
            and tower.pool_type in ("argmax", "eos")
            and not tower.output_tokens
        )
    else:
        return None
    return tower if is_plain else None


def _end_of_text(tower: CLIP | TextTransformer, tokens_TL: Tensor) -> Tensor:
    """The position of each text's end-of-text token, [T]."""
    if getattr(tower, "text_pool_type", getattr(tower, "pool_type", "")) == "eos":
        end_id = int(getattr(tower, "text_eos_id", getattr(tower, "eos_id", 2)) or 0)
        return torch.eq(tokens_TL, end_id).int().argmax(dim=-1)
    return tokens_TL.argmax(dim=-1)


def _encode_sorted(tower: CLIP | TextTransformer, tokens_TL: Tensor) -> Tensor:
    end_T = _end_of_text(tower, tokens_TL)
    turns_T = torch.argsort(end_T, stable=True)
    longest = int(end_T.max()) + 1
    tokens_TL, end_T = tokens_TL[turns_T, :longest], end_T[turns_T]
    # One embedding look-up for all parts, because each makes a gradient as large as the vocabulary.
    embedded_TLW = tower.token_embedding(tokens_TL)
    parts = []
    for first in range(0, len(tokens_TL), TEXTS_PER_PART):
        part = slice(first, first + TEXTS_PER_PART)
        parts.append(_encode_part(tower, embedded_TLW[part], end_T[part]))
    return torch.cat(parts)[torch.argsort(turns_T)]


def _encode_part(tower: CLIP | TextTransformer, embedded_TLW: Tensor, end_T: Tensor) -> Tensor:
    length = int(end_T[-1]) + 1
    dtype = tower.transformer.get_cast_dtype()
    hidden_TLW = embedded_TLW[:, :length].to(dtype) + tower.positional_embedding[:length].to(dtype)
    pooled_TW: Tensor = tower.ln_final(_pooled(tower.transformer, hidden_TLW, tower.attn_mask, end_T))
    projection = tower.text_projection
    if projection is None:
        return pooled_TW
    features_TD: Tensor = (
        projection(pooled_TW) if isinstance(projection, nn.Linear) else pooled_TW @ projection
    )
    return features_TD


def _pooled(transformer: Transformer, hidden_TLW: Tensor, mask_LL: Tensor, end_T: Tensor) -> Tensor:
    """The transformer's output at the end-of-text tokens, [T, W]."""
    texts_T, length = torch.arange(len(end_T), device=end_T.device), hidden_TLW.shape[1]
    mask_LL = mask_LL[:length, :length]
    if not _can_skip_positions(transformer):
        answer_TW: Tensor = transformer(hidden_TLW, attn_mask=mask_LL)[texts_T, end_T]
        return answer_TW
    *first, last = transformer.resblocks
    for block in first:
        hidden_TLW = block(hidden_TLW, attn_mask=mask_LL)
    read_TW, keys_TLW = hidden_TLW[texts_T, end_T], last.ln_1(hidden_TLW)
    queries_T1W = keys_TLW[texts_T, end_T].unsqueeze(1)
    # The row of the mask for the position that is read. It differs between texts, like a key mask.
    mask_TL = mask_LL[end_T].to(queries_T1W.dtype)
    heard_T1W, _ = last.attn(queries_T1W, keys_TLW, keys_TLW, key_padding_mask=mask_TL, need_weights=False)
    read_TW = read_TW + last.ls_1(heard_T1W.squeeze(1))
    return read_TW + last.ls_2(last.mlp(last.ln_2(read_TW)))  # type: ignore[no-any-return]


def _can_skip_positions(transformer: Transformer) -> bool:
    """Whether the blocks are open_clip's plain ones and nothing (sharding, compilation,
    recomputation) wraps them.
    """
    last = transformer.resblocks[-1]
    is_wrapped = transformer._compiled_call_impl is not None or transformer.grad_checkpointing
    return type(last) is ResidualAttentionBlock and last.attn.batch_first and not is_wrapped
