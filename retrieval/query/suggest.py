"""Iconclass notations for an image: zero-shot over a branch, for cataloguers to choose from.

Shapes: L labels, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from iconoclip.errors import BadInput
from retrieval import iconography
from retrieval.answers import NotationSuggestion

MAX_NOTATIONS, MAX_IN_USE = 500, 100


class Texts(Protocol):
    """The text side of a model."""

    def texts(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Unit vectors [len(texts), D]."""
        ...


def suggest(
    image_D: npt.NDArray[np.float32],
    branch: str,
    *,
    model: Texts,
    likelihood: Callable[[npt.NDArray[np.float32]], float],
    in_use: Sequence[str] = (),
    language: str,
    k: int,
) -> tuple[NotationSuggestion, ...]:
    """The k likeliest notations of a branch for an image, each with its score.

    Each notation is scored separately, as a search for its words would score the image. A softmax over the
    branch would always add up to 1, even if nothing of the branch is visible.

    Args:
        image_D: the image's unit vector.
        branch: an Iconclass notation.
        model: encodes the words of notations.
        likelihood: the probability that the image matches a text, given the text's vector.
        in_use: notations of the branch that items here have, including those with free names.
        language: the language of the words.
        k: the largest number of notations.

    Raises:
        BadInput: Iconclass has no such branch.
    """
    notations = iconography.below(branch.replace(" ", ""), MAX_NOTATIONS)
    if not notations:
        raise BadInput(f"Iconclass has no branch '{branch}'", where="branch", remedy="e.g. 25F or 46A122")
    notations = tuple(dict.fromkeys([*notations, *in_use[:MAX_IN_USE]]))
    labels = [iconography.shown(notation, language) for notation in notations]
    texts_LD = model.texts(labels)
    scores, cosines = [likelihood(text_D) for text_D in texts_LD], texts_LD @ image_D
    best = sorted(range(len(labels)), key=lambda n: (-scores[n], -float(cosines[n])))[:k]
    return tuple(
        NotationSuggestion(notation=notations[n], label=labels[n], score=round(scores[n], 4)) for n in best
    )
