"""Index and search at growing sizes: build time, memory, recall and latency of the engine, metadata included.

    python benchmarks/retrieval_scale.py --sizes 10000 100000 --work /tmp/scale --out scale.json

Vectors are drawn: unit vectors of 512 dimensions around 2,000 centres in a space of 96 dimensions, as embeddings of
pictures lie, with noise in the rest. Records are drawn too, with captions of about 12 words. The text tower is
ViT-B-32's in size, with random weights: its time is real, what it finds is not, so recall is measured with vectors
drawn like the items'. Each size runs in a process of its own, so that peak memory means something.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

D, RANK, CENTRES = 512, 96, 2_000
BLOCK = 20_000
COLOURS = ("azure", "argent", "gules", "or", "sable", "vert", "purpure")
THINGS = (
    "lion",
    "eagle",
    "chevron",
    "bend",
    "mullet",
    "fleur",
    "cross",
    "tower",
    "ship",
    "saint",
    "tree",
    "hand",
)
SELECTIVITIES = (0.0001, 0.001, 0.01, 0.1, 0.5, 1.0)


def drawn_vectors(start: int, num: int) -> npt.NDArray[np.float16]:
    """Rows `start` to `start + num`, the same whatever block they are drawn in (blocks are aligned)."""
    basis = np.random.default_rng(0).normal(size=(RANK, D)).astype(np.float32)
    centres = np.random.default_rng(1).normal(size=(CENTRES, RANK)).astype(np.float32)
    generator = np.random.default_rng([2, start])
    points = centres[generator.integers(0, CENTRES, num)] + 0.7 * generator.normal(size=(num, RANK)).astype(
        np.float32
    )
    vectors = points @ basis + 2.0 * generator.normal(size=(num, D)).astype(np.float32)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


class DrawnSource:
    """A source of drawn items whose images all stand in one place."""

    def __init__(self, num_items: int) -> None:
        self.num_items, self.dimension = num_items, D

    def blocks(self) -> Iterator[npt.NDArray[np.float16]]:
        """Vectors in row order."""
        for start in range(0, self.num_items, BLOCK):
            yield drawn_vectors(start, min(BLOCK, self.num_items - start))

    def items(self) -> Iterator[tuple[Any, Any]]:
        """Records in row order."""
        from retrieval.catalog import Place

        template, place = sample_record(), Place(0, "drawn-000000.tar", 512, 700)
        generator = np.random.default_rng(3)
        for row in range(self.num_items):
            yield vary(template, row, generator), place


def sample_record() -> Any:
    """The record that all others vary."""
    from iconoclip.record import Caption, Date, Image, Institution, Record, Source
    from iconoclip.rights import judge

    return Record(
        key="drawn-0000000000000000",
        institution=Institution(slug="drawn", name="Drawn"),
        source=Source(id="0", manifest="https://example.org/manifest", homepage="https://example.org/item"),
        captions=(Caption(text="x", language="en", field="title"),),
        date=Date(earliest=1500, latest=1510),
        rights=judge("http://creativecommons.org/publicdomain/mark/1.0/"),
        image=Image(width=512, height=400, sha256="0" * 64),
        group="g",
        harvested_at="2026-01-01T00:00:00Z",
        harvested_by="benchmark",
    )


def vary(template: Any, row: int, generator: np.random.Generator) -> Any:
    """A record like the template: validated parts are reused, for a million of them."""
    words = [
        COLOURS[generator.integers(len(COLOURS))],
        "a",
        THINGS[generator.integers(len(THINGS))],
        f"n{row % 50_000}",
    ]
    caption = template.captions[0]
    captions = (
        caption.model_copy(
            update={"text": f"{' '.join(words)} between three mullets in chief, from a manuscript"}
        ),
        caption.model_copy(update={"text": f"Wappen mit {words[2]} aus einer Handschrift", "language": "de"}),
    )
    earliest = 1200 + row % 700
    return template.model_copy(
        update={
            "key": f"drawn-{row:016x}",
            "institution": template.institution.model_copy(update={"slug": f"house-{row % 40}"}),
            "source": template.source.model_copy(update={"id": str(row)}),
            "captions": captions,
            "creators": (f"Master {row % 20_000}",),
            "iconclass": ("46A122",),
            "object_type": f"type {row % 12}",
            "date": template.date.model_copy(update={"earliest": earliest, "latest": earliest + 5}),
            "group": f"manifest {row // 20}",
            "image": template.image.model_copy(update={"sha256": f"{row:064x}"}),
        }
    )


def write_fixture(work: Path) -> tuple[Path, Path]:
    """A shard set with one image and a model directory of ViT-B-32's size, written once."""
    from PIL import Image

    from iconoclip.shardset import ShardSetWriter

    shards, model = work / "shards", work / "model"
    if not (shards / "shardset.json").exists():
        buffer = io.BytesIO()
        Image.new("RGB", (64, 48), "white").save(buffer, "JPEG")
        with ShardSetWriter(
            shards, name="drawn", policy="open@1", created_at="2026", created_by="benchmark"
        ) as writer:
            writer.add(sample_record(), buffer.getvalue())
    if not (model / "open_clip_model.safetensors").exists():
        write_model(model, "ViT-B-32")
    return shards, model


