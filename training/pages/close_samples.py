"""Training samples at the scale at which small things are looked at again (iconoclip.page_layout.closer).

A sample is a part of a page, most often around something small. Pages are decoded for each sample, because
all of them at that scale would fill the memory. A sample is a function of its number and the seed alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from torch.utils.data import Dataset

from iconoclip.page_layout.closer import CLOSER_SIDE, MAX_SIDE
from iconoclip.page_layout.inputs import INPUT_SIDE
from training.pages.composing import Draft
from training.pages.samples import (
    BATCH,
    SMALL_CANVAS,
    Numbered,
    Placing,
    Sample,
    Samples,
    chances,
    coloured,
    placed,
)
from training.pages.stored import Stored, Thing, stored

STORED_SIDE: Final = 1280
# So many samples show something small, if there is any; the others show any part of a page.
AROUND_THINGS: Final = 0.75
# Natural logarithm of how much the scale varies, and how far from the middle what is looked at lies, in sides
# of the canvas.
SCALES, ASIDE = 0.22, 0.3
# A thing is made smaller to fill no more than this of the canvas, in pixels.
LARGEST: Final = 150


class CloseSamples(Numbered):
    """Parts of pages, most often around something small.

    Args:
        pages: what samples are made of; their files are read again.
        num_samples: how many there are.
        seed: another seed gives other samples.
    """

    def __init__(self, pages: Sequence[Stored], num_samples: int, seed: int = 0) -> None:
        super().__init__(num_samples, seed)
        self._pages, self._chances = [one.page for one in pages], chances(pages)

    def made(self, number: int) -> Sample:
        """A part of a page, most often around something small."""
        is_upright = np.random.default_rng((self._seed, 2, number // BATCH)).random() < 0.5
        canvas = SMALL_CANVAS if is_upright else SMALL_CANVAS[::-1]
        random = np.random.default_rng((self._seed, 3, number))
        page = stored(self._pages[random.choice(len(self._pages), p=self._chances)], STORED_SIDE)
        sample = placed(Draft.of(page), _looking_closely(page, canvas, random), canvas, random)
        return sample._replace(pixels=coloured(sample.pixels, random) * 2 - 1)


def _looking_closely(page: Stored, canvas: tuple[int, int], random: np.random.Generator) -> Placing:
    """How a page lies on a canvas that shows a small thing, or any part of it, at about CLOSER_SIDE."""
    height, width = page.marks.shape
    scale = CLOSER_SIDE / max(height, width) * float(np.exp(random.normal(0, SCALES)))
    largest = MAX_SIDE * max(height, width) / INPUT_SIDE
    small = [one for one in page.things if _side(one) <= largest]
    if small and random.random() < AROUND_THINGS:
        thing = small[random.integers(len(small))]
        x, y = (thing.left + thing.right) / 2, (thing.top + thing.bottom) / 2
        scale = min(scale, LARGEST / _side(thing))
    else:
        x, y = random.uniform(0, width), random.uniform(0, height)
    angle, flip = math.radians(float(random.normal(0, 1.0))), -1.0 if random.random() < 0.5 else 1.0
    across, down = (x - width / 2) * scale * flip, (y - height / 2) * scale
    cosine, sine = math.cos(angle), math.sin(angle)
    return Placing(
        scale,
        angle,
        flip,
        random.uniform(-ASIDE, ASIDE) * canvas[1] - (cosine * across - sine * down),
        random.uniform(-ASIDE, ASIDE) * canvas[0] - (sine * across + cosine * down),
    )


def _side(thing: Thing) -> float:
    return max(thing.right - thing.left, thing.bottom - thing.top)


class WithCloseSamples(Dataset[Sample]):
    """Batches of whole pages and of parts of them in turn."""

    def __init__(self, whole: Samples, close: CloseSamples) -> None:
        self._kinds = (whole, close)

    def __len__(self) -> int:
        return min(len(one) for one in self._kinds)

    def __getitem__(self, number: int) -> Sample:
        """A sample; those of a batch are of one kind."""
        return self._kinds[number // BATCH % 2][number]
