"""Measures by document: networks that are trained without a share of the documents look at those."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import torch

from iconoclip.page_layout.inputs import MAX_PIXELS, grey, model_input, page_pixels
from iconoclip.page_layout.regions import Answer
from iconoclip.page_layout.table import Measured
from training.pages.calibrate import HeldOut, fitted
from training.pages.network import PageNet
from training.pages.stored import Stored
from training.pages.truth import Page

# The reading is fitted so many times, each time without a share of the documents that were held out.
NUM_FITS: Final = 5


def folds_of(pages: Sequence[Page], num_folds: int) -> list[int]:
    """The fold of each page. Pages of a document share one; the documents of a group with the most marked
    zones are dealt first, so that the folds are alike."""
    documents: dict[str, list[Page]] = {}
    for page in pages:
        documents.setdefault(page.document, []).append(page)

    def order(document: str) -> tuple[str, int, str]:
        own = documents[document]
        digest = hashlib.sha256(document.encode()).hexdigest()
        return own[0].group, -sum(len(page.zones) > 1 for page in own), digest

    folds = {document: n % num_folds for n, document in enumerate(sorted(documents, key=order))}
    return [folds[page.document] for page in pages]


def looked_at(network: PageNet, page: Page) -> HeldOut:
    """What a network gives for a page."""
    decoded = page_pixels(page.read(), MAX_PIXELS)
    height, width = decoded.pixels_HWC.shape[:2]

    with torch.inference_mode():
        maps, edges, kinds = network(torch.from_numpy(model_input(decoded.pixels_HWC)))
    wanted = [(zone.kind, page.shares(zone)) for zone in page.zones]
    return HeldOut(
        Answer(maps[0].numpy(), edges[0].numpy(), kinds[0].numpy()),
        (width, height),
        decoded.place,
        wanted,
        page.kind,
        grey(decoded.pixels_HWC),
    )


def held_out(
    pages: Sequence[Stored], folds: Sequence[int | None], train: Callable[[Sequence[Stored]], PageNet]
) -> tuple[list[Page], list[HeldOut], PageNet]:
    """The results of networks on pages that they were not trained on.

    Args:
        pages: marked pages.
        folds: the number of the network that is measured on each page; None for pages that measure none.
        train: makes a network of pages.

    Returns:
        The pages that were held out, what the networks give for them, and the last network.
    """
    shown, results = [], []
    for fold in sorted({fold for fold in folds if fold is not None}):
        network = train([one for one, own in zip(pages, folds, strict=True) if own != fold])
        for one, own in zip(pages, folds, strict=True):
            if own == fold:
                shown.append(one.page)
                results.append(looked_at(network, one.page))
    return shown, results, network


def measured(pages: Sequence[Page], results: Sequence[HeldOut]) -> list[Measured]:
    """What is found on each page, read with numbers that were fitted on other documents."""
    num_folds = min(NUM_FITS, len({page.document for page in pages}))
    folds = np.array(folds_of(pages, num_folds))
    rows = []
    for fold in range(num_folds):
        reading = fitted([one for one, own in zip(results, folds, strict=True) if own != fold])
        for page, one, own in zip(pages, results, folds, strict=True):
            if own == fold:
                finding = one.read(reading)
                rows.append(
                    Measured(page.group, str(page.path), one.wanted, page.kind, finding, page.document)
                )
    return rows