def write_model(folder: Path, name: str) -> None:
    """An open_clip architecture with random weights as a model directory."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = open_clip.create_model(name)
    config = {
        "model_cfg": open_clip.get_model_config(name),
        "preprocess_cfg": open_clip.get_model_preprocess_cfg(model),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(
        {k: v.contiguous() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )


def build(work: Path, num_items: int, kind: str, threads: int) -> dict[str, Any]:
    """Build one index; what it cost."""
    from iconoclip.progress import progress
    from iconoclip.shardset import ShardSet
    from retrieval.assembly import Facts, write_generation
    from retrieval.config import IndexConfig
    from retrieval.generation import read_manifest
    from retrieval.modeldir import ModelDirectory
    from retrieval.stores import reference

    shards, model = write_fixture(work)
    facts = Facts(
        str(model), ModelDirectory(model).digest, (reference(ShardSet(shards)),), f"{num_items:064x}"
    )
    out = work / f"index-{num_items}"
    started = time.perf_counter()
    with progress("build", total=3 * num_items) as meter:
        config = IndexConfig(out=str(out), kind=kind, num_threads=threads)  # type: ignore[arg-type]
        folder = write_generation(out, DrawnSource(num_items), facts, config, None, meter)
    manifest = read_manifest(folder)
    return {
        "build_seconds": round(time.perf_counter() - started, 1),
        "build_cpu_seconds": round(time.process_time(), 1),
        "build_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "kind": manifest.kind,
        "effort": manifest.effort,
        "recall_at_10": manifest.recall_at_10,
        "bytes_on_disk_mb": sum(path.stat().st_size for path in folder.iterdir()) // 1_000_000,
    }


def ask(work: Path, num_items: int, num_queries: int) -> dict[str, Any]:
    """Open the index and ask it; what came of it."""
    from retrieval.answers import Filters, Query
    from retrieval.search import SearchEngine

    started = time.perf_counter()
    engine = SearchEngine.open(work / f"index-{num_items}")
    opened = time.perf_counter() - started
    engine.warm_up()
    generator = np.random.default_rng(7)
    texts = [
        f"{COLOURS[generator.integers(7)]}, a {THINGS[generator.integers(12)]} between three mullets {THINGS[generator.integers(12)]}"
        for _ in range(num_queries)
    ]
    result: dict[str, Any] = {"open_seconds": round(opened, 2)}
    for mode in ("semantic", "hybrid", "keyword"):
        result[f"{mode}_ms"] = latency(
            lambda text, mode=mode: engine.search(Query(text=text, mode=mode)), texts
        )
    result["text_tower_ms"] = latency(engine._model.text, texts)
    view = engine._views.current()
    vectors = view.backend.vectors(np.sort(generator.choice(num_items, 100, replace=False)))
    noisy = vectors + 0.3 * generator.normal(size=vectors.shape).astype(np.float32) / np.sqrt(D)
    queries = (noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32)
    result["vectors_ms"] = latency(lambda q: view.backend.search(q, 10), list(queries))
    result["exact_ms"] = latency(lambda q: view.backend.exact(q, 10), list(queries[:20]))
    result["filtered"] = {
        str(share): filtered(view.backend, queries[:30], num_items, share) for share in SELECTIVITIES
    }
    houses = [Filters(institution=(f"house-{n}",)) for n in range(40)]
    result["filter_mask_ms"] = latency(view.mask, houses)
    result["facets_ms"] = latency(lambda f: engine.facets(f), houses[:10])
    result["resident_mb"] = resident_mb()
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

    Beside the clock, the processor time used: on a machine that others use, it still means something.
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


def resident_mb() -> int:
    """Resident memory of this process now, mapped files included."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1_000_000


def main() -> None:
    """Each size and step in a process of its own; one table at the end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--kind", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--work", type=Path, required=True, help="folder for indexes; about 3 GB a million")
    parser.add_argument("--out", type=Path, default=None, help="JSON file for the numbers")
    parser.add_argument("--step", choices=["build", "ask"], help=argparse.SUPPRESS)
    options = parser.parse_args()
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
            command = [sys.executable, __file__, "--step", step, "--sizes", str(size), "--work", str(options.work),
                       "--kind", options.kind, "--threads", str(options.threads), "--queries", str(options.queries)]  # fmt: skip
            environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
            output = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, env=environment, text=True
            ).stdout
            rows[size].update(json.loads(output.strip().splitlines()[-1]))
        print(size, json.dumps(rows[size], indent=1))
    rows["machine"] = {"cores": os.cpu_count(), "load_average": os.getloadavg()}  # type: ignore[index]
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
