"""The numbers of an evaluation: embeds a split of some shard sets, ranks, and summarises
by language and by slice.

Letters: N images, T distinct texts, Q queries, D embedding dimension.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from iconoclip import metrics
from iconoclip.errors import BadInput
from training.callbacks import bar
from training.config import EvaluateConfig
from training.data.samples import Samples
from training.evaluation import probe, zero_shot
from training.evaluation.bench import Bench, make_bench
from training.evaluation.centuries import century
from training.evaluation.examples import Example, Thumbnails, choose, examples
from training.evaluation.retrieval_score import (
    CUTOFFS,
    Ranks,
    difference,
    image_to_text,
    summary,
    text_to_image,
)
from training.finetune import interpolated
from training.model import load_weighted_model
from training.module import evaluating
from training.ranks import is_first

FloatArray = npt.NDArray[np.float32]
MIN_CLUSTERS_PER_SLICE = 10


@dataclass
class Measured:
    """The results of an evaluation, and the data for its report."""

    scores: dict[str, Any] = field(default_factory=lambda: {"languages": {}, "zero_shot": {}})
    ranks: dict[str, tuple[Ranks, Ranks]] = field(default_factory=dict)
    """by language: text to image, image to text"""
    well: list[Example] = field(default_factory=list)
    badly: list[Example] = field(default_factory=list)


def measure(config: EvaluateConfig, device: torch.device | None = None) -> Measured:
    """Embed and rank: scores by language and direction, and by institution and century within them.

    Raises:
        BadInput: there is no query, labels or probes fit no image, or the base has another architecture.
    """
    bench = make_bench(config, device)
    num_passes = 1 + bool(config.before) + (config.interpolation_points if config.interpolate_with else 0)
    with (
        bar("evaluate", bench.num_embeddings * num_passes, "embeddings", is_shown=is_first()) as meter,
        evaluating(bench.loaded.model),
    ):
        bench = replace(bench, advance=meter.advance if meter else None)
        bench, images_ND, damaged = bench.sound()
        measured = _measure_model(bench, images_ND, with_examples=True)
        if damaged:
            measured.scores["damaged"] = damaged
        measured.scores["num_images"] = len(bench.rows)
        if config.before:
            before = bench.of(config.before)
            _compare(measured, _measure_model(before, before.images()), config.before)
        if config.interpolate_with:
            measured.scores["interpolate_with"] = config.interpolate_with
            measured.scores["interpolation"] = _interpolate(bench, config.interpolate_with)
    return measured


def _measure_model(
    bench: Bench,
    images_ND: FloatArray,
    *,
    with_examples: bool = False,
) -> Measured:
    measured = Measured()
    slices = _slices(bench.samples, bench.rows)
    for queries in bench.languages:
        texts_TD = bench.texts(queries.texts)
        forward = text_to_image(queries, texts_TD, images_ND)
        backward = image_to_text(queries, texts_TD, images_ND)
        entry: dict[str, Any] = {"num_texts": len(queries.texts), "levels": queries.levels}
        for ranks in (forward, backward):
            entry[ranks.direction] = summary(ranks) | {
                name: _by_slice(ranks, code_N) for name, code_N in slices.items()
            }
        measured.scores["languages"][queries.language] = entry
        measured.ranks[queries.language] = forward, backward
        if with_examples and is_first():
            thumbnails, chosen = (
                Thumbnails(bench.samples),
                choose(forward, queries, bench.config.num_examples),
            )
            for at, shown in zip(chosen, (measured.well, measured.badly), strict=True):
                shown += examples(
                    at, forward, queries, texts_TD, images_ND, bench.samples, bench.rows, thumbnails
                )
    for labels in bench.label_sets:
        measured.scores["zero_shot"][labels.name] = _classify(bench, labels, images_ND)
    if bench.probed is not None:
        train = bench.training_features()
        test = probe.Features(bench.samples, bench.rows, images_ND)
        measured.scores["probes"] = {}
        for of in bench.inputs.probes:
            try:
                measured.scores["probes"][of] = probe.probe(train, test, of)
            except BadInput as error:
                # What the user asks for must be there; what a benchmark usually has may lack in a part of it.
                if bench.config.probes:
                    raise
                print(f"left out: {error.what}", file=sys.stderr)
    return measured


def _compare(measured: Measured, earlier: Measured, name: str) -> None:
    """Add another model's scores, and the differences with their intervals, query by query."""
    measured.scores["before"] = {"model": name, **earlier.scores}
    measured.scores["difference"] = {
        language: {
            now.direction: difference(then, now)
            for then, now in zip(earlier.ranks[language], both, strict=True)
        }
        for language, both in measured.ranks.items()
    }


def _classify(bench: Bench, labels: zero_shot.LabelSet, images_ND: FloatArray) -> dict[str, Any]:
    truth_NC = zero_shot.truth(bench.samples, bench.rows, labels)
    group_N = bench.samples.group_N[bench.rows]
    vectors = {
        language: zero_shot.class_vectors(labels, language, bench.texts) for language in labels.prompts
    }
    return {
        language: zero_shot.classify(images_ND, classes_CD, truth_NC, group_N)
        for language, classes_CD in vectors.items()
    }


def _interpolate(bench: Bench, base_name: str) -> list[dict[str, Any]]:
    """The scores of interpolated weights at some points between the base and this model."""
    model = bench.loaded.model
    tuned = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    base = {
        name: tensor.to(bench.device)
        for name, tensor in load_weighted_model(base_name).model.state_dict().items()
    }
    found = []
    for weight in np.linspace(0, 1, bench.config.interpolation_points).tolist():
        model.load_state_dict(interpolated(base, tuned, weight))
        images_ND = bench.images()
        by_language = {}
        for queries in bench.languages:
            ranks = text_to_image(queries, bench.texts(queries.texts), images_ND).ranks
            by_language[queries.language] = {f"recall@{k}": metrics.recall_at_k(ranks, k) for k in CUTOFFS}
        found.append({"weight": weight, "languages": by_language})
    model.load_state_dict(tuned)
    return found


def _slices(samples: Samples, rows: list[int]) -> dict[str, npt.NDArray[np.str_]]:
    """For each way to slice the images, the slice of each."""
    institutions = np.array(samples.values("institution", rows))
    years = zip(samples.values("earliest", rows), samples.values("latest", rows), strict=True)
    centuries = np.array([century(*pair) for pair in years])
    return {"by_institution": institutions, "by_century": centuries}


def _by_slice(ranks: Ranks, slice_N: npt.NDArray[np.str_]) -> dict[str, Any]:
    """A summary for each slice with enough queries."""
    slice_Q = slice_N[ranks.image_Q]
    slices = {str(name): ranks.of(slice_Q == name) for name in np.unique(slice_Q)}
    return {
        name: summary(part, num_resamples=300)
        for name, part in slices.items()
        if part.num_clusters >= MIN_CLUSTERS_PER_SLICE
    }
