"""Captions of more tokens than the model reads: which of them are kept, and how many captions that concerns.

    start    the first tokens, as every CLIP tokenizer does
    span     a random run of neighbouring tokens (CLIPA's block masking)
    subset   random tokens in their order (CLIPA's random masking; Li, Wang and Xie 2023, arXiv 2305.07017)

A caption that fits is never changed. What is kept is a function of (seed, position, caption).

Letters: T texts, L context length, W wide context length.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.data.randomness import TOKENS, uniform
from training.data.samples import Captions

Kept = Literal["start", "span", "subset"]
# Longer captions are cut here first: 20,000 characters are the most that a record holds.
WIDE: Final = 2048
CAPTIONS_PER_LANGUAGE: Final = 500
# A word, or a character of a script that writes no spaces: Thai, Lao, Khmer, kana, Han.
_WORD: Final = re.compile(r"[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|\w+")
IntArray = npt.NDArray[np.int64]


class LongTexts:
    """Tokenizes texts, and keeps other tokens than the first of those that are too long.

    Args:
        tokenizer: one of open_clip's, with `context_length`.
        kept: which tokens of a long caption are kept.
        seed: the seed of the run.
    """

    def __init__(self, tokenizer: Any, kept: Kept, seed: int) -> None:
        self._tokenizer, self._kept, self._seed = tokenizer, kept, seed
        # What every text begins and ends with, and what fills up: seen in how it writes the shortest texts.
        empty, short = (tokenizer([text], context_length=WIDE)[0].tolist() for text in ("", "a"))
        self._pad = empty[-1]
        empty, short = self._unfilled(empty), self._unfilled(short)
        self._prefix = _common(empty, short)
        rest = empty[len(self._prefix) :]
        self._suffix = rest if rest and short[-len(rest) :] == rest else []

    @property
    def is_random(self) -> bool:
        """Whether the tokens of a text depend on its position."""
        return self._kept != "start"

    @property
    def length(self) -> int:
        """L, the number of tokens that the model reads."""
        return int(self._tokenizer.context_length)

    def __call__(self, texts: list[str], position_T: IntArray | None = None) -> Tensor:
        """Token ids, int64 [T, L].

        Args:
            texts: the texts.
            position_T: what the draws depend on: equal numbers give equal draws. Without it the first tokens
                are kept.
        """
        ids_TL: Tensor = self._tokenizer(texts)
        if self._kept == "start" or position_T is None:
            return ids_TL
        # A text that leaves room at the end was not cut.
        full = np.flatnonzero((ids_TL[:, -1] != self._pad).numpy() | (self._pad in self._suffix)).tolist()
        wide_TW = self._wide([texts[number] for number in full])
        for number, tokens in zip(full, wide_TW, strict=True):
            if len(tokens) > self._room:
                ids_TL[number] = torch.tensor(self._shortened(tokens, int(position_T[number])))
        return ids_TL

    def spelled(self, texts: list[str], position_T: IntArray) -> list[str]:
        """The texts as a reader of these tokens sees them: of a text that is too long, what the kept tokens
        spell.
        """
        wide_TW = self._wide(texts)
        return [
            self._spelling(self._kept_of(tokens, int(position)))
            if self._kept != "start" and len(tokens) > self._room
            else text
            for text, tokens, position in zip(texts, wide_TW, position_T, strict=True)
        ]

    def _spelling(self, tokens: list[int]) -> str:
        # CLIP's own tokenizer has the method; those of transformers are inside of open_clip's.
        tokenizer = self._tokenizer if hasattr(self._tokenizer, "decode") else self._tokenizer.tokenizer
        return str(tokenizer.decode(tokens)).strip()

    def counts(self, texts: list[str]) -> IntArray:
        """The number of tokens of each text as a whole, without those that every text has, [T]."""
        return np.array([len(tokens) for tokens in self._wide(texts)], dtype=np.int64)

    @property
    def _room(self) -> int:
        # Where the filling is the end of a text as well, one place is left for it.
        return self.length - len(self._prefix) - max(1, len(self._suffix))

    def is_cut(self, count_T: IntArray) -> npt.NDArray[np.bool_]:
        """Whether texts of so many tokens lose some of them, [T]."""
        return count_T > self.length - len(self._prefix) - len(self._suffix)

    def _wide(self, texts: list[str]) -> list[list[int]]:
        """The tokens of each text, without those that every text has."""
        found: list[list[int]] = []
        for row in self._tokenizer(texts, context_length=WIDE).tolist() if texts else []:
            tokens = self._unfilled(row)[len(self._prefix) :]
            is_whole = not self._suffix or tokens[-len(self._suffix) :] == self._suffix
            found.append(tokens[: len(tokens) - len(self._suffix)] if is_whole else tokens)
        return found

    def _unfilled(self, tokens: list[int]) -> list[int]:
        end = len(tokens)
        while end and tokens[end - 1] == self._pad:
            end -= 1
        return tokens[:end]

    def _kept_of(self, tokens: list[int], position: int) -> list[int]:
        """The tokens that are kept of a text with more than there is room for."""
        room, num = self._room, len(tokens)
        if self._kept == "span":
            first = int(float(uniform(self._seed, TOKENS, position, 0)) * (num - room + 1))
            return tokens[first : first + room]
        draws = uniform(self._seed, TOKENS, position, np.arange(num))
        return [tokens[number] for number in np.sort(np.argsort(draws, kind="stable")[:room])]

    def _shortened(self, tokens: list[int], position: int) -> list[int]:
        whole = [*self._prefix, *self._kept_of(tokens, position), *self._suffix]
        return whole + [self._pad] * (self.length - len(whole))


def _common(one: Sequence[int], other: Sequence[int]) -> list[int]:
    """What two lists begin with; a text of nothing but its end begins with nothing."""
    found = []
    for first, second in zip(one, other, strict=False):
        if first != second:
            break
        found.append(first)
    return found


def token_counts(captions: Captions, texts: LongTexts) -> dict[str, dict[str, float]]:
    """For each language: the number of captions, tokens per word, and the share of captions that is cut.

    Of languages with many captions, some hundred are measured, spread evenly over the rows.
    """
    languages = np.array([kind.language for kind in captions.kinds])
    found: dict[str, dict[str, float]] = {}
    for language in sorted(set(languages.tolist())):
        numbers = np.flatnonzero((languages == language)[captions.kind_C])
        if not len(numbers):
            continue
        some = numbers[np.unique(np.linspace(0, len(numbers) - 1, CAPTIONS_PER_LANGUAGE).astype(np.int64))]
        chosen = [captions.text[int(number)].as_py() for number in some]
        count_T = texts.counts(chosen)
        num_words = sum(len(_WORD.findall(text)) for text in chosen)
        found[language] = {
            "captions": len(numbers),
            "measured": len(chosen),
            "tokens_per_word": round(int(count_T.sum()) / max(1, num_words), 2),
            "share_cut": round(float(texts.is_cut(count_T).mean()), 4),
        }
    return found
