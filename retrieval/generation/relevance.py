"""The likelihood that an item matches a query, from its words and from its picture.

A logistic regression over five features: the four of the words (retrieval.generation.evidence) and the log
odds that the model gives the picture (retrieval.generation.calibration). Its weights are learned when an
index is built, from known items: the index is asked for sampled items with one word, with neighbouring words,
with words of another item added, with words that nobody has, and with whole captions. The sampled item is the
match. Items that have only some of the words, items that merely look right, and random items are not; nor is
anything that the background texts find. The worse the model of an index, the less weight its pictures get.
Queries with a word that is hidden from the word index were tried and left out: they make an item with half of
the words a match (docs/decisions/0004-search.md).

The picture counts where an item has some of the words. Without any, nothing here says how often records of a
collection lack a word, so these items have one likelihood, and among them the most similar picture comes
first.

Five rules stay outside of the regression, because they hold for every collection:

- An item whose name was searched for exactly (a whole title, a maker, a shelfmark) comes first.
- If a word of the query is the name of a maker here, then an item without the name is at most as likely as
  not, and one with it at least so. Another word in the query must not lose the name.
- Items with the very words come before those with other forms of them (lions for lion), by a hundredth.
- An item that has every word of the query, or the name in it, matches: it is at least as likely as not.
- If no item has any word of the query, only the pictures can answer: their likelihood is unchanged.

Shapes: M items, F features.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from retrieval.generation.calibration import MIN_PROBABILITY, fit_weights, sigmoid
from retrieval.generation.evidence import WordEvidence
from retrieval.generation.manifest import Relevance

Floats = npt.NDArray[np.float32]
NUM_WORD_FEATURES = 4
# The share of the likelihood that is reserved for items whose name was searched for exactly.
CALLED = 0.99
# What items with other forms of the words get of it.
OTHER_FORMS = 0.99
MAX_LOG_ODDS = 6.0

# For indexes that were built before this was measured: as learned on the built-in armorial collection.
DEFAULT = Relevance(
    hybrid=(2.0, 2.0, 3.0, 1.5, 0.5),
    hybrid_intercept=-3.0,
    words=(2.0, 2.0, 3.0, 1.5),
    words_intercept=-3.0,
    num_matching=0,
    num_background=0,
)


def log_odds(likelihoods: Floats) -> npt.NDArray[np.float64]:
    """ln(p / (1 - p)), within bounds that one picture cannot exceed."""
    p = np.clip(likelihoods.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.clip(np.log(p / (1 - p)), -MAX_LOG_ODDS, MAX_LOG_ODDS)


def where_words(coverage_M: Floats, pictures_M: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The log odds of pictures, 0 where an item has no word of the query."""
    return np.where(coverage_M > 0, pictures_M, 0.0)


def combined(relevance: Relevance, words: WordEvidence, by_picture_M: Floats | None) -> Floats:
    """The likelihoods of the items that `words` is about.

    Args:
        relevance: the weights of the index.
        words: what the words say about M items; items without any word have zeros.
        by_picture_M: the likelihood that each picture matches, or None if the query has only words.
    """
    if by_picture_M is not None and not words.has_known_word:
        likely_M = np.asarray(by_picture_M, np.float64)
    elif by_picture_M is None:
        odds_M = words.features @ np.array(relevance.words) + relevance.words_intercept
        likely_M = np.asarray(sigmoid(odds_M), np.float64)
    else:
        pictures_M = log_odds(by_picture_M)
        if relevance.pictures_of == "with words":
            pictures_M = where_words(words.coverage, pictures_M)
        features_MF = np.column_stack([words.features, pictures_M])
        odds_M = features_MF @ np.array(relevance.hybrid) + relevance.hybrid_intercept
        likely_M = np.asarray(sigmoid(odds_M), np.float64)
    likely_M = np.where(words.is_exact, likely_M, OTHER_FORMS * likely_M)
    if words.has_name:
        named_M = MIN_PROBABILITY + (1 - MIN_PROBABILITY) * likely_M
        likely_M = np.where(words.is_named, named_M, MIN_PROBABILITY * likely_M)
    if words.has_called:
        likely_M = np.where(words.is_called, CALLED + (1 - CALLED) * likely_M, CALLED * likely_M)
    likely_M = np.where(words.is_full | (words.is_named & words.has_name), _matching(likely_M), likely_M)
    return np.asarray(likely_M, np.float32)


def least_log_odds(relevance: Relevance, words: WordEvidence) -> npt.NDArray[np.float64]:
    """Log odds of a picture below which each of these items, which have some words, does not match [M]."""
    *weights, weight = relevance.hybrid
    if not words.has_known_word or not weight:
        return np.zeros(len(words.rows), np.float64)
    return np.asarray(-(words.features @ np.array(weights) + relevance.hybrid_intercept) / weight)


def _matching(likely_M: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """At least one half, in the same order."""
    return np.maximum(likely_M, MIN_PROBABILITY + 0.01 * likely_M)


def fit(
    matching_CF: npt.NDArray[np.float64], background_CF: npt.NDArray[np.float64], share: float
) -> Relevance:
    """Learn the weights from features [C, 5] of pairs that match, and of pairs that do not.

    `share` is the total weight of the latter.
    """
    hybrid, hybrid_intercept = fit_weights(matching_CF, background_CF, share)
    words, words_intercept = fit_weights(
        matching_CF[:, :NUM_WORD_FEATURES], background_CF[:, :NUM_WORD_FEATURES], share
    )
    return Relevance(
        hybrid=hybrid,
        hybrid_intercept=hybrid_intercept,
        words=words,
        words_intercept=words_intercept,
        pictures_of="with words",
        num_matching=len(matching_CF),
        num_background=len(background_CF),
    )
