"""Records the nearest caption of a few fixed pictures at each validation, for the report of a run.

nearest.jsonl in the run's folder has one line per validation: the step, the language, and for each picture
its key, its own caption, the nearest caption with its similarity, and whether that is right. Captions are
stored as numbers (`data/numbers.py`) and pictures not at all: the report reads both from the shard sets, so
that what is withdrawn later is neither shown nor kept.

Letters: N images, T distinct texts, D embedding dimension.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from iconoclip.disk_full import disk_full_is_an_answer
from training.data.numbers import caption_numbers
from training.data.randomness import shuffled
from training.data.samples import Samples
from training.evaluation.retrieval_score import FloatArray, LanguageQueries

NUM_PICTURES = 16
FILE_NAME = "nearest.jsonl"


class NearestCaptions:
    """Keeps what was found in the language with the most captions, and writes it."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / FILE_NAME
        self._found: tuple[int, str, list[dict[str, Any]]] | None = None

    def see(
        self,
        queries: LanguageQueries,
        texts_TD: FloatArray,
        images_ND: FloatArray,
        samples: Samples,
        rows: Sequence[int],
    ) -> None:
        """Take the nearest captions of one language, if no language before had more of them."""
        num = len(queries.image_Q)
        if self._found is None or num > self._found[0]:
            pictures = nearest(queries, texts_TD, images_ND, samples, rows)
            self._found = (num, queries.language, pictures)

    def write(self, step: int) -> None:
        """Append the line of a validation."""
        if self._found is None:
            return
        _, language, pictures = self._found
        self._found = None
        line = json.dumps({"step": step, "language": language, "pictures": pictures}, ensure_ascii=False)
        with disk_full_is_an_answer(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def nearest(
    queries: LanguageQueries,
    texts_TD: FloatArray,
    images_ND: FloatArray,
    samples: Samples,
    rows: Sequence[int],
) -> list[dict[str, Any]]:
    """The nearest caption of some pictures that have one in this language, the same at each validation."""
    number_T = caption_numbers(pa.array(queries.texts, pa.string())).tolist()
    found = []
    for query in sorted(shuffled(len(queries.image_Q), 0)[:NUM_PICTURES].tolist()):
        image, own = int(queries.image_Q[query]), int(queries.text_Q[query])
        scores_T = texts_TD @ images_ND[image]
        best = int(np.argmax(scores_T))
        found.append(
            {
                "key": samples.keys[rows[image]].as_py(),
                "own": number_T[own],
                "nearest": number_T[best],
                "score": round(float(scores_T[best]), 4),
                "is_right": best == own,
            }
        )
    return found
