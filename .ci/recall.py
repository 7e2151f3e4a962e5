"""Fail when the demo's model misses the promised recall: `python .ci/recall.py evaluation.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

MIN_IMAGES = 500
PROMISED = {
    ("en", "recall@1"): 0.60,
    ("en", "recall@5"): 0.95,
    ("fr", "recall@5"): 0.90,
    ("de", "recall@5"): 0.90,
}


def main() -> int:
    """Print each promise next to what was measured; returns 1 when one is not kept."""
    evaluation = json.loads(Path(sys.argv[1]).read_text())
    num_images = evaluation["num_images"]
    print(f"held-out images: {num_images} (promised: at least {MIN_IMAGES})")
    kept = num_images >= MIN_IMAGES
    for (language, number), promised in PROMISED.items():
        measured = evaluation["languages"][language]["text_to_image"][number]["value"]
        print(f"{language} text to image {number}: {measured:.3f} (promised: {promised:.2f})")
        kept &= measured >= promised
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
