"""The layers of a tower in order, by the names of its parameters.

A layer is a block: of a transformer, or of a stage of a convolutional tower. The stem is what comes before
the first layer (embeddings, the first convolutions). Everything else is above the layers: the last norm, the
pooling, the projection.

| tower | names of its layers |
|---|---|
| ViT and text transformer of open_clip | `transformer.resblocks.N` |
| ViT, EVA and PE of timm | `trunk.blocks.N` |
| BERT, RoBERTa, XLM-R | `transformer.encoder.layer.N` |
| mT5 | `transformer.block.N`, whose parts are called `layer.M` |
| M2M (NLLB) | `transformer.layers.N` |
| ResNet | `layer1.N` to `layer4.N` |
| ConvNeXt, FastViT (MobileCLIP) | `trunk.stages.S.blocks.N` |
| Swin | `trunk.layers.S.blocks.N` |
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from torch import nn

TOWERS = ("visual.", "text.", "")

_LAYER = re.compile(
    r"(?:^|\.)(?:(?:resblocks|blocks|block|layers|layer|stages)\.|layer)(?P<number>\d+)"
    r"(?:(?:\.blocks)?\.(?P<block>\d+))?(?=\.|$)"
)
# The first word of a name, after the tower's and its trunk's: what comes before the layers.
_STEM = frozenset(
    [
        "conv1", "bn1", "conv2", "bn2", "conv3", "bn3", "stem", "conv_stem", "patch_embed", "pos_embed",
        "cls_token", "reg_token", "class_embedding", "positional_embedding", "token_embedding", "cls_emb",
        "rel_pos_bias", "ln_pre", "norm_pre", "embeddings", "embed_tokens", "embed_positions", "shared",
    ]
)  # fmt: skip


def layer_place(name: str) -> tuple[int, int] | None:
    """The stage and block of a parameter, or the number of its layer and 0; None outside of layers.

    What a stage has before its blocks (a downsampling) belongs to its first block.
    """
    words = _own_words(name)
    found = None if words and words[0] == "patch_embed" else _LAYER.search(".".join(words))
    return (int(found["number"]), int(found["block"] or 0)) if found else None


def is_layer(name: str) -> bool:
    """Whether a module with this name is a layer, or a stage of them, rather than a part of one."""
    found = _LAYER.search(name)
    return found is not None and found.end() == len(name)


def layer_depths(model: nn.Module) -> dict[str, int]:
    """The number of layers that each parameter is below the top of its tower.

    It is 0 above the layers, 1 in the top layer, and in the stem one more than in the lowest layer.
    """
    depths: dict[str, int] = {}
    for tower, names in _by_tower(name for name, _ in model.named_parameters()).items():
        places = {name: layer_place(name.removeprefix(tower)) for name in names}
        ordered = sorted({place for place in places.values() if place is not None})
        depth_of = {place: len(ordered) - number for number, place in enumerate(ordered)}
        # A tower in stages has its last norm where others have the first one.
        has_stages = any(".stages." in name for name in names)
        for name, place in places.items():
            if place is not None:
                depths[name] = depth_of[place]
            elif _is_stem(name.removeprefix(tower), has_stages=has_stages):
                depths[name] = len(ordered) + 1
            else:
                depths[name] = 0
    return depths


def _by_tower(names: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {tower: [] for tower in TOWERS}
    for name in names:
        found[next(tower for tower in TOWERS if name.startswith(tower))].append(name)
    return found


def _own_words(name: str) -> list[str]:
    """The words of a name, without those of the tower and of the module that contains all of it."""
    words = name.split(".")
    while words and words[0] in ("visual", "text", "trunk", "transformer"):
        words = words[1:]
    return words


def _is_stem(name: str, *, has_stages: bool) -> bool:
    word = _own_words(name)[0]
    return word in _STEM and not (has_stages and word == "norm_pre")
