"""The numbers of an evaluation: embed a side of some shard sets, rank, and sum up by language and by slice.

Letters: N images, T distinct texts, Q queries, D embedding dimension.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from iconoclip.errors import BadInput
from iconoclip.progress import progress
from training import embed
from training.config import EvaluateConfig
from training.data.randomness import shuffled
from training.data.samples import Samples, load
from training.hardware import device_of, resolve_precision, set_threads
from training.model import LoadedModel, load_model
from training.module import evaluating
from training.retrieval_score import (
    LanguageQueries,
    Ranks,
    choose_queries,
    image_to_text,
    summary,
    text_to_image,
)

MIN_QUERIES_A_SLICE = 10


def choose_rows(samples: Samples, max_samples: int | None) -> list[int]:
    """The rows to evaluate on: all, or the first of a fixed shuffle."""
    rows = shuffled(len(samples), 0)[:max_samples] if max_samples else np.arange(len(samples))
    return sorted(rows.tolist())


def measure(config: EvaluateConfig) -> dict[str, Any]:
    """Embed and rank: scores by language and direction, and by institution and century within them.

    Raises:
        BadInput: no caption to ask with.
    """
    samples = load(config.shardsets, split=config.split, policy=config.policy)
    loaded = load_model(config.model, pretrained=config.pretrained)
    rows = choose_rows(samples, config.max_samples)
    languages = choose_queries(samples, rows, fields=config.caption_fields, languages=config.languages)
    if not languages:
        raise BadInput(
            "no caption to ask with",
            where=", ".join(config.shardsets),
            remedy="widen caption_fields or languages",
        )
    images_ND, texts = embed_all(config, loaded, samples, rows, languages)
    found: dict[str, Any] = {"num_images": len(rows), "languages": {}}
    slices = _slices(samples, rows)
    for queries, texts_TD in zip(languages, texts, strict=True):
        entry: dict[str, Any] = {"num_texts": len(queries.texts)}
        for ranks in (
            text_to_image(queries, texts_TD, images_ND),
            image_to_text(queries, texts_TD, images_ND),
        ):
            entry[ranks.direction] = summary(ranks) | {
                name: _by_slice(ranks, code_N) for name, code_N in slices.items()
            }
        found["languages"][queries.language] = entry
    return found


def embed_all(
    config: EvaluateConfig,
    loaded: LoadedModel,
    samples: Samples,
    rows: list[int],
    languages: list[LanguageQueries],
) -> tuple[npt.NDArray[np.float32], list[npt.NDArray[np.float32]]]:
    """The features of the images [N, D], and of each language's texts [T, D]."""
    device = device_of(config.accelerator)
    set_threads(None, 1)
    model = loaded.model.to(device)
    total = len(rows) + sum(len(queries.texts) for queries in languages)
    with progress("evaluate", total=total, unit="embeddings") as meter, evaluating(model):
        options: dict[str, Any] = {
            "device": device, "precision": resolve_precision(config.precision, device), "batch_size": config.batch_size, "advance": meter.advance,
        }  # fmt: skip
        transform = loaded.evaluation_transform()
        images_ND = embed.embed_images(
            model, samples, rows, transform, num_workers=config.num_workers, **options
        )
        texts = [embed.embed_texts(model, queries.texts, loaded.tokenize, **options) for queries in languages]
    return images_ND, texts


def _slices(samples: Samples, rows: list[int]) -> dict[str, npt.NDArray[np.str_]]:
    """For each way to slice the images, the slice of each."""
    institutions = samples.table["institution"].to_numpy(zero_copy_only=False)[rows].astype(str)
    years = zip(samples.table["earliest"].to_pylist(), samples.table["latest"].to_pylist(), strict=True)
    centuries = np.array([century(*pair) for pair in years])[rows]
    return {"by_institution": institutions, "by_century": centuries}


def century(earliest: int | None, latest: int | None) -> str:
    """The century of the middle of a date range ("16th"), or "undated"."""
    known = [year for year in (earliest, latest) if year is not None]
    if not known:
        return "undated"
    middle = sum(known) / len(known)
    number = int(-(-middle // 100))
    if number < 1:
        return "before the 1st"
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _by_slice(ranks: Ranks, slice_N: npt.NDArray[np.str_]) -> dict[str, Any]:
    """A summary for each slice that has enough queries to say anything."""
    slice_Q = slice_N[ranks.image_Q]
    names = [name for name in np.unique(slice_Q) if np.sum(slice_Q == name) >= MIN_QUERIES_A_SLICE]
    return {str(name): summary(ranks.of(slice_Q == name), num_resamples=300) for name in names}
