"""Claim: `iconoclip evaluate` and clip-benchmark report the same recall for the same
images, captions and model.

    python benchmarks/evaluate_clip_benchmark.py MODEL_DIR SHARDSET --peer FOLDER [--split test] [--language
    en] [--field blazon]

FOLDER contains clip-benchmark 1.6.2: `pip install --no-deps --target FOLDER clip-benchmark==1.6.2`. Its own
function embeds the same images, in the same order, with the same open_clip model and transform. Only captions
that belong to one image alone are used, because clip-benchmark supports no others. Ties count against the
model in iconoclip, and are random in clip-benchmark.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import open_clip
import torch
from PIL import Image
from torch.utils.data import DataLoader

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from iconoclip.record import Record
from iconoclip.shardset import ShardSet
from iconoclip.shardset_writer import ShardSetWriter
from training.config import EvaluateConfig
from training.evaluate import evaluate


def main() -> None:
    """Measure with both programs and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("shardset", type=Path)
    parser.add_argument("--peer", required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--language", default="en")
    parser.add_argument("--field", default="blazon")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        samples = singled_out(options, folder / "set")
        found = theirs(options, samples)
        evaluate(
            EvaluateConfig(
                model=options.model,
                shardsets=[str(folder / "set")],
                split=options.split,
                out=folder,
                num_examples=0,
                device="cpu",
            )
        )
        ours = json.loads((folder / "evaluation.json").read_text())["languages"][options.language]
    print(f"{len(samples)} pictures, each with a caption of its own")
    names = {"text_to_image": "image_retrieval_recall", "image_to_text": "text_retrieval_recall"}
    for direction, name in names.items():
        for k in (1, 5, 10):
            value = ours[direction][f"recall@{k}"]["value"]
            print(
                f"{direction:14s} recall@{k:<2d}  iconoclip {value:.4f}  clip-benchmark"
                f" {found[f'{name}@{k}']:.4f}"
            )


def singled_out(options: argparse.Namespace, target: Path) -> list[tuple[str, bytes]]:
    """Write the set again with one caption per image, of those that no two share;
    returns captions and images.
    """
    old = ShardSet(options.shardset)
    chosen: list[tuple[Record, bytes]] = []
    for record, image in old.samples():
        texts = [
            one for one in record.captions if (one.language, one.field) == (options.language, options.field)
        ]
        if texts and record.split == options.split and record.rights.may_train:
            chosen.append((record.model_copy(update={"captions": (texts[0],)}), image))
    counts = Counter(record.captions[0].text.lower() for record, _ in chosen)
    facts: dict[str, Any] = {"policy": old.manifest.policy, "created_at": old.manifest.created_at}
    kept = [pair for pair in chosen if counts[pair[0].captions[0].text.lower()] == 1]
    with ShardSetWriter(target, name="single", created_by="a benchmark", **facts) as writer:
        for record, image in kept:
            writer.add(record, image)
    return [(record.captions[0].text, image) for record, image in kept]


def theirs(options: argparse.Namespace, samples: list[tuple[str, bytes]]) -> dict[str, float]:
    """clip-benchmark's numbers."""
    sys.path.append(options.peer)
    from clip_benchmark.metrics import zeroshot_retrieval  # type: ignore[import-not-found]

    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{options.model}")
    model.eval()
    tokenizer = open_clip.get_tokenizer(f"local-dir:{options.model}")
    pairs = [(transform(Image.open(io.BytesIO(data)).convert("RGB")), [text]) for text, data in samples]

    def collate(batch: list[Any]) -> tuple[torch.Tensor, list[list[str]]]:
        return torch.stack([pixels for pixels, _ in batch]), [texts for _, texts in batch]

    loader: DataLoader[Any] = DataLoader(pairs, batch_size=64, collate_fn=collate)  # type: ignore[arg-type]
    result: dict[str, float] = zeroshot_retrieval.evaluate(
        model, loader, tokenizer, device="cpu", amp=False, recall_k_list=[1, 5, 10]
    )
    return result


if __name__ == "__main__":
    main()
