"""Training samples of parts of pages, at about the scale at which pages are read.

In the time of a whole page the network sees four of them. A sample is a function of its number and the seed
alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from torch.utils.data import Dataset

from iconoclip.page_layout.inputs import INPUT_SIDE
from training.pages.composing import Cut, Draft, can_be_cut, darken_edges
from training.pages.fillers import are_fillers, fill_lines
from training.pages.samples import (
    BATCH,
    DARK_EDGES,
    FILLED,
    SMALL_CANVAS,
    Numbered,
    Placing,
    Sample,
    Samples,
    chances,
    coloured,
    decorate,
    placed,
)
from training.pages.stored import Stored, Thing

# So many samples show something small, if there is any; the others show any part of a page.
AROUND_THINGS: Final = 0.75
# What is small: its longer side, as a share of the longer side of its page.
SMALL: Final = 0.25
# Natural logarithm of how much the scale varies, and how far from the middle what is looked at lies, in sides
# of the canvas.
SCALES, ASIDE = 0.18, 0.35


class PartSamples(Numbered):
    """Parts of pages, most often with something small.

    Args:
        pages: what samples are made of.
        num_samples: how many there are.
        seed: another seed gives other samples.
    """

    def __init__(self, pages: Sequence[Stored], num_samples: int, seed: int = 0) -> None:
        super().__init__(num_samples, seed)
        self._pages, self._chances = pages, chances(pages)
        things = [Cut(page, thing) for page in pages for thing in page.things if can_be_cut(thing)]
        self._fillers = are_fillers(things)

    def made(self, number: int) -> Sample:
        """A part of a page, most often with something small."""
        is_upright = np.random.default_rng((self._seed, 2, number // BATCH)).random() < 0.5
        canvas = SMALL_CANVAS if is_upright else SMALL_CANVAS[::-1]
        random = np.random.default_rng((self._seed, 3, number))
        page = self._pages[random.choice(len(self._pages), p=self._chances)]
        draft = Draft.of(page)
        if random.random() < FILLED and draft.kind in ("text", "mixed"):
            fill_lines(draft, self._fillers, random)
        decorate(draft, random)
        if random.random() < DARK_EDGES:
            darken_edges(draft, random)
        sample = placed(draft, _showing_a_part(draft, canvas, random), canvas, random)
        return sample._replace(pixels=coloured(sample.pixels, random) * 2 - 1)


def _showing_a_part(draft: Draft, canvas: tuple[int, int], random: np.random.Generator) -> Placing:
    """How a page lies on a canvas that shows a small thing of it, or any part, at about the input's scale."""
    height, width = draft.marks.shape
    scale = INPUT_SIDE / max(height, width) * float(np.exp(random.normal(0, SCALES)))
    small = [one for one in draft.things if _side(one) <= SMALL * max(height, width)]
    if small and random.random() < AROUND_THINGS:
        thing = small[random.integers(len(small))]
        x, y = (thing.left + thing.right) / 2, (thing.top + thing.bottom) / 2
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


class WithParts(Dataset[Sample]):
    """Batches of whole pages and of parts of them in turn."""

    def __init__(self, whole: Samples, parts: PartSamples) -> None:
        self._kinds = (whole, parts)

    def __len__(self) -> int:
        return min(len(one) for one in self._kinds)

    def __getitem__(self, number: int) -> Sample:
        """A sample; those of a batch are of one kind."""
        return self._kinds[number // BATCH % 2][number]
