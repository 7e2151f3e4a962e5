"""The network: fixed filters that measure texture, and two small perceptrons that read it cell by cell.

The first perceptron reads the texture of a cell and of its surroundings at several distances. The second
reads what the first said of the cell and of its surroundings (auto-context: Tu and Bai, PAMI 2010). Nothing
but the perceptrons is trained, so that a model is made in minutes on a processor. All of it is one graph of
convolutions and means.

Shapes: B pages, H and W of the input (multiples of 10), R, N rows and columns of cells, T textures,
C classes.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from iconoclip.page_layout.inputs import CELL
from iconoclip.page_layout.kinds import CLASSES

NUM_TEXTURES: Final = 21
# Rows and columns on each side of a cell over which textures are averaged; then, those over which the
# chances that the first perceptron gives are.
NEAR: Final = ((1, 1), (3, 3), (8, 8), (0, 5), (5, 0), (1, 12), (12, 1))
AROUND: Final = ((1, 1), (3, 3), (7, 7), (0, 6), (6, 0), (1, 15), (15, 1))
NUM_SUMMARY: Final = 2 * NUM_TEXTURES + 2 * len(CLASSES)
HIDDEN: Final = ((112, 56), (64, 32))
# Of the textures, those of the ink and of its variation: lines of text have a rhythm.
_RHYTHM: Final = slice(6, 9)


def boxed(values: Tensor, rows: int, columns: int) -> Tensor:
    """The mean over so many rows and columns on each side of each cell, cut at the edges."""
    if columns:
        values = functional.avg_pool2d(values, (1, 2 * columns + 1), 1, (0, columns), count_include_pad=False)
    if rows:
        values = functional.avg_pool2d(values, (2 * rows + 1, 1), 1, (rows, 0), count_include_pad=False)
    return values


def _line_filters(reach: int = 2, width: float = 1.0) -> Tensor:
    """Filters [4, 1, 5, 5] that answer to thin lines in four directions."""
    y, x = torch.meshgrid(torch.arange(-reach, reach + 1.0), torch.arange(-reach, reach + 1.0), indexing="ij")
    filters = []
    for number in range(4):
        angle = math.pi * number / 4
        across = x * math.cos(angle) + y * math.sin(angle)
        wave = (across**2 / width**2 - 1) * torch.exp(-(x**2 + y**2) / (2 * width**2))
        wave = wave - wave.mean()
        filters.append(wave / wave.abs().sum())
    return torch.stack(filters)[:, None]


class Texture(nn.Module):
    """Measures the texture of each cell; nothing in it is trained."""

    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", _line_filters())

    def forward(self, pages_B3HW: Tensor) -> Tensor:
        """RGB in -1..1 -> textures [B, T, R, N]: light, colour, ink, lines at three scales."""
        colour = (pages_B3HW + 1) / 2
        grey = colour.mean(1, keepdim=True)
        cell_colour = functional.avg_pool2d(colour, CELL)
        cell_grey = cell_colour.mean(1, keepdim=True)
        paper = cell_grey.mean((2, 3), keepdim=True)
        light = boxed(boxed(cell_grey, 6, 6), 3, 3)
        light_here = functional.interpolate(light, scale_factor=float(CELL), mode="nearest")
        ink = functional.avg_pool2d(torch.sigmoid((light_here * 0.85 - grey) * 20), CELL)
        dark = functional.avg_pool2d(torch.sigmoid((0.5 - grey) * 16), CELL)
        squares = functional.avg_pool2d(grey * grey, CELL)
        spread = (squares - cell_grey * cell_grey).clamp_min(1e-6).sqrt()
        fine = functional.avg_pool2d(functional.conv2d(grey, self.filters, padding=2).abs(), CELL)
        half = functional.avg_pool2d(grey, 2)
        coarse = functional.avg_pool2d(functional.conv2d(half, self.filters, padding=2).abs(), 2)
        coarse = functional.interpolate(coarse, size=cell_grey.shape[2:], mode="bilinear")
        wide = functional.conv2d(cell_grey, self.filters, padding=2).abs()
        saturation = cell_colour.amax(1, keepdim=True) - cell_colour.amin(1, keepdim=True)
        tint = cell_colour - cell_grey
        return torch.cat(
            [
                cell_grey, cell_grey - light, cell_grey / (paper + 0.1), saturation, tint[:, :1], tint[:, 2:],
                ink, dark, spread * 4, fine * 8, coarse * 8, wide * 8,
            ],
            1,
        )  # fmt: skip


def surroundings(textures: Tensor) -> Tensor:
    """Textures with those of the surroundings, how much they vary there, and their rhythm."""
    near = [boxed(textures, *reach) for reach in NEAR]
    parts = [textures, *near]
    apart = textures - near[1]
    parts += [boxed(apart * apart, reach, reach).clamp_min(1e-8).sqrt() for reach in (2, 6)]
    for along, across in (((0, 6), (3, 0)), ((6, 0), (0, 3))):
        lines = boxed(textures[:, _RHYTHM], *along)
        apart = lines - boxed(lines, *across)
        parts += [apart, boxed(apart * apart, 5, 5).clamp_min(1e-8).sqrt() * 4]
    parts.append(textures.mean((2, 3), keepdim=True).expand_as(textures))
    return torch.cat(parts, 1)


def opinions(chances: Tensor, textures: Tensor) -> Tensor:
    """The results of the first perceptron for each cell, its surroundings and the page, with its texture."""
    parts = [chances, textures, *(boxed(chances, *reach) for reach in AROUND)]
    parts.append(chances.amax((2, 3), keepdim=True).expand_as(chances))
    parts.append(chances.mean((2, 3), keepdim=True).expand_as(chances))
    return torch.cat(parts, 1)


class Perceptron(nn.Module):
    """A perceptron applied to each cell, over inputs of mean 0 and deviation 1."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, num_in: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_in, 1, 1))
        self.register_buffer("deviation", torch.ones(num_in, 1, 1))
        sizes = [num_in, *hidden]
        layers: list[nn.Module] = []
        for before, after in zip(sizes, hidden, strict=False):
            layers += [nn.Conv2d(before, after, 1), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(sizes[-1], len(CLASSES), 1))

    def forward(self, features: Tensor) -> Tensor:
        """Features [B, F, R, N] -> logits [B, C, R, N]."""
        out: Tensor = self.layers((features - self.mean) / self.deviation)
        return out


class PageNet(nn.Module):
    """Texture, its surroundings, and the two perceptrons: from the pixels of a page to its maps."""

    def __init__(self) -> None:
        super().__init__()
        self.texture = Texture()
        num_near = NUM_TEXTURES * (len(NEAR) + 4) + 12
        num_opinions = len(CLASSES) * (len(AROUND) + 3) + NUM_TEXTURES
        self.first = Perceptron(num_near, HIDDEN[0])
        self.second = Perceptron(num_opinions, HIDDEN[1])

    def forward(self, pages_B3HW: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities of the classes [B, C, R, N], and a summary of the page [B, 2T + 2C]."""
        textures = self.texture(pages_B3HW)
        chances = self.first(surroundings(textures)).softmax(1)
        chances = self.second(opinions(chances, textures)).softmax(1)
        return chances, summary(textures, chances)


def summary(textures: Tensor, chances: Tensor) -> Tensor:
    """The mean and the deviation of the textures, the mean and the highest chance of each class."""
    mean = textures.mean((2, 3), keepdim=True)
    spread = (textures - mean).square().mean((2, 3)).clamp_min(1e-8).sqrt()
    return torch.cat([mean[:, :, 0, 0], spread, chances.mean((2, 3)), chances.amax((2, 3))], 1)
