"""Text-to-image and image-to-text retrieval of one model on one set of images, by language.

A query is one caption of one image in one language. Images that bear a caption of equal text are all right answers,
for no model could tell which was meant. For image-to-text the items are the distinct texts of the language.

Letters: N images, T distinct texts, Q queries of a chunk, D embedding dimension.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from iconoclip import metrics
from training.data.samples import Samples

QUERIES_A_CHUNK = 512
CUTOFFS = (1, 5, 10)
Direction = Literal["text_to_image", "image_to_text"]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LanguageQueries:
    """The captions of one language: at most one an image, and which texts are equal."""

    language: str
    image_Q: npt.NDArray[np.int64]
    """the position of each query's image"""
    text_Q: npt.NDArray[np.int64]
    """the number of each query's text"""
    texts: tuple[str, ...]
    """T distinct texts"""


def choose_queries(
    samples: Samples, rows: Sequence[int], *, fields: Sequence[str] = (), languages: Sequence[str] = ()
) -> list[LanguageQueries]:
    """One caption of each language of each row: of the first of `fields` that it has, or its first caption."""
    captions = samples.captions
    language_C, field_C = captions.language.to_pylist(), captions.field.to_pylist()
    chosen: dict[str, list[tuple[int, int]]] = {}
    for position, row in enumerate(rows):
        best: dict[str, tuple[int, int]] = {}
        for number in captions.of_row(row):
            if fields and field_C[number] not in fields:
                continue
            rank = fields.index(field_C[number]) if fields else 0
            known = best.get(language_C[number])
            if known is None or rank < known[0]:
                best[language_C[number]] = (rank, number)
        for language, (_, number) in best.items():
            chosen.setdefault(language, []).append((position, number))
    wanted = [name for name in sorted(chosen) if not languages or name in languages]
    return [_language_queries(captions.text, captions.text_C, name, chosen[name]) for name in wanted]


def _language_queries(
    text: Any, text_C: npt.NDArray[np.int64], language: str, pairs: list[tuple[int, int]]
) -> LanguageQueries:
    numbers: dict[int, int] = {}
    texts: list[str] = []
    text_Q = []
    for _, caption in pairs:
        code = int(text_C[caption])
        if code not in numbers:
            numbers[code] = len(texts)
            texts.append(text[caption].as_py())
        text_Q.append(numbers[code])
    return LanguageQueries(
        language, np.array([position for position, _ in pairs]), np.array(text_Q), tuple(texts)
    )


@dataclass(frozen=True)
class Ranks:
    """The ranks of each query's right answers, and which image each query belongs to."""

    direction: Direction
    language: str
    image_Q: npt.NDArray[np.int64]
    ranks: tuple[npt.NDArray[np.integer], ...]

    def of(self, keep_Q: npt.NDArray[np.bool_]) -> Ranks:
        """Some of the queries."""
        kept = np.flatnonzero(keep_Q)
        return Ranks(self.direction, self.language, self.image_Q[kept], tuple(self.ranks[i] for i in kept))


def text_to_image(queries: LanguageQueries, texts_TD: FloatArray, images_ND: FloatArray) -> Ranks:
    """Rank all images for each query."""
    relevant = _members(queries.text_Q, queries.image_Q, len(queries.texts))
    by_text = list(_ranks(texts_TD, images_ND, relevant))
    return Ranks(
        "text_to_image", queries.language, queries.image_Q, tuple(by_text[t] for t in queries.text_Q)
    )


def image_to_text(queries: LanguageQueries, texts_TD: FloatArray, images_ND: FloatArray) -> Ranks:
    """Rank the distinct texts of the language for each image that has one."""
    relevant = [np.array([text]) for text in queries.text_Q]
    ranks = tuple(_ranks(images_ND[queries.image_Q], texts_TD, relevant))
    return Ranks("image_to_text", queries.language, queries.image_Q, ranks)


def _members(
    group_Q: npt.NDArray[np.int64], member_Q: npt.NDArray[np.int64], num_groups: int
) -> list[npt.NDArray[np.int64]]:
    order = np.argsort(group_Q, kind="stable")
    ends = np.cumsum(np.bincount(group_Q, minlength=num_groups))
    return np.split(member_Q[order], ends[:-1])


def _ranks(
    queries_QD: FloatArray, items_ND: FloatArray, relevant: Sequence[npt.NDArray[np.int64]]
) -> Iterator[npt.NDArray[np.integer]]:
    """Chunk by chunk, so that a hundred thousand images need no matrix of their square."""
    for start in range(0, len(queries_QD), QUERIES_A_CHUNK):
        scores_QN = queries_QD[start : start + QUERIES_A_CHUNK] @ items_ND.T
        yield from metrics.ranks_of(scores_QN, relevant[start : start + QUERIES_A_CHUNK])


def summary(ranks: Ranks, *, num_resamples: int = 1000) -> dict[str, Any]:
    """recall@1/5/10, MRR and mAP with 95 % bootstrap intervals over queries."""
    found: dict[str, Any] = {"num_queries": len(ranks.ranks)}
    per_query = {f"recall@{k}": np.array([float(r[0] <= k) for r in ranks.ranks]) for k in CUTOFFS}
    per_query["mrr"] = np.array([1.0 / r[0] for r in ranks.ranks])
    per_query["map"] = np.array([np.mean(np.arange(1, len(r) + 1) / r) for r in ranks.ranks])
    values = {f"recall@{k}": metrics.recall_at_k(ranks.ranks, k) for k in CUTOFFS}
    values["mrr"] = metrics.mean_reciprocal_rank(ranks.ranks)
    values["map"] = metrics.mean_average_precision(ranks.ranks)
    for name, value in values.items():
        low, high = (
            metrics.bootstrap_interval(per_query[name], num_resamples=num_resamples)
            if num_resamples
            else (value, value)
        )
        found[name] = {"value": value, "low": low, "high": high}
    return found
