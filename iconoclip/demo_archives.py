"""What the demo harvests: three archives of drawn arms, and a library of drawn books, each served by a child
process.

The id of a canvas is its address, and sample keys are derived from it, so later runs use the ports of the
first run. The first run takes the usual ports, so that two machines get the same keys, or else free ones.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from iconoclip import verbs
from iconoclip.errors import TryAgainLater
from iconoclip.files import write_json

MARKER_NAME = "demo.json"
ARCHIVE_PORTS, LIBRARY_PORTS = (8601, 8602, 8603), (8604,)

Serve = Callable[[Sequence[int]], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Archive:
    """One of the invented institutions: its address, its protocol, and its profile."""

    address: str
    source: str
    institution: str


@contextlib.contextmanager
def archives(folder: Path, *, num_arms: int, seed: int) -> Iterator[list[Archive]]:
    """Serve the three archives while the block runs.

    Raises:
        TryAgainLater: a port that an earlier run took is in use.
    """
    serve_armorial = verbs.resolve("builtin_collections.armorial.server.process:serve_armorial")

    def serve(ports: Sequence[int]) -> AbstractContextManager[Any]:
        found: AbstractContextManager[Any] = serve_armorial(num_arms=num_arms, seed=seed, ports=ports)
        return found

    with _at_its_ports(folder, "ports", ARCHIVE_PORTS, serve) as served:
        _remember(folder, "ports", (served.wexcombe, served.aldersheim, served.valcendre))
        yield [
            Archive(served.wexcombe_collection, "iiif", "armorial-wexcombe"),
            Archive(served.aldersheim_collection, "iiif", "armorial-aldersheim"),
            Archive(served.valcendre_oai, "oai-pmh", "armorial-valcendre"),
        ]


@contextlib.contextmanager
def library(folder: Path, *, num_pages: int, seed: int) -> Iterator[Archive]:
    """Serve the library with one drawn book of emblems while the block runs.

    Raises:
        TryAgainLater: a port that an earlier run took is in use.
    """
    serve_books = verbs.resolve("builtin_collections.emblems.server.process:serve_books")

    def serve(ports: Sequence[int]) -> AbstractContextManager[Any]:
        found: AbstractContextManager[Any] = serve_books(num_pages=num_pages, seed=seed, port=ports[0])
        return found

    with _at_its_ports(folder, "library_ports", LIBRARY_PORTS, serve) as served:
        _remember(folder, "library_ports", (served.base,))
        yield Archive(served.collection, "iiif", "emblems-lussigny")


@contextlib.contextmanager
def _at_its_ports(folder: Path, name: str, usual: Sequence[int], serve: Serve) -> Iterator[Any]:
    """Serve at the ports of the first run; in the first run at the usual ones, or else at free ones."""
    known = json.loads((folder / MARKER_NAME).read_text()).get(name)
    free = [0] * len(usual)
    with contextlib.ExitStack() as stack:
        for ports in [known] if known else [usual, free]:
            try:
                served = stack.enter_context(serve(ports))
                break
            except TryAgainLater:
                if ports is not usual:
                    raise
        yield served


def _remember(folder: Path, name: str, bases: Sequence[str]) -> None:
    marker = folder / MARKER_NAME
    known = json.loads(marker.read_text())
    write_json(marker, {**known, name: [urlsplit(base).port for base in bases]})
