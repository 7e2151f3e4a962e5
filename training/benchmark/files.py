"""The files of a frozen benchmark. `load.py`, one of them, is the reader that others have, and ours.

benchmark.json   name, shard set, policy, licence, counts
items.jsonl      key, split, group, institution, rights, credit line, address and checksum of each picture
queries.tsv      id, split, language, text
qrels/           judgements in TREC's format, one file per split and language
pictures/        those that may be passed on
load.py          a reader in plain Python
README.md
SHA256SUMS       of all other files; its own SHA-256 identifies the benchmark
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from iconoclip.errors import DamagedData, MissingRequirement
from iconoclip.files import atomic_write, sha256_of
from training.benchmark import load as reader

SUMS_NAME: Final = "SHA256SUMS"
ABOUT_NAME: Final = "benchmark.json"


@dataclass(frozen=True)
class Frozen:
    """A split of a benchmark, as read."""

    folder: Path
    checksum: str
    items: dict[str, dict[str, Any]]
    queries: dict[str, tuple[str, str]]
    """language and text of each query"""
    relevant: dict[str, set[str]]


def read_frozen(folder: Path, split: str) -> Frozen:
    """A split of the benchmark in a folder, compared with its checksums.

    Raises:
        MissingRequirement: there is none, or it has no such split.
        DamagedData: a file has changed or is missing.
    """
    if not (folder / SUMS_NAME).is_file():
        raise MissingRequirement(
            "no benchmark here",
            where=folder,
            remedy="`iconoclip benchmark make SHARDSET --out DIR` makes one",
        )
    try:
        checksum = reader.check(folder)
        _check_listed(folder)
        found = reader.load(split, folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedData(
            f"the benchmark does not match its checksums: {error}", where=folder, remedy="copy it again"
        ) from error
    items, queries, relevant = found
    if not queries:
        raise MissingRequirement(f"the benchmark has no split '{split}'", where=folder, remedy="--split val")
    if unjudged := [one for one in queries if not relevant.get(one) or not relevant[one] <= items.keys()]:
        raise DamagedData(
            f"{len(unjudged)} queries have no judgement about its items, such as {unjudged[0]}",
            where=folder,
            remedy="make it again with `iconoclip benchmark make`",
        )
    return Frozen(folder, checksum, items, queries, relevant)


def _check_listed(folder: Path) -> None:
    """Check that every file that is read has a checksum: one more with judgements would change the scores.

    Raises:
        ValueError: one has none.
    """
    lines = (folder / SUMS_NAME).read_text(encoding="utf-8").splitlines()
    listed = {line.partition("  ")[2] for line in lines}
    read = ["items.jsonl", "queries.tsv", *(f"qrels/{path.name}" for path in folder.glob("qrels/*.txt"))]
    if more := sorted(set(read) - listed):
        raise ValueError("not listed: " + more[0])


def write_sums(folder: Path) -> str:
    """Write the checksums of all files, as `sha256sum -c` reads them; returns that of the benchmark."""
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != SUMS_NAME
    )
    lines = [f"{sha256_of(folder / name)}  {name}\n" for name in names]
    with atomic_write(folder / SUMS_NAME) as file:
        file.write("".join(lines).encode())
    return sha256_of(folder / SUMS_NAME)
