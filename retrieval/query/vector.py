"""What a query looks for, as one unit vector: texts, images, items and regions, summed with weights.

A text's products with images spread less than an image's do. Added as they are, the image would drown the text; so each
part is first scaled to the spread of its own products with the collection (retrieval.generation.calibration), and weights mean what
they say.
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

# Rocchio's weights as Manning et al. 2008, ch. 9.1.1, recommend them: the query, what it likes, what it does not.
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
class QueryVector:
    """A unit vector [D], the side its scores are to be judged by, and the text's own vector [D] if it is all of it."""

    vector: Vectors
    side: Side
    text: Vectors | None = None


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
    parts: list[tuple[float, Vectors]] = []
    if query.text and query.mode != "keyword":
        parts.append((QUERY_WEIGHT, model.text(query.text)))
    if query.image:
        parts.append((QUERY_WEIGHT, model.image(query.image)))
    if query.region:
        parts.append((QUERY_WEIGHT, model.image(cut(item_image(query.region.key), query.region))))
    for keys, weight in ((query.like, LIKE_WEIGHT), (query.unlike, -UNLIKE_WEIGHT)):
        parts.extend((weight / len(keys), item_vector(key)) for key in keys)
    for term in query.terms:
        vector_D = model.text(term.text) if term.text else item_vector(term.key or "")
        parts.append((term.weight, vector_D))
    if not parts:
        return None
    has_text = (bool(query.text) and query.mode != "keyword") or any(term.text for term in query.terms)
    is_text_alone = len(parts) == 1 and has_text and parts[0][0] > 0
    return QueryVector(
        _sum(parts, statistics), "text" if has_text else "image", parts[0][1] if is_text_alone else None
    )


def _sum(parts: list[tuple[float, Vectors]], statistics: Statistics) -> Vectors:
    if len(parts) == 1 and parts[0][0] > 0:
        return parts[0][1]
    total_D = np.sum([weight / statistics.deviation(each_D) * each_D for weight, each_D in parts], axis=0)
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
