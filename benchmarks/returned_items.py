"""What a search service, shard sets and a published copy still return of some items.

thirty_institutions.py asks it before and after a withdrawal.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq

from iconoclip.errors import BadInput
from iconoclip.shardset import ShardSet


@contextmanager
def searching(index: Path) -> Iterator[str]:
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


def by_service(address: str, keys: set[str], word: str) -> list[str]:
    """What a service still returns of some items: themselves, and among the hits for `word`, which is in all
    of their captions.
    """
    found = [
        f"{path}: {key}"
        for key in sorted(keys)
        for path in ("api/v1/items/{}", "image/{}.jpg", "thumb/{}.jpg", "iiif/{}/manifest.json", "item/{}")
        if status(f"{address}/{path.format(key)}") == 200
    ]
    query = f"q={urllib.parse.quote(word)}"
    searches = (
        f"search?{query}",
        f"api/v1/search?{query}&k=200",
        f"api/v1/search.csv?{query}",
        f"api/v1/search.jsonld?{query}",
        f"api/v1/search.selection.yaml?{query}",
        f"iiif/search/manifest.json?{query}",
    )
    for path in searches:
        data = body(f"{address}/{path}").decode("utf-8", "replace")
        found += [f"{path}: {key}" for key in sorted(keys) if key in data]
    return found


def by_files(work: Path, keys: set[str]) -> list[str]:
    """What the sets, the loader of a training and the published copy still hold of some items."""
    # Imported here: torch takes seconds, and only the loader needs it.
    from training.data.samples import load

    found = []
    sets = [path.parent for path in work.rglob("shardset.json") if ".merge" not in path.parts]
    for folder in sets:
        there = {record.key for record, _ in ShardSet(folder).samples()}
        try:
            loaded = set(load([str(folder)], split="all", policy="open").keys.to_pylist())
        except BadInput:  # nothing is left in the set
            loaded = set()
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
