"""Judges what a person must decide on: captions that say nothing, wrong languages, personal data, copies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from data_prep.contribute.checking.index import WholeIndex
from data_prep.contribute.checking.rules import Finding, shown
from data_prep.description.designations import is_designation
from data_prep.description.languages import contradicted_by
from data_prep.near_duplicates import is_flat, near_pairs

# Detecting a language takes a millisecond; these many captions tell how a set is.
MAX_LANGUAGES_JUDGED: Final = 3_000
NEAR_BITS: Final = 6
_MAIL: Final = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,4}\.[A-Za-z]{2,12}\b")
# A plus and a country, or words that announce a number. Measures and years have neither.
_PHONE: Final = re.compile(
    r"(?:\+\d{2}[\s(]|\b(?:tel|telefon|téléphone|phone|fax|mobil|telefoon|puh)\b[.:]?\s*\+?)[\d\s()/.-]{6,20}\d",
    re.IGNORECASE,
)


class Judge:
    """Judges the rows of the index one by one."""

    def __init__(self) -> None:
        self._num_languages = 0

    def warnings_of(self, row: dict[str, Any]) -> Iterator[Finding]:
        """What needs a look in a sample."""
        where = shown(row["key"])
        captions = row["captions"]
        if not captions:
            yield Finding(where, "caption-missing", "no text about the picture")
        elif all(is_designation(caption["text"]) for caption in captions):
            yield Finding(where, "caption-designation", f"its only caption is '{shown(captions[0]['text'])}'")
        for caption in captions:
            text = caption["text"]
            if found := _MAIL.search(text) or _PHONE.search(text):
                yield Finding(where, "personal-data", f"'{shown(found[0])}' in its {shown(caption['field'])}")
                break
        yield from self._languages(where, captions)

    def _languages(self, where: str, captions: list[dict[str, Any]]) -> Iterator[Finding]:
        for caption in captions[:2]:
            if self._num_languages >= MAX_LANGUAGES_JUDGED or len(caption["text"]) < 40:
                continue
            self._num_languages += 1
            if other := contradicted_by(caption["text"], caption["language"]):
                what = f"marked {shown(caption['language'])}, reads like {other}: '{shown(caption['text'])}'"
                yield Finding(where, "caption-language", what)
                return


def warnings_of_all(whole: WholeIndex) -> Iterator[Finding]:
    """What needs a look in the set as a whole: copies and near-duplicates."""
    num_copies, num_divided = whole.copies()
    if num_divided:
        what = f"{num_divided} pictures have the same bytes as one in another split"
        yield Finding("the set", "duplicates-across-splits", what)
    if not whole.hashes:
        return
    hashes, counts = np.unique(np.concatenate(whole.hashes), return_counts=True)
    told = np.array([not is_flat(int(one)) for one in hashes], bool)
    hashes, counts = hashes[told], counts[told]
    near = sum(1 for _ in near_pairs(hashes, NEAR_BITS))
    num_same = int(counts[counts > 1].sum())
    if near or num_same:
        what = (
            f"{num_copies} pictures have the bytes of another one, {num_same} its perceptual hash;"
            f" {near} pairs of hashes differ in at most {NEAR_BITS} bits"
        )
        yield Finding("the set", "near-duplicates", what)
