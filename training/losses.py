"""CLIP and SigLIP losses over all ranks, with support for captions that repeat.

Captions of collections repeat ("Portrait", "View of the town"): the same words describe several images of a
batch. If these are negatives of each other, the model is trained to separate what cannot be separated. So
related pairs can be left out of the negatives, or count as positives. A text and an image are related if the
image has that text, in any language or field, whether or not that caption was drawn. Without related pairs
both losses equal those of open_clip, in value and in gradient (tests/training/test_losses.py).

Letters: B samples of this rank, G samples of all ranks, K captions drawn of an image, M captions of it that
are compared at most, E hard negatives of a sample, X hard negatives of all ranks' samples, D embedding
dimension, R relations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from training.ranks import is_distributed

Repeated = Literal["negative", "ignore", "positive"]


@dataclass(frozen=True)
class Relations:
    """The relations that make pairs of a batch positive or ignored."""

    rows_B: Tensor
    """int64: the same row is the same sample"""
    texts_BK: Tensor
    """int64: equal numbers are equal texts"""
    labels_BR: Tensor
    """int64: equal in any column (group, notations) is related"""
    carried_BM: Tensor | None = None
    """int64: the texts of captions that an image has, drawn or not, filled up with -1; in addition to
    `texts_BK`, which it has as well
    """

    def gathered(self) -> Relations:
        """The relations of all ranks' samples, in rank order."""
        carried = None if self.carried_BM is None else gather_plain(self.carried_BM)
        rows, texts, labels = (gather_plain(part) for part in (self.rows_B, self.texts_BK, self.labels_BR))
        return Relations(rows, texts, labels, carried)

    def carries(self, others: Relations, caption: int) -> Tensor:
        """Whether each of these images has the text that each other sample drew as
        number `caption`, [B, G].
        """
        return self.carries_texts(others.texts_BK[:, caption])

    def carries_texts(self, texts_G: Tensor) -> Tensor:
        """Whether each of these images has each of some texts, [B, G]."""
        carries_BG = torch.zeros(len(self.rows_B), len(texts_G), dtype=torch.bool, device=texts_G.device)
        # One caption after the other; all at once, the largest batch would not fit into memory.
        for part in (self.texts_BK, self.carried_BM):
            for text_B in part.unbind(1) if part is not None else ():
                carries_BG |= text_B[:, None] == texts_G
        return carries_BG


@dataclass(frozen=True)
class ExtraTexts:
    """Hard negatives: captions of samples that are similar to those of the batch, as in NegCLIP (Yuksekgonul
    et al. 2022, arXiv 2210.01936), without their images.
    """

    features_BED: Tensor
    """of unit length"""
    rows_BE: Tensor
    """int64: the sample that has the caption; -1 where there is none"""
    texts_BE: Tensor
    """int64, as `Relations.texts_BK`"""
    labels_BER: Tensor
    """int64, as `Relations.labels_BR`"""

    def gathered(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The features [X, D], rows [X], texts [X] and labels [X, R] of all ranks, in rank order."""
        plain = (self.rows_BE, self.texts_BE, self.labels_BER)
        rows, texts, labels = (gather_plain(part).flatten(0, 1) for part in plain)
        return gather_rows(self.features_BED).flatten(0, 1), rows, texts, labels


class _GatherRows(torch.autograd.Function):
    """All ranks' rows, in rank order. The gradient is summed over ranks: each loss uses every row."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        ctx.num_rows = len(rows)
        return gather_plain(rows)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        total = grad.contiguous()
        dist.all_reduce(total)
        first = dist.get_rank() * ctx.num_rows
        return total[first : first + ctx.num_rows]


def gather_plain(rows: Tensor) -> Tensor:
    """All ranks' rows, in rank order, without a gradient."""
    if not is_distributed():
        return rows
    parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, rows.contiguous())
    return torch.cat(parts)


def gather_rows(rows: Tensor) -> Tensor:
    """All ranks' rows, in rank order, with the gradient of the whole batch."""
    return _GatherRows.apply(rows) if is_distributed() else rows


