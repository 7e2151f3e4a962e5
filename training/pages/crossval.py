"""Measures by document: networks that are trained without a share of the documents look at those."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch

from iconoclip.page_layout.inputs import grey, model_input, page_pixels
from iconoclip.page_layout.table import Measured
from training.pages.calibrate import HeldOut, fitted
from training.pages.fit import fit
from training.pages.network import PageNet
from training.pages.samples import MAX_PIXELS, Stored
from training.pages.truth import Page


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
    """The maps and the summary that a network gives for a page."""
    decoded = page_pixels(page.read(), MAX_PIXELS)
    height, width = decoded.pixels_HWC.shape[:2]
    with torch.inference_mode():
        maps, summary = network(torch.from_numpy(model_input(decoded.pixels_HWC)))
    wanted = [(zone.kind, page.shares(zone)) for zone in page.zones]
    read = maps[0].numpy(), summary[0].numpy(), (width, height), decoded.place
    return HeldOut(*read, wanted, page.kind, grey(decoded.pixels_HWC))


def held_out(pages: Sequence[Stored], num_folds: int, num_samples: int) -> list[HeldOut]:
    """The results of networks on pages that they were not trained on, in the order of the pages."""
    folds = folds_of([one.page for one in pages], num_folds)
    results: dict[int, HeldOut] = {}
    for fold in range(num_folds):
        network = fit([one for one, own in zip(pages, folds, strict=True) if own != fold], num_samples)
        for n, one in enumerate(pages):
            if folds[n] == fold:
                results[n] = looked_at(network, one.page)
    return [results[n] for n in range(len(pages))]


def measured(pages: Sequence[Page], results: Sequence[HeldOut], num_folds: int) -> list[Measured]:
    """What is found on each page, read with numbers that were fitted without its fold."""
    folds = np.array(folds_of(pages, num_folds))
    rows = []
    for fold in range(num_folds):
        reading = fitted([one for one, own in zip(results, folds, strict=True) if own != fold])
        for page, one, own in zip(pages, results, folds, strict=True):
            if own == fold:
                finding = reading.read(one.maps_CHW, one.summary_S, one.size, one.place, one.grey_HW)
                rows.append(
                    Measured(page.group, str(page.path), one.wanted, page.kind, finding, page.document)
                )
    return rows
