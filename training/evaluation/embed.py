"""Embeds the images and captions of a shard set as unit vectors, in the order of the rows, for
validation and evaluation.

Each rank embeds a share, and all ranks get the complete result.

Images use open_clip's own evaluation transform, so that anyone who loads the model with
open_clip gets the same numbers.

Letters: N images, T texts, D embedding dimension, S image side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from iconoclip.errors import DamagedData
from iconoclip.vocabulary import Precision
from training.data.images import UndecodableImage, decode
from training.data.loader import reason
from training.data.samples import Samples
from training.data.storage import ShardReader, ShortShard
from training.hardware import autocast
from training.model import encode_images
from training.ranks import joined_list, joined_rows, share
from training.text import encode_texts

# Decoded at full size, because the pixels of draft mode differ slightly from those that others get.
_FULL_SIZE = 1_000_000
Advance = Callable[[int], object]


class Embedded(NamedTuple):
    """The features of pictures, with their row numbers."""

    features_ND: npt.NDArray[np.float32]
    """unit length"""
    rows: list[int]
    """the requested rows that could be decoded, in their order"""
    damaged: dict[str, str]
    """the reason for each key that could not"""


class EvaluationImages(Dataset[tuple[Tensor, str]]):
    """The transformed images of some rows, float [3, S, S], each with the error if it cannot be decoded."""

    def __init__(self, samples: Samples, rows: Sequence[int], transform: Callable[[Any], Tensor]) -> None:
        self._samples, self._rows, self._transform = samples, rows, transform
        self._reader = ShardReader(samples)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> tuple[Tensor, str]:
        row = self._rows[index]
        where = self._samples.keys[row].as_py()
        try:
            image = decode(self._reader.image_bytes(row), min_side=_FULL_SIZE, where=where)
        except (ShortShard, UndecodableImage) as error:
            return self._transform(Image.new("RGB", (8, 8))), reason(error)
        return self._transform(image), ""


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
) -> Embedded:
    """The features of the images of `rows`. Pictures that cannot be decoded are left out and listed.

    Raises:
        DamagedData: none of them can be decoded, or a shard is missing.
    """
    images = EvaluationImages(samples, rows[share(len(rows))], transform)
    loader = DataLoader(images, batch_size=batch_size, num_workers=num_workers)
    features, problems = [], []
    for pixels_B3SS, problems_B in loader:
        is_sound_B = np.array([not problem for problem in problems_B])
        with torch.no_grad(), autocast(precision, device):
            features.append(encode_images(model, pixels_B3SS.to(device)).float().cpu().numpy()[is_sound_B])
        problems += list(problems_B)
        if advance:
            advance(len(pixels_B3SS))
    problems = joined_list(problems)
    damaged = {samples.keys[row].as_py(): text for row, text in zip(rows, problems, strict=True) if text}
    if len(damaged) == len(rows):
        raise DamagedData(
            f"none of the {len(rows)} pictures can be decoded",
            where=", ".join(list(damaged)[:3]),
            remedy="`iconoclip check` reports what is wrong with each",
        )
    kept = [row for row, text in zip(rows, problems, strict=True) if not text]
    return Embedded(joined_rows(features), kept, damaged)


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
