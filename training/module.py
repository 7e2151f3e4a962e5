"""The training step as a LightningModule: features, loss, a gradient that is checked before it is applied.

It uses Lightning's manual optimization, because the loss of a contrastive batch is not the sum of the losses
of its parts. With micro-batches, the features of the whole batch are computed first, without a graph; then
the loss and its gradient with respect to the features; then each micro-batch again, to propagate that
gradient (Gao et al. 2021, arXiv 2101.06983). The gradients of logit_scale and logit_bias come from the loss
of the whole batch, so they are exact as well.

Letters: B samples of this rank, K captions per image, E hard negatives of each, L context length, D embedding
dimension, S image side.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from training import finetune, sharding
from training.config_groups import (
    AdaptConfig,
    DistillConfig,
    HardwareConfig,
    LossConfig,
    OptimizerConfig,
    ScheduleConfig,
)
from training.data.loader import Batch
from training.data.randomness import STEP, mix
from training.distill import Taught, Teacher, distill_loss
from training.finetune import MovingAverage
from training.half import LossScaler
from training.learning_rate import rate_factor
from training.losses import ContrastiveLoss, ExtraTexts, Relations
from training.model import LoadedModel, at_least_float32, encode_images
from training.optimizer import check_optimizer, make_optimizer, parameter_groups
from training.ranks import is_distributed
from training.text import encode_texts


class StepResult(NamedTuple):
    """The result of one step, equal on every rank."""

    loss: float
    """of the whole batch"""
    grad_norm: float
    is_applied: bool
    is_overflow: bool = False
    """float16 only: not applied, because the scale of the loss was too large; it is smaller now"""


@dataclass(frozen=True)
class Recipe:
    """What the steps need to know of a run's config.

    Args:
        num_steps: the number of steps of the whole schedule.
    """

    loss: LossConfig
    optimizer: OptimizerConfig
    schedule: ScheduleConfig
    adapt: AdaptConfig
    hardware: HardwareConfig
    seed: int
    num_steps: int
    distill: DistillConfig = field(default_factory=DistillConfig)


class ContrastiveModule(pl.LightningModule):
    """An open_clip model in training.

    Args:
        loaded: the model with its preprocess config.
        recipe: how it is trained.
        teacher: a model to learn from, which is no part of the module.
    """

    def __init__(self, loaded: LoadedModel, recipe: Recipe, teacher: Teacher | None = None) -> None:
        super().__init__()
        check_optimizer(recipe.optimizer)
        self.teacher = teacher
        self.automatic_optimization = False
        # Pixels have the layout of the JPEG decoder, channels last; convolutions are fastest if the
        # weights have the same layout.
        self.model: nn.Module = loaded.model.to(memory_format=torch.channels_last)
        self.recipe, self.num_steps = recipe, recipe.num_steps
        finetune.prepare(loaded.model, recipe.adapt, recipe.hardware)
        self.contrastive_loss = ContrastiveLoss(
            recipe.loss.function, recipe.loss.repeated, recipe.loss.z_loss
        )
        self.step = 0
        """The number of steps done, including skipped ones."""
        self.num_bad_steps = 0
        self.damaged: dict[str, str] = {}
        """The reason for each key whose picture was replaced by another."""
        self.mean: Tensor
        self.std: Tensor
        learning = [
            (name, parameter) for name, parameter in self.model.named_parameters() if parameter.requires_grad
        ]
        self.average = MovingAverage(learning, recipe.adapt.ema_decay) if recipe.adapt.ema_decay else None
        self.scaler = LossScaler() if recipe.hardware.precision == "float16" else None
        self.last: StepResult | None = None
        for name in ("mean", "std"):
            value = torch.tensor(loaded.preprocess[name], dtype=torch.float32).view(3, 1, 1) * 255
            self.register_buffer(name, value, persistent=False)

    # Lightning's hooks

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimizer over the trainable parameters."""
        optimizer, adapt = self.recipe.optimizer, self.recipe.adapt
        groups = parameter_groups(
            self.model,
            learning_rate=optimizer.learning_rate,
            weight_decay=optimizer.weight_decay,
            layer_decay=adapt.layer_decay,
            unfreeze_steps=finetune.unfreeze_steps(self.model, adapt, self.num_steps),
            muon=optimizer.name == "muon",
        )
        return make_optimizer(groups, optimizer)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Copy the batch to the device of this rank."""
        return batch.to(device)

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Do one step. It is applied only if the loss and every gradient are finite."""
        optimizer = self.optimizers()
        optimizer.zero_grad()  # type: ignore[union-attr]
        with quick_attention(self.device):
            loss = self.backward_whole(batch)
        if self.scaler:
            self.scaler.unscale(self.model.parameters())
        norm = self._clip_gradients()
        # The ranks decide together: if only some of them skipped a step, their weights would differ.
        loss = self.mean_over_ranks(loss)
        is_finite = math.isfinite(loss) and math.isfinite(norm)
        is_overflow = bool(self.scaler and self.scaler.update(is_finite=is_finite)) and math.isfinite(loss)
        if is_finite:
            self._set_learning_rate()
            optimizer.step()  # type: ignore[union-attr]
            self._clamp_logits()
            if self.average:
                self.average.update()
        elif not is_overflow:
            self.num_bad_steps += 1
        self.last = StepResult(loss, norm, is_finite, is_overflow)
        self.step += 1

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the progress of the run. No random state is needed, because every draw
        is a function of the step.
        """
        checkpoint["iconoclip"] = {
            "step": self.step, "num_bad_steps": self.num_bad_steps, "damaged": dict(self.damaged),
        }  # fmt: skip
        if self.average:
            checkpoint["iconoclip"]["average"] = self.average.state()
        if self.scaler:
            checkpoint["iconoclip"]["loss_scale"] = self.scaler.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the progress from a checkpoint."""
        self.step = checkpoint["iconoclip"]["step"]
        self.num_bad_steps = checkpoint["iconoclip"]["num_bad_steps"]
        self.damaged = dict(checkpoint["iconoclip"].get("damaged", {}))
        if self.average:
            self.average.load(checkpoint["iconoclip"]["average"])
        # A run may change its precision; the scale then starts again.
        if self.scaler and "loss_scale" in checkpoint["iconoclip"]:
            self.scaler.load(checkpoint["iconoclip"]["loss_scale"])
        # Lightning's own count of epochs and batches: the steps of one command are one of its epochs.
        checkpoint.pop("loops", None)

    def train(self, mode: bool = True) -> ContrastiveModule:
        """Set training mode, except that the batch norms of a locked tower keep their statistics."""
        super().train(mode)
        if mode and self.recipe.adapt.unfreeze_from is None:
            for name, part in self.model.named_modules():
                if (
                    isinstance(part, nn.modules.batchnorm._BatchNorm)
                    and finetune.tower_of(name) in self.recipe.adapt.locked
                ):
                    part.eval()
        return self

    # The step

    def backward_whole(self, batch: Batch) -> float:
        """Accumulate the gradient of the whole batch's loss; returns this rank's share of the loss."""
        micro = self.recipe.hardware.micro_batch_size or len(batch)
        if micro >= len(batch):
            self._seed(0)
            images_BD, texts_BKD = self(batch)
            taught = self.taught(batch, micro)
            loss = self.loss_of(images_BD, texts_BKD, self.scale(), self.bias(), batch, taught)
            self.manual_backward(self._scaled(loss))
            return float(loss.detach())
        return self._backward_in_parts(batch, micro)

    def _backward_in_parts(self, batch: Batch, micro: int) -> float:
        starts = range(0, len(batch), micro)
        parts = [batch.part(start, min(start + micro, len(batch))) for start in starts]
        with torch.no_grad():
            cached = [self._seeded_features(part, number) for number, part in enumerate(parts)]
        images_BD = torch.cat([images for images, _ in cached]).requires_grad_()
        texts_BKD = torch.cat([texts for _, texts in cached]).requires_grad_()
        scale, bias = self.scale(), self.bias()
        leaves = [
            images_BD,
            texts_BKD,
            *(leaf.detach().requires_grad_() for leaf in (scale, bias) if leaf is not None),
        ]
        leaf_bias = leaves[3] if bias is not None else None
        taught = self.taught(batch, micro)
        loss = self.loss_of(leaves[0], leaves[1], leaves[2], leaf_bias, batch, taught)
        grads = torch.autograd.grad(loss, leaves)
        for number, (part, start) in enumerate(zip(parts, starts, strict=True)):
            is_last = number == len(parts) - 1
            with contextlib.nullcontext() if is_last else self._unsynchronised():
                outputs = list(self._seeded_features(part, number))
                wanted = [grads[0][start : start + len(part)], grads[1][start : start + len(part)]]
                if is_last:
                    outputs += [leaf for leaf in (self.scale(), self.bias()) if leaf is not None]
                    wanted += grads[2:]
                # A scalar with the required gradient; ranks synchronise only in the last backward pass.
                self.manual_backward(
                    self._scaled(
                        torch.stack([(o * w).sum() for o, w in zip(outputs, wanted, strict=True)]).sum()
                    )
                )
        return float(loss.detach())

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Unit-length features of images [B, D] and of texts [B, K, D], float32; with hard negatives, theirs
        come after the captions, [B, K + E, D].
        """
        images_BD = encode_images(self.model, self.normalised(batch.images_BSS3))
        tokens_BKL = batch.tokens_BKL
        if batch.negatives:
            tokens_BKL = torch.cat([tokens_BKL, batch.negatives.tokens_BEL], dim=1)
        texts_TD = encode_texts(self.model, tokens_BKL.flatten(0, 1))
        return images_BD, texts_TD.reshape(*tokens_BKL.shape[:2], -1)

    def normalised(self, images_BSS3: Tensor) -> Tensor:
        """Pixels uint8 converted to the model's normalised input, float32 [B, 3, S, S]."""
        return (images_BSS3.permute(0, 3, 1, 2).float() - self.mean) / self.std

    def scale(self) -> Tensor:
        """The logit scale itself, the exponential of the parameter."""
        scale: Tensor = self.model.logit_scale.exp()  # type: ignore[operator]
        return scale

    def bias(self) -> Tensor | None:
        """The logit bias, if the model has one."""
        return getattr(self.model, "logit_bias", None)

    def taught(self, batch: Batch, size: int) -> Taught | None:
        """The teacher's features of a batch, `size` samples at once, if there is a teacher."""
        return self.teacher(batch, size) if self.teacher else None

    def loss_of(
        self,
        images_BD: Tensor,
        texts_BKD: Tensor,
        scale: Tensor,
        bias: Tensor | None,
        batch: Batch,
        taught: Taught | None = None,
    ) -> Tensor:
        """This rank's share of the loss, in float32, whatever the precision of the features.

        Args:
            texts_BKD: as `forward` returns them.
        """
        relations = Relations(batch.rows_B, batch.texts_BK, batch.labels_BR, batch.carried_BM)
        num, found, extra = batch.tokens_BKL.shape[1], batch.negatives, None
        if found:
            extra = ExtraTexts(texts_BKD[:, num:], found.rows_BE, found.texts_BE, found.labels_BER)
            texts_BKD = texts_BKD[:, :num]
        with torch.autocast(images_BD.device.type, enabled=False):
            scale = at_least_float32(scale)
            loss = self.contrastive_loss(images_BD, texts_BKD, scale, bias, relations, extra)
            if taught is None:
                return loss
            return loss + self.recipe.distill.weight * distill_loss(images_BD, texts_BKD, scale, taught)

    def _scaled(self, loss: Tensor) -> Tensor:
        return loss * self.scaler.scale if self.scaler else loss

    def _seeded_features(self, part: Batch, number: int) -> tuple[Tensor, Tensor]:
        self._seed(number)
        features: tuple[Tensor, Tensor] = self(part)
        return features

    def _seed(self, part: int) -> None:
        """Seed dropout, so that both passes over a part, and a resumed run, draw the same values."""
        torch.manual_seed(int(mix(self.recipe.seed, STEP, self.step, self.global_rank, part)) >> 1)

    def _unsynchronised(self) -> contextlib.AbstractContextManager[Any]:
        strategy = self.trainer.strategy
        return (
            strategy.block_backward_sync()
            if hasattr(strategy, "block_backward_sync")
            else contextlib.nullcontext()
        )

    def _clip_gradients(self) -> float:
        limit = self.recipe.optimizer.clip_grad_norm
        if sharding.is_sharded(self.model):
            sharding.average_scalars(self.model)
            return float(sharding.clip_gradients(self.model.parameters(), limit))
        parameters = [p for p in self.model.parameters() if p.grad is not None]
        norm = nn.utils.clip_grad_norm_(parameters, math.inf if limit is None else limit, foreach=True)
        return float(norm)

    def learning_rate_factor(self) -> float:
        """The schedule's factor on the learning rate for the coming step."""
        schedule = self.recipe.schedule
        floor = schedule.min_learning_rate / self.recipe.optimizer.learning_rate
        return rate_factor(self.step, schedule, num_steps=self.num_steps, floor=floor)

    def learning_rate(self) -> float:
        """The learning rate of the coming step, before any decay by layer."""
        return self.recipe.optimizer.learning_rate * self.learning_rate_factor()

    def _set_learning_rate(self) -> None:
        factor = self.learning_rate_factor()
        for group in self.optimizers().param_groups:  # type: ignore[union-attr]
            group["lr"] = group["initial_lr"] * factor if self.step >= group["unfreeze_step"] else 0.0

    @torch.no_grad()
    def _clamp_logits(self) -> None:
        self.model.logit_scale.clamp_(0, math.log(self.recipe.loss.max_logit_scale))  # type: ignore[operator]
        bias, limit = self.bias(), self.recipe.loss.max_logit_bias
        if bias is not None and limit is not None:
            bias.clamp_(-limit, limit)

    def mean_over_ranks(self, value: float) -> float:
        """The mean of a number over all ranks; every rank gets it."""
        if not is_distributed():
            return value
        return float(self.trainer.strategy.reduce(torch.tensor(value, device=self.device), reduce_op="mean"))


@contextlib.contextmanager
def quick_attention(device: torch.device) -> Iterator[None]:
    """On a CPU, use attention by plain matrix products. For sequences as short as CLIP's, the backward pass
    of the flash kernel takes several times as long (a quarter of the whole step of the demo's model).
    """
    with sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def averaged(module: ContrastiveModule) -> Iterator[None]:
    """Replace the weights by the moving average inside the block, if the run has one."""
    if module.average is None:
        yield
        return
    learning = {name: p for name, p in module.model.named_parameters() if name in module.average.average}
    present = {name: parameter.detach().clone() for name, parameter in learning.items()}
    with torch.no_grad():
        for name, parameter in learning.items():
            parameter.copy_(module.average.average[name])
    try:
        yield
    finally:
        with torch.no_grad():
            for name, parameter in learning.items():
                parameter.copy_(present[name])


@contextlib.contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Set evaluation mode, without gradients, inside the block."""
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(was_training)
