"""What a query looks for, as one unit vector: texts, images, items and regions, summed with weights.

A text's products with images spread less than an image's do. Added as they are, the image would drown the
text; so each part is first scaled to the spread of its own products with the collection
(retrieval.generation.calibration), and weights mean what they say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from iconoclip.errors import BadInput
from retrieval.answers import Query, RegionOf
from retrieval.encode.pixels import decode, to_jpeg
from retrieval.generation.calibration import Side, Statistics

Vectors = npt.NDArray[np.float32]

# Rocchio's weights as Manning et al. 2008, ch. 9.1.1, recommend them: the query, what it likes, what it does
# not.
QUERY_WEIGHT, LIKE_WEIGHT, UNLIKE_WEIGHT = 1.0, 0.75, 0.25


class Model(Protocol):
    """The two sides of the model that a query may need."""

    def text(self, text: str) -> Vectors:
        """The unit vector of a text, float32 [D]."""
        ...

    def image(self, data: bytes) -> Vectors:
        """The unit vector of an image file, float32 [D]."""
        ...


@dataclass(frozen=True)
class QueryPart:
    """One part of a query: its weight, its unit vector [D], and whether it is a text or an image."""

    weight: float
    vector: Vectors
    side: Side


@dataclass(frozen=True)
class QueryVector:
    """A unit vector [D], and the parts that it is the sum of."""

    vector: Vectors
    parts: tuple[QueryPart, ...]

    @property
    def wanted(self) -> tuple[QueryPart, ...]:
        """The parts that answers should be like."""
        return tuple(part for part in self.parts if part.weight > 0)

    @property
    def text(self) -> Vectors | None:
        """The vector of a text [D] where that is all there is."""
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
    """The vector a query asks for, or None when it asks for none.

    Args:
        query: the query.
        model: loaded only when a text or an image has to be encoded.
        item_vector: the vector of an item's key.
        item_image: the JPEG of an item's key.
        statistics: of the collection.

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
        BadInput: nothing of it lies inside.
    """
    image = decode(jpeg)
    left, top = round(region.x * image.width), round(region.y * image.height)
    right = min(image.width, round((region.x + region.width) * image.width))
    bottom = min(image.height, round((region.y + region.height) * image.height))
    if right <= left or bottom <= top:
        raise BadInput("the region holds no pixel", where="region", remedy="draw a larger one")
    return to_jpeg(image.crop((left, top, right, bottom)))
