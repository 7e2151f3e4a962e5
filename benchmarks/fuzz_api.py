"""Claim: thousands of requests generated from the API's own description never cause a server error.

    python benchmarks/fuzz_api.py INDEX [NUM_CASES]

Sends at least NUM_CASES (default 5,000) requests, valid and invalid, to the service over INDEX in this
process, and prints the responses by operation and status. It stops at any 5xx, any response that the OpenAPI
document does not describe, and any error of another shape, and prints the request that caused it.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from retrieval.config import ServeConfig
from retrieval.engine import SearchEngine
from retrieval.questions import Query
from retrieval.service.app import create_app
from tests.retrieval.service.fuzzing import fuzz


def main() -> None:
    """Send the requests and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("index", metavar="INDEX", help="an index, as `iconoclip demo` makes one")
    parser.add_argument("num_cases", metavar="NUM_CASES", type=int, nargs="?", default=5_000)
    options = parser.parse_args()
    with SearchEngine.open(options.index) as engine:
        engine.warm_up()
        app = create_app(
            engine, ServeConfig(index=options.index, rate_limit_per_minute=0, max_upload_bytes=100_000)
        )
        keys = [hit.key for hit in engine.search(Query(k=50)).hits]
        num_operations = sum(map(len, app.openapi()["paths"].values()))
        started = time.monotonic()
        answers = fuzz(app, keys, -(-options.num_cases // num_operations))
    seconds = time.monotonic() - started
    for label, count in sorted(answers.items()):
        print(f"{count:6d}  {label}")
    print(f"{answers.total()} requests in {seconds:.0f} s, no server error")


if __name__ == "__main__":
    main()
