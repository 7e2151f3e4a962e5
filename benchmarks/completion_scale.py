"""Completion while typing over many items: the time per letter, and what its tables cost.

    python benchmarks/completion_scale.py --num_items 1000000 --out completion.json

Synthetic items: titles of four to seven words, each different, in three languages; one maker in 40, one place
in 200. Prefixes are what people type letter by letter, of titles, makers and places that exist, and of none.
The tables are written by the code that builds an index. `ms` is wall-clock time, with other programs running;
`cpu` is processor time.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

LANGUAGES = ("en", "de", "fr")
NUM_WORDS, NUM_PREFIXES, LONGEST_PREFIX, NUM_SHOWN = 20_000, 2_000, 24, 8


def words(rng: random.Random) -> list[str]:
    """Invented words of two to four syllables; the first ones are used most, as words are (Zipf)."""
    syllables = [c + v + e for c in "bcdfghlmnprstvw" for v in "aeiou" for e in ("", "n", "r", "s")]
    found = {"".join(rng.choices(syllables, k=rng.randint(2, 4))) for _ in range(2 * NUM_WORDS)}
    return sorted(found, key=lambda _: rng.random())[:NUM_WORDS]


def named(num_items: int, seed: int = 0) -> Iterator[tuple[str, str, str, str]]:
    """Language, title, maker and place of each item."""
    rng = random.Random(seed)
    known = words(rng)
    weights = np.cumsum(1 / np.arange(1, len(known) + 1)).tolist()

    def text(num: int) -> str:
        return " ".join(rng.choices(known, cum_weights=weights, k=num)).capitalize()

    makers = [text(2).title() for _ in range(max(1, num_items // 40))]
    places = [text(1) for _ in range(max(1, num_items // 200))]
    for number in range(num_items):
        title = f"{text(rng.randint(3, 6))} {number}"
        yield LANGUAGES[number % 3], title, rng.choice(makers), rng.choice(places)


def build(path: Path, num_items: int) -> float:
    """Write the tables of completions alone. Returns the processor seconds, without making the items."""
    from iconoclip.record import Caption, Image, Institution, RawPair, Record, Source
    from iconoclip.rights import judge
    from retrieval.generation.completions import CompletionWriter

    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;")
    seconds = 0.0
    writer = CompletionWriter(connection)
    fixed: dict[str, Any] = {
        "rights": judge(None),
        "image": Image(width=1, height=1, sha256="0" * 64),
        "harvested_at": "2026-01-01T00:00:00Z",
        "harvested_by": "benchmark",
        "group": "g",
        "split": "train",
        "source": Source(id="x"),
        "institution": Institution(slug="museum", name="The Museum"),
    }
    for row, (language, title, maker, place) in enumerate(named(num_items)):
        caption = Caption.model_construct(
            text=title, language=language, field="title", role="title", level=None, origin="source"
        )
        pair = RawPair.model_construct(label="place", value=place, level="record", field="place")
        record = Record.model_construct(
            key=f"m-{row:016x}", captions=(caption,), creators=(maker,), raw=(pair,), iconclass=(), **fixed
        )
        started = time.process_time()
        writer.add(row, record)
        seconds += time.process_time() - started
    started = time.process_time()
    writer.finish()
    connection.commit()
    connection.close()
    return seconds + time.process_time() - started


def prefixes(num_items: int, seed: int = 1) -> list[str]:
    """What people type, letter by letter: from the start of any word of a title, maker or place; and letters
    that lead to nothing.
    """
    rng = random.Random(seed)
    step = max(1, num_items // (NUM_PREFIXES // 4))
    texts = [each for n, (_, *found) in enumerate(named(num_items)) if n % step == 0 for each in found]
    typed = []
    while len(typed) < NUM_PREFIXES:
        parts = rng.choice(texts).split()
        text = " ".join(parts[rng.randrange(min(3, len(parts))) :])
        typed.append(text[: rng.randint(1, LONGEST_PREFIX)] + ("qq" if rng.random() < 0.05 else ""))
    return typed


def measure(path: Path, typed: Sequence[str]) -> dict[str, float]:
    """Milliseconds per prefix, as the engine asks: the reader's language and names, then the others."""
    from retrieval.generation.completions import NO_LANGUAGE, Completions, key_of

    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    completions = Completions(connection.execute)
    opened = time.perf_counter() - started
    took, computed, num_found = [], [], 0
    for text in typed:
        started, started_cpu = time.perf_counter(), time.process_time()
        prefix = key_of(text)
        found = completions.starting_with(prefix, (NO_LANGUAGE, "en"), 2 * NUM_SHOWN)
        if len(found) < NUM_SHOWN:
            found += completions.starting_with(prefix, ("de", "fr"), 2 * NUM_SHOWN)
        took.append(1000 * (time.perf_counter() - started))
        computed.append(1000 * (time.process_time() - started_cpu))
        num_found += bool(found)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    connection.close()
    by_length = {}
    for low, high in ((1, 1), (2, 3), (4, LONGEST_PREFIX + 2)):
        those = [each for each, text in zip(took, typed, strict=True) if low <= len(text) <= high]
        by_length[f"p95_ms of {low} to {high} letters"] = round(float(np.percentile(those, 95)), 2)
    return {
        "p50_ms": round(float(np.percentile(took, 50)), 2),
        "p95_ms": round(float(np.percentile(took, 95)), 2),
        "max_ms": round(max(took), 2),
        "p95_cpu_ms": round(float(np.percentile(computed, 95)), 2),
        **by_length,
        "opened_ms": round(1000 * opened, 1),
        "memory_mb": round((after - before) / 1024, 1),
        "share_completed": round(num_found / len(typed), 3),
    }


def main() -> None:
    """Write the tables, ask for every prefix, and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--num_items", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=None, help="JSON file for the numbers")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "catalog.sqlite"
        seconds = build(path, options.num_items)
        found = {
            "num_items": options.num_items,
            "built_cpu_seconds": round(seconds, 1),
            "file_mb": round(path.stat().st_size / 1e6, 1),
            **measure(path, prefixes(options.num_items)),
        }
    print(json.dumps(found, indent=1))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
