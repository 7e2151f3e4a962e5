"""Interpolates the position embeddings of an image tower to another image size.

Letters: P positions, C channels, H and W the sides of the grid of patches.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from open_clip.model import resize_text_pos_embed
from torch import Tensor, nn

from training.weights.read import State

# Names of tables with the class token first, and of timm's, whose number of first tokens the tower states.
OPEN_CLIP = "visual.positional_embedding"
RESNET = "visual.attnpool.positional_embedding"
TIMM = "visual.trunk.pos_embed"


def resize_positions(state: State, model: nn.Module) -> None:
    """Change the tables of positions in a state to the sizes that the model has, as open_clip does: bicubic
    over the grid of patches, linear over the tokens of a text. Tables that cannot be resized are left.
    """
    own = model.state_dict()
    for name in (OPEN_CLIP, RESNET, TIMM):
        if name in state and name in own and state[name].shape != own[name].shape:
            first = _num_first(model) if name == TIMM else 1
            state[name] = _resized(state[name], own[name], first)
    name = "positional_embedding" if "positional_embedding" in state else "text.positional_embedding"
    if name in state and name in own and state[name].shape[-1] == own[name].shape[-1]:
        if state[name].shape != own[name].shape:
            state[name] = state[name].float()
        resize_text_pos_embed(state, model)


def _num_first(model: nn.Module) -> int:
    trunk: Any = getattr(model.visual, "trunk", None)
    return 0 if getattr(trunk, "no_embed_class", False) else int(getattr(trunk, "num_prefix_tokens", 1))


def _resized(table: Tensor, wanted: Tensor, num_first: int) -> Tensor:
    """The table, [P, C] or [1, P, C], with as many positions as the wanted one has."""
    rows_PC = table.reshape(-1, table.shape[-1]).float()
    first_PC, grid_PC = rows_PC[:num_first], rows_PC[num_first:]
    num_wanted = wanted.shape[-2] - num_first
    side, wanted_side = math.isqrt(len(grid_PC)), math.isqrt(num_wanted)
    if side**2 != len(grid_PC) or wanted_side**2 != num_wanted or table.shape[-1] != wanted.shape[-1]:
        return table
    grid_1CHW = grid_PC.reshape(1, side, side, -1).permute(0, 3, 1, 2)
    grid_1CHW = F.interpolate(
        grid_1CHW, size=(wanted_side, wanted_side), mode="bicubic", antialias=True, align_corners=False
    )
    grid_PC = grid_1CHW.permute(0, 2, 3, 1).reshape(num_wanted, -1)
    return torch.cat([first_PC, grid_PC]).reshape(wanted.shape)
