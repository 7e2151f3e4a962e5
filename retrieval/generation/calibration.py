"""Calibration of scores: how far a score is above the query's own background, and how likely it is a match.

A cosine alone says little: some texts score high with everything, and a text is never as close to an image as
another image is. So a score is also compared with the query's scores over the whole collection. Their mean
and variance follow from the vectors' mean m and covariance S, without reading any item:

    z = (q.x - q.m) / sqrt(q' S q)

z alone is not enough either: it cannot recognise a query that is near to a whole tenth of the collection, or
near to nothing. Both values go into a logistic curve that is fitted at build time and gives a probability.
For texts, it separates the best score of captions (whole, and shortened to a few words), which have a match
here, from the best score of background texts, about things that no library catalogues. For images, it
separates an item's nearest neighbour from random pairs.

Shapes: Q queries, N items, D dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from iconoclip.files import atomic_write
from retrieval.generation.manifest import Calibration, Curve

Vectors = npt.NDArray[np.float32]
Side = Literal["text", "image"]

STATISTICS_ROWS = 50_000
MIN_PROBABILITY = 0.5
# The weight of the background texts when the curve of texts is fitted. A chance hit that is presented as a
# match misleads more than a match that is presented as doubtful, because the latter is still shown.
BACKGROUND_SHARE = 0.6

# Modern things that no picture collection contains: whatever they score is chance.
BACKGROUND_TEXTS = (
    "a screenshot of a spreadsheet with quarterly sales", "error message in a web browser",
    "USB cable connector",
    "a smartphone lying on a desk", "traffic jam on a motorway at night",
    "a supermarket shelf with cereal boxes",
    "an airport departure board", "a programmer in front of two monitors", "barcode label",
    "laptop keyboard close-up",
    "a plastic bottle in a recycling bin", "electric scooter", "parking ticket machine",
    "satellite dish on a roof",
    "weather radar map", "MRI scan of a knee", "a tax form filled in online", "basketball slam dunk",
    "pizza delivery",
    "a wind turbine under a blue sky", "solar panels", "an office meeting with sticky notes",
    "selfie in a mirror",
    "frozen vegetables in a bag", "a washing machine manual", "concert with laser lights",
    "a drone above a stadium",
    "ein Bildschirmfoto einer Fehlermeldung", "Stau auf der Autobahn", "Steckdose mit Ladekabel",
    "Waschmaschine",
    "eine Tabelle mit Umsatzzahlen", "Tiefkühlpizza", "un téléphone portable sur une table", "une clé USB",
    "un embouteillage sur l'autoroute", "une capture d'écran d'un tableur", "machine à laver",
    "panneaux solaires",
    "captura de pantalla de un error", "un cavo di ricarica", "telefono cellulare", "lista de la compra",
    "asdf qwer zxcv", "lorem ipsum dolor sit amet", "404 not found", "http error 500", "xyzzy plugh",
)  # fmt: skip


@dataclass(frozen=True)
class Statistics:
    """Mean [D] and covariance [D, D] of a collection's vectors, float32."""

    mean: Vectors
    covariance: Vectors

    @classmethod
    def of(cls, vectors_ND: npt.NDArray[np.float16]) -> Statistics:
        """The statistics of at most 50,000 vectors, evenly spread over the collection."""
        step = max(1, len(vectors_ND) // STATISTICS_ROWS)
        sample_ND = vectors_ND[::step].astype(np.float32)
        mean_D = sample_ND.mean(axis=0)
        centred_ND = sample_ND - mean_D
        return cls(mean_D, centred_ND.T @ centred_ND / max(1, len(sample_ND) - 1))

    def deviation(self, query_D: Vectors) -> float:
        """The standard deviation of the query's inner products with the collection."""
        return math.sqrt(max(float(query_D @ self.covariance @ query_D), 1e-12))

    def z(self, query_D: Vectors, scores: npt.NDArray[np.float32]) -> Vectors:
        """How many standard deviations each score is above the query's mean score."""
        return np.asarray((scores - float(query_D @ self.mean)) / self.deviation(query_D), np.float32)

    def save(self, path: Path) -> None:
        """Write the statistics to an .npz file."""
        with atomic_write(path) as file:
            np.savez(file, mean=self.mean, covariance=self.covariance)

    @classmethod
    def load(cls, path: Path) -> Statistics:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            return cls(stored["mean"], stored["covariance"])


@dataclass(frozen=True)
class Scores:
    """Scores of one or several queries: cosines and their z, float32 [C] each."""

    cosine: Vectors
    z: Vectors

    @property
    def features(self) -> npt.NDArray[np.float64]:
        """Both features of each score, float64 [C, 2]."""
        return np.stack([self.cosine, self.z], axis=1).astype(np.float64)


def scores_of(statistics: Statistics, query_D: Vectors, cosines: Vectors) -> Scores:
    """The cosines of one query, each with its z."""
    return Scores(cosines, statistics.z(query_D, cosines))


def joined(scores: Sequence[Scores]) -> Scores:
    """Scores of several queries, one after the other."""
    return Scores(
        np.concatenate([each.cosine for each in scores]), np.concatenate([each.z for each in scores])
    )


def probabilities(curve: Curve, scores: Scores) -> Vectors:
    """The probability that each score is a match."""
    return sigmoid(scores.features @ np.array([curve.cosine, curve.z]) + curve.intercept)


def likelihoods(
    calibration: Calibration | None, statistics: Statistics, query_D: Vectors, side: Side, cosines: Vectors
) -> Vectors:
    """The probability that items with these cosines answer a query. For an index without curves, the
    cosines scaled to 0 to 1.
    """
    if calibration is None:
        return np.asarray((cosines + 1) / 2, np.float32)
    return probabilities(curve_of(calibration, side), scores_of(statistics, query_D, cosines))


def least_cosines(
    calibration: Calibration | None,
    statistics: Statistics,
    query_D: Vectors,
    side: Side,
    log_odds: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """The cosines from which on `likelihoods` gives these log odds; infinite if no cosine decides."""
    if calibration is None:
        return np.asarray(np.tanh(log_odds / 2))
    curve, deviation = curve_of(calibration, side), statistics.deviation(query_D)
    slope = curve.cosine + curve.z / deviation
    if slope == 0:
        return np.where(log_odds <= curve.intercept, -math.inf, math.inf)
    return (log_odds - curve.intercept + curve.z * float(query_D @ statistics.mean) / deviation) / slope


def curve_of(calibration: Calibration, side: Side) -> Curve:
    """The curve for scores of this side (text or image)."""
    return calibration.text if side == "text" else calibration.image


def fit_curve(matching: Scores, background: Scores, background_share: float = 0.5) -> Curve:
    """The logistic curve that separates scores known to match from scores known not to.

    `background_share` is the total weight of the latter, between 0 and 1: the prior
    probability that there is no match.

    A feature whose weight has the wrong sign is left out. If both have, the model cannot distinguish a match
    from chance, and the curve is flat: every probability is one half.
    """
    used = [0, 1]
    while used:
        weights, intercept = _fit(matching.features[:, used], background.features[:, used], background_share)
        if (weights > 0).all():
            found = dict(zip(used, weights.tolist(), strict=True))
            return Curve(cosine=found.get(0, 0.0), z=found.get(1, 0.0), intercept=intercept)
        used.pop(int(np.argmin(weights)))
    return Curve(cosine=0.0, z=0.0, intercept=0.0)


def fit_weights(
    matching_CF: npt.NDArray[np.float64], background_CF: npt.NDArray[np.float64], background_share: float
) -> tuple[tuple[float, ...], float]:
    """The weights [F] and the intercept of a logistic regression in which no feature counts against a match:
    one by one, the features with the most negative weight are left out (weight 0).
    """
    num = matching_CF.shape[1]
    used = list(range(num))
    while used:
        weights, intercept = _fit(matching_CF[:, used], background_CF[:, used], background_share)
        if (weights >= 0).all():
            found = dict(zip(used, weights.tolist(), strict=True))
            return tuple(found.get(n, 0.0) for n in range(num)), intercept
        used.pop(int(np.argmin(weights)))
    return (0.0,) * num, 0.0


def _fit(
    matching_CF: npt.NDArray[np.float64], background_CF: npt.NDArray[np.float64], background_share: float
) -> tuple[npt.NDArray[np.float64], float]:
    """Weights [F] and intercept of a logistic regression in which each set has the weight of its
    share, independent of its size.

    Newton's method with a small ridge, so that separable sets give finite weights.
    """
    x = np.concatenate([matching_CF, background_CF])
    y = np.concatenate([np.ones(len(matching_CF)), np.zeros(len(background_CF))])
    weights_of = ((matching_CF, 1 - background_share), (background_CF, background_share))
    shares = np.concatenate([np.full(len(part), weight / len(part)) for part, weight in weights_of])
    centre, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
    design = np.column_stack([(x - centre) / scale, np.ones(len(x))])
    ridge, parameters = np.diag([1e-2] * x.shape[1] + [1e-6]), np.zeros(design.shape[1])
    for _ in range(50):
        p = sigmoid(design @ parameters).astype(np.float64)
        gradient = design.T @ (shares * (p - y)) + ridge @ parameters
        hessian = (design * (shares * p * (1 - p))[:, None]).T @ design + ridge
        parameters -= np.linalg.solve(hessian, gradient)
    weights = parameters[:-1] / scale
    return weights, float(parameters[-1] - weights @ centre)


def sigmoid(x: npt.NDArray[np.floating]) -> Vectors:
    """1 / (1 + exp(-x)), float32."""
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -60, 60))), np.float32)


def shortened(caption: str) -> str:
    """The first three words of a caption, which are closer to what people type."""
    return " ".join(caption.split()[:3])
