"""The pixels that Tesseract gets: grey, enlarged, its paper white.

Tesseract looks for one threshold between ink and paper per image. Where a part shows what a page lies on, its
letters are lost: they are nearer to its paper than to that.

Shapes: H, W of a part of a page; R, N rows and columns of blocks.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from iconoclip import pictures

Pixels = npt.NDArray[np.uint8]
"""Shape (H, W, 3), RGB."""

# The side of a block in which some paper is seen between letters, in pixels of a page at 1,100 pixels.
_BLOCK: Final = 12
# The paper of a block: this share of its pixels are darker.
_PAPER: Final = 85
# What is darker than this share of the paper of the part is not paper: a cover, a mount, a table.
_NO_PAPER: Final = 0.5
# Shades, as shares of that of the paper, that become black and white; what shines through becomes white.
_BLACK, _WHITE = 0.15, 0.9
# Of red, green and blue (ITU-R BT.601).
_LUMINANCE: Final = (0.299, 0.587, 0.114)


def prepared(part_HWC: Pixels, scale: int) -> Pixels:
    """A part of a page for Tesseract.

    Args:
        part_HWC: RGB.
        scale: how many times wider and higher the result is.

    Returns:
        Grey, [scale * H, scale * W].
    """
    grey_HW = (part_HWC @ np.array(_LUMINANCE)).astype(np.float32)
    height, width = grey_HW.shape
    paper_RN = _paper(grey_HW)
    level = float(np.percentile(paper_RN, 80))
    is_other_HW = (paper_RN < _NO_PAPER * level).repeat(_BLOCK, 0).repeat(_BLOCK, 1)[:height, :width]
    # Next to what is not paper, shades become lighter rather than darker.
    paper_HW = _smooth(paper_RN.clip(_NO_PAPER * level, None), height, width)
    shade_HW = (grey_HW / np.maximum(paper_HW, 1) - _BLACK) / (_WHITE - _BLACK)
    shade_HW[is_other_HW] = 1
    return pictures.enlarged_grey((shade_HW.clip(0, 1) * 255).astype(np.uint8), scale)


def _smooth(paper_RN: npt.NDArray[np.float32], height: int, width: int) -> npt.NDArray[np.float32]:
    """The shade of the paper at each pixel, between the middles of the blocks."""
    for axis, length in ((0, height), (1, width)):
        at = ((np.arange(length) + 0.5) / _BLOCK - 0.5).clip(0, paper_RN.shape[axis] - 1)
        first = at.astype(int)
        share = (at - first).reshape(-1, 1) if axis == 0 else at - first
        last = np.minimum(first + 1, paper_RN.shape[axis] - 1)
        paper_RN = paper_RN.take(first, axis) * (1 - share) + paper_RN.take(last, axis) * share
    return paper_RN


def _paper(grey_HW: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The shade of the paper around each block, [R, N]: the third lightest of it and its neighbours, because
    a block may be within a large letter, and one may be lighter than all paper."""
    height, width = grey_HW.shape
    rows, columns = -(-height // _BLOCK), -(-width // _BLOCK)
    whole = np.pad(grey_HW, ((0, rows * _BLOCK - height), (0, columns * _BLOCK - width)), mode="edge")
    blocks = np.percentile(whole.reshape(rows, _BLOCK, columns, _BLOCK), _PAPER, axis=(1, 3))
    around = np.pad(blocks, 1, mode="edge")
    near = [around[y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    return np.asarray(np.sort(near, axis=0)[-3], np.float32)
