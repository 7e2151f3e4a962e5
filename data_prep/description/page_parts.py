"""Which part of a book an image shows, according to its label: a cover, the spine, an edge, the title page.

The words are data: configs/labels/page-parts.yaml.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Final

from data_prep.description.page_labels import is_page_label, names_a_part, words_of
from iconoclip.config import read_yaml, shipped_config

WORDS_FILE: Final = "labels/page-parts.yaml"
EDGE: Final = "edge"
_ALONE: Final = "alone"


def part_shown(labels: Iterable[str], *, is_book: bool) -> str | None:
    """The part that one of the labels names: `front`, `spine`, ...; None if no label names one.

    Args:
        labels: the labels of the image.
        is_book: whether its object consists of pages: then "Head" is an edge, elsewhere it is a title.
    """
    for label in labels:
        if is_book and is_edge(label):
            return EDGE
        if is_page_label(label) and (part := _part(words_of(label))):
            return part
    return None


def is_edge(label: str) -> bool:
    """Whether a label is a word that means an edge of a book, if it is the label of an image of a book."""
    return tuple(words_of(label)) in _alone()


def _part(words: list[str]) -> str | None:
    known = _phrases()
    longest = max(map(len, known))
    for length in range(min(longest, len(words)), 0, -1):
        for start in range(len(words) - length + 1):
            if part := known.get(tuple(words[start : start + length])):
                # "Ruler on binding" shows a ruler.
                rest = " ".join(words[:start] + words[start + length :])
                return None if names_a_part(rest) else part
    return None


@functools.cache
def _phrases() -> dict[tuple[str, ...], str]:
    return {
        tuple(words_of(phrase)): part
        for part, phrases in read_yaml(shipped_config(WORDS_FILE)).items()
        if part != _ALONE
        for phrase in phrases.split(",")
    }


@functools.cache
def _alone() -> frozenset[tuple[str, ...]]:
    phrases = read_yaml(shipped_config(WORDS_FILE))[_ALONE]
    return frozenset(tuple(words_of(phrase)) for phrase in phrases.split(","))
