"""Randomness without state: every draw is a hash of what it is for.

A draw for (seed, epoch, sample) is the same whatever process makes it and whatever was drawn before. That is
what makes a run the same for any number of workers and ranks, and a resume exact without a saved generator.
The mixer is splitmix64 (Steele, Lea and Flood 2014, OOPSLA), chained over its inputs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

UInt64Array = npt.NDArray[np.uint64]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)

# What a draw is for; two purposes never share a stream.
ORDER, WINDOW, CAPTION, CROP, QUOTA, STEP = range(6)


def mix(*parts: int | npt.NDArray[np.integer]) -> UInt64Array:
    """Hash integers, or arrays of them that broadcast, into uniform 64-bit values."""
    state: UInt64Array = np.zeros((), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for part in parts:
            word = np.asarray(part).astype(np.int64).astype(np.uint64)
            state = _scramble(state + _GOLDEN + word * _FIRST)
    return state


def _scramble(word: UInt64Array) -> UInt64Array:
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    return word ^ (word >> np.uint64(31))


def uniform(*parts: int | npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """Hash integers into floats in [0, 1), 53 bits each."""
    return (mix(*parts) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def shuffled(length: int, *parts: int) -> npt.NDArray[np.int64]:
    """A permutation of range(length) that depends on `parts` alone."""
    return np.argsort(mix(*parts, np.arange(length)), kind="stable")
