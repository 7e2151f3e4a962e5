"""The two towers of an open_clip model at inference, without computations that do not affect the result.

Four savings, each exact up to rounding, which is that of 8 bits where `group_size` says so. They use public
calls only:

- The state of a causal text tower at a token depends only on the tokens before it: padding after the last
  token is left out.
- A tower that pools one token needs no other token's output from the last block.
- The few tokens of a query are multiplied by matrices that are packed once (text_graph.py).
- The first layer of an image tower can take bytes directly when the normalisation is folded into it.

Shapes: B images or texts in a batch, L tokens, D features, H and W pixels, C channels, O and I outputs and
inputs of a matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from retrieval.encode.text_graph import TextGraph


class TextTower:
    """The text side of a model, from tokens to features.

    Args:
        model: any open_clip model, already in its final precision and on its device.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._tower: Any = getattr(model, "text", model)
        pool = getattr(model, "text_pool_type", getattr(self._tower, "pool_type", None))
        self._eos_id: Any = getattr(model, "text_eos_id", getattr(self._tower, "eos_id", None))
        self._ends_at_the_largest = pool == "argmax"
        self._is_plain = _is_plain_causal(self._tower) and pool in ("argmax", "eos")
        self.graph: TextGraph | None = None

    def graph_for_queries(self, *, group_size: int | None = None) -> TextGraph | None:
        """The blocks with packed matrices, of 8 bits if there is a `group_size`, for texts of one query each;
        None if the tower does not gain from it. Set `graph` to use it.
        """
        # Imported here: only a service needs onnxruntime.
        from retrieval.encode.text_graph import TextGraph, fits

        is_suited = self._is_plain and fits(self._tower)
        return TextGraph(self._tower, group_size=group_size) if is_suited else None

    def __call__(self, tokens_BL: torch.Tensor, *, is_query: bool = False) -> torch.Tensor:
        """Text features [B, D], not normalised. In a causal tower, padding after the last token is left out,
        and the last block computes only the pooled token. `is_query` says that the texts are few: each is
        then encoded alone.
        """
        if not self._is_plain:
            return self._model.encode_text(tokens_BL)  # type: ignore[no-any-return]
        tower = self._tower
        if self._ends_at_the_largest:
            ends_B = tokens_BL.argmax(-1)
        else:
            ends_B = tokens_BL.eq(self._eos_id).int().argmax(-1)
        if is_query and self.graph is not None:
            ends = enumerate(ends_B.tolist())
            last = [self._last_token(tokens_BL[row, : end + 1], self.graph) for row, end in ends]
            pooled_BD = tower.ln_final(torch.cat(last).to(tower.positional_embedding.dtype))
        else:
            length = int(ends_B.max()) + 1
            x_BLD = tower.token_embedding(tokens_BL[:, :length]) + tower.positional_embedding[:length]
            mask_LL = tower.attn_mask[:length, :length].to(x_BLD.dtype)
            # Layer norm treats each token separately, so only the pooled token needs it.
            pooled_BD = tower.ln_final(_one_token(tower.transformer, x_BLD, ends_B, mask_LL))
        projection = tower.text_projection
        if projection is None:
            return pooled_BD  # type: ignore[no-any-return]
        return projection(pooled_BD) if callable(projection) else pooled_BD @ projection  # type: ignore[no-any-return]

    def _last_token(self, tokens_L: torch.Tensor, graph: TextGraph) -> torch.Tensor:
        tower, length = self._tower, len(tokens_L)
        x_LD = tower.token_embedding(tokens_L) + tower.positional_embedding[:length]
        return graph(x_LD.float(), tower.attn_mask[:length, :length].float())


def _is_plain_causal(tower: Any) -> bool:
    parts = ("token_embedding", "positional_embedding", "transformer", "ln_final", "text_projection")
    return (
        all(hasattr(tower, part) for part in parts)
        and getattr(tower, "attn_mask", None) is not None
        and getattr(tower, "cls_emb", None) is None
        and not getattr(tower, "use_pad_mask", False)
    )


