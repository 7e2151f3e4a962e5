"""The network: a pyramid of convolutions whose maps say what each cell of a page is, and what the page is.

Shapes: B pages, H and W of the input (multiples of 32), C classes of the maps, K kinds of pages.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from iconoclip.page_layout.inputs import CELL
from iconoclip.page_layout.kinds import CLASSES, PAGE_KINDS

WIDTHS: Final = (24, 40, 64, 96)
DEPTHS: Final = (0, 1, 2, 2)
NECK: Final = 32
KIND_GRADIENT: Final = 0.1


def _convolved(num_in: int, num_out: int, stride: int = 1, size: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(num_in, num_out, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(num_out),
        nn.ReLU(inplace=True),
    )


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = _convolved(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Add one convolution to its input."""
        out: Tensor = x + self.inner(x)
        return out


class PageNet(nn.Module):
    """About 0.7 million parameters, 0.35 billion multiplications for a page of 448x320 pixels.

    The first convolution goes down to a quarter at once: on a processor the layers at full and at half size
    would cost as much as all others.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = _convolved(3, WIDTHS[0], CELL, 7)
        self.stages = nn.ModuleList(
            nn.Sequential(
                _convolved(WIDTHS[level - 1], WIDTHS[level], 2),
                *(_Residual(WIDTHS[level]) for _ in range(DEPTHS[level])),
            )
            for level in range(1, len(WIDTHS))
        )
        self.lateral = nn.ModuleList(nn.Conv2d(width, NECK, 1) for width in WIDTHS)
        self.smooth = nn.ModuleList(_convolved(NECK, NECK) for _ in WIDTHS[1:])
        self.around = nn.Linear(WIDTHS[-1], WIDTHS[-1])
        self.cells = nn.Conv2d(NECK, len(CLASSES), 1)
        self.kind = nn.Linear(2 * WIDTHS[-1], len(PAGE_KINDS))

    def forward(self, pages_B3HW: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the classes [B, C, H/4, W/4] and of the kinds of page [B, K]."""
        levels = [self.stem(pages_B3HW)]
        for stage in self.stages:
            levels.append(stage(levels[-1]))
        mean = levels[-1].mean((2, 3))
        levels[-1] = levels[-1] + self.around(mean)[:, :, None, None]
        pooled = torch.cat([mean, levels[-1].amax((2, 3))], 1)
        # At full strength the gradients of the few kinds drown those of the maps.
        kinds_BK = self.kind(KIND_GRADIENT * pooled + (1 - KIND_GRADIENT) * pooled.detach())
        x = self.lateral[-1](levels[-1])
        for level in range(len(levels) - 2, -1, -1):
            x = functional.interpolate(x, size=levels[level].shape[2:], mode="nearest")
            x = self.smooth[level](self.lateral[level](levels[level]) + x)
        return self.cells(x), kinds_BK


class Exported(nn.Module):
    """The network as it is shipped: probabilities instead of logits for the maps, logits for the page."""

    def __init__(self, network: PageNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, pages_B3HW: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities of the classes [B, C, H/4, W/4], logits of the kinds [B, K]."""
        cells, kinds = self.network(pages_B3HW)
        return cells.softmax(1), kinds
