"""TorchScript archives with given tensors, as torch writes them."""

from __future__ import annotations

import io

import torch
from torch import Tensor, nn


class Holder(nn.Module):
    """A module of the script: only its parameters, buffers and children matter."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def archive_of(state: dict[str, Tensor]) -> io.BytesIO:
    """A TorchScript archive with these tensors, under these names."""
    root = Holder()
    for name, tensor in state.items():
        *parts, leaf = name.split(".")
        place: nn.Module = root
        for part in parts:
            if part not in dict(place.named_children()):
                place.add_module(part, Holder())
            place = place.get_submodule(part)
        place.register_buffer(leaf, tensor)
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(root), file)
    file.seek(0)
    return file
