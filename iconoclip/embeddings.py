"""Embedding store: a folder with one unit vector per sample, the keys in the same order, and the digest of
the model that made the vectors.

vectors.npy    float16 [N, D], unit length
keys.parquet   one column `key`, N rows, in the order of the vectors
store.json     schema version, model digest, dimension, shard set digest, checksums
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from iconoclip.errors import BadInput, DamagedData, MissingRequirement
from iconoclip.files import atomic_write, sha256_of, write_json
from iconoclip.record import Sha256

STORE_NAME, VECTORS_NAME, KEYS_NAME = "store.json", "vectors.npy", "keys.parquet"
# float16 keeps about three decimal digits; a vector whose length is off by more was not normalised.
UNIT_TOLERANCE = 5e-3


class StoreManifest(BaseModel):
    """The contents of `store.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    schema_version: Literal[1] = 1
    model: str = Field(description="where the model was loaded from, for people")
    model_digest: Sha256 = Field(description="of the model directory's weights and config")
    side: Literal["image", "text"] = "image"
    dimension: int = Field(gt=0)
    num_vectors: int = Field(ge=0)
    shardset: str = Field(description="where the shard set was, for people")
    shardset_digest: Sha256 = Field(description="of its shardset.json")
    vectors_sha256: Sha256
    keys_sha256: Sha256
    created_at: str
    created_by: str


class EmbeddingStore:
    """An embedding store on disk, opened for reading. The vectors are memory-mapped.

    Raises:
        MissingRequirement: the folder holds no store.
        DamagedData: the files do not match `store.json`.
    """

    def __init__(self, folder: str | Path, *, verify: bool = True) -> None:
        self.folder = Path(folder)
        self.manifest = read_manifest(self.folder)
        if verify:
            self._verify()
        self.vectors_ND = _open_vectors(self.folder / VECTORS_NAME)
        self.key_column: pa.ChunkedArray = pq.read_table(self.folder / KEYS_NAME)["key"]
        expected = (self.manifest.num_vectors, self.manifest.dimension)
        if (
            self.vectors_ND.shape != expected
            or len(self.key_column) != expected[0]
            or self.vectors_ND.dtype != np.float16
        ):
            raise DamagedData(
                f"the store does not hold {expected} float16 vectors and as many keys",
                where=self.folder,
                remedy=_ENCODE_AGAIN,
            )

    def _verify(self) -> None:
        for name, checksum in (
            (VECTORS_NAME, self.manifest.vectors_sha256),
            (KEYS_NAME, self.manifest.keys_sha256),
        ):
            path = self.folder / name
            if not path.is_file() or sha256_of(path) != checksum:
                raise DamagedData(f"{name} does not match store.json", where=path, remedy=_ENCODE_AGAIN)

    @cached_property
    def keys(self) -> list[str]:
        """The sample keys, in the order of the vectors."""
        found: list[str] = self.key_column.to_pylist()
        return found

    def __len__(self) -> int:
        return self.manifest.num_vectors


def _open_vectors(path: Path) -> npt.NDArray[np.float16]:
    try:
        # allow_pickle stays off: an array file from outside must not run code.
        return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except ValueError as error:
        raise DamagedData(f"not a plain array: {error}", where=path, remedy=_ENCODE_AGAIN) from error


_ENCODE_AGAIN = "run `iconoclip encode` again"


def read_manifest(folder: str | Path) -> StoreManifest:
    """What `store.json` in a folder says.

    Raises:
        MissingRequirement: the folder holds no store.
        DamagedData: the file is not as it must be.
    """
    path = Path(folder) / STORE_NAME
    try:
        return StoreManifest.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise MissingRequirement(
            "no embedding store here", where=path, remedy="`iconoclip encode` makes one"
        ) from None
    except ValidationError as error:
        raise DamagedData(
            f"not a store.json: {error.errors()[0]['msg']}", where=path, remedy=_ENCODE_AGAIN
        ) from error


def write_store(
    folder: str | Path, vectors_ND: npt.NDArray[Any], keys: list[str], **facts: Any
) -> StoreManifest:
    """Write an embedding store; `store.json` comes last.

    Args:
        folder: where to write; created if it does not exist.
        vectors_ND: unit vectors, any float type; stored as float16.
        keys: the sample keys in the same order.
        facts: the remaining fields of `StoreManifest`.

    Raises:
        BadInput: vectors that are not unit length or not finite, or keys that do not match them.
    """
    if vectors_ND.ndim != 2 or len(keys) != len(vectors_ND) or len(set(keys)) != len(keys):
        raise BadInput("an embedding store needs one distinct key per vector", where=folder)
    lengths_N = np.linalg.norm(vectors_ND.astype(np.float32), axis=1)
    if not np.all(np.abs(lengths_N - 1) < UNIT_TOLERANCE):
        raise BadInput(
            "an embedding store accepts only finite unit vectors", where=folder, remedy="normalise them first"
        )
    target = Path(folder)
    (target / STORE_NAME).unlink(missing_ok=True)
    with atomic_write(target / VECTORS_NAME) as file:
        np.save(file, vectors_ND.astype(np.float16), allow_pickle=False)
    with atomic_write(target / KEYS_NAME) as file:
        pq.write_table(pa.table({"key": pa.array(keys, pa.string())}), file, compression="zstd")
    manifest = StoreManifest(
        dimension=vectors_ND.shape[1],
        num_vectors=len(keys),
        vectors_sha256=sha256_of(target / VECTORS_NAME),
        keys_sha256=sha256_of(target / KEYS_NAME),
        **facts,
    )
    write_json(target / STORE_NAME, manifest.model_dump(mode="json"))
    return manifest
