"""Text-to-image and image-to-text retrieval of one model on one set of images, by language.

A query is one caption of one image in one language. All images with a caption of equal text are
relevant, because no model could know which one was meant. For image-to-text the items are the
distinct texts of the language.

Letters: N images, T distinct texts, Q queries of a chunk, D embedding dimension.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from iconoclip import metrics
from training.data.samples import Captions, Samples
from training.ranks import joined_list, share

QUERIES_A_CHUNK = 512
CUTOFFS = (1, 5, 10)
Direction = Literal["text_to_image", "image_to_text"]
FloatArray = npt.NDArray[np.float32]


# Captions of these levels are about more than the picture.
WHOLE = ("work", "collection")


@dataclass(frozen=True)
class LanguageQueries:
    """The captions of one language, and which texts are equal."""

    language: str
    image_Q: npt.NDArray[np.int64]
    """the position of each query's image"""
    text_Q: npt.NDArray[np.int64]
    """the number of each query's text"""
    texts: tuple[str, ...]
    """T distinct texts"""
    group_Q: npt.NDArray[np.int64] | None = None
    """the group of each query's image: what a split keeps together"""
    levels: dict[str, int] = field(default_factory=dict)
    """what the queries are about, counted: page, item, work, ...; `unknown` in sets of older versions"""

    @property
    def cluster_Q(self) -> npt.NDArray[np.int64]:
        """Which queries count as one piece of evidence: those of a group, or those of a
        text, whichever gives fewer.
        """
        if self.group_Q is None or len(np.unique(self.group_Q)) > len(self.texts):
            return self.text_Q
        return self.group_Q


def choose_queries(
    samples: Samples,
    rows: Sequence[int],
    *,
    fields: Sequence[str] = (),
    languages: Sequence[str] = (),
    every: bool = False,
) -> list[LanguageQueries]:
    """One caption per language and row: that of the first of `fields` that it has, or its first caption.
    With `every`, all captions of `fields`, as public benchmarks count.

    A caption of the picture itself goes before one of the whole work or collection: the title of a book
    cannot find one of its pages.
    """
    captions = samples.captions
    chosen: dict[str, list[tuple[int, int]]] = {}
    for position, row in enumerate(rows):
        best: dict[str, tuple[tuple[bool, int], int]] = {}
        for number in captions.of_row(row):
            kind = captions.kind_of(number)
            if fields and kind.field not in fields:
                continue
            if every:
                chosen.setdefault(kind.language, []).append((position, number))
                continue
            rank = (kind.level in WHOLE, fields.index(kind.field) if fields else 0)
            known = best.get(kind.language)
            if known is None or rank < known[0]:
                best[kind.language] = (rank, number)
        for language, (_, number) in best.items():
            chosen.setdefault(language, []).append((position, number))
    wanted = [name for name in sorted(chosen) if not languages or name in languages]
    groups = samples.group_N[np.asarray(rows, dtype=np.int64)]
    return [_language_queries(captions, groups, name, chosen[name]) for name in wanted]


def _language_queries(
    captions: Captions, group_N: npt.NDArray[np.int64], language: str, pairs: list[tuple[int, int]]
) -> LanguageQueries:
    numbers: dict[int, int] = {}
    texts: list[str] = []
    text_Q = []
    for _, caption in pairs:
        code = int(captions.text_C[caption])
        if code not in numbers:
            numbers[code] = len(texts)
            texts.append(captions.text[caption].as_py())
        text_Q.append(numbers[code])
    image_Q = np.array([position for position, _ in pairs])
    levels = Counter(captions.kind_of(caption).level or "unknown" for _, caption in pairs)
    counted = dict(sorted(levels.items()))
    return LanguageQueries(language, image_Q, np.array(text_Q), tuple(texts), group_N[image_Q], counted)


@dataclass(frozen=True)
class Ranks:
    """The ranks of each query's relevant items, and the image that each query belongs to."""

    direction: Direction
    language: str
    image_Q: npt.NDArray[np.int64]
    ranks: tuple[npt.NDArray[np.integer], ...]
    cluster_Q: npt.NDArray[np.int64] | None = None
    """equal where queries are one piece of evidence; each by itself if None"""

    def of(self, keep_Q: npt.NDArray[np.bool_]) -> Ranks:
        """The ranks of some of the queries."""
        kept = np.flatnonzero(keep_Q)
        clusters = None if self.cluster_Q is None else self.cluster_Q[kept]
        return Ranks(
            self.direction, self.language, self.image_Q[kept], tuple(self.ranks[i] for i in kept), clusters
        )

    @property
    def num_clusters(self) -> int:
        """How many independent groups the queries form."""
        return len(self.ranks if self.cluster_Q is None else np.unique(self.cluster_Q))