class ContrastiveLoss:
    """The contrastive loss of this rank's share of the batch; its mean over ranks is
    the loss of the whole batch.

    Args:
        kind: "clip" (Radford et al. 2021, arXiv 2103.00020) or "siglip" (Zhai et al. 2023, arXiv 2303.15343).
        repeated: how related pairs count: "negative" as in open_clip, "ignore" (neither), or "positive"
            (several positives share the target, as in SupCon, Khosla et al. 2020, arXiv 2004.11362).
        z_loss: for "clip": weight of the mean squared log-partition of the softmaxes (Chowdhery et al. 2022,
            arXiv 2204.02311, section 5).

    A sample that occurs twice in a batch is never its own negative, whatever `repeated` is.
    """

    def __init__(self, kind: Literal["clip", "siglip"], repeated: Repeated, z_loss: float = 0.0) -> None:
        self.kind, self.repeated, self.z_loss = kind, repeated, z_loss

    def __call__(
        self,
        images_BD: Tensor,
        texts_BKD: Tensor,
        scale: Tensor,
        bias: Tensor | None,
        relations: Relations,
        extra: ExtraTexts | None = None,
    ) -> Tensor:
        """The loss of unit-length features; with K captions per image, the mean over the captions.

        Args:
            scale: the logit scale itself, not its logarithm.
            bias: the logit bias; SigLIP needs one.
            extra: further texts, wrong answers for every image of all ranks but those that have the text or
                are related to its sample. Whatever `repeated` is, they are never positive.
        """
        images_GD, texts_GKD = gather_rows(images_BD), gather_rows(texts_BKD)
        everyone = relations.gathered()
        own_BG = self._own(len(images_BD), len(images_GD), images_BD.device)
        same_row_BG = relations.rows_B[:, None] == everyone.rows_B
        related_BG = same_row_BG | (relations.labels_BR[:, None] == everyone.labels_BR).any(-1)
        further = _further(images_BD, scale, bias, relations, extra)
        losses = []
        for k in range(texts_BKD.shape[1]):
            targets = self._targets(own_BG, same_row_BG, related_BG | relations.carries(everyone, k))
            image_logits_BG = logits(images_BD, texts_GKD[:, k], scale, bias)
            if further is not None:
                image_logits_BG, targets = _with_further(image_logits_BG, targets, *further)
            if self.kind == "siglip":
                losses.append(_sigmoid(image_logits_BG, *targets))
                continue
            # For a text as the query, the images of other samples may have it.
            carried_BG = everyone.carries(relations, k).T
            text_targets = self._targets(own_BG, same_row_BG, related_BG | carried_BG)
            text_logits_BG = logits(texts_BKD[:, k], images_GD, scale, bias)
            losses.append((_softmax(image_logits_BG, *targets) + _softmax(text_logits_BG, *text_targets)) / 2)
            if self.z_loss:
                parts = (
                    _log_partition(image_logits_BG, targets[1]),
                    _log_partition(text_logits_BG, text_targets[1]),
                )
                losses[-1] = losses[-1] + self.z_loss * sum(part.square().mean() for part in parts) / 2
        return torch.stack(losses).mean()

    def _own(self, num_own: int, num_all: int, device: torch.device) -> Tensor:
        first = dist.get_rank() * num_own if is_distributed() else 0
        return torch.arange(num_own, device=device)[:, None] + first == torch.arange(num_all, device=device)

    def _targets(self, own_BG: Tensor, same_row_BG: Tensor, related_BG: Tensor) -> tuple[Tensor, Tensor]:
        """Which pairs are positive, and which pairs count at all."""
        if self.repeated == "positive":
            return own_BG | related_BG, torch.ones_like(own_BG)
        left_out_BG = same_row_BG if self.repeated == "negative" else related_BG
        return own_BG, own_BG | ~left_out_BG


def _further(
    images_BD: Tensor, scale: Tensor, bias: Tensor | None, relations: Relations, extra: ExtraTexts | None
) -> tuple[Tensor, Tensor] | None:
    """The logits of hard negatives, [B, X], and which of them count."""
    if extra is None:
        return None
    features_XD, rows_X, texts_X, labels_XR = extra.gathered()
    is_related_BX = (relations.labels_BR[:, None] == labels_XR).any(-1) | relations.carries_texts(texts_X)
    counts_BX = (rows_X >= 0) & (relations.rows_B[:, None] != rows_X) & ~is_related_BX
    return logits(images_BD, features_XD, scale, bias), counts_BX


def _with_further(
    logits_BG: Tensor, targets: tuple[Tensor, Tensor], further_BX: Tensor, counts_BX: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Logits and targets of an image's texts with those of hard negatives, none of which is positive."""
    positive_BG, counts_BG = targets
    positive = torch.cat([positive_BG, torch.zeros_like(counts_BX)], dim=1)
    return torch.cat([logits_BG, further_BX], dim=1), (positive, torch.cat([counts_BG, counts_BX], dim=1))


def logits(queries_BD: Tensor, items_GD: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
    """Scaled similarities, [B, G]."""
    scores_BG = scale * queries_BD @ items_GD.T
    return scores_BG if bias is None else scores_BG + bias


def _softmax(logits_BG: Tensor, positive_BG: Tensor, counts_BG: Tensor) -> Tensor:
    """Cross entropy with the target spread evenly over the positives."""
    log_share_BG = F.log_softmax(logits_BG.masked_fill(~counts_BG, float("-inf")), dim=-1)
    num_positives_B = positive_BG.sum(-1)
    return -(log_share_BG.masked_fill(~positive_BG, 0.0).sum(-1) / num_positives_B).mean()


def _log_partition(logits_BG: Tensor, counts_BG: Tensor) -> Tensor:
    """The logarithm of the softmax's denominator, [B]."""
    return torch.logsumexp(logits_BG.masked_fill(~counts_BG, float("-inf")), dim=-1)


def _sigmoid(logits_BG: Tensor, positive_BG: Tensor, counts_BG: Tensor) -> Tensor:
    """A yes-or-no question for each pair that counts; the sum over texts, the mean over images."""
    sign_BG = torch.where(positive_BG, 1.0, -1.0).to(logits_BG.dtype)
    answers_BG = F.logsigmoid(sign_BG * logits_BG) * counts_BG
    return -answers_BG.sum() / len(logits_BG)
