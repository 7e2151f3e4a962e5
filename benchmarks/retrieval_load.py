"""A minute under load while the index changes: additions, takedowns and two generations swapped in.

    python benchmarks/retrieval_load.py --seconds 60

Three kinds of processes, all real: `iconoclip serve`; this one, whose threads query it over HTTP without
pause; and the commands that change the index (`iconoclip index --add`, `iconoclip takedown`, `iconoclip index
--compact`). A response is wrong if its status is not 200, if it shows an item twice or too few items, if it
misses the item whose own words were the query, or if it shows one that was withdrawn `--grace` seconds before
the query. Images are synthetic; the model is small, with random weights.

Exits with 1 if any response was wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
from retrieval_drawn import environment
from retrieval_http import free_port, request, running, wait_for

MODEL = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8, "head_width": 32},
    "text_cfg": {"context_length": 32, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
K = 20
SWAP_SECONDS = 60.0


def write_model(folder: Path) -> None:
    """A small model with random weights."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    config = folder / "iconoclip-load.json"
    config.write_text(json.dumps(MODEL))
    open_clip.add_model_config(config)
    torch.manual_seed(0)
    model = open_clip.create_model("iconoclip-load")
    config.unlink()
    written = {"model_cfg": MODEL, "preprocess_cfg": {"size": 32}}
    (folder / "open_clip_config.json").write_text(json.dumps(written))
    weights = {key: value.contiguous() for key, value in model.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")


def write_shards(folder: Path, numbers: range) -> list[str]:
    """Write images of noise, each with a unique caption; return their keys."""
    from PIL import Image

    from iconoclip.record import Caption, Institution, Record, Source, sample_key
    from iconoclip.record import Image as StoredImage
    from iconoclip.rights import judge
    from iconoclip.shardset import ShardSetWriter

    keys = []
    with ShardSetWriter(
        folder, name=folder.name, policy="open@1", created_at="2026", created_by="benchmark"
    ) as writer:
        for number in numbers:
            generator, buffer = np.random.default_rng(number), io.BytesIO()
            noise = Image.fromarray(generator.integers(0, 255, (4, 4, 3), dtype=np.uint8))
            noise.resize((64, 64), Image.Resampling.BICUBIC).save(buffer, "JPEG")
            jpeg, key = buffer.getvalue(), sample_key("museum", str(number))
            record = Record(
                key=key,
                institution=Institution(slug="museum", name="Museum"),
                source=Source(id=str(number)),
                captions=(Caption(text=f"picture nr{number}", language="en", field="title"),),
                rights=judge("http://creativecommons.org/publicdomain/mark/1.0/"),
                image=StoredImage(width=64, height=64, sha256=hashlib.sha256(jpeg).hexdigest()),
                group=str(number),
                harvested_at="2026",
                harvested_by="benchmark",
            )
            writer.add(record, jpeg)
            keys.append(key)
    return keys


def run(*words: str | Path) -> None:
    """Run one command of iconoclip to its end."""
    command = [sys.executable, "-m", "iconoclip.cli", *map(str, words)]
    subprocess.run(
        command, check=True, env=environment(1), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


class Load:
    """Threads that send queries without a pause, and the wrong responses that they found."""

    def __init__(self, port: int, keys: list[str], first_number: int, grace_seconds: float) -> None:
        self._port, self._grace = port, grace_seconds
        self._number_of = {key: first_number + n for n, key in enumerate(keys)}
        # An item that is being withdrawn may or may not be found; `withdrawn` is the time from which it must
        # not be.
        self.leaving: set[str] = set()
        self.withdrawn: dict[str, float] = {}
        self.num_asked: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._stop = threading.Event()

    @contextlib.contextmanager
    def going(self, num_threads: int) -> Iterator[None]:
        """Query while the block runs."""
        threads = [threading.Thread(target=self._ask_on, args=(n,)) for n in range(num_threads)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _ask_on(self, seed: int) -> None:
        chooser = random.Random(seed)
        kinds = (self._by_meaning, self._by_words, self._item, self._facets)
        while not self._stop.is_set():
            kind = chooser.choice(kinds)
            gone = {key for key, at in list(self.withdrawn.items()) if time.monotonic() - at > self._grace}
            try:
                problem = kind(chooser, gone)
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
            self.num_asked[kind.__name__] += 1
            if problem:
                self.wrong.append(f"{kind.__name__}: {problem}"[:300])

    def _by_meaning(self, chooser: random.Random, gone: set[str]) -> str:
        query = urlencode({"q": f"a picture of {chooser.random()}", "k": K, "fold": "false"})
        keys = [hit["key"] for hit in request(self._port, "GET", f"/api/search?{query}")["hits"]]
        if len(keys) != K or len(set(keys)) != K:
            return f"{len(keys)} hits, {len(set(keys))} different"
        return f"withdrawn {gone & set(keys)}" if gone & set(keys) else ""

    def _by_words(self, chooser: random.Random, gone: set[str]) -> str:
        key = chooser.choice(list(self._number_of))
        query = urlencode({"q": f"nr{self._number_of[key]}", "mode": "keyword"})
        keys = [hit["key"] for hit in request(self._port, "GET", f"/api/search?{query}")["hits"]]
        if key in gone:
            return f"withdrawn {key}" if keys else ""
        return "" if keys == [key] or (not keys and key in self.leaving) else f"{keys} instead of {key}"

    def _item(self, chooser: random.Random, gone: set[str]) -> str:
        key = chooser.choice(list(self._number_of))
        try:
            found = request(self._port, "GET", f"/api/items/{key}")["item"]["hit"]["key"]
        except RuntimeError as error:
            return "" if key in self.leaving and " 404 " in str(error) else str(error)
        return f"withdrawn {key}" if key in gone else "" if found == key else f"{found} instead of {key}"

    def _facets(self, chooser: random.Random, gone: set[str]) -> str:
        total = request(self._port, "GET", "/api/facets")["total"]
        return "" if total >= len(self._number_of) - len(self.leaving) else f"only {total} items"


def change(work: Path, index: Path, sets: dict[str, list[str]], load: Load, seconds: float) -> list[str]:
    """Add, withdraw and compact, twice, evenly over the time; returns what was done."""
    done, started = [], time.monotonic()
    for number, name in enumerate(("more-0", "more-1")):
        for share, step in enumerate(("add", "takedown", "withdraw", "compact")):
            time.sleep(max(0.0, started + seconds * (number * 4 + share + 0.5) / 8 - time.monotonic()))
            if step == "add":
                run("index", work / f"store-{name}", "--out", index, "--add", "true")
            elif step == "takedown":
                gone = sets["base"][10 * number : 10 * number + 5]
                load.leaving |= set(gone)
                run("takedown", work / "base", *gone, "--reason", "asked")
                load.withdrawn |= dict.fromkeys(gone, time.monotonic())
            elif step == "withdraw":
                from retrieval.live.changes import withdraw

                gone = sets["base"][10 * number + 5 : 10 * number + 8]
                load.leaving |= set(gone)
                withdraw(index, gone)
                load.withdrawn |= dict.fromkeys(gone, time.monotonic())
            else:
                run("index", "--out", index, "--compact", "true")
            done.append(f"{time.monotonic() - started:.1f} s: {step}")
    time.sleep(max(0.0, started + seconds - time.monotonic()))
    return done


def prepare(work: Path, num_items: int) -> dict[str, list[str]]:
    """Write a model, three shard sets with their stores, and an index of the first;
    return the keys of each set.
    """
    from retrieval.config import EncodeConfig, IndexConfig
    from retrieval.encode.verb import encode
    from retrieval.index import index

    write_model(work / "model")
    sizes = {
        "base": range(num_items),
        "more-0": range(10_000, 10_000 + num_items // 4),
        "more-1": range(20_000, 20_000 + num_items // 4),
    }
    sets = {name: write_shards(work / name, numbers) for name, numbers in sizes.items()}
    for name in sets:
        encode(
            EncodeConfig(
                model=str(work / "model"), shardset=str(work / name), out=str(work / f"store-{name}")
            )
        )
    index(IndexConfig(stores=[str(work / "store-base")], out=str(work / "index")))
    return sets


def served_at_last(port: int, index: Path, wrong: list[str]) -> str:
    """The generation that is served after the promised time; the server looks for a
    new one when it is queried.
    """
    from retrieval.generation.manifest import current_generation

    newest, end = current_generation(index).name, time.monotonic() + SWAP_SECONDS
    while (served := str(request(port, "GET", "/api/ready").get("generation"))) != newest:
        if time.monotonic() > end:
            wrong.append(f"{served} is served {SWAP_SECONDS:.0f} s after {newest} was made")
            break
        time.sleep(0.1)
    return served


def measure(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Prepare the index, then query and change it; returns the report."""
    sets = prepare(work, options.items)
    port, log, index = free_port(), work / "server.log", work / "index"
    command = [sys.executable, "-m", "iconoclip.cli", "serve", str(index), "--port", str(port),
               "--rate_limit_per_minute", "0"]  # fmt: skip
    with running(command, log, 1) as process:
        wait_for(process, port, "/api/ready", log)
        load = Load(port, sets["base"], 0, options.grace)
        with load.going(options.clients):
            done = change(work, index, sets, load, options.seconds)
        time.sleep(options.grace)
        served = served_at_last(port, index, load.wrong)
        total = request(port, "GET", "/api/facets")["total"]
    expected = sum(map(len, sets.values())) - len(load.withdrawn)
    if total != expected:
        load.wrong.append(f"{total} items at the end instead of {expected}")
    return {
        "seconds": options.seconds,
        "asked": dict(load.num_asked),
        "changes": done,
        "generation": served,
        "withdrawn": len(load.withdrawn),
        "num_wrong": len(load.wrong),
        "wrong": load.wrong[:10],
    }


def main() -> int:
    """Run the benchmark and print its report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--items", type=int, default=400)
    parser.add_argument("--clients", type=int, default=3)
    parser.add_argument(
        "--grace", type=float, default=5.0, help="seconds until a takedown must be visible; 60 are promised"
    )
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="iconoclip-load-"))
    try:
        report = measure(options, work)
    finally:
        shutil.rmtree(work)
    print(
        json.dumps(
            {**report, "machine": {"cores": os.cpu_count(), "load_average": os.getloadavg()}}, indent=1
        )
    )
    return 1 if report["num_wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
