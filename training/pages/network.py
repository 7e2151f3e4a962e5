"""The network: a small U-Net over the pixels of a page.

The first layer reads patches of 6 x 6 pixels, four pixels apart, so that a page at full scale costs little
more than one at half of it. An encoder of residual blocks (He et al., CVPR 2016) halves the page four more
times; a decoder adds what it found at each scale (feature pyramid: Lin et al., CVPR 2017). Each cell of eight
pixels says what it is part of, and how far the edges of that thing are (as in FCOS: Tian et al., ICCV 2019);
its four cells of four pixels add what differs between them. The coarsest features say of what kind the page
is.

Shapes: B pages, H and W of the input (multiples of STEP), R, N rows and columns of cells, C classes, K kinds
of pages, F features.
"""

from __future__ import annotations

import copy
import math
from typing import Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from iconoclip.page_layout.inputs import CELL
from iconoclip.page_layout.kinds import CLASSES, PAGE_KINDS

# Channels at a quarter, an eighth, ... of the page's size; those of the decoder at a thirty-second and a
# sixteenth, at an eighth, and at a quarter.
WIDTHS: Final = (24, 24, 48, 96, 144)
NUM_BLOCKS: Final = (1, 1, 2, 2)
DECODER: Final = (48, 32, 24)
# Distances to the edges of a picture are given in cells, as logarithms within these bounds.
LOG_BOUNDS: Final = (-3.0, 6.2)
# The first layer reads patches of this side, and its stride is a cell.
PATCH: Final = 6


