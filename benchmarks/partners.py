"""Several institutions become one signed, published, trained and searched corpus; ten items are withdrawn in
one of them, and nothing hands them out any more.

    python benchmarks/partners.py [--institutions 5] [--items 40] [--work FOLDER]

Each institution draws its pictures, writes a table, and runs one `iconoclip pack`. The consortium merges all
sets by reference, signs and publishes the result, trains a small model, and serves an index. Then one of the
institutions withdraws ten items with one command. The script prints the seconds of each step. After the next
sync it asks every reader for the ten: the set and its merges, the training loader, what is published, and
over HTTP items, pictures, pages, searches and exports. It ends with 1 if anything hands one out.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
from PIL import Image, ImageDraw

from iconoclip.shardset import ShardSet

WORDS = ("ship", "cow", "tower", "shield", "saint", "mill")
COLOURS = ("red", "green", "blue", "black", "orange", "purple")
NUM_WITHDRAWN = 10
MOST_SECONDS = 60


def command(*words: object, codes: tuple[int, ...] = (0,)) -> float:
    """Run `iconoclip` and return its seconds."""
    started = time.perf_counter()
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1", "WANDB_MODE": "offline"}
    done = subprocess.run(
        [sys.executable, "-m", "iconoclip.cli", *map(str, words)],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    if done.returncode not in codes:
        sys.exit(f"iconoclip {' '.join(map(str, words))}\n{done.stdout}{done.stderr}")
    return time.perf_counter() - started


def write_collection(folder: Path, name: str, count: int, chance: random.Random) -> None:
    """Draw the pictures of an institution and write its table."""
    folder.mkdir(parents=True)
    with (folder / "catalogue.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "caption", "rights"])
        for number in range(count):
            word, colour, ground = chance.choice(WORDS), chance.choice(COLOURS), chance.choice(COLOURS)
            image = Image.new("RGB", (96, 96), ground)
            draw = ImageDraw.Draw(image)
            for _ in range(8):
                left, top = chance.randrange(70), chance.randrange(70)
                draw.rectangle((left, top, left + chance.randrange(5, 30), top + 20), fill=colour)
            image.save(folder / f"{number:04d}.jpg")
            rows.writerow(
                [f"{number:04d}.jpg", f"A {colour} {word} on a {ground} field, and {number} gulls", "CC0"]
            )


@contextmanager
def serving(index: Path) -> Iterator[str]:
    """The address of a search service over an index."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "iconoclip.cli", "serve", str(index), "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        while status(f"{address}/api/ready") != 200:
            if process.poll() is not None:
                sys.exit("the service ended")
            time.sleep(0.5)
        yield address
    finally:
        process.terminate()
        process.wait()


def status(address: str) -> int:
    """The status of an answer; 0 without one."""
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def body(address: str) -> bytes:
    """The bytes that a server answers with."""
    with urllib.request.urlopen(address, timeout=60) as answer:
        data: bytes = answer.read()
        return data


def handed_out(address: str, keys: set[str]) -> list[str]:
    """What a service still hands out of some items."""
    found = [
        f"{path}: {key}"
        for key in sorted(keys)
        for path in ("api/v1/items/{}", "image/{}.jpg", "thumb/{}.jpg", "iiif/{}/manifest.json", "item/{}")
        if status(f"{address}/{path.format(key)}") == 200
    ]
    searches = (
        "api/v1/search?q=ship&k=200",
        "api/v1/search.csv?q=ship",
        "api/v1/search.jsonld?q=ship",
        "?q=ship",
    )
    for path in (*searches, "iiif/search/manifest.json?q=ship", "api/v1/search.selection.yaml?q=ship"):
        data = body(f"{address}/{path}").decode("utf-8", "replace")
        found += [f"{path}: {key}" for key in sorted(keys) if key in data]
    return found


