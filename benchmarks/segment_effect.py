"""What segmenting is worth to a model: trained on the pictures of drawn books, or on their whole pages.

    python benchmarks/segment_effect.py FOLDER [--volumes 60] [--steps 400] [--boxes true|found] [--seeds 1]

Both models see the same books, the same descriptions (the names of what is drawn), the same number of steps
and batches of the same size. Both are asked for the pictures of books that neither has seen: text to image,
recall@5 with the interval that `iconoclip evaluate` gives. With `--boxes found` the pictures are those that
the shipped engine finds, and what it misses is missing in training. Held-out pictures are cut at their true
boxes.

With the defaults about ten minutes on two idle cores, most of it drawing; --volumes 12 --steps 60 takes two.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from builtin_collections.emblems.book import page, volume
from builtin_collections.emblems.truth import Picture, Truth
from data_prep.images.crops import Cutting, cut_pictures
from data_prep.images.store import Wanted, store_image
from data_prep.segment.engines.choose import engine_called
from data_prep.segment.regions import region_record
from iconoclip.cli import main as iconoclip
from iconoclip.page_layout.findings import FoundBox
from iconoclip.page_layout.kinds import PICTURE_KINDS
from iconoclip.page_layout.measure import overlap
from iconoclip.record import Caption, Image, Institution, Record, Source, sample_key
from iconoclip.rights import judge
from iconoclip.shardset import ShardSetWriter

CREATED = "2026-01-01T00:00:00Z"
SIDE, BATCH = 256, 32
SORTS = ("emblem", "illustrated", "plate", "small_pictures")
Sample = tuple[Record, bytes]


def main() -> None:
    """Read the command line, measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--volumes", type=int, default=60, help="books; every fourth is held out")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--boxes", choices=("true", "found"), default="true")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each kind, with other seeds")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    sets = write_sets(options.folder, options.volumes, options.boxes, options.workers)
    print(", ".join(f"{name}: {count} samples" for name, count in sets.items()))
    print("\n| trained on | seed | recall@5 | interval | held-out pictures |\n|---|---|---|---|---|")
    for seed in range(options.seeds):
        for name in ("pages", "pictures"):
            print(
                f"| {name} | {seed} | {measured(options.folder, name, sets[name], options.steps, seed)} |",
                flush=True,
            )


def write_sets(folder: Path, num_volumes: int, boxes: str, workers: int) -> dict[str, int]:
    """Draw the books, and write the sets of pages and pictures to train on, and of held-out pictures."""
    counts = dict.fromkeys(("pages", "pictures", "held-out"), 0)
    writers = {
        name: ShardSetWriter(
            folder / name, name=name, policy="open@1", created_at=CREATED, created_by="a benchmark"
        )
        for name in counts
    }
    for writer in writers.values():
        writer.__enter__()
    with ProcessPoolExecutor(workers) as pool:
        jobs = [(number, number % 4 == 3, boxes) for number in range(num_volumes)]
        for found in pool.map(of_volume, jobs):
            for name, record, jpeg in found:
                writers[name].add(record, jpeg)
                counts[name] += 1
    for writer in writers.values():
        writer.__exit__(None, None, None)
    return counts


def of_volume(job: tuple[int, bool, str]) -> list[tuple[str, Record, bytes]]:
    """The samples of one book, each with the name of its set."""
    number, is_held_out, boxes = job
    book = volume(7, number, num_pages=32)
    engine = engine_called("shipped", None, None) if boxes == "found" and not is_held_out else None
    found: list[tuple[str, Record, bytes]] = []
    for place, sheet in enumerate(book.sheets):
        if not set(sheet.sorts) & set(SORTS):
            continue
        image, truth = page(book, place)
        data = io.BytesIO()
        image.save(data, "JPEG", quality=88)
        whole = page_sample(f"{book.name}-{place}", data.getvalue(), truth, is_held_out)
        if whole is None:
            continue
        marked = [(box_of(picture, truth.size), picture) for picture in described(truth)]
        if engine is not None:
            marked = matched(engine.find(data.getvalue()).boxes, marked)
        name = "held-out" if is_held_out else "pictures"
        found += [(name, *sample) for sample in cut(whole[0], data.getvalue(), marked)]
        if not is_held_out:
            found.append(("pages", *whole))
    return found


