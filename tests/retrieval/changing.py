"""Commands that change an index, and what it shows."""

from __future__ import annotations

from pathlib import Path

from retrieval.config import EncodeConfig, IndexConfig
from retrieval.encode.verb import encode
from retrieval.engine import SearchEngine
from retrieval.index import index
from retrieval.questions import Query

from .conftest import write_shardset

Samples = list[tuple[object, bytes]]


def store_of(folder: Path, samples: Samples, model: Path, name: str = "museum") -> Path:
    write_shardset(folder / "set", samples, name)  # type: ignore[arg-type]
    encode(EncodeConfig(model=str(model), shardset=str(folder / "set"), out=str(folder / "store")))
    return folder / "store"


def add(folder: Path, store: Path) -> None:
    index(IndexConfig(stores=[str(store)], out=str(folder), add=True))


def compact(folder: Path) -> None:
    index(IndexConfig(out=str(folder), compact=True))


def everything(engine: SearchEngine, **query: object) -> set[str]:
    return {hit.key for hit in engine.search(Query(k=200, fold=False, **query)).hits}  # type: ignore[arg-type]
