"""`iconoclip benchmark run`: scores a model, embeddings or the results of a search engine on a benchmark.

Letters: Q queries, N items, D embedding dimension.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from iconoclip import metrics
from iconoclip.errors import BadInput
from iconoclip.files import write_json
from training.benchmark.config import BenchmarkVerbConfig
from training.benchmark.files import Frozen, read_frozen
from training.benchmark.vectors import image_vectors, lazy_model, query_vectors

CUTOFFS: Final = (1, 5, 10)
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
        scores_QN = _of_results(config.results, wanted, keys)
        is_there_QN = np.isfinite(scores_QN)
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
        scores_QN = texts_QD @ images_ND.T
        is_there_QN = np.broadcast_to(np.isfinite(images_ND).all(axis=1), scores_QN.shape)
    found = {
        "benchmark": frozen.checksum,
        "split": config.split,
        "scored": str(config.results or config.embeddings or config.model),
        "num_items": len(keys),
        "num_missing": int((~is_there_QN.any(axis=0)).sum()),
        "languages": _scores(frozen, wanted, keys, scores_QN, is_there_QN),
    }
    if config.out is not None:
        write_json(config.out, found)
        print(f"scores: {config.out}", file=sys.stderr)
    _show(found)
    return 0


def _is_asked(language: str, config: BenchmarkVerbConfig) -> bool:
    return not config.languages or language in config.languages


def _of_results(path: Path, wanted: dict[str, tuple[str, str]], keys: list[str]) -> FloatArray:
    """Scores from a TREC run, [Q, N]; minus infinity where it lists nothing."""
    place_of_query = {query: place for place, query in enumerate(wanted)}
    place_of_key = {key: place for place, key in enumerate(keys)}
    scores_QN = np.full((len(wanted), len(keys)), -np.inf, dtype=np.float32)
    number = 0
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        for line in lines:
            number += 1
            query, _, key, _, score, *_ = line.split()
            if query in place_of_query and key in place_of_key:
                scores_QN[place_of_query[query], place_of_key[key]] = float(score)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the results cannot be read: {error}", where=path) from error
    except ValueError as error:
        raise BadInput(
            f"line {number} is not one of a TREC run", where=path, remedy="query Q0 key rank score tag"
        ) from error
    if not np.isfinite(scores_QN).any():
        raise BadInput("no line is about a query and an item of this benchmark", where=path)
    return scores_QN


def _scores(
    frozen: Frozen,
    wanted: dict[str, tuple[str, str]],
    keys: list[str],
    scores_QN: FloatArray,
    is_there_QN: npt.NDArray[np.bool_],
) -> dict[str, Any]:
    place_of_key = {key: place for place, key in enumerate(keys)}
    relevant = [np.array(sorted(place_of_key[key] for key in frozen.relevant[query])) for query in wanted]
    lowest = float(scores_QN[is_there_QN].min())
    ranks = metrics.ranks_of(np.where(is_there_QN, scores_QN, lowest - 1.0), relevant)
    for query, (one, places) in enumerate(zip(ranks, relevant, strict=True)):
        # What is not there comes last, but is never found, however few items there are.
        one[len(one) - int((~is_there_QN[query, places]).sum()) :] = NEVER
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


def _show(found: dict[str, Any]) -> None:
    """Print the scores as a table; ± is half the width of the 95 % interval."""
    title = f"{found['scored']} on {found['num_items']:,} items ({found['split']})"
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
