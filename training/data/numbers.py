"""Numbers that stand for texts: equal texts have equal numbers, on every machine and in every run.

A dictionary of all distinct texts would need several gigabytes for thirty million captions, in each process
that makes it. A hash needs none, and may be computed in parts. It has 63 bits: among thirty million distinct
texts, two have the same number in one of 20,000 sets, and then count as equal captions.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from training.data.randomness import chained

IntArray = npt.NDArray[np.int64]
# Longer texts are hashed one by one: the others together, eight bytes of each at a time.
MAX_TOGETHER = 4096


def bytes_of(texts: pa.Array) -> tuple[npt.NDArray[np.uint8], IntArray]:
    """The UTF-8 bytes of all texts one after the other, and where each begins, [N + 1]; null counts as empty.

    Args:
        texts: strings of any of Arrow's kinds.
    """
    whole = pc.cast(pc.fill_null(texts, ""), pa.large_string())
    offsets, data = whole.buffers()[1:]
    if not len(whole) or offsets is None:
        return np.zeros(0, dtype=np.uint8), np.zeros(len(whole) + 1, dtype=np.int64)
    first_N = np.frombuffer(offsets, dtype=np.int64)[whole.offset : whole.offset + len(whole) + 1]
    content = np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, dtype=np.uint8)
    return content[first_N[0] : first_N[-1]], first_N - first_N[0]


def checksum_numbers(digits: pa.Array) -> npt.NDArray[np.uint64]:
    """The first 64 bits of SHA-256 sums in hexadecimal, as `checksum_number` gives them; 0 for what is none.

    Damage is overlooked once in 2^64 times. Eight bytes per picture are kept, of which there may be millions.
    """
    is_sum = pc.match_substring_regex(pc.fill_null(digits, ""), "^[0-9a-f]{64}$")
    data, _ = bytes_of(pc.if_else(is_sum, digits, "0" * 64))
    halves_N16 = data.reshape(-1, 64)[:, :16].astype(np.uint64)
    # "0" is 48 and "a" 97.
    halves_N16 -= np.where(halves_N16 < 97, 48, 87).astype(np.uint64)
    shifts_16 = np.arange(60, -1, -4, dtype=np.uint64)
    found: npt.NDArray[np.uint64] = np.bitwise_or.reduce(halves_N16 << shifts_16, axis=1)
    return found


def checksum_number(data: bytes) -> int:
    """The first 64 bits of the SHA-256 of some bytes."""
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big")


def text_numbers(texts: pa.Array) -> IntArray:
    """A number of 63 bits for each text, from its bytes alone."""
    data, first_N = bytes_of(texts)
    length_N = np.diff(first_N)
    # Any eight bytes as one word, also where they are not aligned; the last text is followed by zeros.
    padded = np.append(data, np.zeros(8, dtype=np.uint8))
    words = np.ndarray((len(padded) - 7,), dtype="<u8", buffer=padded, strides=(1,))
    state_N = chained(np.zeros(len(length_N), dtype=np.uint64), length_N.astype(np.uint64))
    left_M = np.flatnonzero((length_N > 0) & (length_N <= MAX_TOGETHER))
    done = 0
    while len(left_M):
        word_M = words[first_N[left_M] + done]
        missing_M = np.maximum(8 - (length_N[left_M] - done), 0).astype(np.uint64) * np.uint64(8)
        # The bytes after the end of a text belong to the next one.
        word_M = (word_M << missing_M) >> missing_M
        state_N[left_M] = chained(state_N[left_M], word_M)
        done += 8
        left_M = left_M[length_N[left_M] > done]
    for row in np.flatnonzero(length_N > MAX_TOGETHER):
        content = data[first_N[row] : first_N[row + 1]].tobytes()
        state_N[row] = int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")
    return (state_N >> np.uint64(1)).astype(np.int64)


def caption_numbers(texts: pa.Array) -> IntArray:
    """A number for each distinct caption; case and spacing are ignored."""
    return text_numbers(_single_spaced(pc.utf8_trim_whitespace(pc.utf8_lower(texts))))


def _single_spaced(texts: pa.Array) -> pa.Array:
    """The texts with one space in place of each run of white space (of ASCII).

    Nearly all texts are so already, and a regular expression takes longer than everything else.
    """
    data, first_N = bytes_of(texts)
    is_space = data == ord(" ")
    is_other = np.isin(data, np.frombuffer(b"\t\n\f\r", dtype=np.uint8))
    is_other[1:] |= is_space[1:] & is_space[:-1]
    rows = np.searchsorted(first_N, np.flatnonzero(is_other), side="right") - 1
    if not len(rows):
        return texts
    mask_N = np.zeros(len(texts), dtype=np.bool_)
    mask_N[rows] = True
    changed = pc.replace_substring_regex(texts.filter(pa.array(mask_N)), r"\s+", " ")
    return pc.replace_with_mask(texts, pa.array(mask_N), changed)


def notation_numbers(lists: pa.Array, first_row: int = 0) -> IntArray:
    """A number for each row's set of Iconclass notations; -1 - row if it has none.

    Args:
        lists: a list of notations for each row, or null.
        first_row: the number of the first of these rows.
    """
    joined = _joined_sorted(lists)
    none_N = pc.equal(joined, "").to_numpy(zero_copy_only=False)
    return np.where(none_N, -1 - first_row - np.arange(len(none_N)), text_numbers(joined))


def _joined_sorted(lists: pa.Array) -> pa.Array:
    """The texts of each list in alphabetical order, joined to one; a null is an empty list."""
    counts_N = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    encoded = pc.list_flatten(lists).dictionary_encode()
    rank_of = np.empty(len(encoded.dictionary), dtype=np.int64)
    rank_of[pc.array_sort_indices(encoded.dictionary).to_numpy()] = np.arange(len(rank_of))
    row_C = np.repeat(np.arange(len(lists)), counts_N)
    order_C = np.lexsort((rank_of[encoded.indices.to_numpy()], row_C))
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts_N)]), pa.int32())
    in_order = encoded.dictionary.take(encoded.indices.take(pa.array(order_C)))
    return pc.binary_join(pa.ListArray.from_arrays(offsets, in_order), " | ")
