"""The appearance of an image in a few bytes: its perceptual hash, and the mean colours of its quarters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from PIL import Image

from iconoclip.pictures import REDUCING_GAP

# Rows 0-7 of the 32-point DCT-II, the only ones that the hash uses.
_SIDE, _LOW = 32, 8
_DCT: Final = np.cos(np.pi / _SIDE * np.outer(np.arange(_LOW), np.arange(_SIDE) + 0.5))


@dataclass(frozen=True)
class Averaged:
    """An image averaged to about three times the grid of the hash, which is enough for hash and colours."""

    pixels: Image.Image
    box: tuple[float, float, float, float]
    """Left, top, right and bottom of the image in `pixels`; its last row and column may be partly covered."""

    @classmethod
    def of(cls, image: Image.Image) -> Self:
        """Average an image for the hash and the colours."""
        across, down = (max(1, int(side / _SIDE / REDUCING_GAP)) for side in image.size)
        pixels = image.reduce((across, down)) if max(across, down) > 1 else image
        return cls(pixels, (0.0, 0.0, image.width / across, image.height / down))

    @property
    def phash(self) -> str:
        """The 64-bit perceptual hash, 16 hexadecimal digits: `imagehash.phash` within a few bits.

        Computed here because importing scipy for one 8x8 product would cost each process that decodes a third
        of a second.
        """
        small = self.pixels.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS, self.box)
        low = _DCT @ np.asarray(small, dtype=np.float64) @ _DCT.T
        bits = (low > np.median(low)).flatten()
        return f"{int(''.join('1' if bit else '0' for bit in bits), 2):016x}"

    @property
    def quarters(self) -> tuple[int, ...]:
        """Mean RGB of the four quarters, left to right, top to bottom: 12 values of 0-255."""
        return tuple(self.pixels.resize((2, 2), Image.Resampling.BOX, self.box).convert("RGB").tobytes())
