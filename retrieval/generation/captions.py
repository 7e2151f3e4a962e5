"""Captions searched by meaning: a second segment of a generation. A hit on a caption
counts as a hit on its item.

A text is nearer to any text than to an image, so the scores of the two segments are never compared: a caption
counts by how unlikely it is by chance (retrieval.query.judging). This finds things that a caption names but a
picture does not show, such as a place or an occasion.

captions.faiss        float16 [C, D], unit length: the mean direction of an item's captions
captions-ann.faiss    approximate index, unless the kind is exact
captions-rows.npy     int32 [C]: the row of the item that each describes

Shapes: C captioned items, N rows of items, D dimensions, Q queries.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from iconoclip.errors import DamagedData
from iconoclip.files import atomic_write
from retrieval.backends.interface import Vectors
from retrieval.faiss_index import IndexChoice, Segment, build, measure_effort, write_flat
from retrieval.generation.manifest import (
    CAPTION_ANN_NAME,
    CAPTION_ROWS_NAME,
    CAPTION_VECTORS_NAME,
    REBUILD,
    CaptionPart,
)


@dataclass(frozen=True)
class Captions:
    """Unit vectors of captions, float16 [C, D], and the rows of their items, int32 [C], each at most once."""

    vectors: npt.NDArray[np.float16]
    rows: npt.NDArray[np.int32]


def write_captions(
    draft: Path,
    captions: Captions,
    choice: IndexChoice,
    queries_QD: Vectors,
    *,
    target_recall: float,
    num_threads: int | None,
) -> CaptionPart:
    """Write the segment into a draft generation; returns its entry for the manifest."""
    vectors_CD = captions.vectors
    write_flat([vectors_CD], vectors_CD.shape[1], draft / CAPTION_VECTORS_NAME)
    build(vectors_CD, choice, draft / CAPTION_ANN_NAME, num_threads=num_threads)
    with atomic_write(draft / CAPTION_ROWS_NAME) as file:
        np.save(file, captions.rows.astype(np.int32), allow_pickle=False)
    segment = Segment(draft / CAPTION_VECTORS_NAME, vectors_CD.shape, choice, draft / CAPTION_ANN_NAME)
    recall = measure_effort(segment, queries_QD, target_recall=target_recall)
    return CaptionPart(
        kind=choice.kind,
        num_lists=choice.num_lists,
        effort=segment.effort,
        recall_at_10=round(recall, 4),
        num_vectors=len(vectors_CD),
    )


class CaptionSegment:
    """The captions of a generation, opened: their `vectors`, and the `rows` of the items that
    each describes, int32 [C].

    Args:
        folder: the folder of the generation, whose checksums have been compared.
        part: the entry of the manifest.
        dimension: the dimension of the vectors.
        num_rows: the number of rows of the generation.

    Raises:
        DamagedData: a file does not match the manifest.
    """

    def __init__(self, folder: Path, part: CaptionPart, dimension: int, num_rows: int) -> None:
        choice = IndexChoice(part.kind, part.num_lists, "")
        shape = (part.num_vectors, dimension)
        self.vectors = Segment(
            folder / CAPTION_VECTORS_NAME, shape, choice, folder / CAPTION_ANN_NAME, part.effort
        )
        self.rows: npt.NDArray[np.int32] = np.load(folder / CAPTION_ROWS_NAME, allow_pickle=False)
        if self.rows.shape != (part.num_vectors,) or not ((self.rows >= 0) & (self.rows < num_rows)).all():
            raise DamagedData("captions of items that are not there", where=folder, remedy=REBUILD)