class ImageTower:
    """The image side of a model, from pixels to features.

    If it is open_clip's own vision transformer and pools its class token, the first layer takes the pixels as
    bytes (mean and deviation are folded into its matrix), and the last block computes only that token.

    Args:
        model: any open_clip model, already in its final precision and on its device.
        mean, std: those of the model's normalisation, for channel values from 0 to 1.
    """

    def __init__(self, model: Any, mean: Sequence[float], std: Sequence[float]) -> None:
        self._model = model
        self._tower: Any = getattr(model, "visual", None)
        self._mean, self._std = torch.tensor(mean), torch.tensor(std)
        self._patches = None
        tower: Any = self._tower
        if _pools_class_token(tower):
            self._patches = _PatchMatrix(tower.conv1, self._mean, self._std)

    def __call__(self, pixels_BHWC: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Features [B, D], not normalised, of images uint8 [B, H, W, 3]."""
        if self._patches is None:
            return self._model.encode_image(self._normalised(pixels_BHWC, dtype))  # type: ignore[no-any-return]
        tower = self._tower
        embedded_BLD = self._patches(pixels_BHWC, dtype)
        token_B1D = tower.class_embedding.to(dtype).expand(len(embedded_BLD), 1, -1)
        x_BLD = torch.cat([token_B1D, embedded_BLD], dim=1) + tower.positional_embedding.to(dtype)
        x_BLD = tower.ln_pre(x_BLD)
        first_B = torch.zeros(len(x_BLD), dtype=torch.long, device=x_BLD.device)
        pooled_BD = tower.ln_post(_one_token(tower.transformer, x_BLD, first_B))
        return pooled_BD if tower.proj is None else pooled_BD @ tower.proj  # type: ignore[no-any-return]

    def _normalised(self, pixels_BHWC: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        scale, shift = 1 / (255 * self._std), self._mean / self._std
        input_BHWC = pixels_BHWC.float() * scale.to(pixels_BHWC.device) - shift.to(pixels_BHWC.device)
        return input_BHWC.permute(0, 3, 1, 2).contiguous().to(dtype)


def _pools_class_token(tower: Any) -> bool:
    return (
        type(tower).__name__ == "VisionTransformer"
        and getattr(tower, "pool_type", None) == "tok"
        and getattr(tower, "attn_pool", 0) is None
        and tower.conv1.bias is None
    )


def _one_token(
    transformer: Any, x_BLD: torch.Tensor, position_B: torch.Tensor, mask_LL: torch.Tensor | None = None
) -> torch.Tensor:
    """The output [B, D] of a transformer for one token of each sequence.

    In the last block, if it is open_clip's own, the other tokens are only attended to.
    """
    rows_B = torch.arange(len(x_BLD), device=x_BLD.device)
    blocks: Any = transformer.resblocks
    if not transformer.batch_first or type(blocks[-1]).__name__ != "ResidualAttentionBlock":
        return transformer(x_BLD, attn_mask=mask_LL)[rows_B, position_B]  # type: ignore[no-any-return]
    *blocks, last = blocks
    for block in blocks:
        x_BLD = block(x_BLD, attn_mask=mask_LL)
    one_B1D, normed_BLD = x_BLD[rows_B, position_B].unsqueeze(1), last.ln_1(x_BLD)
    # torch's attention takes one mask per head of each sequence.
    mask = None if mask_LL is None else mask_LL[position_B, None].repeat_interleave(last.attn.num_heads, 0)
    query_B1D = normed_BLD[rows_B, position_B].unsqueeze(1)
    attended_B1D = last.attention(q_x=query_B1D, k_x=normed_BLD, v_x=normed_BLD, attn_mask=mask)
    one_B1D = one_B1D + last.ls_1(attended_B1D)
    return (one_B1D + last.ls_2(last.mlp(last.ln_2(one_B1D)))).squeeze(1)  # type: ignore[no-any-return]


class _PatchMatrix(nn.Module):
    """A convolution whose stride equals its size, as one matrix over bytes that includes the normalisation.

    Bytes are shifted to -128...127, which bfloat16 represents exactly and which keeps the folded bias small.
    """

    def __init__(self, convolution: nn.Conv2d, mean: torch.Tensor, std: torch.Tensor) -> None:
        super().__init__()
        weight = convolution.weight.detach()
        self.patch_height, self.patch_width = convolution.kernel_size[0], convolution.kernel_size[1]
        weight_OHWC = weight.float().permute(0, 2, 3, 1)
        mean, std = mean.to(weight.device), std.to(weight.device)
        bias_O = (weight_OHWC * ((128 / 255 - mean) / std)).sum((1, 2, 3))
        scaled_OI = (weight_OHWC / (255 * std)).flatten(1)
        self.product = nn.Linear(scaled_OI.shape[1], scaled_OI.shape[0])
        self.product.weight = nn.Parameter(scaled_OI.to(weight.dtype), requires_grad=False)
        self.product.bias = nn.Parameter(bias_O.to(weight.dtype), requires_grad=False)

    def forward(self, pixels_BHWC: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Features [B, L, D] of each patch."""
        height, width = self.patch_height, self.patch_width
        size, rows, columns = len(pixels_BHWC), pixels_BHWC.shape[1] // height, pixels_BHWC.shape[2] // width
        cut = pixels_BHWC[:, : rows * height, : columns * width]
        patches = cut.reshape(size, rows, height, columns, width * 3).transpose(2, 3)
        shifted = patches.reshape(size, rows * columns, -1).bitwise_xor(128).view(torch.int8)
        return self.product(shifted.to(dtype))  # type: ignore[no-any-return]