def _normed(num_in: int, num_out: int, side: int, stride: int = 1) -> nn.Sequential:
    """A convolution without a bias, and its batch normalisation."""
    layer = nn.Conv2d(num_in, num_out, side, stride, (side - 1) // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(num_out))


class Block(nn.Module):
    """A residual block of two 3 x 3 convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _normed(width, width, 3)
        self.second = _normed(width, width, 3)

    def forward(self, values: Tensor) -> Tensor:
        """Features [B, F, R, N] -> the same shape."""
        return functional.relu(values + self.second(functional.relu(self.first(values))))


class Stage(nn.Module):
    """Halves the resolution, then runs some blocks."""

    def __init__(self, num_in: int, width: int, num_blocks: int) -> None:
        super().__init__()
        self.down = _normed(num_in, width, 3, 2)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(num_blocks)))

    def forward(self, values: Tensor) -> Tensor:
        """Features [B, F, R, N] -> [B, width, R / 2, N / 2]."""
        out: Tensor = self.blocks(functional.relu(self.down(values)))
        return out


class SmallThings(nn.Module):
    """A second decoder for things of a few cells: ornaments, initials and stamps.

    What it gives is added to the logits of these classes, and to the edges. Before anything is learned, it
    adds nothing.
    """

    CLASSES: Final = tuple(CLASSES.index(name) for name in ("ornament", "initial", "stamp"))
    WIDTH: Final = 32

    def __init__(self) -> None:
        super().__init__()
        quarter, eighth = WIDTHS[:2]
        self.from_decoder = _normed(DECODER[1], self.WIDTH, 1)
        self.at_eighth = _normed(eighth, self.WIDTH, 3)
        self.blocks = nn.Sequential(Block(self.WIDTH), Block(self.WIDTH))
        self.to_quarter = _normed(self.WIDTH, DECODER[2], 1)
        self.at_quarter = _normed(quarter, DECODER[2], 3)
        self.mixed_quarter = _normed(DECODER[2], DECODER[2], 3)
        self.last = nn.Conv2d(DECODER[2], len(self.CLASSES) + 4, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(cast(Tensor, self.last.bias))

    def forward(self, cells: Tensor, decoded: Tensor, eighth: Tensor, quarter: Tensor) -> Tensor:
        """Logits of classes and of edges [B, C + 4, R, N], the decoder's features and the encoder's at an
        eighth and at a quarter -> the logits with what is seen of small things."""
        values = self.blocks(functional.relu(self.from_decoder(decoded) + self.at_eighth(eighth)))
        fine = functional.relu(_enlarged(self.to_quarter(values), quarter) + self.at_quarter(quarter))
        found = self.last(functional.relu(self.mixed_quarter(fine)))
        parts = list(cells.split(1, 1))  # type: ignore[no-untyped-call]
        added = (*self.CLASSES, *range(len(CLASSES), len(parts)))
        for place, more in zip(added, found.split(1, 1), strict=True):
            parts[place] = parts[place] + more
        return torch.cat(parts, 1)


class PageNet(nn.Module):
    """From the pixels of a page to its maps, its edges and its kind."""

    NUM_HIDDEN: Final = 64

    def __init__(self) -> None:
        super().__init__()
        self.stem = _normed(3, WIDTHS[0], PATCH, CELL)
        self.stages = nn.ModuleList(
            Stage(before, width, count)
            for before, width, count in zip(WIDTHS, WIDTHS[1:], NUM_BLOCKS, strict=False)
        )
        quarter, eighth, sixteenth, thirty_second, last = WIDTHS
        self.from_page = nn.Linear(last, last)
        self.to_thirty_second = _normed(last, DECODER[0], 1)
        self.at_thirty_second = _normed(thirty_second, DECODER[0], 1)
        self.mixed_thirty_second = _normed(DECODER[0], DECODER[0], 3)
        self.at_sixteenth = _normed(sixteenth, DECODER[0], 1)
        self.mixed_sixteenth = _normed(DECODER[0], DECODER[0], 3)
        self.to_eighth = _normed(DECODER[0], DECODER[1], 1)
        self.at_eighth = _normed(eighth, DECODER[1], 1)
        self.mixed_eighth = _normed(DECODER[1], DECODER[1], 3)
        self.classes = nn.Conv2d(DECODER[1], len(CLASSES), 1)
        last_layer = nn.Conv2d(DECODER[1], 4, 1)
        # Before anything is learned, edges are ten cells away.
        nn.init.constant_(cast(Tensor, last_layer.bias), math.log(10))
        self.edges = nn.Sequential(_normed(DECODER[1], DECODER[1], 3), nn.ReLU(), last_layer)
        self.to_quarter = _normed(DECODER[1], DECODER[2], 1)
        self.at_quarter = _normed(quarter, DECODER[2], 1)
        self.mixed_quarter = _normed(DECODER[2], DECODER[2], 3)
        # Before anything is learned, the cells within a coarse one say the same.
        self.finer = nn.Conv2d(DECODER[2], len(CLASSES) + 4, 1)
        nn.init.zeros_(self.finer.weight)
        nn.init.zeros_(cast(Tensor, self.finer.bias))
        self.small_things = SmallThings()
        self.kinds = nn.Sequential(
            nn.Linear(2 * last + 2 * len(CLASSES), self.NUM_HIDDEN),
            nn.ReLU(),
            nn.Linear(self.NUM_HIDDEN, len(PAGE_KINDS)),
        )

    def logits(self, pages_B3HW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the classes [B, C, R, N], logarithms of the distances to the left, upper, right and lower
        edge in cells [B, 4, R, N], logits of the kinds of pages [B, K]."""
        classes, edges, seen = self._seen(pages_B3HW)
        return classes, edges, self.kinds(seen)

    def page_features(self, pages_B3HW: Tensor) -> Tensor:
        """What tells the kinds of pages [B, F]: means and maxima of coarse features and of classes."""
        return self._seen(pages_B3HW)[2]

    def _seen(self, pages_B3HW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        quarter = functional.relu(self.stem(pages_B3HW))
        values, scales = quarter, []
        for stage in self.stages:
            values = stage(values)
            scales.append(values)
        eighth, sixteenth, thirty_second, last = scales
        page = last.mean((2, 3))
        last = last + self.from_page(page)[:, :, None, None]
        up = _enlarged(self.to_thirty_second(last), thirty_second)
        up = functional.relu(
            self.mixed_thirty_second(functional.relu(up + self.at_thirty_second(thirty_second)))
        )
        up = _enlarged(up, sixteenth)
        up = functional.relu(self.mixed_sixteenth(functional.relu(up + self.at_sixteenth(sixteenth))))
        up = _enlarged(self.to_eighth(up), eighth)
        up = functional.relu(self.mixed_eighth(functional.relu(up + self.at_eighth(eighth))))
        coarse = torch.cat([self.classes(up), self.edges(up) + math.log(2)], 1)
        chances = coarse[:, : len(CLASSES)].detach().softmax(1)
        seen = [page, last.amax((2, 3)), chances.mean((2, 3)), chances.amax((2, 3))]
        # Cells of four pixels.
        fine = functional.relu(_enlarged(self.to_quarter(up), quarter) + self.at_quarter(quarter))
        fine = functional.relu(self.mixed_quarter(fine))
        cells = _enlarged(coarse, quarter) + self.finer(fine)
        cells = self.small_things(cells, up, eighth, quarter)
        edges = cells[:, len(CLASSES) :].clamp(*LOG_BOUNDS)
        return cells[:, : len(CLASSES)], edges, torch.cat(seen, 1)

    def forward(self, pages_B3HW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Probabilities of the classes [B, C, R, N], distances to the edges in cells [B, 4, R, N], logits of
        the kinds of pages [B, K].

        Pages are RGB in -1 to 1.
        """
        classes, edges, kinds = self.logits(pages_B3HW)
        return classes.softmax(1), edges.exp(), kinds


def fused(network: PageNet) -> PageNet:
    """A copy of a network whose batch normalisations are part of its convolutions.

    It gives the same. Its weights are those of the ONNX file. Training it further leaves the normalisation as
    it is, which a few pages could not measure anyway.
    """
    copied = copy.deepcopy(network).eval()
    for module in list(copied.modules()):
        if not isinstance(module, nn.Sequential) or len(module) != 2:
            continue
        layer, norm = module
        if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            module[0], module[1] = fuse_conv_bn_eval(layer, norm), nn.Identity()
    return copied


def _enlarged(values: Tensor, like: Tensor) -> Tensor:
    """Features at the resolution of others."""
    return functional.interpolate(values, size=like.shape[2:], mode="bilinear", align_corners=False)
