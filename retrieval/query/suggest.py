"""Iconclass notations for an image: zero-shot over a branch, for cataloguers to choose from."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from iconoclip.errors import BadInput
from retrieval import iconography
from retrieval.answers import NotationSuggestion

MAX_NOTATIONS = 500
# CLIP's own ceiling on its logit scale (Radford et al. 2021): differences of cosine become a distribution.
LOGIT_SCALE = 100.0


class Texts(Protocol):
    """The text side of a model."""

    def texts(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Unit vectors [len(texts), D]."""
        ...


def suggest(
    image_D: npt.NDArray[np.float32], branch: str, *, model: Texts, language: str, k: int
) -> tuple[NotationSuggestion, ...]:
    """The k likeliest notations of a branch for an image, with the share of the branch's probability each has.

    Raises:
        BadInput: Iconclass has no such branch.
    """
    notations = iconography.below(branch.replace(" ", ""), MAX_NOTATIONS)
    if not notations:
        raise BadInput(f"Iconclass has no branch '{branch}'", where="branch", remedy="e.g. 25F or 46A122")
    labels = [iconography.label(notation, language) for notation in notations]
    logits = LOGIT_SCALE * (model.texts(labels) @ image_D)
    shares = np.exp(logits - logits.max())
    shares /= shares.sum()
    order = np.argsort(-shares, kind="stable")[:k]
    return tuple(
        NotationSuggestion(notation=notations[n], label=labels[n], score=round(float(shares[n]), 6))
        for n in order
    )
