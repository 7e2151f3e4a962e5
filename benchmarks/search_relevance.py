"""Relevance of the search over the built-in collection, compared with the truth from which it is generated.

    python benchmarks/search_relevance.py demo/index --out relevance.json

The index is that of `iconoclip demo`. The same graded queries (benchmarks/graded_queries.py) are answered by
the search, by words alone, by pictures alone, and by reciprocal rank fusion of these two with the usual
constant of 60. Intervals are 95 % bootstrap intervals of the paired difference.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from graded_queries import GradedQuery, graded_queries

K, NUM_FUSED, RRF_CONSTANT, NUM_RESAMPLES = 24, 50, 60, 1_000
Ranking = tuple[list[str], list[float], bool | None]


def measures(query: GradedQuery, ranking: Ranking) -> dict[str, float]:
    """nDCG at 10, success at 1, precision within the first 24, and order errors: hits below 0.1 that come
    above one over 0.5. For a query without answers: whether the search said so.
    """
    keys, scores, matches_well = ranking
    if not query.right:
        return {"says nothing matches": float(matches_well is False)}
    gains = np.array([key in query.right for key in keys], float)
    discounts = 1 / np.log2(np.arange(2, 12))
    ideal = discounts[: min(10, len(query.right))].sum()
    found = {
        "nDCG@10": float((gains[:10] * discounts[: len(gains[:10])]).sum() / ideal),
        "success@1": float(gains[:1].sum()),
        "order errors": float(order_errors(scores[:K])),
    }
    if len(query.right) >= K:
        found["precision@24"] = float(gains[:K].sum() / K)
    return found


def order_errors(scores: Sequence[float]) -> int:
    """How many hits below 0.1 come above one over 0.5."""
    return sum(score < 0.1 and max(scores[place:]) > 0.5 for place, score in enumerate(scores))


def answers(engine: Any, queries: Sequence[GradedQuery]) -> dict[str, list[Ranking]]:
    """The answers of the search, and of the rankers it is compared with, to each query."""
    from retrieval.questions import Query

    def ask(mode: str, text: str, k: int) -> Ranking:
        found = engine.search(Query(text=text, mode=mode, k=k, fold=False))
        return [hit.key for hit in found.hits], [hit.score for hit in found.hits], found.matches_well

    words = [ask("keyword", query.text, NUM_FUSED) for query in queries]
    pictures = [ask("semantic", query.text, NUM_FUSED) for query in queries]
    return {
        "search": [ask("hybrid", query.text, K) for query in queries],
        "rank fusion": [fused(*pair) for pair in zip(pictures, words, strict=True)],
        "words alone": words,
        "pictures alone": pictures,
    }


def fused(*rankings: Ranking) -> Ranking:
    """Reciprocal rank fusion (Cormack, Clarke and Büttcher 2009)."""
    scores: dict[str, float] = defaultdict(float)
    for keys, _, _ in rankings:
        for rank, key in enumerate(keys, 1):
            scores[key] += 1 / (RRF_CONSTANT + rank)
    return sorted(scores, key=lambda key: -scores[key]), [], None


def compare(
    found: dict[str, list[Ranking]], queries: Sequence[GradedQuery]
) -> dict[str, dict[str, dict[str, float]]]:
    """The means per class of queries, per ranker and measure."""
    means: dict[str, dict[str, dict[str, float]]] = {}
    for name, rankings in found.items():
        by_kind: dict[str, list[dict[str, float]]] = defaultdict(list)
        for query, ranking in zip(queries, rankings, strict=True):
            by_kind[query.kind].append(measures(query, ranking))
        for kind, rows in by_kind.items():
            names = {name for row in rows for name in row}
            means.setdefault(kind, {})[name] = {
                each: round(float(np.mean([row[each] for row in rows if each in row])), 3)
                for each in sorted(names)
            }
    return means


def difference(
    found: dict[str, list[Ranking]], queries: Sequence[GradedQuery], other: str
) -> tuple[float, float, float]:
    """The mean gain in nDCG@10 of the search over another ranker, with its 95 % interval."""
    pairs = zip(queries, found["search"], found[other], strict=True)
    gains = np.array(
        [
            measures(query, ours)["nDCG@10"] - measures(query, theirs)["nDCG@10"]
            for query, ours, theirs in pairs
            if query.right
        ]
    )
    generator = np.random.default_rng(0)
    means = gains[generator.integers(len(gains), size=(NUM_RESAMPLES, len(gains)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return round(float(gains.mean()), 3), round(float(low), 3), round(float(high), 3)


def main() -> None:
    """Print one table per class of queries, and the differences."""
    from retrieval.engine import SearchEngine

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("index", type=Path)
    parser.add_argument("--out", type=Path, default=None, help="JSON file for the numbers")
    options = parser.parse_args()
    with SearchEngine.open(options.index) as engine:
        view = engine._refresher.current()
        queries = graded_queries([view.record(row) for row in np.flatnonzero(view.shown(None)).tolist()])
        rankings = answers(engine, queries)
    found: dict[str, Any] = {"num_queries": len(queries), "means": compare(rankings, queries)}
    for other in ("rank fusion", "words alone", "pictures alone"):
        found[f"nDCG@10 over {other}"] = difference(rankings, queries, other)
    print(json.dumps(found, indent=1))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
