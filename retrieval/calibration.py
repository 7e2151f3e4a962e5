"""What a score means: how far it stands out from the query's own background, and how likely such a score is a match.

A cosine says little by itself: some texts score high with everything, and a text never comes as close to an image as
another image does. So a score is first measured against the query's own scores over the whole collection, whose mean
and variance follow from the vectors' mean m and covariance S without looking at a single item:

    z = (q.x - q.m) / sqrt(q' S q)

Then a logistic curve, fitted at build time, turns z into a probability. For texts it separates captions (whole, and cut
to a few words) with their own image from background texts, about things no library catalogued, with their best image;
for images it separates an item's nearest neighbour from random pairs.

Shapes: Q queries, N items, D dimensions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from iconoclip.files import atomic_write
from retrieval.generation import Calibration

Vectors = npt.NDArray[np.float32]
Side = Literal["text", "image"]

STATISTICS_ROWS = 50_000
MIN_PROBABILITY = 0.5

# Things of our time and of no interest to a picture collection: whatever they score is a score of chance.
BACKGROUND_TEXTS = (
    "a screenshot of a spreadsheet with quarterly sales", "error message in a web browser", "USB cable connector",
    "a smartphone lying on a desk", "traffic jam on a motorway at night", "a supermarket shelf with cereal boxes",
    "an airport departure board", "a programmer in front of two monitors", "barcode label", "laptop keyboard close-up",
    "a plastic bottle in a recycling bin", "electric scooter", "parking ticket machine", "satellite dish on a roof",
    "weather radar map", "MRI scan of a knee", "a tax form filled in online", "basketball slam dunk", "pizza delivery",
    "a wind turbine under a blue sky", "solar panels", "an office meeting with sticky notes", "selfie in a mirror",
    "frozen vegetables in a bag", "a washing machine manual", "concert with laser lights", "a drone above a stadium",
    "ein Bildschirmfoto einer Fehlermeldung", "Stau auf der Autobahn", "Steckdose mit Ladekabel", "Waschmaschine",
    "eine Tabelle mit Umsatzzahlen", "Tiefkühlpizza", "un téléphone portable sur une table", "une clé USB",
    "un embouteillage sur l'autoroute", "une capture d'écran d'un tableur", "machine à laver", "panneaux solaires",
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
        """From at most 50,000 of the vectors, evenly spread."""
        step = max(1, len(vectors_ND) // STATISTICS_ROWS)
        sample_ND = vectors_ND[::step].astype(np.float32)
        mean_D = sample_ND.mean(axis=0)
        centred_ND = sample_ND - mean_D
        return cls(mean_D, centred_ND.T @ centred_ND / max(1, len(sample_ND) - 1))

    def deviation(self, query_D: Vectors) -> float:
        """Standard deviation of the query's products with the collection."""
        return math.sqrt(max(float(query_D @ self.covariance @ query_D), 1e-12))

    def z(self, query_D: Vectors, scores: npt.NDArray[np.float32]) -> Vectors:
        """How many standard deviations each score stands above the query's mean score."""
        return np.asarray((scores - float(query_D @ self.mean)) / self.deviation(query_D), np.float32)

    def save(self, path: Path) -> None:
        """Write to an .npz file."""
        with atomic_write(path) as file:
            np.savez(file, mean=self.mean, covariance=self.covariance)

    @classmethod
    def load(cls, path: Path) -> Statistics:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            return cls(stored["mean"], stored["covariance"])


def probabilities(calibration: Calibration, side: Side, z: Vectors) -> Vectors:
    """How surely scores that stand `z` above their background are matches, 0 to 1."""
    slope, intercept = (
        (calibration.text_slope, calibration.text_intercept)
        if side == "text"
        else (calibration.image_slope, calibration.image_intercept)
    )
    return _sigmoid(slope * z + intercept)


def discriminates(calibration: Calibration, side: Side) -> bool:
    """Whether scores of this side tell a match from chance at all."""
    return (calibration.text_slope if side == "text" else calibration.image_slope) > 0


def calibrate(
    *,
    matching_text_z: Vectors,
    background_text_z: Vectors,
    neighbour_z: Vectors,
    random_pair_z: Vectors,
) -> Calibration:
    """Fit both curves from z of scores known to be matches and of scores known not to be."""
    text_slope, text_intercept = fit_logistic(matching_text_z, background_text_z)
    image_slope, image_intercept = fit_logistic(neighbour_z, random_pair_z)
    return Calibration(
        text_slope=text_slope,
        text_intercept=text_intercept,
        image_slope=image_slope,
        image_intercept=image_intercept,
        num_matching=len(matching_text_z),
        num_background=len(background_text_z),
    )


def fit_logistic(matching: Vectors, background: Vectors) -> tuple[float, float]:
    """Slope and intercept of the logistic curve that separates two sets of numbers, each weighing the same.

    Newton's method with a small ridge, so that separable sets give a finite slope. (0, 0) where higher numbers are no likelier
    to match.
    """
    x = np.concatenate([matching, background]).astype(np.float64)
    y = np.concatenate([np.ones(len(matching)), np.zeros(len(background))])
    weights = np.concatenate([np.full(len(s), 0.5 / max(1, len(s))) for s in (matching, background)])
    centre, scale = (float(x.mean()), max(float(x.std()), 1e-6)) if len(x) else (0.0, 1.0)
    design = np.stack([(x - centre) / scale, np.ones_like(x)], axis=1)
    ridge, parameters = np.diag([1e-2, 1e-6]), np.zeros(2)
    for _ in range(50):
        p = _sigmoid(design @ parameters)
        gradient = design.T @ (weights * (p - y)) + ridge @ parameters
        hessian = (design * (weights * p * (1 - p))[:, None]).T @ design + ridge
        parameters -= np.linalg.solve(hessian, gradient)
    slope = float(parameters[0] / scale)
    if slope <= 0:
        # The model tells a match from chance no better than a coin: every probability is one half.
        return 0.0, 0.0
    return slope, float(parameters[1] - slope * centre)


def _sigmoid(x: npt.NDArray[np.floating]) -> Vectors:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -60, 60))), np.float32)


def shortened(caption: str) -> str:
    """The first three words of a caption: closer to what people type."""
    return " ".join(caption.split()[:3])
