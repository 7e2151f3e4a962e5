"""Images per second and bytes downloaded: `iconoclip harvest` and img2dataset, from one
loopback server, in one run.

Both store the same 1024-pixel JPEGs at 512 pixels as WebDataset shards, without rate limits. iconoclip
also reads a manifest per image, checks rights, computes hashes, and writes records; img2dataset is
given a list of addresses.

    python benchmarks/harvest_img2dataset.py --peer /path/to/venv/bin/img2dataset

The peer needs an environment of its own:

    python3.11 -m venv peer && peer/bin/pip install img2dataset==1.47.0 "setuptools<81"

Runs alternate, so that a busy machine slows both; the median of each is printed, including
the start of the program.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.manifests import one_picture
from iconoclip.shardset import ShardSet

SOURCE_SIDE, STORED_SIDE = 1024, 512
NUM_DIFFERENT = 24
PEER = "img2dataset"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"


@dataclass
class Result:
    """The time and the traffic of one run of one program."""

    seconds: float
    num_stored: int
    num_bytes: int


def picture(number: int, side: int) -> bytes:
    """A JPEG with the detail of a scanned page: smooth ground, lines, grain.

    At 1024 pixels about 1.4 bits per pixel; 152 digitised images of several libraries, 500 to 1,100
    pixels wide as their image services send them, had 0.7 to 2.1 (first and last decile), with a
    median of 1.15. With more grain, nearly all of the time goes into reading the bytes of a JPEG,
    which costs every program the same.
    """
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(60, 220, (24, 24, 3), dtype=np.uint8)).resize(
        (SOURCE_SIDE,) * 2, Image.Resampling.BICUBIC
    )
    grain = rng.normal(0, 2, (SOURCE_SIDE, SOURCE_SIDE, 1))
    pixels = np.asarray(coarse, dtype=np.float32) + grain
    pixels[:: int(rng.integers(20, 60))] *= 0.4
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).resize(
        (side, side), Image.Resampling.LANCZOS
    )
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


class Server(asyncio.Protocol):
    """Answers from memory, at the same cost for both programs."""

    pictures: dict[int, list[bytes]]
    documents: dict[str, bytes]
    num_bytes: Any

    def connection_made(self, transport: Any) -> None:
        """Keep the transport of a new client."""
        self.transport, self.pending = transport, b""

    def data_received(self, data: bytes) -> None:
        """Answer every request that has arrived completely."""
        self.pending += data
        while b"\r\n\r\n" in self.pending:
            head, _, self.pending = self.pending.partition(b"\r\n\r\n")
            body, media_type = self.answer(head.split(b" ", 2)[1].decode())
            self.num_bytes.value += len(body)
            self.transport.write(HEAD % (media_type, len(body)) + body)

    def answer(self, path: str) -> tuple[bytes, bytes]:
        """The body and the media type at a path."""
        if path.startswith("/image/"):
            _, _, number, *rest = path.split("/")
            side = STORED_SIDE if len(rest) > 1 and rest[1].startswith(f"{STORED_SIDE},") else SOURCE_SIDE
            return self.pictures[side][int(number) % NUM_DIFFERENT], b"image/jpeg"
        return self.documents.get(path, b""), b"application/json"


def serve(num_images: int, port: Any, num_bytes: Any) -> None:
    """Serve until the process is ended; runs in its own process."""

    async def run() -> None:
        """Write the collections for the port that is free, then answer requests."""
        server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
        number = server.sockets[0].getsockname()[1]
        origin = f"http://127.0.0.1:{number}"
        for kind in ("plain", "sized"):
            members = []
            for index in range(num_images):
                value = one_picture(
                    f"{origin}/manifest/{kind}/{index}",
                    f"A page of the atlas with a coast and ships, plate {index}",
                    f"{origin}/image/{index}/full/max/0/default.jpg",
                    (SOURCE_SIDE, SOURCE_SIDE),
                    service=f"{origin}/image/{index}" if kind == "sized" else None,
                )
                Server.documents[value["id"].removeprefix(origin)] = json.dumps(value).encode()
                members.append({"id": value["id"], "type": "Manifest", "label": value["label"]})
            collection = {
                "id": f"{origin}/{kind}",
                "type": "Collection",
                "label": {"en": ["All"]},
                "items": members,
            }
            Server.documents[f"/{kind}"] = json.dumps(collection).encode()
        port.value = number
        await server.serve_forever()

    Server.pictures = {
        side: [picture(n, side) for n in range(NUM_DIFFERENT)] for side in (SOURCE_SIDE, STORED_SIDE)
    }
    Server.documents, Server.num_bytes = {}, num_bytes
    asyncio.run(run())


def run_iconoclip(collection: str, out: Path, num_bytes: Any) -> Result:
    """The seconds and bytes of harvesting a collection with iconoclip."""
    words = [
        sys.executable, "-m", "iconoclip.cli", "harvest", collection, "--out", str(out),
        "--max_side_pixels", str(STORED_SIDE), "--storage.jpeg_quality", "90",
    ]  # fmt: skip
    seconds, fetched = timed(words, num_bytes)
    return Result(seconds, len(ShardSet(out)), fetched)


def run_peer(peer: str, addresses: Path, out: Path, num_bytes: Any) -> Result:
    """The seconds and bytes of img2dataset downloading a list of addresses, on all cores."""
    num_cores = len(os.sched_getaffinity(0))
    words = [
        peer, f"--url_list={addresses}", f"--output_folder={out}", "--output_format=webdataset",
        f"--image_size={STORED_SIDE}", "--resize_mode=keep_ratio", "--resize_only_if_bigger=True",
        "--encode_quality=90", f"--processes_count={num_cores}", "--thread_count=16",
        "--number_sample_per_shard=500", "--enable_wandb=False",
    ]  # fmt: skip
    seconds, fetched = timed(words, num_bytes)
    stored = sum(json.loads(path.read_text())["successes"] for path in out.glob("*_stats.json"))
    return Result(seconds, stored, fetched)


def timed(words: list[str], num_bytes: Any) -> tuple[float, int]:
    """The seconds that a program takes, and the bytes that the server sent in that time."""
    before, started = num_bytes.value, time.perf_counter()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{words[0]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return seconds, num_bytes.value - before


def alternate(
    origin: str, peer: str | None, num_images: int, num_rounds: int, num_bytes: Any
) -> dict[str, list[Result]]:
    """Run every program in turn, round after round."""
    runs: dict[str, list[Result]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        addresses = Path(scratch) / "addresses.txt"
        addresses.write_text(
            "\n".join(f"{origin}/image/{n}/full/max/0/default.jpg" for n in range(num_images))
        )
        for number in range(num_rounds):
            out = Path(scratch) / str(number)
            results = {
                "iconoclip, full images": run_iconoclip(f"{origin}/plain", out / "plain", num_bytes),
                **({PEER: run_peer(peer, addresses, out / "peer", num_bytes)} if peer else {}),
                "iconoclip, resized by the service": run_iconoclip(
                    f"{origin}/sized", out / "sized", num_bytes
                ),
            }
            for name, result in results.items():
                runs.setdefault(name, []).append(result)
    return runs


def report(runs: dict[str, list[Result]], num_images: int) -> None:
    """Print a table of medians, each compared with the peer's."""
    cores = len(os.sched_getaffinity(0))
    print(
        f"{num_images} images of {SOURCE_SIDE} pixels stored at {STORED_SIDE}, {cores} cores, median of each"
    )
    print(f"{'':<34}{'images/s':>10}{'to peer':>9}{'stored':>9}{'MB fetched':>12}{'seconds of each run':>24}")
    rates = {
        name: statistics.median(one.num_stored / one.seconds for one in results)
        for name, results in runs.items()
    }
    for name, results in runs.items():
        ratio = f"{rates[name] / rates[PEER]:.2f}x" if PEER in rates else ""
        stored = min(one.num_stored for one in results)
        fetched = statistics.median(one.num_bytes for one in results) / 1e6
        seconds = ", ".join(f"{one.seconds:.1f}" for one in results)
        print(f"{name:<34}{rates[name]:>10.1f}{ratio:>9}{stored:>9}{fetched:>12.1f}{seconds:>24}")


def main() -> None:
    """Run both programs in turn, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", default=shutil.which("img2dataset"), help="the img2dataset program")
    parser.add_argument("--num-images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    port, num_bytes = multiprocessing.Value("i", 0), multiprocessing.Value("q", 0)
    server = multiprocessing.Process(target=serve, args=(options.num_images, port, num_bytes), daemon=True)
    server.start()
    while not port.value:
        time.sleep(0.05)
    origin = f"http://127.0.0.1:{port.value}"
    runs = alternate(origin, options.peer, options.num_images, options.rounds, num_bytes)
    server.terminate()
    report(runs, options.num_images)
    if not options.peer:
        print("img2dataset was not found: give --peer; the head of this file tells how to install it")


if __name__ == "__main__":
    main()
