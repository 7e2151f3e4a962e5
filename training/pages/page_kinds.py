"""Fits the last layers of a network, which tell the kind of a page, when everything before them is trained.

While the maps are trained, the kind has a small share of the loss, and the network sees each kind of page in
a few hundred samples. Fitted to whole pages, the same layers make a tenth of the mistakes on drawn
books that they have not seen.

Shapes: N pages, F features, K kinds of pages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from iconoclip.page_layout.inputs import MAX_PIXELS, model_input, page_pixels
from iconoclip.page_layout.kinds import PAGE_KINDS
from iconoclip.progress import progress
from training.pages.network import PageNet
from training.pages.truth import Page

NUM_ROUNDS, BATCH, RATE = 200, 256, 3e-3
# There are many features for the pages of a rare kind.
WEIGHT_DECAY, DROPOUT, LABEL_SMOOTHING = 1e-2, 0.3, 0.05
LEAST_DEVIATION: Final = 1e-3
LEAST_PAGES: Final = 20


def fit_kinds(network: PageNet, pages: Sequence[Page], seed: int = 0) -> None:
    """Replace the layers of a network that tell the kind of a page by layers that are fitted to whole pages.

    Pages without a kind are left out. With fewer than `LEAST_PAGES` of any kind, as a curator's corrected
    pages have, the layers stay: they would forget that kind.
    """
    known = [page for page in pages if page.kind in PAGE_KINDS]
    counts = Counter(page.kind for page in known)
    if any(counts[kind] < LEAST_PAGES for kind in PAGE_KINDS):
        return
    features_NF = _seen(network, known)
    kinds_N = torch.tensor([PAGE_KINDS.index(str(page.kind)) for page in known])
    mean_F, deviation_F = features_NF.mean(0), features_NF.std(0, correction=0) + LEAST_DEVIATION
    layers = _fitted((features_NF - mean_F) / deviation_F, kinds_N, seed)
    first, _, last = layers
    with torch.no_grad():
        # The network's features are not standardised, so the first layer does that.
        first.weight.div_(deviation_F)
        first.bias.sub_(first.weight @ mean_F)
        network.kinds[0].load_state_dict(first.state_dict())
        network.kinds[2].load_state_dict(last.state_dict())


def _seen(network: PageNet, pages: Sequence[Page]) -> Tensor:
    """What the layers are given for each page [N, F]."""
    network = network.eval()
    found = []
    with progress("pages", total=len(pages), unit="pages") as meter, torch.inference_mode():
        for page in pages:
            pixels = page_pixels(page.read(), MAX_PIXELS).pixels_HWC
            found.append(network.page_features(torch.from_numpy(model_input(pixels))))
            meter.advance()
    return torch.cat(found).clone()


def _fitted(inputs_NF: Tensor, kinds_N: Tensor, seed: int) -> tuple[nn.Linear, nn.Module, nn.Linear]:
    """A layer, its activation, and the layer of the kinds, as in `PageNet.kinds`."""
    torch.manual_seed(seed)
    hidden = PageNet.NUM_HIDDEN
    first, last = nn.Linear(inputs_NF.shape[1], hidden), nn.Linear(hidden, len(PAGE_KINDS))
    layers = nn.Sequential(first, nn.ReLU(), nn.Dropout(DROPOUT), last).train()
    optimizer = torch.optim.AdamW(layers.parameters(), RATE, weight_decay=WEIGHT_DECAY)
    for _ in range(NUM_ROUNDS):
        for own in torch.split(torch.randperm(len(inputs_NF)), BATCH):
            loss = functional.cross_entropy(
                layers(inputs_NF[own]), kinds_N[own], label_smoothing=LABEL_SMOOTHING
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return first, layers[1], last
