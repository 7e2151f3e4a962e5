"""`iconoclip benchmark run`: scores a model, embeddings or the results of a search engine on a benchmark.

Letters: Q queries, N items, D embedding dimension.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from iconoclip import metrics
from iconoclip.errors import BadInput
from iconoclip.files import write_json
from training.benchmark.config import BenchmarkVerbConfig
from training.benchmark.files import Frozen, read_frozen
from training.benchmark.vectors import image_vectors, lazy_model, query_vectors

CUTOFFS: Final = (1, 5, 10)
# Queries whose scores are in memory at the same time.
CHUNK: Final = 256
# The rank of what is never found.
NEVER: Final = 10**9
FloatArray = npt.NDArray[np.float32]


def run(config: BenchmarkVerbConfig) -> int:
    """Score and print; with `out`, also write the scores as JSON. The same input gives the same scores.

    Raises:
        IconoclipError: the benchmark is damaged, or what is to be scored does not fit it.
    """
    frozen = read_frozen(Path(config.target), config.split)
    wanted = {query: one for query, one in frozen.queries.items() if _is_asked(one[0], config)}
    if not wanted:
        raise BadInput("no query in these languages", where=config.target, remedy="leave --languages out")
    keys = sorted(frozen.items)
    if config.results is not None:
        rows = _of_results(config.results, wanted, keys)
        is_there_N: npt.NDArray[np.bool_] = np.zeros(len(keys), bool)
        for row in rows:
            is_there_N[list(row)] = True
        chunks = _listed(rows, len(keys))
    else:
        model = lazy_model(config)
        images_ND = image_vectors(config, frozen, keys, model)
        texts_QD = query_vectors(config, frozen, wanted, model)
        if texts_QD.shape[1] != images_ND.shape[1]:
            raise BadInput(
                f"queries have {texts_QD.shape[1]} dimensions, pictures {images_ND.shape[1]}",
                where=config.target,
                remedy="both must come from one model",
            )
        is_there_N = np.asarray(np.isfinite(images_ND).all(axis=1))
        chunks = _compared(texts_QD, images_ND)
    found = {
        "benchmark": frozen.checksum,
        "split": config.split,
        "scored": str(config.results or config.embeddings or config.model),
        "num_items": len(keys),
        "num_missing": int((~is_there_N).sum()),
        "languages": _scores(frozen, wanted, keys, chunks),
    }
    if config.out is not None:
        write_json(config.out, found)
        print(f"scores: {config.out}", file=sys.stderr)
    _show(found)
    return 0


def _is_asked(language: str, config: BenchmarkVerbConfig) -> bool:
    return not config.languages or language in config.languages


def _compared(texts_QD: FloatArray, images_ND: FloatArray) -> Iterator[FloatArray]:
    """The scores of some queries at a time, [CHUNK, N]; not finite where there is no picture."""
    for start in range(0, len(texts_QD), CHUNK):
        yield texts_QD[start : start + CHUNK] @ images_ND.T


def _listed(rows: list[dict[int, float]], num_items: int) -> Iterator[FloatArray]:
    """The same from listed scores."""
    for start in range(0, len(rows), CHUNK):
        some = rows[start : start + CHUNK]
        scores_QN = np.full((len(some), num_items), -np.inf, dtype=np.float32)
        for query, row in enumerate(some):
            scores_QN[query, list(row)] = list(row.values())
        yield scores_QN


def _of_results(path: Path, wanted: dict[str, tuple[str, str]], keys: list[str]) -> list[dict[int, float]]:
    """The scores that a TREC run lists for each query, by the places of items."""
    place_of_query = {query: place for place, query in enumerate(wanted)}
    place_of_key = {key: place for place, key in enumerate(keys)}
    rows: list[dict[int, float]] = [{} for _ in wanted]
    number = 0
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        for line in lines:
            number += 1
            query, _, key, _, score, *_ = line.split()
            if query in place_of_query and key in place_of_key:
                rows[place_of_query[query]][place_of_key[key]] = float(score)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the results cannot be read: {error}", where=path) from error
    except ValueError as error:
        raise BadInput(
            f"line {number} is not one of a TREC run", where=path, remedy="query Q0 key rank score tag"
        ) from error
    if not any(rows):
        raise BadInput("no line is about a query and an item of this benchmark", where=path)
    return rows


def _scores(
    frozen: Frozen,
    wanted: dict[str, tuple[str, str]],
    keys: list[str],
    chunks: Iterator[FloatArray],
) -> dict[str, Any]:
    place_of_key = {key: place for place, key in enumerate(keys)}
    relevant = [np.array(sorted(place_of_key[key] for key in frozen.relevant[query])) for query in wanted]
    ranks: list[npt.NDArray[np.integer]] = []
    for scores_QN in chunks:
        ranks += _ranks(scores_QN, relevant[len(ranks) : len(ranks) + len(scores_QN)])
    languages = np.array([language for language, _ in wanted.values()])
    # Queries about one group, such as the pages of a book, are one piece of evidence.
    groups = [min(frozen.items[keys[place]]["group"] for place in places) for places in relevant]
    group_Q = np.unique(groups, return_inverse=True)[1]
    found: dict[str, Any] = {}
    for language in sorted(set(languages.tolist())):
        chosen = np.flatnonzero(languages == language)
        some = [ranks[number] for number in chosen]
        first_Q = np.array([one[0] for one in some], dtype=np.float64)
        by_query = {f"recall@{k}": (first_Q <= k).astype(np.float64) for k in CUTOFFS}
        by_query["mrr"] = 1 / first_Q
        by_query["map"] = np.array([metrics.mean_average_precision([one]) for one in some])
        by_query["ndcg@10"] = np.array([metrics.ndcg_at_k([one], 10) for one in some])
        found[language] = {"num_queries": len(some)}
        for name, value_Q in by_query.items():
            low, high = metrics.bootstrap_interval(value_Q, cluster_Q=group_Q[chosen])
            found[language][name] = {"value": float(value_Q.mean()), "low": low, "high": high}
    return found


def _ranks(scores_QN: FloatArray, relevant: list[npt.NDArray[np.int64]]) -> list[npt.NDArray[np.integer]]:
    """The ranks of the relevant items of some queries."""
    is_there_QN = np.isfinite(scores_QN)
    lowest = float(scores_QN[is_there_QN].min()) if is_there_QN.any() else 0.0
    ranks: list[npt.NDArray[np.integer]] = metrics.ranks_of(
        np.where(is_there_QN, scores_QN, lowest - 1.0), relevant
    )
    for query, (one, places) in enumerate(zip(ranks, relevant, strict=True)):
        # What is not there comes last, but is never found, however few items there are.
        one[len(one) - int((~is_there_QN[query, places]).sum()) :] = NEVER
    return ranks


def _show(found: dict[str, Any]) -> None:
    """Print the scores as a table; ± is half the width of the 95 % interval."""
    title = f"{escape(found['scored'])} on {found['num_items']:,} items ({found['split']})"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    names = [name for name in next(iter(found["languages"].values())) if name != "num_queries"]
    for name in ("", "queries", *names):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    for language, one in found["languages"].items():
        cells = [
            f"{one[name]['value']:.3f} [dim]±{(one[name]['high'] - one[name]['low']) / 2:.3f}[/]"
            for name in names
        ]
        table.add_row(f"[bold]{language}[/]", f"{one['num_queries']:,}", *cells)
    console = Console()
    Console(width=max(console.width, 110)).print(table)
    if found["num_missing"]:
        print(f"{found['num_missing']:,} items are not among what was scored; they count as never found")
    print(json.dumps({"benchmark": found["benchmark"]}))
