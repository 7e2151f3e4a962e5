"""The vectors of pictures and queries that a benchmark is scored with: of a model, or from files.

Letters: N items, Q queries, D embedding dimension.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from iconoclip.embeddings import STORE_NAME, EmbeddingStore
from iconoclip.errors import BadInput, MissingRequirement
from training.benchmark.config import BenchmarkVerbConfig
from training.benchmark.files import Frozen

if TYPE_CHECKING:
    from training.benchmark.model_vectors import ModelVectors

FloatArray = npt.NDArray[np.float32]
Model = Callable[[], "ModelVectors"]
# clip-retrieval numbers its files: img_emb/img_emb_0.npy, metadata/metadata_0.parquet.
_NUMBER: Final = re.compile(r"(\d+)$")


def image_vectors(
    config: BenchmarkVerbConfig, frozen: Frozen, keys: Sequence[str], model: Model
) -> FloatArray:
    """Unit vectors of the items, [N, D], in the order of `keys`; NaN where there is none.

    Raises:
        BadInput: the files do not fit together, or none is about an item of the benchmark.
        MissingRequirement: a file or a picture is missing.
    """
    if config.embeddings is None:
        return _from_model(config, frozen, keys, model)
    names, vectors_MD = _from_files(config.embeddings, config.keys_file, set(keys))
    place_of = {name: place for place, name in enumerate(names)}
    found_ND = np.full((len(keys), vectors_MD.shape[1]), np.nan, dtype=np.float32)
    there = [(at, place_of[key]) for at, key in enumerate(keys) if key in place_of]
    if not there:
        raise BadInput(
            "no vector is of an item of this benchmark", where=config.embeddings,
            remedy="keys are those of items.jsonl; clip-retrieval's image_path ends in KEY.jpg",
        )  # fmt: skip
    at_M, of_M = np.array(there).T
    found_ND[at_M] = _unit(np.asarray(vectors_MD[of_M]), config.embeddings)
    return found_ND


def query_vectors(
    config: BenchmarkVerbConfig, frozen: Frozen, wanted: dict[str, tuple[str, str]], model: Model
) -> FloatArray:
    """Unit vectors of the queries, [Q, D].

    Raises:
        BadInput: a file does not have a row for each line of queries.tsv.
    """
    if config.query_embeddings is not None:
        vectors = _array(config.query_embeddings)
        lines = (frozen.folder / "queries.tsv").read_text(encoding="utf-8").splitlines()[1:]
        if len(vectors) != len(lines):
            raise BadInput(
                f"{len(vectors)} vectors for {len(lines)} queries", where=config.query_embeddings,
                remedy="one row per line of queries.tsv without its first, of all splits",
            )  # fmt: skip
        place_of = {line.partition("\t")[0]: place for place, line in enumerate(lines)}
        return _unit(np.asarray(vectors[[place_of[query] for query in wanted]]), config.query_embeddings)
    return model().texts([text for _, text in wanted.values()])


def _from_files(path: Path, keys: Path | None, wanted: set[str]) -> tuple[list[str], Any]:
    if (path / STORE_NAME).is_file():
        store = EmbeddingStore(path)
        return store.keys, store.vectors_ND
    if path.is_dir():
        return _from_clip_retrieval(path, wanted)
    if keys is None:
        raise BadInput(
            "a .npy needs --keys_file", where=path, remedy="a file with the key of each row, one per line"
        )
    try:
        names = [line.strip() for line in keys.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the keys cannot be read: {error}", where=keys) from error
    vectors = _array(path)
    if len(names) != len(vectors):
        raise BadInput(f"{len(names)} keys for {len(vectors)} vectors", where=keys, remedy="one per row")
    return names, vectors


def _from_clip_retrieval(folder: Path, wanted: set[str]) -> tuple[list[str], Any]:
    """The names and vectors of wanted items; a folder may hold those of a whole corpus."""
    arrays = sorted(folder.glob("img_emb/*.npy"), key=_number)
    tables = sorted(folder.glob("metadata/*.parquet"), key=_number)
    if not arrays or len(arrays) != len(tables):
        raise MissingRequirement(
            f"not a folder of clip-retrieval: {len(arrays)} files of vectors, {len(tables)} of metadata",
            where=folder,
            remedy="give the output of `clip-retrieval inference`, with img_emb/ and metadata/; an index "
            "alone has no exact vectors",
        )
    names: list[str] = []
    vectors: list[FloatArray] = []
    for path, table in zip(arrays, tables, strict=True):
        stems = _stems(table)
        part = _array(path)
        if len(stems) != len(part):
            raise BadInput(f"{len(stems)} rows of metadata for {len(part)} vectors", where=table)
        rows = [row for row, stem in enumerate(stems) if stem in wanted]
        names += [stems[row] for row in rows]
        vectors.append(np.asarray(part[rows], np.float32))
    return names, np.concatenate(vectors)


def _stems(table: Path) -> list[str]:
    """The names of the pictures' files without their endings."""
    try:
        found = pq.read_table(table, columns=["image_path"])[0].to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"the metadata cannot be read: {error}", where=table) from error
    return [Path(one or "").stem for one in found]


def _number(path: Path) -> int:
    found = _NUMBER.search(path.stem)
    return int(found[1]) if found else -1


def _array(path: Path) -> Any:
    try:
        # allow_pickle stays off: an array file from outside must not run code.
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise MissingRequirement("no such file", where=path, remedy="check the path") from None
    except (OSError, ValueError, EOFError) as error:
        raise BadInput(f"not a plain array: {error}", where=path) from error
    if not isinstance(found, np.ndarray) or found.ndim != 2 or not np.issubdtype(found.dtype, np.floating):
        raise BadInput("not a table of numbers, one row per vector", where=path)
    return found


def _unit(vectors: npt.NDArray[Any], where: Path) -> FloatArray:
    lengths = np.linalg.norm(vectors.astype(np.float32), axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not (lengths > 0).all():
        raise BadInput("a vector is zero or not finite", where=where)
    found: FloatArray = vectors.astype(np.float32) / lengths
    return found


def _from_model(config: BenchmarkVerbConfig, frozen: Frozen, keys: Sequence[str], model: Model) -> FloatArray:
    paths = {key: _picture(config, frozen, key) for key in keys}
    absent = [key for key, path in paths.items() if not path.is_file()]
    if absent:
        raise MissingRequirement(
            f"the pictures of {len(absent)} items are not there, such as {absent[0]}",
            where=frozen.folder,
            remedy="download them from `address` in items.jsonl and give their folder with --pictures_folder",
        )
    return model().images([paths[key] for key in keys])


def _picture(config: BenchmarkVerbConfig, frozen: Frozen, key: str) -> Path:
    file = frozen.items[key]["file"]
    path = (
        frozen.folder / file
        if file
        else (config.pictures_folder or frozen.folder / "pictures") / f"{key}.jpg"
    )
    if file and not path.resolve().is_relative_to(frozen.folder.resolve()):
        raise BadInput("a picture is outside the folder of the benchmark", where=path)
    return path


def lazy_model(config: BenchmarkVerbConfig) -> Model:
    """The model, loaded when it is first needed, for pictures and queries alike."""

    @functools.cache
    def loaded() -> ModelVectors:
        # Imported here: torch takes seconds, and files of vectors need none.
        from training.benchmark.model_vectors import ModelVectors

        return ModelVectors(config)

    return loaded
