"""Measurements of a new generation: the recall of its index against exact search, and the
calibration of its scores.

Shapes: Q queries, N items, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retrieval.config import IndexConfig
from retrieval.faiss_index import Segment, measure_effort
from retrieval.generation.calibration import (
    BACKGROUND_SHARE,
    BACKGROUND_TEXTS,
    Scores,
    Statistics,
    fit_curve,
    joined,
    scores_of,
    shortened,
)
from retrieval.generation.known_items import learned_relevance, queries_for
from retrieval.generation.manifest import Calibration, Relevance
from retrieval.generation.word_lookup import WordSource

Vectors = npt.NDArray[np.float32]
EncodeTexts = Callable[[Sequence[str]], Vectors]

NUM_SAMPLED_ITEMS = 200
# The z above which a tenth of a normal distribution lies.
MIN_Z_OF_OWN_IMAGE, MIN_MATCHING = 1.28, 10


@dataclass(frozen=True)
class Measurements:
    """Recall at 10 over sampled queries, and, if there was a model to fit them, the curves of scores and the
    weights of words and pictures.
    """

    recall: float
    calibration: Calibration | None
    relevance: Relevance | None = None


def measure(
    segment: Segment,
    statistics: Statistics,
    sampled: list[tuple[int, str]],
    config: IndexConfig,
    encode_texts: EncodeTexts | None,
    words: WordSource,
) -> Measurements:
    """Set the segment's effort with realistic queries, calibrate its scores, and weigh words and pictures."""
    captions_QD = encode_texts([text for _, text in sampled]) if encode_texts else None
    queries_QD = sampled_queries(segment.vectors_ND, captions_QD)
    recall = measure_effort(
        segment, queries_QD, target_recall=config.target_recall, fixed_effort=config.num_probes
    )
    if encode_texts is None or captions_QD is None:
        return Measurements(recall, None)
    calibration = _calibration(segment, statistics, sampled, captions_QD, encode_texts)
    queries = queries_for(sampled)
    texts_QD = encode_texts([query.text for query in queries])
    relevance = learned_relevance(queries, texts_QD, words, segment, statistics, calibration)
    return Measurements(recall, calibration, relevance)


def sampled_queries(vectors_ND: npt.NDArray[np.float16], captions_QD: Vectors | None) -> Vectors:
    """Realistic queries: captions, and vectors near those of items but not equal to them."""
    generator = np.random.default_rng(0)
    rows = generator.choice(len(vectors_ND), min(len(vectors_ND), NUM_SAMPLED_ITEMS // 2), replace=False)
    images_QD = vectors_ND[np.sort(rows)].astype(np.float32)
    noise_QD = generator.normal(size=images_QD.shape).astype(np.float32)
    images_QD = images_QD + 0.2 * noise_QD / np.linalg.norm(noise_QD, axis=1, keepdims=True)
    images_QD /= np.linalg.norm(images_QD, axis=1, keepdims=True)
    return images_QD if captions_QD is None else np.concatenate([images_QD, captions_QD])


def _calibration(
    segment: Segment,
    statistics: Statistics,
    sampled: list[tuple[int, str]],
    captions_QD: Vectors,
    encode_texts: EncodeTexts,
) -> Calibration | None:
    if len(sampled) < 2 or len(segment) < 3:
        return None
    rows = np.array([row for row, _ in sampled], np.int64)
    images_QD = segment.vectors(rows)
    short_QD = encode_texts([shortened(text) for _, text in sampled])
    pairs = [pair for texts in (captions_QD, short_QD) for pair in zip(texts, images_QD, strict=True)]
    # A shelfmark or "page 7" does not describe what is visible, so a caption is used only if
    # it matches its own image.
    seen = [
        text_D for text_D, image_D in pairs if _pair(statistics, text_D, image_D).z[0] >= MIN_Z_OF_OWN_IMAGE
    ]
    if len(seen) < MIN_MATCHING:
        return None
    matching = joined([_best(statistics, text_D, segment) for text_D in seen])
    background = joined([_best(statistics, text_D, segment) for text_D in encode_texts(BACKGROUND_TEXTS)])
    neighbours = joined([_best(statistics, image_D, segment, skip=1) for image_D in images_QD])
    others_QD = np.roll(images_QD, 1, axis=0)
    unrelated = joined([_pair(statistics, *pair) for pair in zip(images_QD, others_QD, strict=True)])
    return Calibration(
        text=fit_curve(matching, background, BACKGROUND_SHARE),
        image=fit_curve(neighbours, unrelated),
        num_matching=len(seen),
        num_background=len(BACKGROUND_TEXTS),
    )


def _pair(statistics: Statistics, query_D: Vectors, item_D: Vectors) -> Scores:
    return scores_of(statistics, query_D, np.array([query_D @ item_D], np.float32))


def _best(statistics: Statistics, query_D: Vectors, segment: Segment, *, skip: int = 0) -> Scores:
    _, cosines = segment.exact(query_D, 1 + skip)
    return scores_of(statistics, query_D, cosines[-1:])
