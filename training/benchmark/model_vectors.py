"""Vectors of pictures and texts by an open_clip model.

Letters: N pictures, T texts, D embedding dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from iconoclip.errors import BadInput
from iconoclip.progress import progress
from training.benchmark.config import BenchmarkVerbConfig
from training.data.images import UndecodableImage, decode
from training.evaluation.embed import embed_texts
from training.hardware import autocast, device_of, resolve_precision, set_threads
from training.model import encode_images, load_weighted_model

# Decoded at full size, as for `evaluate`.
FULL_SIZE = 1_000_000
FloatArray = npt.NDArray[np.float32]


class ModelVectors:
    """A model that is loaded once, for pictures and for queries."""

    def __init__(self, config: BenchmarkVerbConfig) -> None:
        assert config.model
        self._config = config
        self._device = device_of(config.device)
        self._precision = resolve_precision(config.precision, self._device)
        set_threads(None, 1)
        self._loaded = load_weighted_model(config.model, config.pretrained)
        self._loaded.model.to(self._device).eval()

    def texts(self, texts: Sequence[str]) -> FloatArray:
        """Unit vectors of texts, [T, D]."""
        return embed_texts(
            self._loaded.model, texts, self._loaded.tokenize, device=self._device,
            precision=self._precision, batch_size=self._config.batch_size,
        )  # fmt: skip

    def images(self, paths: Sequence[Path]) -> FloatArray:
        """Unit vectors of pictures, [N, D].

        Raises:
            BadInput: a picture cannot be decoded.
        """
        transform, found = self._loaded.evaluation_transform(), []
        with progress("encode", total=len(paths), unit="pictures") as meter:
            for start in range(0, len(paths), self._config.batch_size):
                part = paths[start : start + self._config.batch_size]
                pixels = torch.stack([transform(self._decoded(path)) for path in part])
                with torch.no_grad(), autocast(self._precision, self._device):
                    features = encode_images(self._loaded.model, pixels.to(self._device))
                found.append(features.float().cpu().numpy())
                meter.advance(len(part))
        return np.concatenate(found)

    def _decoded(self, path: Path) -> object:
        try:
            return decode(path.read_bytes(), min_side=FULL_SIZE, where=str(path))
        except (UndecodableImage, OSError) as error:
            raise BadInput(f"the picture cannot be decoded: {error}", where=path) from error