def text_to_image(queries: LanguageQueries, texts_TD: FloatArray, images_ND: FloatArray) -> Ranks:
    """Rank all images for each query."""
    relevant = _members(queries.text_Q, queries.image_Q, len(queries.texts))
    by_text = _ranks(texts_TD, images_ND, relevant)
    ranks = tuple(by_text[t] for t in queries.text_Q)
    return Ranks("text_to_image", queries.language, queries.image_Q, ranks, queries.cluster_Q)


def image_to_text(queries: LanguageQueries, texts_TD: FloatArray, images_ND: FloatArray) -> Ranks:
    """Rank the distinct texts of the language for each image that has a text; any of its texts is right."""
    images, first_I = np.unique(queries.image_Q, return_index=True)
    relevant = [np.unique(texts) for texts in _members(queries.image_Q, queries.text_Q, int(images[-1]) + 1)]
    ranks = tuple(_ranks(images_ND[images], texts_TD, [relevant[image] for image in images]))
    return Ranks("image_to_text", queries.language, images, ranks, queries.cluster_Q[first_I])


def _members(
    group_Q: npt.NDArray[np.int64], member_Q: npt.NDArray[np.int64], num_groups: int
) -> list[npt.NDArray[np.int64]]:
    order = np.argsort(group_Q, kind="stable")
    ends = np.cumsum(np.bincount(group_Q, minlength=num_groups))
    return np.split(member_Q[order], ends[:-1])


def _ranks(
    queries_QD: FloatArray, items_ND: FloatArray, relevant: Sequence[npt.NDArray[np.int64]]
) -> list[npt.NDArray[np.integer]]:
    """The ranks of the relevant items. Each process computes its share of the queries in chunks, so that a
    hundred thousand images need no square matrix.
    """
    own = share(len(queries_QD))
    found: list[npt.NDArray[np.integer]] = []
    for start in range(own.start, own.stop, QUERIES_A_CHUNK):
        chunk = slice(start, min(start + QUERIES_A_CHUNK, own.stop))
        found += metrics.ranks_of(queries_QD[chunk] @ items_ND.T, relevant[chunk])
    return joined_list(found)


def summary(ranks: Ranks, *, num_resamples: int = 1000) -> dict[str, Any]:
    """recall@1/5/10, MRR and mAP with 95 % bootstrap intervals over independent pieces of evidence."""
    found = _with_intervals(_by_query(ranks), ranks.cluster_Q, num_resamples)
    return {"num_queries": len(ranks.ranks), **found}


def difference(before: Ranks, after: Ranks) -> dict[str, Any]:
    """The improvement of `after` on the same queries, with paired 95 % bootstrap intervals."""
    then_Q, now_Q = _by_query(before), _by_query(after)
    return _with_intervals({name: now_Q[name] - then_Q[name] for name in now_Q}, after.cluster_Q, 1000)


def _by_query(ranks: Ranks) -> dict[str, npt.NDArray[np.float64]]:
    """The contribution of each query to the mean of each measure of iconoclip.metrics, [Q]."""
    first_Q = np.array([one[0] for one in ranks.ranks], dtype=np.float64)
    found = {f"recall@{k}": (first_Q <= k).astype(np.float64) for k in CUTOFFS}
    found["mrr"] = 1 / first_Q
    found["map"] = np.array([metrics.mean_average_precision([one]) for one in ranks.ranks])
    return found


def _with_intervals(
    by_query: dict[str, npt.NDArray[np.float64]],
    cluster_Q: npt.NDArray[np.int64] | None,
    num_resamples: int,
) -> dict[str, dict[str, float]]:
    found = {}
    for name, value_Q in by_query.items():
        low, high = metrics.bootstrap_interval(value_Q, cluster_Q=cluster_Q, num_resamples=num_resamples)
        found[name] = {"value": float(value_Q.mean()), "low": low, "high": high}
    return found
