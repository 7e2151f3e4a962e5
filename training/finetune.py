"""Fine-tuning: locked towers, gradual unfreezing, low-rank adapters, averaged and interpolated weights.

Locked towers     LiT, Zhai et al. 2021, arXiv 2111.07991
Adapters          LoRA, Hu et al. 2021, arXiv 2106.09685
Interpolation     WiSE-FT, Wortsman et al. 2021, arXiv 2109.01903

Adapters are parametrizations of the weights they adapt: W becomes W + scale * up @ down wherever it is read.
peft's adapter for nn.MultiheadAttention, which open_clip's towers use, adds the update to the base weights
before each forward pass and subtracts it afterwards. The weights then drift by rounding, and no resume is
exact. On a linear layer both are the same (tests/training/test_finetune.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from iconoclip.errors import BadInput, ConfigError
from training.config_groups import AdaptConfig, HardwareConfig, Tower
from training.layers import layer_depths
from training.optimizer import SCALARS, is_layer_matrix
from training.sharding import gathered, own_part, sliced_like


def tower_of(name: str) -> Tower | None:
    """The tower a parameter belongs to; None for the logit scale and bias."""
    if name in SCALARS:
        return None
    return "image" if name.startswith("visual.") else "text"


class LowRank(nn.Module):
    """The sum of a frozen weight and scale * up @ down; zero at the start.

    Args:
        weight: [out, in].
        rank: the rank of the update.
        scale: the scale of the update, alpha / rank.
    """

    def __init__(self, weight: Tensor, rank: int, scale: float) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.empty(rank, weight.shape[1], dtype=weight.dtype, device=weight.device))
        self.up = nn.Parameter(torch.zeros(weight.shape[0], rank, dtype=weight.dtype, device=weight.device))
        self.scale = scale
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight plus the scaled update."""
        return weight + self.scale * (self.up @ self.down)


def prepare(model: nn.Module, adapt: AdaptConfig, hardware: HardwareConfig) -> None:
    """Lock and adapt the towers according to the config. Afterwards the trainable
    parameters have `requires_grad`.

    Raises:
        ConfigError: no parameter is left to train.
    """
    if hardware.gradient_checkpointing:
        model.set_grad_checkpointing(True)  # type: ignore[operator]
    if hardware.compile:
        _compile(model)
    is_opened_later = adapt.unfreeze_from is not None
    for name, parameter in model.named_parameters():
        if tower_of(name) in adapt.locked and not is_opened_later:
            parameter.requires_grad_(False)
    if adapt.lora_rank:
        _adapt(model, adapt)
    if not any(
        parameter.requires_grad for name, parameter in model.named_parameters() if name not in SCALARS
    ):
        raise ConfigError(
            "nothing is left to train",
            where="adapt.locked",
            remedy="lock one tower at most, or set adapt.lora_rank",
        )


def _compile(model: nn.Module) -> None:
    """Compile the towers in place, so that the names of the weights do not change."""
    model.visual.compile()  # type: ignore[union-attr]
    text = model.text if hasattr(model, "text") else model
    # Captions differ in length from batch to batch; without this, the model would be
    # compiled for each length.
    text.transformer.compile(dynamic=True)  # type: ignore[union-attr]


def _adapt(model: nn.Module, adapt: AdaptConfig) -> None:
    """Give every matrix inside the layers of the chosen towers an adapter. Nothing else
    in those towers is trained.
    """
    targets = list(_layer_matrices(model, adapt.lora_towers))
    if not targets:
        raise ConfigError(
            "the model has no layers that adapters fit",
            where="adapt.lora_towers",
            remedy="set adapt.lora_rank to 0",
        )
    for name, parameter in model.named_parameters():
        if tower_of(name) in adapt.lora_towers:
            parameter.requires_grad_(False)
    for owner, attribute in targets:
        weight = getattr(owner, attribute)
        # `unsafe` only skips a check; the shapes are correct by construction.
        adapter = LowRank(weight, adapt.lora_rank, adapter_scale(adapt))
        parametrize.register_parametrization(owner, attribute, adapter, unsafe=True)


def adapter_scale(adapt: AdaptConfig) -> float:
    """The factor of an adapter's update: alpha / rank."""
    return adapt.lora_alpha / adapt.lora_rank


