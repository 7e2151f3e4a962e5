"""The numbers of an evaluation: embed a side of some shard sets, rank, and sum up by language and by slice.

Letters: N images, T distinct texts, Q queries, D embedding dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from iconoclip import metrics
from iconoclip.errors import BadInput
from iconoclip.progress import Meter, progress
from training import embed, zero_shot
from training.config import EvaluateConfig, Precision
from training.data.randomness import shuffled
from training.data.samples import Samples, load
from training.examples import Example, Thumbnails, choose, examples
from training.finetune import interpolated
from training.hardware import device_of, resolve_precision, set_threads
from training.model import LoadedModel, load_model
from training.module import evaluating
from training.retrieval_score import (
    CUTOFFS,
    LanguageQueries,
    Ranks,
    choose_queries,
    image_to_text,
    summary,
    text_to_image,
)

FloatArray = npt.NDArray[np.float32]
MIN_QUERIES_A_SLICE = 10


@dataclass
class Measured:
    """What an evaluation came to, and what its report shows."""

    scores: dict[str, Any]
    well: list[Example]
    badly: list[Example]


@dataclass(frozen=True)
class Bench:
    """One model at work on one choice of images and queries."""

    config: EvaluateConfig
    loaded: LoadedModel
    samples: Samples
    rows: list[int]
    languages: list[LanguageQueries]
    device: torch.device
    precision: Precision

    def images(self, advance: Callable[[int], object]) -> FloatArray:
        """The features of the images, [N, D]."""
        return embed.embed_images(
            self.loaded.model, self.samples, self.rows, self.loaded.evaluation_transform(), device=self.device, precision=self.precision,
            batch_size=self.config.batch_size, num_workers=self.config.num_workers, advance=advance,
        )  # fmt: skip

    def texts(self, texts: Sequence[str], advance: Callable[[int], object] | None = None) -> FloatArray:
        """The features of texts, [T, D]."""
        return embed.embed_texts(
            self.loaded.model, texts, self.loaded.tokenize, device=self.device, precision=self.precision,
            batch_size=self.config.batch_size, advance=advance,
        )  # fmt: skip

    @property
    def num_embeddings(self) -> int:
        """Images and texts to embed."""
        return len(self.rows) + sum(len(queries.texts) for queries in self.languages)


def make_bench(config: EvaluateConfig) -> Bench:
    """Load the model and choose images and queries.

    Raises:
        BadInput: no caption to ask with.
    """
    samples = load(config.shardsets, split=config.split, policy=config.policy)
    loaded = load_model(config.model, pretrained=config.pretrained)
    rows = choose_rows(samples, config.max_samples)
    languages = choose_queries(samples, rows, fields=config.caption_fields, languages=config.languages)
    if not languages:
        where = ", ".join(config.shardsets)
        raise BadInput("no caption to ask with", where=where, remedy="widen caption_fields or languages")
    device = device_of(config.accelerator)
    set_threads(None, 1)
    loaded.model.to(device)
    return Bench(
        config, loaded, samples, rows, languages, device, resolve_precision(config.precision, device)
    )


def choose_rows(samples: Samples, max_samples: int | None) -> list[int]:
    """The rows to evaluate on: all, or the first of a fixed shuffle."""
    rows = shuffled(len(samples), 0)[:max_samples] if max_samples else np.arange(len(samples))
    return sorted(rows.tolist())


def measure(config: EvaluateConfig) -> Measured:
    """Embed and rank: scores by language and direction, and by institution and century within them.

    Raises:
        BadInput: nothing to ask with, labels that fit no image, or a base of another architecture.
    """
    label_sets = [zero_shot.read_labels(path) for path in config.labels]
    bench = make_bench(config)
    num_points = config.interpolation_points if config.interpolate_with else 0
    with (
        progress("evaluate", total=bench.num_embeddings * (1 + num_points), unit="embeddings") as meter,
        evaluating(bench.loaded.model),
    ):
        images_ND = bench.images(meter.advance)
        measured = Measured({"num_images": len(bench.rows), "languages": {}}, [], [])
        for queries in bench.languages:
            _measure_language(bench, queries, images_ND, bench.texts(queries.texts, meter.advance), measured)
        if label_sets:
            measured.scores["zero_shot"] = {
                labels.name: _classify(bench, labels, images_ND) for labels in label_sets
            }
        if config.interpolate_with:
            measured.scores["interpolate_with"] = config.interpolate_with
            measured.scores["interpolation"] = _interpolate(bench, config.interpolate_with, meter)
    return measured


def _measure_language(
    bench: Bench, queries: LanguageQueries, images_ND: FloatArray, texts_TD: FloatArray, into: Measured
) -> None:
    forward, backward = (
        text_to_image(queries, texts_TD, images_ND),
        image_to_text(queries, texts_TD, images_ND),
    )
    slices = _slices(bench.samples, bench.rows)
    entry: dict[str, Any] = {"num_texts": len(queries.texts)}
    for ranks in (forward, backward):
        entry[ranks.direction] = summary(ranks) | {
            name: _by_slice(ranks, code_N) for name, code_N in slices.items()
        }
    into.scores["languages"][queries.language] = entry
    thumbnails = Thumbnails(bench.samples)
    for at, shown in zip(choose(forward, bench.config.num_examples), (into.well, into.badly), strict=True):
        shown += examples(at, forward, queries, texts_TD, images_ND, bench.samples, bench.rows, thumbnails)


def _classify(bench: Bench, labels: zero_shot.LabelSet, images_ND: FloatArray) -> dict[str, Any]:
    truth_NC = zero_shot.truth(bench.samples, bench.rows, labels)
    vectors = {
        language: zero_shot.class_vectors(labels, language, bench.texts) for language in labels.prompts
    }
    return {
        language: zero_shot.classify(images_ND, classes_CD, truth_NC)
        for language, classes_CD in vectors.items()
    }


def _interpolate(bench: Bench, base_name: str, meter: Meter) -> list[dict[str, Any]]:
    """Scores of the weights at some points between the base and this model."""
    model = bench.loaded.model
    tuned = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    base = {
        name: tensor.to(bench.device) for name, tensor in load_model(base_name).model.state_dict().items()
    }
    found = []
    for weight in np.linspace(0, 1, bench.config.interpolation_points).tolist():
        model.load_state_dict(interpolated(base, tuned, weight))
        images_ND = bench.images(meter.advance)
        by_language = {}
        for queries in bench.languages:
            ranks = text_to_image(queries, bench.texts(queries.texts, meter.advance), images_ND).ranks
            by_language[queries.language] = {f"recall@{k}": metrics.recall_at_k(ranks, k) for k in CUTOFFS}
        found.append({"weight": weight, "languages": by_language})
    model.load_state_dict(tuned)
    return found


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
