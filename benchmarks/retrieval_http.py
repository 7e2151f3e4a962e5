"""The time of a text query over HTTP, including the metadata of the hits, compared with
clip-retrieval's back end.

    python benchmarks/retrieval_http.py --sizes 100000 1000000 --peer_python /path/to/peers/bin/python

Both are real processes: `iconoclip serve`, and `clip-retrieval back` (2.45.0) in an environment of its own.
Both search the same vectors with the same model (ViT-B-32 in size, random weights) and the same approximate
index: the peer uses our file. Both answer the same queries, no two alike, in turn, each over a new
connection; the order alternates. iconoclip also searches the words (hybrid, the default) and folds
near-duplicates; `--modes` selects the modes.

The peer's command line downloads models by name; the driver below gives it the same model directory instead
and changes nothing else. Without `--peer_python` only iconoclip is measured.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
from retrieval_drawn import BLOCK, Words, drawn_records, environment, memory_mb

K = 24
NUM_WARM_UP = 20
START_SECONDS = 300.0
COLUMNS = ["url", "caption", "key", "institution", "rights"]

PEER = """
import sys, json
import all_clip.main, all_clip.open_clip, open_clip, torch

def load(clip_model, use_jit=True, device="cpu", clip_cache_path=None):
    # The open_clip that the peer pins knows no model directories: the same config and weights, by name and
    # file.
    open_clip.add_model_config(sys.argv[1] + "/peer/iconoclip-bench.json")
    weights = sys.argv[1] + "/open_clip_model.safetensors"
    model, _, preprocess = open_clip.create_model_and_transforms(
        "iconoclip-bench", pretrained=weights, device=device)
    wrapped = all_clip.open_clip.OpenClipWrapper(model.eval(), device)
    return wrapped, preprocess, open_clip.get_tokenizer("iconoclip-bench")

all_clip.main._CLIP_REGISTRY["open_clip:"] = load
from clip_retrieval.clip_back import clip_back
clip_back(sys.argv[2], port=int(sys.argv[3]), clip_model="open_clip:any/any",
          columns_to_return=json.loads(sys.argv[4]), enable_mclip_option=False,
          provide_aesthetic_embeddings=False)
"""

Ask = Callable[[str], list[dict[str, Any]]]


@contextlib.contextmanager
def running(command: list[str], log: Path, threads: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server process that is ended with the block; its output goes into `log`."""
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment(threads), cwd=log.parent
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()


def free_port() -> int:
    """A port on which no program listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def request(port: int, method: str, path: str, body: Any = None) -> Any:
    """One response over a new connection, as JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {answer[:200]!r}")
        return json.loads(answer)
    finally:
        connection.close()


