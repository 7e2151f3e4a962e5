"""Speed and memory of `iconoclip check`, against decoding the same pictures with Pillow and nothing else.

    python benchmarks/check_speed.py [--pictures 3000] [--side 512] [--folder FOLDER]

Makes a set of drawn pictures (or uses the one in FOLDER) and checks it with the real command in a process
of its own. Pictures per processor second count the time of all its threads, from the start of the program
to its end. Goals: 300 per processor second at 512 pixels, less than 300 MB. Compared with: a loop over the
tars with tarfile, hashlib and Pillow, in a process of its own as well; it compares no records, captions or
rights.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from iconoclip.record import Caption, Image, Institution, Record, Source, sample_key, split_of
from iconoclip.rights import judge
from iconoclip.shardset import ShardSet, ShardSetWriter

CC0 = "http://creativecommons.org/publicdomain/zero/1.0/"
NUM_DISTINCT = 50


def drawn(number: int, side: int) -> bytes:
    """A JPEG with the coarse and fine structure of a print, of about 60 kB at 512 pixels."""
    random = np.random.default_rng(number)
    coarse = PillowImage.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).resize((side, side))
    fine = random.normal(0, 12, (side, side, 1))
    pixels = np.clip(np.asarray(coarse) + fine, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    PillowImage.fromarray(pixels).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def write_set(folder: Path, num_pictures: int, side: int) -> None:
    """A set of as many samples, over `NUM_DISTINCT` pictures."""
    jpegs = [drawn(number, side) for number in range(NUM_DISTINCT)]
    writer = ShardSetWriter(
        folder, name="drawn", policy="open@1", created_at="2026-01-01T00:00:00Z", created_by="a benchmark"
    )
    with writer:
        for number in range(num_pictures):
            jpeg, group = jpegs[number % NUM_DISTINCT], f"object {number % NUM_DISTINCT}"
            writer.add(
                Record(
                    key=sample_key("drawn", str(number)),
                    institution=Institution(slug="drawn", name="A drawn collection"),
                    source=Source(id=str(number)),
                    captions=(
                        Caption(text=f"A drawn landscape, sheet {number}", language="en", field="title"),
                    ),
                    rights=judge(CC0),
                    image=Image(width=side, height=side, sha256=hashlib.sha256(jpeg).hexdigest()),
                    group=group,
                    split=split_of(group, val_share=0.1, test_share=0.1),
                    harvested_at="2026-01-01T00:00:00Z",
                    harvested_by="a benchmark",
                ),
                jpeg,
            )


def decode_alone(folder: Path) -> None:
    """Read, hash and decode every picture, one after the other."""
    for shard in sorted(folder.glob("*.tar")):
        with tarfile.open(shard) as tar:
            for member in tar:
                file = tar.extractfile(member)
                assert file is not None
                data = file.read()
                hashlib.sha256(data).digest()
                if member.name.endswith(".jpg"):
                    PillowImage.open(io.BytesIO(data)).load()


def measured(name: str, command: list[str], num_pictures: int) -> float:
    """Run a command; print and return its pictures per processor second."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{name} ended with {process.returncode}"
    used = usage.ru_utime + usage.ru_stime
    print(
        f"{name:<16} {num_pictures / used:7.0f} pictures per processor second"
        f"  {usage.ru_maxrss / 1000:5.0f} MB"
        f"  {time.perf_counter() - started:6.1f} s",
        flush=True,
    )
    return num_pictures / used


def main() -> None:
    """Make the set if there is none, and measure both programs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=3000)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--decode", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.decode:
        decode_alone(given.decode)
        return
    with tempfile.TemporaryDirectory(prefix="iconoclip-") as work:
        folder = given.folder or Path(work) / "set"
        if not folder.exists():
            write_set(folder, given.pictures, given.side)
        num_pictures = len(ShardSet(folder))
        ours = measured(
            "iconoclip check", [sys.executable, "-m", "iconoclip.cli", "check", str(folder)], num_pictures
        )
        peer = measured("Pillow alone", [sys.executable, __file__, "--decode", str(folder)], num_pictures)
        print(f"check is {ours / peer:.2f} times as fast as decoding alone")


if __name__ == "__main__":
    main()
