"""Images and captions of a shard set -> unit vectors, in the order of the rows. Used by validation and evaluation.

Each rank embeds a share, and has the whole in the end.

Images go through open_clip's own evaluation transform, so that the numbers hold for anyone who loads the model
with open_clip.

Letters: N images, T texts, D embedding dimension, S image side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from training.config import Precision
from training.data.images import decode
from training.data.samples import Samples
from training.data.storage import ShardReader
from training.hardware import autocast
from training.model import encode_images
from training.ranks import joined_rows, share
from training.text import encode_texts

# Decoding at full size: the draft mode's pixels differ slightly from those anyone else would get.
_FULL_SIZE = 1_000_000
Advance = Callable[[int], object]


class EvaluationImages(Dataset[Tensor]):
    """The images of some rows, transformed, float [3, S, S]."""

    def __init__(self, samples: Samples, rows: Sequence[int], transform: Callable[[Any], Tensor]) -> None:
        self._samples, self._rows, self._transform = samples, rows, transform
        self._reader = ShardReader(samples)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Tensor:
        row = self._rows[index]
        where = self._samples.keys[row].as_py()
        return self._transform(decode(self._reader.image_bytes(row), min_side=_FULL_SIZE, where=where))


def embed_images(
    model: nn.Module,
    samples: Samples,
    rows: Sequence[int],
    transform: Callable[[Any], Tensor],
    *,
    device: torch.device,
    precision: Precision,
    batch_size: int,
    num_workers: int = 0,
    advance: Advance | None = None,
) -> npt.NDArray[np.float32]:
    """The features of the images of `rows`, [N, D], unit length."""
    images = EvaluationImages(samples, rows[share(len(rows))], transform)
    loader = DataLoader(images, batch_size=batch_size, num_workers=num_workers)
    features = []
    for pixels_B3SS in loader:
        with torch.no_grad(), autocast(precision, device):
            features.append(encode_images(model, pixels_B3SS.to(device)).float().cpu().numpy())
        if advance:
            advance(len(pixels_B3SS))
    return joined_rows(features)


def embed_texts(
    model: nn.Module,
    texts: Sequence[str],
    tokenize: Callable[[list[str]], Tensor],
    *,
    device: torch.device,
    precision: Precision,
    batch_size: int,
    advance: Advance | None = None,
) -> npt.NDArray[np.float32]:
    """The features of texts, [T, D], unit length."""
    features = []
    for part in _parts(texts[share(len(texts))], batch_size):
        with torch.no_grad(), autocast(precision, device):
            features.append(encode_texts(model, tokenize(part).to(device)).float().cpu().numpy())
        if advance:
            advance(len(part))
    return joined_rows(features)


def _parts(texts: Sequence[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(texts), size):
        yield list(texts[start : start + size])
