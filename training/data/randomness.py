"""Random numbers without state: every draw is a hash of its purpose and position.

A draw for (seed, epoch, sample) does not depend on the process or on earlier draws. So a run is the same for
any number of workers and ranks, and resuming is exact without a saved generator. The hash is splitmix64
(Steele, Lea and Flood 2014, OOPSLA), chained over its inputs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

UInt64Array = npt.NDArray[np.uint64]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)

# The purpose of a draw; two purposes never use the same stream.
ORDER, WINDOW, CAPTION, CROP, QUOTA, STEP, STREAM, STRATUM, SPREAD, SHIFT, TOKENS, NEGATIVE = range(12)


def mix(*parts: int | npt.NDArray[np.integer]) -> UInt64Array:
    """Hash integers, or broadcastable arrays of them, into uniform 64-bit values."""
    state: UInt64Array = np.zeros((), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for part in parts:
            word = np.asarray(part).astype(np.int64).astype(np.uint64)
            state = chained(state, word)
    return state


def chained(state: UInt64Array, word: UInt64Array) -> UInt64Array:
    """The hash after one more word, for each of an array of hashes and words."""
    with np.errstate(over="ignore"):
        return _scramble(state + _GOLDEN + word * _FIRST)


def _scramble(word: UInt64Array) -> UInt64Array:
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    return word ^ (word >> np.uint64(31))


def uniform(*parts: int | npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """Hash integers into floats in [0, 1), 53 bits each."""
    return (mix(*parts) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def text_positions(position_B: npt.NDArray[np.int64], num: int) -> npt.NDArray[np.int64]:
    """A number for each of `num` texts of each position, [B * num], of which no two in a run are equal."""
    return (position_B[:, None] * num + np.arange(num)).reshape(-1)


def shuffled(length: int, *parts: int) -> npt.NDArray[np.int64]:
    """A permutation of range(length) that depends on `parts` alone."""
    return np.argsort(mix(*parts, np.arange(length)), kind="stable")