def wait_for(process: subprocess.Popen[bytes], port: int, path: str, log: Path) -> None:
    """Wait until the server answers at `path`."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended:\n{log.read_text(errors='replace')[-3000:]}")
        try:
            request(port, "GET", path)
        except (OSError, RuntimeError, http.client.HTTPException):
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"the server did not answer in {START_SECONDS:.0f} s")


@contextlib.contextmanager
def our_server(index: Path, options: argparse.Namespace) -> Iterator[tuple[dict[str, Ask], int]]:
    """`iconoclip serve`: the address of a query in each mode, and its process."""
    port, log = free_port(), options.work / "ours.log"
    command = [sys.executable, "-m", "iconoclip.cli", "serve", str(index), "--port", str(port),
               "--rate_limit_per_minute", "0"]  # fmt: skip

    def asker(mode: str) -> Ask:
        def ask(text: str) -> list[dict[str, Any]]:
            found = request(port, "GET", f"/api/search?{urlencode({'q': text, 'k': K, 'mode': mode})}")
            return list(found["hits"])

        return ask

    with running(command, log, options.threads) as process:
        wait_for(process, port, "/api/ready", log)
        yield {f"iconoclip_{mode}": asker(mode) for mode in options.modes}, process.pid


@contextlib.contextmanager
def peer_server(folder: Path, options: argparse.Namespace) -> Iterator[tuple[dict[str, Ask], int]]:
    """`clip-retrieval back` over an index folder of its kind."""
    port, log, driver = free_port(), options.work / "peer.log", options.work / "peer_back.py"
    driver.write_text(PEER)
    paths = folder / "indices.json"
    paths.write_text(json.dumps({"drawn": str(folder)}))
    model = options.work / "model"
    arguments = [driver, model, paths, port, json.dumps(COLUMNS)]
    command = [options.peer_python, "-W", "ignore", *map(str, arguments)]

    def ask(text: str) -> list[dict[str, Any]]:
        body = {"text": text, "modality": "image", "num_images": K, "indice_name": "drawn"}
        return list(request(port, "POST", "/knn-service", body))

    with running(command, log, options.threads) as process:
        wait_for(process, port, "/indices-list", log)
        yield {"clip_retrieval": ask}, process.pid


def write_peer_folder(index: Path, work: Path, num_items: int) -> Path:
    """Write the same index and the metadata in the formats of the peer."""
    import faiss
    import pyarrow as pa
    import pyarrow.parquet as pq

    from retrieval.generation.manifest import ANN_NAME, VECTORS_NAME, current_generation, read_manifest

    folder = work / f"peer-{num_items}"
    if (folder / "image.index").exists():
        return folder
    (folder / "metadata").mkdir(parents=True)
    model = work / "model"
    (model / "peer").mkdir(exist_ok=True)
    config = json.loads((model / "open_clip_config.json").read_text())["model_cfg"]
    (model / "peer" / "iconoclip-bench.json").write_text(json.dumps(config))
    rows: list[dict[str, Any]] = []
    for number, data in enumerate(drawn_records(num_items), 1):
        record = json.loads(data)
        rows.append(
            {
                "url": record["source"]["homepage"],
                "caption": record["captions"][0]["text"],
                "key": record["key"],
                "institution": record["institution"]["slug"],
                "rights": record["rights"]["uri"],
            }
        )
        if number % (10 * BLOCK) == 0 or number == num_items:
            pq.write_table(pa.Table.from_pylist(rows), folder / "metadata" / f"metadata_{number:09d}.parquet")
            rows = []
    generation = current_generation(index)
    manifest = read_manifest(generation)
    name = VECTORS_NAME if manifest.kind == "exact" else ANN_NAME
    found = faiss.read_index(str(generation / name))
    if manifest.kind == "hnsw":
        found.hnsw.efSearch = manifest.effort
    elif manifest.kind != "exact":
        found.nprobe = manifest.effort
    faiss.write_index(found, str(folder / "image.index"))
    return folder


def in_turn(askers: dict[str, Ask], texts: list[str]) -> dict[str, list[float]]:
    """The milliseconds of each program for each text; the order rotates from text to text."""
    times: dict[str, list[float]] = {name: [] for name in askers}
    names = list(askers)
    for number, text in enumerate(texts):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            started = time.perf_counter()
            hits = askers[name](text)
            times[name].append((time.perf_counter() - started) * 1000)
            if len(hits) != K or not all(hit.get("caption") or hit.get("captions") for hit in hits):
                raise RuntimeError(f"{name} answered {len(hits)} hits, or hits without metadata, to {text!r}")
    return {name: each[NUM_WARM_UP:] for name, each in times.items()}


def summary(times: list[float]) -> dict[str, float]:
    """The percentiles of a list of times, in milliseconds."""
    p50, p90, p99 = np.percentile(times, [50, 90, 99])
    return {
        "p50_ms": round(float(p50), 2),
        "p90_ms": round(float(p90), 2),
        "p99_ms": round(float(p99), 2),
        "p99_by_p50": round(float(p99 / p50), 2),
    }


def compare(num_items: int, options: argparse.Namespace) -> dict[str, Any]:
    """Measure all programs at one size."""
    index = options.work / f"index-{num_items}"
    if not (index / "CURRENT").exists():
        code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        code += "from pathlib import Path; from retrieval_drawn import write_index\n"
        code += f"write_index(Path({str(options.work)!r}), {num_items}, 'auto', {options.threads})"
        subprocess.run([sys.executable, "-c", code], check=True, env=environment(options.threads))
    texts = Words(11).queries(options.queries + NUM_WARM_UP)
    with contextlib.ExitStack() as stack:
        askers, ours = stack.enter_context(our_server(index, options))
        pids = {"iconoclip": ours}
        if options.peer_python:
            folder = write_peer_folder(index, options.work, num_items)
            theirs, pids["clip_retrieval"] = stack.enter_context(peer_server(folder, options))
            askers |= theirs
        times = in_turn(askers, texts)
        row: dict[str, Any] = {name: summary(each) for name, each in times.items()}
        row["memory"] = {name: memory_mb(pid) for name, pid in pids.items()}
    if "clip_retrieval" in row:
        peer = row["clip_retrieval"]["p50_ms"]
        row["p50_by_the_peers"] = {
            name: round(row[name]["p50_ms"] / peer, 3) for name in times if name != "clip_retrieval"
        }
    return row


def main() -> None:
    """Measure each size in turn; print one JSON object at the end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--modes", nargs="+", default=["hybrid", "semantic"])
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--peer_python", default=None, help="python of the environment that has clip-retrieval"
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path(tempfile.gettempdir()) / "iconoclip-scale",
        help="folder for indexes; retrieval_scale.py's are used again",
    )
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    rows: dict[str, Any] = {}
    for size in options.sizes:
        rows[str(size)] = compare(size, options)
        print(size, json.dumps(rows[str(size)], indent=1), file=sys.stderr, flush=True)
    rows["machine"] = {"cores": os.cpu_count(), "load_average": os.getloadavg()}
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
