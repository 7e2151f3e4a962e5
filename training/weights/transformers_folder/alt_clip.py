"""AltCLIP: open_clip's image tower, and an XLM-R whose first token is normalised and projected twice.

open_clip's text towers have one projection without a bias, and no norm before it. So the tower gets one more
layer, whose attention and MLP add nothing, and whose last norm is that of AltCLIP. Both projections become
one matrix, and their bias moves into the norm's. The extra layer normalises what is normalised already; that
changes a feature by less than the norms' epsilon, 1e-5 of its size. In training it learns like any other.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from iconoclip.errors import BadInput
from training.model_files import TEXT_TOWER
from training.weights.read import State
from training.weights.transformers_folder.chinese_clip import (
    hugging_face_text_cfg,
    text_tower,
    text_weights,
)
from training.weights.transformers_folder.clip import image_tower, vision_cfg, with_activation

CONTEXT_LENGTH = 77
# The largest error of the bias that cannot be moved, relative to the bias.
MAX_ERROR = 1e-4


def model_cfg(config: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """open_clip's config of an AltCLIPConfig, and the config of its XLM-R with one more layer."""
    text, vision = config.text_config, config.vision_config
    tower = text_tower(text, "xlm-roberta") | {"num_hidden_layers": text.num_hidden_layers + 1}
    # RoBERTa counts positions from the padding's id on.
    context_length = min(CONTEXT_LENGTH, text.max_position_embeddings - text.pad_token_id - 1)
    found = {
        "embed_dim": config.projection_dim,
        "vision_cfg": vision_cfg(vision),
        "text_cfg": hugging_face_text_cfg(context_length),
    }
    return with_activation(found, vision), {TEXT_TOWER: tower}


def weights(model: Any) -> State:
    """The weights of an AltCLIPModel with open_clip's names.

    Raises:
        BadInput: the bias of the first projection cannot be moved into a norm.
    """
    own: State = model.state_dict()
    first, second = own["text_model.transformation.weight"], own["text_projection.weight"]
    projection = second.double() @ first.double()
    bias = own["text_model.pre_LN.bias"].double()
    wanted = projection @ bias + second.double() @ own["text_model.transformation.bias"].double()
    found = {
        **image_tower(own),
        **text_weights(own, "text_model.roberta."),
        "text.proj.weight": projection.float(),
        "logit_scale": own["logit_scale"],
    }
    norm = own["text_model.pre_LN.weight"], bias + _solved(projection, wanted - projection @ bias)
    return found | _layer_that_only_normalises(found, *norm)


def _solved(matrix: Tensor, wanted: Tensor) -> Tensor:
    """The shortest vector that the matrix turns into the wanted one."""
    found: Tensor = torch.linalg.lstsq(matrix, wanted.unsqueeze(1), driver="gelsd").solution.squeeze(1)
    if (matrix @ found - wanted).abs().max() > MAX_ERROR * wanted.abs().max().clamp(min=1e-12):
        raise BadInput(
            "the projection of this AltCLIP model cannot become one of open_clip",
            where="model",
            remedy="give another model; docs/training.md lists what can be given",
        )
    return found


def _layer_that_only_normalises(found: State, weight: Tensor, bias: Tensor) -> State:
    """One more layer: a copy of the last, whose attention and MLP end in zeros, and with this last norm."""
    prefix = "text.transformer.encoder.layer."
    last = max(int(name.removeprefix(prefix).split(".")[0]) for name in found if name.startswith(prefix))
    old, new = f"{prefix}{last}.", f"{prefix}{last + 1}."
    layer = {new + name.removeprefix(old): one.clone() for name, one in found.items() if name.startswith(old)}
    for part in ("attention.output.dense", "output.dense"):
        for kind in ("weight", "bias"):
            layer[f"{new}{part}.{kind}"].zero_()
    norm = f"{new}attention.output.LayerNorm."
    layer |= {f"{norm}weight": torch.ones_like(weight), f"{norm}bias": torch.zeros_like(weight)}
    return layer | {f"{new}output.LayerNorm.weight": weight, f"{new}output.LayerNorm.bias": bias.float()}
