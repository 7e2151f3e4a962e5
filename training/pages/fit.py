"""Trains the page model on samples of marked pages."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from iconoclip.page_layout.kinds import OTHER, TEXT
from iconoclip.progress import progress
from training.hardware import autocast, resolve_precision
from training.pages.network import PageNet, SmallThings
from training.pages.page_kinds import fit_kinds
from training.pages.part_samples import PartSamples, WithParts
from training.pages.samples import (
    BATCH,
    NO_KIND,
    SMALL_CANVAS,
    Sample,
    Samples,
)
from training.pages.stored import TEXT_OR_OTHER, UNMARKED, Stored

# The highest rates: of a new network on small canvases, then on whole ones; and of one that is improved.
SMALL_RATE, RATE, FURTHER_RATE = 3e-3, 1.2e-3, 4e-4
# That of the decoder of small things, where it alone is trained.
SMALL_THINGS_RATE: Final = 2e-3
# A new network sees this share of its samples on small canvases.
SMALL_SHARE: Final = 5 / 7
WARM_UP: Final = 0.08
WEIGHT_DECAY: Final = 2e-2
LABEL_SMOOTHING: Final = 0.02
# Cells of rare and small things count more, but not so much that maps swell: a page is mostly text and paper.
CLASS_WEIGHTS: Final = (1.0, 1.0, 1.5, 2.5, 2.5, 1.5, 1.5, 2.5, 1.5)
# Those of a thing of fewer cells than this count more, up to so many times: there are few of them.
SMALL_CELLS, MOST_OF_SMALL = 400, 4.0
SHARES_WEIGHT, EDGES_WEIGHT, KINDS_WEIGHT = 1.0, 0.15, 0.05
MAX_NORM: Final = 5.0
# A network that is improved keeps so much of its old weights (WiSE-FT: Wortsman et al., CVPR 2022).
KEPT: Final = 0.5
# The shipped weights are a moving mean of the trained ones (Polyak and Juditsky, 1992).
MEAN_DECAY: Final = 0.998


def fit(
    pages: Sequence[Stored],
    num_samples: int,
    seed: int = 0,
    *,
    start: PageNet | None = None,
    only_small_things: bool = False,
    workers: int = 1,
) -> PageNet:
    """Train a model on `num_samples` varied pages.

    Args:
        pages: what the samples are made of.
        num_samples: how many samples the network sees, each once.
        seed: of the weights and the samples.
        start: a network whose weights are improved: the result is the mean of old and new weights. None
            starts with random ones.
        only_small_things: whether the decoder of small things is trained from nothing, and everything else
            of `start` stays as it is.
        workers: processes that make samples.
    """
    if only_small_things:
        assert start is not None, "everything else has weights"
        return _with_small_things(pages, num_samples, seed, start, workers)
    network = _trained(pages, num_samples, seed, start, workers)
    fit_kinds(network, [one.page for one in pages], seed)
    return network


def _trained(
    pages: Sequence[Stored], num_samples: int, seed: int, start: PageNet | None, workers: int
) -> PageNet:
    torch.manual_seed(seed)
    network = PageNet() if start is None else copy.deepcopy(start)
    network = network.to(memory_format=torch.channels_last).train()
    mean = copy.deepcopy(network).eval()
    if start is not None:
        _train(network, mean, _with_parts(pages, num_samples, seed), FURTHER_RATE, workers)
        # Half way back to where it came from: it keeps what it knew of other pages.
        _follow(mean, start, 1 - KEPT)
        return mean
    num_small = round(SMALL_SHARE * num_samples)
    _train(network, mean, Samples(pages, num_small, seed, SMALL_CANVAS), SMALL_RATE, workers)
    _train(network, mean, _with_parts(pages, num_samples - num_small, seed + 1), RATE, workers)
    return mean


def _with_small_things(
    pages: Sequence[Stored], num_samples: int, seed: int, start: PageNet, workers: int
) -> PageNet:
    torch.manual_seed(seed)
    network = copy.deepcopy(start).requires_grad_(False).eval()
    network.small_things = SmallThings()
    network = network.to(memory_format=torch.channels_last)
    mean = copy.deepcopy(network).eval()
    network.small_things.train()
    _train(network, mean, _with_parts(pages, num_samples, seed), SMALL_THINGS_RATE, workers)
    return mean.requires_grad_(True)


def _with_parts(pages: Sequence[Stored], num_samples: int, seed: int) -> WithParts:
    return WithParts(Samples(pages, num_samples, seed), PartSamples(pages, num_samples, seed))


def _train(network: PageNet, mean: PageNet, samples: Dataset[Sample], rate: float, workers: int) -> None:
    """Train a network with samples, each once; `mean` follows it."""
    loader = DataLoader(samples, BATCH, num_workers=workers, prefetch_factor=8 if workers else None)
    trained = [one for one in network.parameters() if one.requires_grad]
    groups = [
        {"params": [one for one in trained if one.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [one for one in trained if one.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, rate)
    device = torch.device("cpu")
    precision = resolve_precision("auto", device)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, len(loader) + 1, pct_start=WARM_UP, final_div_factor=100
    )
    with progress("train", total=len(loader), unit="steps") as meter:
        for step, batch in enumerate(loader):
            with autocast(precision, device):
                loss = loss_of(network, batch)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(trained, MAX_NORM)
            optimizer.step()
            schedule.step()
            _follow(mean, network, min(MEAN_DECAY, (step + 1) / (step + 10)))
            meter.advance()
            meter.note(f"loss {float(loss.detach()):.3f}")


def loss_of(network: PageNet, batch: Sample) -> Tensor:
    """The loss of a batch: what cells are, where the edges of things are, and the kinds of the pages."""
    pixels = batch.pixels.contiguous(memory_format=torch.channels_last)
    classes, edges, kinds = (values.float() for values in network.logits(pixels))
    weight = torch.tensor(CLASS_WEIGHTS)
    is_either = batch.classes == TEXT_OR_OTHER
    marked = torch.where(is_either | (batch.classes == UNMARKED), -100, batch.classes)
    losses = functional.cross_entropy(
        classes, marked, weight, label_smoothing=LABEL_SMOOTHING, reduction="none"
    )
    either = classes.log_softmax(1)[:, [OTHER, TEXT]].logsumexp(1)
    losses = torch.where(is_either, -either, losses)
    # The weight of a cell of a thing is 1 by the root of their number; where there is no thing, it is 0.
    of_cells = (batch.weights * math.sqrt(SMALL_CELLS)).clamp(1.0, MOST_OF_SMALL)
    shares = of_cells * weight[batch.classes.where(marked >= 0, OTHER)] * (is_either | (marked >= 0))
    loss = (losses * of_cells).sum() / shares.sum().clamp_min(1e-6)
    loss = loss + SHARES_WEIGHT * _shares_loss(classes, batch.classes)
    if batch.weights.any():
        loss = loss + EDGES_WEIGHT * _edges_loss(edges, batch.edges, batch.weights)
    if (batch.kinds != NO_KIND).any():
        of_kinds = functional.cross_entropy(kinds, batch.kinds, ignore_index=NO_KIND)
        loss = loss + KINDS_WEIGHT * of_kinds
    return loss


def _shares_loss(logits_BCRN: Tensor, classes_BRN: Tensor) -> Tensor:
    """How little the cells of each class and those that are taken for it are the same ones: the mean over the
    classes of the batch, so that rare ones count as much as others (Dice loss: Milletari et al., 2016)."""
    is_marked = classes_BRN != UNMARKED
    chances = logits_BCRN.softmax(1)
    losses = []
    for number in range(TEXT, logits_BCRN.shape[1]):
        own = (classes_BRN == number).float()
        if own.any():
            is_told = is_marked & (classes_BRN != TEXT_OR_OTHER) if number == TEXT else is_marked
            found = chances[:, number] * is_told
            losses.append(1 - (2 * (found * own).sum() + 1) / (found.sum() + own.sum() + 1))
    return torch.stack(losses).mean() if losses else logits_BCRN.sum() * 0


def _edges_loss(logs_B4RN: Tensor, edges_B4RN: Tensor, weights_BRN: Tensor) -> Tensor:
    """How little the boxes that cells see overlap with their things, as a logarithm (UnitBox: Yu et al.,
    2016)."""
    found = logs_B4RN.exp()
    smaller = torch.minimum(found, edges_B4RN)
    both = (smaller[:, 0] + smaller[:, 2]) * (smaller[:, 1] + smaller[:, 3])
    own = (found[:, 0] + found[:, 2]) * (found[:, 1] + found[:, 3])
    wanted = (edges_B4RN[:, 0] + edges_B4RN[:, 2]) * (edges_B4RN[:, 1] + edges_B4RN[:, 3])
    losses = -torch.log(both / (own + wanted - both))
    return (losses * weights_BRN).sum() / weights_BRN.sum()


@torch.no_grad()
def _follow(mean: PageNet, network: PageNet, decay: float) -> None:
    """Move the means of the weights towards those of `network`; counts and the like are copied."""
    for kept, now in zip(mean.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(now, 1 - decay)
        else:
            kept.copy_(now)
