"""The pixels that Tesseract gets: grey, enlarged, its paper white.

Tesseract looks for one threshold between ink and paper per image. Where a part shows what a page lies on, its
letters are lost: they are nearer to its paper than to that.

Shapes: H, W of a part of a page; R, N rows and columns of blocks.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

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


def prepared(part_HWC: Pixels, scale: int) -> Pixels:
    """A part of a page for Tesseract.

    Args:
        part_HWC: RGB.
        scale: how many times wider and higher the result is.

    Returns:
        Grey, [scale * H, scale * W].
    """
    grey_HW = np.asarray(Image.fromarray(part_HWC).convert("L"), np.float32)
    height, width = grey_HW.shape
    paper_RN = _paper(grey_HW)
    level = float(np.percentile(paper_RN, 80))
    is_other_RN = paper_RN < _NO_PAPER * level
    # Next to what is not paper, shades become lighter rather than darker.
    paper = Image.fromarray(paper_RN.clip(_NO_PAPER * level, None).astype(np.float32))
    paper_HW = np.asarray(paper.resize((width, height), Image.Resampling.BILINEAR))
    other = Image.fromarray(is_other_RN.astype(np.uint8))
    is_other_HW = np.asarray(other.resize((width, height), Image.Resampling.NEAREST)) > 0
    shade_HW = (grey_HW / np.maximum(paper_HW, 1) - _BLACK) / (_WHITE - _BLACK)
    shade_HW[is_other_HW] = 1
    image = Image.fromarray((shade_HW.clip(0, 1) * 255).astype(np.uint8))
    return np.asarray(image.resize((width * scale, height * scale), Image.Resampling.BICUBIC))


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
