"""The weights of samples by which each source of a mix gets its share of an epoch.

Letters: N samples, S sources, I institutions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Mix:
    """Sources with weights: each gets its part of the samples that are drawn, whatever its size."""

    source_of_set: tuple[int, ...]
    """the number of the source that each shard set belongs to"""
    weights: tuple[float, ...]
    """the weight of each source"""
    institution_alpha: float
    """within a source, institutions are drawn in proportion to n^alpha"""

    def sample_weights(
        self, source_N: npt.NDArray[np.integer], institution_N: npt.NDArray[np.integer], weight_N: FloatArray
    ) -> FloatArray:
        """How many times as often each sample is drawn, [N].

        Args:
            source_N: the number of each sample's source.
            institution_N: the number of each sample's institution.
            weight_N: how many times as often it is drawn as others of its source.

        `quotas` draws a sample in proportion to w n^(alpha - 1), where n is the number of samples of its
        institution in all sources. The weights here make these sum to the weight of each source.
        """
        ideal_N = np.bincount(institution_N)[institution_N] ** (self.institution_alpha - 1.0) * weight_N
        total_S = np.bincount(source_N, weights=ideal_N, minlength=len(self.weights))
        scale_S = np.array(self.weights) / np.where(total_S > 0, total_S, 1.0)
        found: FloatArray = weight_N * scale_S[source_N]
        return found

    def shares(self, source_N: npt.NDArray[np.integer]) -> list[float]:
        """The part of the samples that each source gives, [S]; sources without a sample give none."""
        present_S = np.bincount(source_N, minlength=len(self.weights)) > 0
        weight_S = np.where(present_S, self.weights, 0.0)
        found: list[float] = (weight_S / weight_S.sum()).tolist()
        return found
