"""Fits the network to marked pages on a processor, within a number of steps."""

from __future__ import annotations

import copy
import math
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from iconoclip.page_layout.kinds import CLASSES, GRAPHIC_KINDS
from iconoclip.progress import progress
from training.pages.network import PageNet
from training.pages.samples import UNMARKED, Sampler, Stored

BATCH: Final = 8
LEARNING_RATE: Final = 8e-3
WARM_UP: Final = 30
# The classes of most cells, other and text, weigh less.
WEIGHTS: Final = tuple(0.5 if name in ("other", "text") else 2.0 for name in CLASSES)
EMA_STEPS: Final = 60
_GRAPHICS: Final = [number for number, name in enumerate(CLASSES) if name in GRAPHIC_KINDS]


def fit(pages: list[Stored], num_steps: int, seed: int = 0) -> PageNet:
    """Train a network from scratch and return the moving average of its weights, ready to evaluate."""
    torch.manual_seed(seed)
    network = PageNet().to(memory_format=torch.channels_last)
    averaged = copy.deepcopy(network)
    sampler = Sampler(pages, seed)
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, num_steps))
    with progress("train the page model", total=num_steps, unit="steps") as meter:
        for step in range(num_steps):
            inputs, classes, kinds = sampler.batch(BATCH)
            cells, logits = network(inputs)
            loss = loss_of(cells, logits, classes, kinds)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            _average(averaged, network, step)
            meter.advance()
            meter.note(f"loss {float(loss.detach()):.3f}")
    return averaged.eval()


def _rate(step: int, num_steps: int) -> float:
    if step < WARM_UP:
        return (step + 1) / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (step - WARM_UP) / max(1, num_steps - WARM_UP))) + 1e-3


def loss_of(cells: Tensor, kind_logits: Tensor, classes: Tensor, kinds: Tensor) -> Tensor:
    """Cross-entropy of the cells, overlap (dice) of everything graphic, and cross-entropy of the kinds."""
    weights = torch.tensor(WEIGHTS)
    loss = functional.cross_entropy(cells, classes, weights, ignore_index=UNMARKED)
    chance = cells.softmax(1)[:, _GRAPHICS].sum(1)
    wanted = torch.isin(classes, torch.tensor(_GRAPHICS)).float()
    known = (classes != UNMARKED).float()
    both = (chance * wanted * known).sum((1, 2))
    dice = 1 - (2 * both + 20) / ((chance * known).sum((1, 2)) + wanted.sum((1, 2)) + 20)
    loss = loss + dice.mean()
    if (kinds >= 0).any():
        loss = loss + 0.2 * functional.cross_entropy(kind_logits, kinds, ignore_index=-1)
    return loss


def _average(averaged: PageNet, network: PageNet, step: int) -> None:
    decay = min(1 - 1 / EMA_STEPS, (step + 1) / (step + 10))
    with torch.no_grad():
        mine, new = averaged.state_dict(), network.state_dict()
        for name, value in mine.items():
            if value.dtype.is_floating_point:
                value.lerp_(new[name], 1 - decay)
            else:
                value.copy_(new[name])
