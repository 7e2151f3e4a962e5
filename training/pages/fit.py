"""Fits the perceptrons of the page model to cells of marked pages, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from iconoclip.page_layout.kinds import CLASSES
from iconoclip.progress import progress
from training.pages.network import PageNet, Perceptron, opinions, surroundings
from training.pages.samples import UNMARKED, Sampler, Stored

# Cells taken of each class on a page. The first two, other and text, fill most pages.
NUM_CELLS: Final = (160, 160, 220, 220, 220, 220, 220, 220)
NUM_EPOCHS: Final = 10
BATCH: Final = 2048
MIN_STEPS: Final = 100
LEARNING_RATE: Final = 6e-3
LABEL_SMOOTHING: Final = 0.02

Cells = tuple[Tensor, Tensor, Tensor]
"""features [M, F] in half precision, classes [M], weights [M]"""


def fit(pages: list[Stored], num_samples: int, seed: int = 0) -> PageNet:
    """Train a model: the first perceptron on `num_samples` varied pages, the second on as many others."""
    torch.manual_seed(seed)
    network = PageNet().eval()
    for number in (0, 1):
        sampler = Sampler(pages, seed + number)
        cells = _cells(sampler, num_samples, _reader(network, number), np.random.default_rng(seed + number))
        _fit_perceptron((network.first, network.second)[number], *cells)
    return network.eval()


def _reader(network: PageNet, number: int) -> Callable[[Tensor], Tensor]:
    """The function that makes the inputs of one of the perceptrons from a page."""

    def read(pages_B3HW: Tensor) -> Tensor:
        textures = network.texture(pages_B3HW)
        near = surroundings(textures)
        return near if number == 0 else opinions(network.first(near).softmax(1), textures)

    return read


def _cells(
    sampler: Sampler, num_samples: int, read: Callable[[Tensor], Tensor], random: np.random.Generator
) -> Cells:
    features, classes, weights = [], [], []
    with progress("read textures", total=num_samples, unit="pages") as meter, torch.inference_mode():
        for _ in range(num_samples):
            page, marks = sampler.page()
            inputs = read(page[None])[0].flatten(1).T
            chosen, weight = _chosen(marks.flatten().numpy(), random)
            features.append(inputs[torch.from_numpy(chosen)].half())
            classes.append(marks.flatten()[torch.from_numpy(chosen)])
            weights.append(torch.from_numpy(weight))
            meter.advance()
    return torch.cat(features), torch.cat(classes), torch.cat(weights).float()


def _chosen(
    marks: npt.NDArray[np.int64], random: np.random.Generator
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Some cells of each class, weighted by the root of how many each of them is one of."""
    numbers, weights = [np.zeros(0, np.intp)], [np.zeros(0)]
    for label, most in zip(range(len(CLASSES)), NUM_CELLS, strict=True):
        own = np.flatnonzero((marks == label) & (marks != UNMARKED))
        if len(own):
            taken = random.choice(own, min(len(own), most), replace=False)
            numbers.append(taken)
            weights.append(np.full(len(taken), np.sqrt(len(own) / len(taken))))
    return np.concatenate(numbers), np.concatenate(weights)


def _fit_perceptron(perceptron: Perceptron, features: Tensor, classes: Tensor, weights: Tensor) -> None:
    inputs = features.float()
    mean, deviation = inputs.mean(0), (inputs.var(0) + 1e-4).sqrt()
    perceptron.mean.copy_(mean[:, None, None])
    perceptron.deviation.copy_(deviation[:, None, None])
    size = min(BATCH, max(1, len(inputs) // 4))
    num_steps = max(MIN_STEPS, NUM_EPOCHS * len(inputs) // size)
    optimizer = torch.optim.AdamW(perceptron.layers.parameters(), LEARNING_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, num_steps + 1)
    with progress("fit a perceptron", total=num_steps, unit="steps") as meter:
        for _ in range(num_steps):
            batch = torch.randint(0, len(inputs), (size,))
            # Each cell is a page of one cell.
            logits = perceptron(inputs[batch][:, :, None, None])[:, :, 0, 0]
            losses = functional.cross_entropy(
                logits, classes[batch], reduction="none", label_smoothing=LABEL_SMOOTHING
            )
            loss = (losses * weights[batch]).sum() / weights[batch].sum()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            meter.advance()
            meter.note(f"loss {float(loss.detach()):.3f}")
