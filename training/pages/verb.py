"""`iconoclip segment --train`: makes a page model from marked pages, and prints how well it does by
document."""

from __future__ import annotations

import hashlib
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from iconoclip.errors import BadInput
from iconoclip.page_layout.reading import Reading
from iconoclip.page_layout.table import as_markdown, rows_of
from training.pages.calibrate import fitted
from training.pages.crossval import held_out, measured
from training.pages.export import read_reading, write_model
from training.pages.fit import fit
from training.pages.network import NUM_SUMMARY
from training.pages.samples import Stored, stored
from training.pages.truth import Page, corrected_pages, read_pages


class TrainingOptions(Protocol):
    """The fields of the verb's config that training reads."""

    train: list[Path]
    out: Path
    shardset: Path | None
    corrections: Path | None
    model: str | None
    num_samples: int
    num_folds: int


def train_page_model(config: TrainingOptions) -> int:
    """Train, measure on documents that were held out, and write the ONNX file.

    Raises:
        MissingRequirement: a file is not there, or the packages that write ONNX are not installed.
        BadInput: a line is no marked page, or there are too few documents.
    """
    pages = _pages(config)
    num_documents = len({page.document for page in pages})
    if num_documents < max(config.num_folds, 1):
        raise BadInput(
            f"{num_documents} documents cannot be divided into {config.num_folds} folds",
            where=config.train[0],
            remedy="mark pages of more documents, or give a smaller --num_folds",
        )
    print(f"{len(pages)} pages of {num_documents} documents", file=sys.stderr)
    kept = [stored(page) for page in pages]
    reading, table = Reading.plain(NUM_SUMMARY), ""
    if config.num_folds:
        reading, table = _measured(kept, config)
        print(table)
    elif config.model:
        reading = read_reading(Path(config.model))
    network = fit(kept, config.num_samples)
    write_model(config.out, network, reading, _origin(config, kept, table))
    print(f"page model: {config.out} ({config.out.stat().st_size / 1e6:.1f} MB)")
    return 0


def _pages(config: TrainingOptions) -> list[Page]:
    pages = [page for path in config.train for page in read_pages(path)]
    if config.corrections is not None and config.shardset is not None:
        pages += corrected_pages(config.shardset, config.corrections)
    return pages


def _measured(kept: list[Stored], config: TrainingOptions) -> tuple[Reading, str]:
    pages = [one.page for one in kept]
    results = held_out(kept, config.num_folds, config.num_samples)
    table = as_markdown(rows_of(measured(pages, results, config.num_folds)))
    return fitted(results), table


def _origin(config: TrainingOptions, kept: list[Stored], table: str) -> dict[str, Any]:
    groups: dict[str, int] = {}
    for one in kept:
        groups[one.page.group] = groups.get(one.page.group, 0) + 1
    return {
        "made_by": f"iconoclip {version('iconoclip')}",
        "files": [
            {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
            for path in config.train
        ],
        "pages_by_group": groups,
        "num_documents": len({one.page.document for one in kept}),
        "num_samples": config.num_samples,
        "measured": table,
    }
