"""Which pairs of words are close to each other in the texts of items.

The texts are those of `retrieval.generation.word_index.clauses_of`: words between spaces, commas between
clauses. All texts are read as one array of words, because a regular expression for each pair takes
milliseconds to compile if the words have many forms.

Shapes: C texts, W words of all texts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import repeat

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.uint32]

MAX_PAIRS = 31
_COMMA = 1 << 62
_APART = " , "


def close_pairs(texts: Sequence[str], pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> Bits:
    """Which pairs are one after the other in a clause of each text, with at most one word between them: one
    bit per pair, the first the lowest, uint32 [C].

    Args:
        texts: the texts.
        pairs: for each pair, the terms that count as its first word, and as its second; at most 31 pairs.
    """
    if not texts:
        return np.zeros(0, np.uint32)
    codes: dict[str, int] = defaultdict(int, {",": _COMMA})
    for number, (first, second) in enumerate(pairs[:MAX_PAIRS]):
        for term in first:
            codes[term] |= 1 << number
        for term in second:
            codes[term] |= 1 << (number + MAX_PAIRS)
    words = _APART.join(texts).split(" ")
    codes_W = np.fromiter(map(codes.get, words, repeat(0)), np.int64, len(words))
    first_W = codes_W & ((1 << MAX_PAIRS) - 1)
    second_W = (codes_W & ~_COMMA) >> MAX_PAIRS
    is_comma_W = codes_W >= _COMMA
    close_W = np.zeros(len(words), np.int64)
    close_W[:-1] = first_W[:-1] & second_W[1:]
    close_W[:-2] |= np.where(is_comma_W[1:-1], 0, first_W[:-2] & second_W[2:])
    # The comma between two texts counts as the end of the one before.
    lengths = np.array([text.count(" ") + 2 for text in texts])
    starts = np.cumsum(lengths) - lengths
    return np.bitwise_or.reduceat(close_W, starts).astype(np.uint32)