def in_files(work: Path, keys: set[str]) -> list[str]:
    """What the sets, the loader of a training and the published copy still hand out."""
    # Imported here: torch takes seconds, and only the loader needs it.
    from training.data.samples import load

    found = []
    sets = [path.parent for path in work.rglob("shardset.json") if ".merge" not in path.parts]
    for folder in sets:
        there = {record.key for record, _ in ShardSet(folder).samples()}
        loaded = set(load([str(folder)], split="all", policy="open").keys.to_pylist())
        found += [f"{folder.relative_to(work)}: {key}" for key in sorted(keys & (there | loaded))]
    published = work / "published"
    for path in [*published.glob("*.tar"), *published.rglob("*.parquet"), *published.glob("*.md")]:
        if path.name != "withdrawn.parquet":
            found += [
                f"{path.relative_to(work)}: {key}"
                for key in sorted(keys)
                if key.encode() in path.read_bytes()
            ]
    listed = set(pq.read_table(published / "withdrawn.parquet")["key"].to_pylist())
    return found + [f"not in the published list: {key}" for key in sorted(keys - listed)]


def main() -> int:
    """Play the whole story; 1 if a withdrawn item is handed out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--institutions", type=int, default=5)
    parser.add_argument("--items", type=int, default=40, help="pictures of each institution")
    parser.add_argument("--work", type=Path, help="folder to work in, which stays; default: a temporary one")
    options = parser.parse_args()
    work = (options.work or Path(tempfile.mkdtemp(prefix="partners-"))).resolve()
    seconds: dict[str, float] = {}
    chance = random.Random(0)
    names = [f"museum{number}" for number in range(options.institutions)]
    for name in names:
        write_collection(work / "tables" / name, name, options.items, chance)
        profile = work / "tables" / f"{name}.yaml"
        command(
            "institution",
            "new",
            "--name",
            f"The {name}",
            "--slug",
            name,
            "--language",
            "en",
            "--out",
            profile,
        )
        words = ["pack", work / "tables" / name / "catalogue.csv", "--institution", profile, "--yes"]
        took = command(*words, "--out", work / "partners" / name / "set")
        seconds["pack, each"] = max(took, seconds.get("pack, each", 0.0))
    sets = [work / "partners" / name / "set" for name in names]
    merging = [
        "merge",
        *sets,
        "--out",
        work / "consortium" / "all",
        "--by_reference",
        "--near_duplicate_bits",
        2,
    ]
    seconds["merge"] = command(*merging)
    merged = work / "consortium" / "all"
    key = work / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    publishing = ["publish", merged, "--to", work / "published", "--key", key]
    seconds["sign"] = command("sign", merged, "--key", key)
    seconds["publish"] = command(*publishing)
    training = ["train", "--config", "configs/train/smoke.yaml", "--shardsets", json.dumps([str(merged)])]
    training += ["--run_dir", work / "run", "--schedule.max_steps", 20, "--log.wandb", "false"]
    seconds["train, 20 steps"] = command(*training)
    seconds["export"] = command("export", work / "run", "--out", work / "model")
    seconds["encode"] = command("encode", work / "model", merged, "--out", work / "vectors")
    seconds["index"] = command("index", work / "vectors", "--out", work / "index")
    gone = set(ShardSet(sets[2 % len(sets)]).table(["key"])["key"].to_pylist()[:NUM_WITHDRAWN])
    with serving(work / "index") as address:
        before = len(handed_out(address, gone))
        print(f"before the withdrawal, the service hands the ten out in {before} ways")
        words = ["takedown", sets[2 % len(sets)], *sorted(gone), "--reason", "the heirs asked", "--purge"]
        started = time.perf_counter()
        seconds["takedown, with purge"] = command(*words)
        while handed_out(address, gone) and time.perf_counter() - started < 2 * MOST_SECONDS:
            time.sleep(0.5)
        seconds["until the service hands none out, from the command on"] = time.perf_counter() - started
        left = handed_out(address, gone)
    started = time.perf_counter()
    command(*merging)
    command("sign", merged, "--key", key)
    command(*publishing)
    seconds["next sync: merge, sign, publish"] = time.perf_counter() - started
    left += in_files(work, gone)
    saw = command("seen", work, *sorted(gone))
    seconds["seen, over all runs"] = saw
    for step, took in seconds.items():
        print(f"{took:8.1f} s  {step}")
    print(f"{len(ShardSet(merged))} of {options.items * len(names)} samples are left")
    print(f"{len(left)} ways to a withdrawn item")
    print("\n".join(left[:20]))
    if options.work is None:
        shutil.rmtree(work)
    slow = seconds["until the service hands none out, from the command on"] > MOST_SECONDS
    return 1 if left or slow or not before else 0


if __name__ == "__main__":
    sys.exit(main())
