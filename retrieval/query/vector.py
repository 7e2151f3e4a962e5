"""The vector of a query: the weighted sum of its texts, images, items and regions, as one unit vector.

The inner products of a text with images vary less than those of an image. Without scaling, an image would
therefore dominate a text. So each part is first scaled by the standard deviation of its own products with the
collection (retrieval.generation.calibration), and equal weights have equal effect.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from iconoclip.errors import BadInput
from retrieval.encode.pixels import decode, to_jpeg
from retrieval.generation.calibration import Side, Statistics
from retrieval.questions import Query, RegionOf

Vectors = npt.NDArray[np.float32]

# Rocchio's weights as recommended by Manning et al. 2008, ch. 9.1.1: for the query, for liked
# items, for disliked ones.
QUERY_WEIGHT, LIKE_WEIGHT, UNLIKE_WEIGHT = 1.0, 0.75, 0.25


class Model(Protocol):
    """The two towers of the model that a query may need."""

    def text(self, text: str) -> Vectors:
        """The unit vector of a text, float32 [D]."""
        ...

    def image(self, data: bytes) -> Vectors:
        """The unit vector of an image file, float32 [D]."""
        ...


class TextAhead:
    """A model that encodes one text in another thread, while the caller looks up its words: both spend their
    time outside of Python's lock.

    Args:
        model: the model.
        pool: runs the encoding.
        text: the text that will probably be needed; another one is encoded when it is asked for.
    """

    def __init__(self, model: Model, pool: Executor, text: str) -> None:
        self._model, self._text = model, text
        self._encoded = pool.submit(model.text, text)

    def text(self, text: str) -> Vectors:
        """The unit vector of a text, float32 [D]."""
        if text == self._text:
            return self._encoded.result()
        self._encoded.cancel()
        return self._model.text(text)

    def image(self, data: bytes) -> Vectors:
        """The unit vector of an image file, float32 [D]."""
        return self._model.image(data)


@dataclass(frozen=True)
class QueryPart:
    """One part of a query: its weight, its unit vector [D], and whether it is a text or an image."""

    weight: float
    vector: Vectors
    side: Side


@dataclass(frozen=True)
class QueryVector:
    """A unit vector [D], and the parts that were summed."""

    vector: Vectors
    parts: tuple[QueryPart, ...]

    @property
    def wanted(self) -> tuple[QueryPart, ...]:
        """The parts that hits should resemble."""
        return tuple(part for part in self.parts if part.weight > 0)

    @property
    def text(self) -> Vectors | None:
        """The vector [D] of the text, if the query consists of one text."""
        alone = len(self.parts) == 1 and self.wanted and self.parts[0].side == "text"
        return self.vector if alone else None


def query_vector(
    query: Query,
    *,
    model: Model,
    item_vector: Callable[[str], Vectors],
    item_image: Callable[[str], bytes],
    statistics: Statistics,
) -> QueryVector | None:
    """The vector of a query, or None if it has no text, image, item or region.

    Args:
        query: the query.
        model: loaded only when a text or an image has to be encoded.
        item_vector: gives the vector of an item by its key.
        item_image: gives the JPEG of an item by its key.
        statistics: the statistics of the collection.

    Raises:
        BadInput: an unknown key, an unreadable image, or parts that cancel each other.
    """
    parts: list[QueryPart] = []
    if query.text and query.mode != "keyword":
        parts.append(QueryPart(QUERY_WEIGHT, model.text(query.text), "text"))
    if query.image:
        parts.append(QueryPart(QUERY_WEIGHT, model.image(query.image), "image"))
    if query.region:
        region_D = model.image(cut(item_image(query.region.key), query.region))
        parts.append(QueryPart(QUERY_WEIGHT, region_D, "image"))
    for keys, weight in ((query.like, LIKE_WEIGHT), (query.unlike, -UNLIKE_WEIGHT)):
        parts.extend(QueryPart(weight / len(keys), item_vector(key), "image") for key in keys)
    for term in query.terms:
        if term.text:
            parts.append(QueryPart(term.weight, model.text(term.text), "text"))
        else:
            parts.append(QueryPart(term.weight, item_vector(term.key or ""), "image"))
    return QueryVector(_sum(parts, statistics), tuple(parts)) if parts else None


def _sum(parts: list[QueryPart], statistics: Statistics) -> Vectors:
    if len(parts) == 1 and parts[0].weight > 0:
        return parts[0].vector
    total_D = np.sum(
        [part.weight / statistics.deviation(part.vector) * part.vector for part in parts], axis=0
    )
    length = float(np.linalg.norm(total_D))
    if length < 1e-6:
        raise BadInput("the parts of this query cancel each other", remedy="change a weight or drop a part")
    return np.asarray(total_D / length, np.float32)


def cut(jpeg: bytes, region: RegionOf) -> bytes:
    """The part of an image that a region names, as JPEG.

    Raises:
        BadInput: the region is outside of the image.
    """
    image = decode(jpeg)
    left, top = round(region.x * image.width), round(region.y * image.height)
    right = min(image.width, round((region.x + region.width) * image.width))
    bottom = min(image.height, round((region.y + region.height) * image.height))
    if right <= left or bottom <= top:
        raise BadInput("the region holds no pixel", where="region", remedy="draw a larger one")
    return to_jpeg(image.crop((left, top, right, bottom)))