def _layer_matrices(model: nn.Module, towers: Sequence[Tower]) -> Iterator[tuple[nn.Module, str]]:
    for name, parameter in model.named_parameters():
        if is_layer_matrix(name, parameter) and tower_of(name) in towers:
            owner, _, attribute = name.rpartition(".")
            yield model.get_submodule(owner), attribute


def unfreeze_steps(model: nn.Module, adapt: AdaptConfig, num_steps: int) -> dict[str, int]:
    """The step from which each parameter of a locked tower is trained, the top layers first."""
    if adapt.unfreeze_from is None:
        return {}
    first, last = adapt.unfreeze_from * num_steps, adapt.unfreeze_until * num_steps
    depths = {name: depth for name, depth in layer_depths(model).items() if tower_of(name) in adapt.locked}
    deepest = max(depths.values(), default=1) or 1
    names = [name for name, _ in model.named_parameters() if tower_of(name) in adapt.locked]
    return {name: round(first + (last - first) * depths.get(name, 0) / deepest) for name in names}


def merged(state: Mapping[str, Tensor], scale: float) -> dict[str, Tensor]:
    """A state dict with every adapter added to the weight it adapts."""
    plain: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if ".parametrizations." not in name:
            plain[name] = tensor
        elif name.endswith(".original"):
            stem = name.removesuffix(".original")
            update = state[f"{stem}.0.up"] @ state[f"{stem}.0.down"]
            plain[stem.replace(".parametrizations.", ".")] = tensor + scale * update
    return plain


def interpolated(base: Mapping[str, Tensor], tuned: Mapping[str, Tensor], weight: float) -> dict[str, Tensor]:
    """Interpolated weights: those of the base at 0, those of the tuned model at 1.

    A base of CLIP has no logit bias. Where the tuned model has one, it is kept: it changes no feature.

    Raises:
        BadInput: the two have different architectures.
    """
    if "logit_bias" in tuned and "logit_bias" not in base:
        base = {**base, "logit_bias": tuned["logit_bias"]}
    differing = [
        name
        for name in base.keys() | tuned.keys()
        if name not in base or name not in tuned or base[name].shape != tuned[name].shape
    ]
    if differing:
        raise BadInput(
            f"the two models differ in {len(differing)} layers, first {min(differing)}",
            where="interpolate_with",
            remedy="give the model that the run started from",
        )
    return {
        name: torch.lerp(base[name].float(), tensor.float(), weight).to(tensor.dtype)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in tuned.items()
    }


class MovingAverage:
    """An exponential moving average of the trainable parameters (Polyak averaging). Its
    decay grows at the beginning.

    Args:
        parameters: the (name, parameter) pairs of the trainable parameters.
        decay: the decay of the average; at the beginning (1 + steps) / (10 + steps), if that is less.
    """

    def __init__(self, parameters: Iterable[tuple[str, nn.Parameter]], decay: float) -> None:
        self._parameters = dict(parameters)
        self._decay, self.num_updates = decay, 0
        self.average = {name: parameter.detach().clone() for name, parameter in self._parameters.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Update the average with the present weights."""
        decay = min(self._decay, (1 + self.num_updates) / (10 + self.num_updates))
        self.num_updates += 1
        averages = [own_part(average) for average in self.average.values()]
        present = [own_part(parameter) for parameter in self._parameters.values()]
        torch._foreach_lerp_(
            averages, [p.to(a.device) for p, a in zip(present, averages, strict=True)], 1 - decay
        )

    def slice_like(self, model: nn.Module) -> None:
        """Slice the average in the same way as a model whose weights are sliced over ranks."""
        self._parameters = {name: p for name, p in model.named_parameters() if name in self.average}
        for name, parameter in self._parameters.items():
            self.average[name] = sliced_like(self.average[name], parameter.detach())

    def state(self) -> dict[str, Tensor]:
        """The state of the average for a checkpoint."""
        state: dict[str, Tensor] = gathered(self.average)
        return {**state, "num_updates": torch.tensor(self.num_updates)}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore the average from a checkpoint."""
        self.num_updates = int(state["num_updates"])
        for name, average in self.average.items():
            average.copy_(state[name])
