"""Example queries for the report: some with good results and those with the worst, with the images found.

Letters: N images, T distinct texts, D embedding dimension.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.data.images import decode
from training.data.randomness import shuffled
from training.data.samples import Samples
from training.data.storage import ShardReader
from training.evaluation.retrieval_score import LanguageQueries, Ranks

NUM_ANSWERS = 5
THUMBNAIL_PIXELS = 192


@dataclass(frozen=True)
class ExamplePicture:
    """An image in the report."""

    key: str
    data_uri: str
    """empty when the image may not be shown"""
    is_right: bool
    score: float


@dataclass(frozen=True)
class Example:
    """A query, the image that it describes, and the first results."""

    language: str
    text: str
    rank: int
    wanted: ExamplePicture
    answers: tuple[ExamplePicture, ...]


class Thumbnails:
    """Makes small JPEGs as data URIs, of images that may be shown."""

    def __init__(self, samples: Samples) -> None:
        self._samples, self._reader = samples, ShardReader(samples)
        self._display = samples.values("display")

    def of(self, row: int) -> str:
        """A data URI, or an empty text if the rights allow only a link."""
        if self._display[row] == "link":
            return ""
        image = decode(
            self._reader.image_bytes(row), min_side=THUMBNAIL_PIXELS, where=self._samples.keys[row].as_py()
        )
        image.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=80)
        return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def choose(ranks: Ranks, queries: LanguageQueries, num: int) -> tuple[list[int], list[int]]:
    """The positions of queries with good results (a fixed draw among rank 1) and with the worst,
    without repeating a text.
    """
    first = np.array([r[0] for r in ranks.ranks])
    turns = shuffled(len(first), 0)
    turns = turns[np.sort(np.unique(queries.text_Q[turns], return_index=True)[1])]
    well = [int(at) for at in turns if first[at] == 1][:num]
    badly = [int(at) for at in turns[np.argsort(-first[turns], kind="stable")] if first[at] > 1][:num]
    return well, badly


def examples(
    at: Sequence[int],
    ranks: Ranks,
    queries: LanguageQueries,
    texts_TD: npt.NDArray[np.float32],
    images_ND: npt.NDArray[np.float32],
    samples: Samples,
    rows: Sequence[int],
    thumbnails: Thumbnails,
) -> list[Example]:
    """The text-to-image queries at these positions, with their results."""
    found = []
    for position in at:
        text, wanted = int(queries.text_Q[position]), int(queries.image_Q[position])
        right = {int(image) for image in queries.image_Q[queries.text_Q == text]}
        scores_N = images_ND @ texts_TD[text]

        def picture(
            image: int, scores_N: npt.NDArray[np.float32] = scores_N, right: set[int] = right
        ) -> ExamplePicture:
            row = rows[image]
            return ExamplePicture(
                samples.keys[row].as_py(), thumbnails.of(row), image in right, float(scores_N[image])
            )

        answers = tuple(picture(int(image)) for image in np.argsort(-scores_N, kind="stable")[:NUM_ANSWERS])
        found.append(
            Example(
                queries.language, queries.texts[text], int(ranks.ranks[position][0]), picture(wanted), answers
            )
        )
    return found
