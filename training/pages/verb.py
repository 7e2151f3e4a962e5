"""`iconoclip segment --train`: makes a page model from marked pages, and prints how well it does by
document."""

from __future__ import annotations

import hashlib
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Protocol

from iconoclip.errors import BadInput, ConfigError, MissingRequirement
from iconoclip.page_layout.reading import Reading
from iconoclip.page_layout.table import as_markdown, rows_of
from iconoclip.pictures import ImageRefused
from iconoclip.vocabulary import PolicyName
from training.pages.calibrate import fitted
from training.pages.crossval import folds_of, held_out, measured
from training.pages.export import onnx_package, read_model, write_model
from training.pages.fit import fit
from training.pages.network import PageNet
from training.pages.stored import Stored, stored
from training.pages.truth import Page, corrected_pages, is_corrections, read_pages

# A network that is to learn from the documents that measured it, too, sees one sample more for so many.
LAST_SHARE: Final = 14


class TrainingOptions(Protocol):
    """The fields of the verb's config that training reads."""

    train: list[Path]
    out: Path
    shardset: Path | None
    corrections: Path | None
    train_from: str
    train_layers: str
    start: Path
    policy: PolicyName
    num_samples: int
    num_folds: int
    held_out: Path | None
    dry_run: bool


def train_page_model(config: TrainingOptions) -> int:
    """Train, measure on documents that were held out, and write the ONNX file.

    Raises:
        MissingRequirement: a file is not there, or the packages that write ONNX are not installed.
        BadInput: a line is no marked page, an image cannot be decoded, no page is marked, there are too few
            documents, or one to hold out is unknown.
        ConfigError: corrections without the shard set of their pages, or `out` is a folder.
        RightsForbid: the policy allows to train on none of the corrected pages.
    """
    # Training takes hours: whatever would end it is found first.
    onnx_package()
    if config.out.is_dir():
        raise ConfigError("this is a folder", where=config.out, remedy="give the path of a file as --out")
    pages = _pages(config)
    if not pages:
        raise BadInput("no page is marked", where=config.train[0], remedy="give a file of marked pages")
    folds = _folds(config, pages)
    print(f"{len(pages)} pages of {len({page.document for page in pages})} documents", file=sys.stderr)
    start, reading = _start(config)
    kept = [_stored(page) for page in pages]
    if config.dry_run:
        num_networks = len({fold for fold in folds if fold is not None}) + 1
        print(f"would train {num_networks} networks, each with at most {config.num_samples} samples")
        return 0
    last, table = None, ""
    only_small = config.train_layers == "small_things"
    if folds:
        shown, results, last = held_out(
            kept,
            folds,
            lambda own: fit(own, config.num_samples, start=start, only_small_things=only_small),
        )
        reading, table = fitted(results), as_markdown(rows_of(measured(shown, results)))
        print(table)
    if config.held_out is not None and not only_small:
        network = fit(kept, max(1, config.num_samples // LAST_SHARE), seed=2, start=last)
    else:
        network = fit(kept, config.num_samples, start=start, only_small_things=only_small)
    write_model(config.out, network, reading, _origin(config, kept, table))
    print(f"page model: {config.out} ({config.out.stat().st_size / 1e6:.1f} MB)")
    return 0


def _folds(config: TrainingOptions, pages: list[Page]) -> list[int | None]:
    """The fold that each page measures; empty if nothing is measured."""
    documents = {page.document for page in pages}
    if config.held_out is not None:
        if not config.held_out.is_file():
            raise MissingRequirement(
                "no such list of documents", where=config.held_out, remedy="check the path"
            )
        lines = config.held_out.read_text(encoding="utf-8").splitlines()
        names = {line.strip() for line in lines if line.strip()}
        if unknown := sorted(names - documents):
            raise BadInput(
                f"no page is of the document '{unknown[0]}'", where=config.held_out, remedy="correct the list"
            )
        if not names or names == documents:
            raise BadInput(
                "it holds out no document, or all", where=config.held_out, remedy="correct the list"
            )
        return [0 if page.document in names else None for page in pages]
    if len(documents) < config.num_folds:
        raise BadInput(
            f"{len(documents)} documents cannot be divided into {config.num_folds} folds",
            where=config.train[0],
            remedy="mark pages of more documents, or give a smaller --num_folds",
        )
    return list(folds_of(pages, config.num_folds)) if config.num_folds else []


def _stored(page: Page) -> Stored:
    try:
        return stored(page)
    except ImageRefused as error:
        raise BadInput(
            f"a marked page cannot be read: {error}", where=page.path, remedy="take its line out of the file"
        ) from error


def _start(config: TrainingOptions) -> tuple[PageNet | None, Reading]:
    """The network to improve, or None for a new one, and the reading to keep if nothing is measured."""
    if config.train_from == "nothing":
        return None, Reading.plain()
    return read_model(config.start)


def _pages(config: TrainingOptions) -> list[Page]:
    corrections = [path for path in config.train if is_corrections(path)]
    pages = [page for path in config.train if path not in corrections for page in read_pages(path)]
    corrections += [config.corrections] if config.corrections else []
    if corrections and config.shardset is None:
        raise ConfigError(
            "corrections name pages of a shard set",
            where=corrections[0],
            remedy="give the folder of the set too: `iconoclip segment PAGES --train FILE --out MODEL`",
        )
    for path in corrections:
        assert config.shardset is not None, "this was refused"
        pages += corrected_pages(config.shardset, path, config.policy)
    return pages


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
        "trained_from": config.train_from,
        "trained_layers": config.train_layers,
        "num_samples": config.num_samples,
        "held_out": config.held_out.name if config.held_out else f"{config.num_folds} folds",
        "measured": table,
    }
