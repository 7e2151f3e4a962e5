"""Index and search at growing sizes: build time, memory, recall and latency of the engine, metadata included.

    python benchmarks/retrieval_scale.py --sizes 10000 100000 1000000 --out scale.json

The data is synthetic (benchmarks/retrieval_drawn.py). The text tower has the size of ViT-B-32's and random
weights: its speed is realistic, its results are not. So recall is measured with vectors generated like those
of the items. Each size is built and searched in processes of their own, so that memory is measured
separately. One million items need 5 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from retrieval_drawn import D, Words, environment, memory_mb, write_fixture, write_index

SELECTIVITIES = (0.0001, 0.001, 0.01, 0.1, 0.5, 1.0)


def build(work: Path, num_items: int, kind: str, threads: int) -> dict[str, Any]:
    """Build one index; returns its time and memory."""
    from retrieval.generation.manifest import current_generation, read_manifest

    write_fixture(work)
    started = time.perf_counter()
    folder = current_generation(write_index(work, num_items, kind, threads))
    seconds = time.perf_counter() - started
    manifest = read_manifest(folder)
    return {
        "build_seconds": round(seconds, 1),
        "build_cpu_seconds": round(time.process_time(), 1),
        "build_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "kind": manifest.kind,
        "why": manifest.why,
        "effort": manifest.effort,
        "recall_at_10": manifest.recall_at_10,
        "bytes_on_disk_mb": sum(path.stat().st_size for path in folder.iterdir()) // 1_000_000,
    }


def ask(work: Path, num_items: int, num_queries: int) -> dict[str, Any]:
    """Open the index and search it; returns the measurements."""
    from retrieval.engine import SearchEngine
    from retrieval.questions import Filters, Query

    started = time.perf_counter()
    engine = SearchEngine.open(work / f"index-{num_items}")
    result: dict[str, Any] = {"open_seconds": round(time.perf_counter() - started, 2)}
    engine.warm_up()
    result["memory_when_warm"] = memory_mb(os.getpid())
    texts = Words(7).queries(num_queries)
    for mode in ("semantic", "hybrid", "keyword"):
        result[f"{mode}_ms"] = latency(
            lambda text, mode=mode: engine.search(Query(text=text, mode=mode)), texts
        )
    result["text_tower_ms"] = latency(engine._model.text, texts)
    result["memory_after_queries"] = memory_mb(os.getpid())
    view, generator = engine._refresher.current(), np.random.default_rng(7)
    vectors = view.backend.vectors(np.sort(generator.choice(num_items, 100, replace=False)))
    noisy = vectors + 0.3 * generator.normal(size=vectors.shape).astype(np.float32) / np.sqrt(D)
    queries = (noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32)
    result["vectors_ms"] = latency(lambda q: view.backend.search(q, 10), list(queries))
    result["exact_ms"] = latency(lambda q: view.backend.exact(q, 10), list(queries[:20]))
    result["filtered"] = {
        str(share): filtered(view.backend, queries[:30], num_items, share) for share in SELECTIVITIES
    }
    institutions = [Filters(institution=(f"museum-{n}",)) for n in range(40)]
    result["filter_mask_ms"] = latency(view.mask, institutions)
    result["facets_ms"] = latency(lambda f: engine.facets(f), institutions[:10])
    result["deep_page_ms"] = latency(lambda text: engine.search(Query(text=text, k=200)), texts[:20])
    result["memory_at_the_end"] = memory_mb(os.getpid())
    return result


def filtered(backend: Any, queries: npt.NDArray[np.float32], num_items: int, share: float) -> dict[str, Any]:
    """Recall against exact search under the same filter, and time, at one selectivity."""
    generator = np.random.default_rng(8)
    masks = [generator.random(num_items) < share for _ in range(3)]
    recalls, times = [], []
    for number, query in enumerate(queries):
        mask = masks[number % 3]
        started = time.perf_counter()
        rows, _ = backend.search(query, 10, mask)
        times.append(time.perf_counter() - started)
        wanted = backend.exact(query, 10, mask)[0]
        if len(wanted):
            recalls.append(len(set(rows.tolist()) & set(wanted.tolist())) / len(wanted))
    return {
        "recall_at_10": round(float(np.mean(recalls)), 4),
        "p50_ms": round(float(np.median(times)) * 1000, 2),
    }


def latency(call: Any, inputs: list[Any]) -> dict[str, float]:
    """Percentiles of one call over inputs that are all different, in milliseconds; the first tenth warms up.

    In addition to wall-clock time, the processor time: on a shared machine it is more reliable.
    """
    times = []
    for each in inputs:
        started, cpu = time.perf_counter(), time.process_time()
        call(each)
        times.append(((time.perf_counter() - started) * 1000, (time.process_time() - cpu) * 1000))
    clock, used = np.array(times[len(times) // 10 :]).T
    p50, p99 = np.percentile(clock, [50, 99])
    return {
        "p50": round(float(p50), 2),
        "p99": round(float(p99), 2),
        "cpu_p50": round(float(np.median(used)), 2),
    }


def main() -> None:
    """Run each size and step in a process of its own; print one table at the end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--kind", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument(
        "--work",
        type=Path,
        default=Path(tempfile.gettempdir()) / "iconoclip-scale",
        help="folder for indexes",
    )
    parser.add_argument("--out", type=Path, default=None, help="JSON file for the numbers")
    parser.add_argument("--step", choices=["build", "ask"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    if options.step == "build":
        print(json.dumps(build(options.work, options.sizes[0], options.kind, options.threads)))
        return
    if options.step == "ask":
        print(json.dumps(ask(options.work, options.sizes[0], options.queries)))
        return
    rows = {}
    for size in options.sizes:
        rows[size] = {}
        for step in ("build", "ask"):
            command = [
                sys.executable,
                __file__,
                "--step",
                step,
                "--sizes",
                str(size),
                "--work",
                str(options.work),
                "--kind",
                options.kind,
                "--threads",
                str(options.threads),
                "--queries",
                str(options.queries),
            ]
            output = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, env=environment(options.threads), text=True
            ).stdout
            rows[size].update(json.loads(output.strip().splitlines()[-1]))
            print(size, step, json.dumps(rows[size], indent=1), flush=True)
    rows["machine"] = {"cores": os.cpu_count(), "load_average": os.getloadavg()}  # type: ignore[index]
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
