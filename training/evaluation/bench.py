"""The input of an evaluation: a model, images, and captions as queries.

Letters: N images, T distinct texts, D embedding dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from iconoclip.errors import BadInput
from iconoclip.vocabulary import Precision
from training.config import EvaluateConfig
from training.data.randomness import shuffled
from training.data.samples import Samples
from training.evaluation import embed
from training.evaluation.inputs import Inputs, inputs_of
from training.evaluation.probe import Features, numbered_classes
from training.evaluation.retrieval_score import LanguageQueries
from training.evaluation.zero_shot import LabelSet
from training.hardware import device_of, resolve_precision, set_threads
from training.model import LoadedModel, load_weighted_model

FloatArray = npt.NDArray[np.float32]
Advance = Callable[[int], object]


@dataclass(frozen=True)
class Bench:
    """One model with a selection of images and queries."""

    config: EvaluateConfig
    inputs: Inputs
    loaded: LoadedModel
    samples: Samples
    rows: list[int]
    languages: list[LanguageQueries]
    device: torch.device
    precision: Precision
    label_sets: list[LabelSet]
    probed: tuple[Samples, list[int]] | None = None
    """what probes learn from, if there are any"""
    advance: Advance | None = None
    """called with how many images and texts are embedded"""

    def sound(self) -> tuple[Bench, FloatArray, dict[str, str]]:
        """The same without the pictures that cannot be decoded; the features of the
        others, [N, D]; and the reasons.
        """
        images_ND, rows, damaged = self._embedded(self.samples, self.rows)
        if not damaged:
            return self, images_ND, {}
        languages = self.inputs.queries(self.samples, rows)
        return replace(self, rows=rows, languages=languages), images_ND, damaged

    def images(self) -> FloatArray:
        """The features of the images, [N, D]."""
        return self._embedded(self.samples, self.rows).features_ND

    def training_features(self) -> Features:
        """The features of the images that probes learn from."""
        assert self.probed is not None
        samples, rows = self.probed
        found = self._embedded(samples, rows)
        return Features(samples, found.rows, found.features_ND)

    def _embedded(self, samples: Samples, rows: list[int]) -> embed.Embedded:
        return embed.embed_images(
            self.loaded.model,
            samples,
            rows,
            self.loaded.evaluation_transform(),
            device=self.device,
            precision=self.precision,
            batch_size=self.config.batch_size,
            num_workers=self.config.num_workers,
            advance=self.advance,
        )

    def texts(self, texts: Sequence[str]) -> FloatArray:
        """The features of texts, [T, D]."""
        return embed.embed_texts(
            self.loaded.model,
            texts,
            self.loaded.tokenize,
            device=self.device,
            precision=self.precision,
            batch_size=self.config.batch_size,
            advance=self.advance,
        )

    def of(self, name: str) -> Bench:
        """The same images and queries for another model."""
        other = load_weighted_model(name)
        other.model.to(self.device).eval()
        return replace(self, loaded=other)

    @property
    def num_embeddings(self) -> int:
        """The number of images and texts to embed."""
        num_probed = len(self.probed[1]) if self.probed else 0
        return len(self.rows) + num_probed + sum(len(queries.texts) for queries in self.languages)


def make_bench(config: EvaluateConfig, device: torch.device | None) -> Bench:
    """Load the model and choose images and queries.

    Args:
        device: the device to use; if None, the first one of the kind in the config.

    Raises:
        BadInput: there is no caption to use as a query, and nothing to classify.
        ConfigError: the model has no weights.
    """
    inputs = inputs_of(config)
    label_sets = inputs.label_sets()
    samples = inputs.samples(config.split)
    loaded = load_weighted_model(config.model, config.pretrained)
    rows = choose_rows(samples, config.max_samples)
    languages = inputs.queries(samples, rows)
    probed = _probed(inputs, (samples, rows))
    if not languages and not (inputs.benchmark and (label_sets or inputs.probes)):
        raise BadInput(
            "no caption to query with", where=inputs.where, remedy="widen caption_fields or languages"
        )
    device = device or device_of(config.device)
    set_threads(None, config.devices if device.type == "cpu" else 1)
    loaded.model.to(device)
    precision = resolve_precision(config.precision, device)
    return Bench(config, inputs, loaded, samples, rows, languages, device, precision, label_sets, probed)


def _probed(inputs: Inputs, measured: tuple[Samples, list[int]]) -> tuple[Samples, list[int]] | None:
    """What probes learn from. What is asked for and cannot be measured is refused before anything is encoded.

    Raises:
        BadInput, ConfigError: as for `numbered_classes`, of the probes in the config.
    """
    if not inputs.probes:
        return None
    samples = inputs.samples("train")
    training = samples, choose_rows(samples, inputs.config.probe_samples)
    for of in inputs.config.probes:
        numbered_classes(training, measured, of)
    return training


def choose_rows(samples: Samples, max_samples: int | None) -> list[int]:
    """The rows to evaluate on: all, or the first of a fixed shuffle."""
    rows = shuffled(len(samples), 0)[:max_samples] if max_samples else np.arange(len(samples))
    return sorted(rows.tolist())