def described(truth: Truth) -> list[Picture]:
    """The pictures that the truth says something of."""
    return [picture for picture in truth.pictures if picture.kind in PICTURE_KINDS and picture.subjects]


def caption_of(subjects: tuple[str, ...]) -> Caption:
    return Caption(text=", ".join(dict.fromkeys(subjects)), language="en", field="description")


def page_sample(name: str, data: bytes, truth: Truth, is_held_out: bool) -> Sample | None:
    """A whole page, described by everything that is drawn on it."""
    subjects = tuple(subject for picture in described(truth) for subject in picture.subjects)
    if not subjects:
        return None
    stored = store_image(data, Wanted(SIDE, 90))
    record = Record(
        key=sample_key("emblems", name),
        institution=Institution(slug="emblems", name="Drawn books"),
        source=Source(id=name),
        captions=(caption_of(subjects),),
        rights=judge("http://creativecommons.org/publicdomain/mark/1.0/"),
        image=Image(
            width=stored.width, height=stored.height, sha256=stored.sha256,
            source_width=truth.size[0], source_height=truth.size[1],
        ),
        group=name,
        split="test" if is_held_out else "train",
        harvested_at=CREATED,
        harvested_by="a benchmark",
    )  # fmt: skip
    return record, stored.jpeg


def box_of(picture: Picture, size: tuple[int, int]) -> FoundBox:
    x, y, width, height = picture.box
    shares = (x / size[0], y / size[1], (x + width) / size[0], (y + height) / size[1])
    return FoundBox(picture.kind, *shares, 1.0, picture.tilt)  # type: ignore[arg-type]


def matched(
    boxes: tuple[FoundBox, ...], marked: list[tuple[FoundBox, Picture]]
) -> list[tuple[FoundBox, Picture]]:
    """What was found, with the picture that it is; found boxes that are none are left out."""
    return [
        (box, picture)
        for true, picture in marked
        for box in boxes
        if box.kind in PICTURE_KINDS and overlap(box.corners, true.corners) >= 0.5
    ]


def cut(whole: Record, data: bytes, marked: list[tuple[FoundBox, Picture]]) -> Iterator[Sample]:
    cuttings = [Cutting(box.corners, box.tilt) for box, _ in marked]
    for (box, picture), crop in zip(marked, cut_pictures(data, cuttings, Wanted(SIDE, 90)), strict=True):
        record = region_record(whole, box, crop)
        yield record.model_copy(update={"captions": (caption_of(picture.subjects),)}), crop.jpeg


def measured(folder: Path, name: str, num_samples: int, steps: int, seed: int) -> str:
    """Train on one of the sets, and ask for the held-out pictures: the cells of the row."""
    key = hashlib.sha256(f"{name} {steps} {seed}".encode()).hexdigest()[:8]
    run, model, out = (folder / f"{kind}-{name}-{key}" for kind in ("run", "model", "evaluation"))
    settings = {
        # The schedule covers exactly these steps, whatever the size of the set.
        "schedule.max_steps": steps, "schedule.epochs": round(BATCH * steps / num_samples, 4),
        "schedule.batch_size": BATCH, "seed": seed, "optimizer.learning_rate": 1.5e-3,
        "log.every": 50, "data.cache_decoded_mb": 400,
    }  # fmt: skip
    words = [word for setting, value in settings.items() for word in (f"--{setting}", str(value))]
    for command in (
        ["train", str(folder / name), "--run_dir", str(run), "--config", "train/smoke.yaml", *words],
        ["export", str(run), "--out", str(model)],
        ["evaluate", str(model), str(folder / "held-out"), "--split", "test", "--out", str(out)],
    ):
        if code := iconoclip(command):
            raise SystemExit(code)
    said = json.loads((out / "evaluation.json").read_text())
    recall = said["languages"]["en"]["text_to_image"]["recall@5"]
    return f"{recall['value']:.3f} | {recall['low']:.3f} to {recall['high']:.3f} | {said['num_images']}"


if __name__ == "__main__":
    main()
