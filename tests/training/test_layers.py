"""Which layer each parameter belongs to, for the names of every kind of tower that open_clip has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import timm
import torch
from timm.models import group_parameters
from torch import nn

from training.layers import is_layer, layer_depths
from training.optimizer import is_decayed


class Named(nn.Module):
    """A model whose parameters have the given names."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self._names = names

    def named_parameters(self, *args: object, **options: object) -> Iterator[tuple[str, nn.Parameter]]:
        """The names, with a matrix for each."""
        return ((name, nn.Parameter(torch.zeros(2, 2))) for name in self._names)


# Real names of open_clip's towers, with the number of layers below the top that each must have.
TOWERS = {
    "CLIP's ViT": {
        "visual.class_embedding": 3, "visual.positional_embedding": 3, "visual.conv1.weight": 3,
        "visual.ln_pre.weight": 3, "visual.transformer.resblocks.0.ln_1.weight": 2,
        "visual.transformer.resblocks.1.attn.in_proj_weight": 1, "visual.ln_post.weight": 0,
        "visual.proj": 0, "logit_scale": 0, "logit_bias": 0,
        "positional_embedding": 2, "token_embedding.weight": 2, "transformer.resblocks.0.mlp.c_fc.weight": 1,
        "ln_final.weight": 0, "text_projection": 0,
    },
    "SigLIP": {
        "visual.trunk.pos_embed": 3, "visual.trunk.patch_embed.proj.weight": 3,
        "visual.trunk.blocks.0.attn.qkv.weight": 2, "visual.trunk.blocks.1.mlp.fc1.weight": 1,
        "visual.trunk.norm.weight": 0, "visual.trunk.attn_pool.latent": 0,
        "visual.trunk.attn_pool.mlp.fc1.weight": 0, "text.token_embedding.weight": 3,
        "text.transformer.resblocks.0.ln_1.weight": 2, "text.transformer.resblocks.1.ln_1.weight": 1,
        "text.text_projection.weight": 0,
    },
    "CLIP's ResNet": {
        "visual.conv1.weight": 6, "visual.bn3.weight": 6, "visual.layer1.0.conv1.weight": 5,
        "visual.layer1.0.downsample.0.weight": 5, "visual.layer1.1.bn1.weight": 4,
        "visual.layer2.0.conv2.weight": 3, "visual.layer3.0.conv2.weight": 2,
        "visual.layer4.0.conv3.weight": 1,
        "visual.attnpool.positional_embedding": 0, "visual.attnpool.c_proj.weight": 0,
    },
    "ConvNeXt": {
        "visual.trunk.stem.0.weight": 5, "visual.trunk.stages.0.blocks.0.gamma": 4,
        "visual.trunk.stages.0.blocks.1.mlp.fc1.weight": 3, "visual.trunk.stages.1.downsample.0.weight": 2,
        "visual.trunk.stages.1.blocks.0.gamma": 2, "visual.trunk.stages.1.blocks.1.gamma": 1,
        "visual.trunk.norm_pre.weight": 0, "visual.trunk.head.norm.weight": 0, "visual.head.proj.weight": 0,
    },
    "Swin": {
        "visual.trunk.patch_embed.norm.weight": 4, "visual.trunk.layers.0.blocks.0.attn.qkv.weight": 3,
        "visual.trunk.layers.0.blocks.1.attn.qkv.weight": 2,
        "visual.trunk.layers.1.downsample.reduction.weight": 1,
        "visual.trunk.layers.1.blocks.0.attn.qkv.weight": 1, "visual.trunk.norm.weight": 0,
    },
    "mT5": {
        "text.transformer.embed_tokens.weight": 4,
        "text.transformer.block.0.layer.0.SelfAttention.q.weight": 3,
        "text.transformer.block.0.layer.1.DenseReluDense.wo.weight": 3,
        "text.transformer.block.1.layer.0.layer_norm.weight": 2,
        "text.transformer.block.2.layer.1.DenseReluDense.wi_0.weight": 1,
        "text.transformer.final_layer_norm.weight": 0, "text.proj.0.weight": 0,
    },
    "XLM-R and BERT": {
        "text.transformer.embeddings.word_embeddings.weight": 3,
        "text.transformer.embeddings.LayerNorm.weight": 3,
        "text.transformer.encoder.layer.0.attention.self.query.weight": 2,
        "text.transformer.encoder.layer.1.output.dense.weight": 1, "text.transformer.pooler.dense.weight": 0,
    },
    "NLLB": {
        "text.transformer.embed_tokens.weight": 3, "text.transformer.layers.0.fc1.weight": 2,
        "text.transformer.layers.1.self_attn.q_proj.weight": 1, "text.transformer.layer_norm.weight": 0,
    },
    "adapters": {
        "visual.transformer.resblocks.0.attn.parametrizations.in_proj_weight.original": 2,
        "visual.transformer.resblocks.1.attn.parametrizations.in_proj_weight.0.up": 1,
    },
}  # fmt: skip


@pytest.mark.parametrize("tower", TOWERS)
def test_depths_of_real_names(tower: str) -> None:
    assert layer_depths(Named(list(TOWERS[tower]))) == TOWERS[tower]


def test_depths_agree_with_timms_groups() -> None:
    for name in ("convnext_atto", "swin_tiny_patch4_window7_224"):
        with torch.device("meta"):
            trunk = timm.create_model(name)
        model = nn.Module()
        model.visual = nn.Module()
        model.visual.trunk = trunk
        ours = layer_depths(model)
        # timm counts from the stem up, and has a group of its own for Swin's last norm.
        theirs = group_parameters(trunk, trunk.group_matcher(coarse=False), reverse=True)
        top = max(theirs.values())
        differing = {
            part for part, _ in trunk.named_parameters() if ours[f"visual.trunk.{part}"] != top - theirs[part]
        }
        assert differing <= {"norm.weight", "norm.bias"}, name


def test_layers_are_sliced_as_wholes() -> None:
    whole = [
        "visual.trunk.stages.0.blocks.2",
        "model.visual.layer1.0",
        "text.transformer.block.3",
        "layers.1",
    ]
    parts = [
        "text.transformer.block.3.layer.0",
        "visual.layer1.0.downsample",
        "transformer",
        "resblocks.0.mlp",
    ]
    assert [is_layer(name) for name in whole + parts] == [True] * 4 + [False] * 4


def test_tables_of_positions_and_tokens_are_not_decayed() -> None:
    matrix = nn.Parameter(torch.zeros(3, 3))
    tables = [
        "text.transformer.embed_tokens.weight",
        "text.transformer.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
        "visual.trunk.layers.0.blocks.0.attn.relative_position_bias_table",
    ]
    assert not any(is_decayed(name, matrix) for name in tables)
    assert is_decayed("visual.trunk.patch_embed.proj.weight", matrix)
