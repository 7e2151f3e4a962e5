"""The fields of hard negatives: captions of similar pictures as further texts of each step."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from iconoclip.config import Config


class HardNegativesConfig(Config):
    """Captions of similar pictures, as further wrong answers of each step."""

    stores: list[Path] = Field(
        default_factory=list,
        description="embedding stores of the training pictures, which `iconoclip encode` writes: their "
        "nearest neighbours give hard negatives; none if not given",
    )
    captions: int = Field(
        1, ge=1, le=16, description="neighbours of each sample whose caption is added to the texts of a step"
    )
    neighbours: int = Field(
        16, ge=1, le=256, description="nearest neighbours of each sample that a step draws from"
    )
    max_similarity: float = Field(
        0.95,
        gt=0,
        le=1,
        description="pictures more similar than this (cosine) count as copies, and are left out",
    )
    max_candidates: int = Field(
        1_000_000,
        ge=1,
        description="samples among which neighbours are searched, spread evenly over all; the time of the "
        "search grows with it",
    )
