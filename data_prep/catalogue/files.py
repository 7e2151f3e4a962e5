"""The files of a catalogue: `catalogue.parquet`, and `catalogue.json` with its checksum, which comes last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data_prep.catalogue.columns import READ_COLUMNS, SCHEMA, SCHEMA_VERSION
from iconoclip.errors import BadInput, DamagedData
from iconoclip.files import atomic_write, sha256_of, write_json

CATALOGUE_NAME: Final = "catalogue.parquet"
MANIFEST_NAME: Final = "catalogue.json"
# A row group ends at the first of these limits, so that the memory of writer and reader does not grow.
MAX_ROWS_OF_A_GROUP: Final = 2_000
MAX_CHARS_OF_A_GROUP: Final = 8_000_000
MAX_MANIFEST_BYTES: Final = 10_000_000
BATCH_ROWS: Final = 500


class CatalogueManifest(BaseModel):
    """`catalogue.json`: the sources of the catalogue, and the checksum of its file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str = Field("iconoclip catalogue", pattern="^iconoclip catalogue$")
    schema_version: int = Field(SCHEMA_VERSION, ge=1, le=SCHEMA_VERSION)
    name: str = Field(description="name that a shard set of all of it gets by default")
    sources: tuple[str, ...]
    policy: str = Field(description="policy of the verdicts, as name@version")
    composition: str = Field(description="how the captions were composed")
    created_at: str
    created_by: str
    num_rows: int = Field(ge=0)
    num_usable: int = Field(ge=0, description="rows that a harvest under this policy stores")
    num_bytes: int = Field(ge=0, description="of catalogue.parquet")
    sha256: str = Field(description="of catalogue.parquet", pattern="^[0-9a-f]{64}$")


@dataclass(frozen=True)
class Catalogue:
    """A catalogue on disk, opened for reading.

    Args:
        path: the Parquet file.
        digest: its SHA-256.
        manifest: None for a Parquet file outside of its folder, for example the result of a query.
    """

    path: Path
    digest: str
    manifest: CatalogueManifest | None
    metadata: pq.FileMetaData
    """The Parquet file's own metadata, which grows with its size, read once."""

    @property
    def schema(self) -> pa.Schema:
        """The columns of the file, with their types."""
        return self.metadata.schema.to_arrow_schema()

    @property
    def columns(self) -> list[str]:
        """The names of the columns of the file."""
        return list(self.schema.names)

    def reader(self, columns: list[str]) -> pa.RecordBatchReader:
        """Some columns of all rows, in batches that are read when they are needed."""
        kept = pa.schema([field for field in self.schema if field.name in columns])
        return pa.RecordBatchReader.from_batches(kept, self._all_batches(kept.names))

    def _all_batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(self.path, metadata=self.metadata) as file:
            yield from file.iter_batches(MAX_ROWS_OF_A_GROUP, columns=columns, use_threads=False)

    def batches(
        self, is_wanted: Any, columns: tuple[str, ...] = READ_COLUMNS
    ) -> Iterator[list[dict[str, Any]]]:
        """The rows for which `is_wanted(ordinals, keys)` is true, in batches, in the order of the file.

        Args:
            is_wanted: takes an int64 array and a list of keys of the same length; returns as many booleans.
            columns: the columns to read.
        """
        with parquet_errors(self.path), pq.ParquetFile(self.path, metadata=self.metadata) as file:
            for number in range(file.metadata.num_row_groups):
                # Arrow's threads keep what each has read: 60 MB more after a hundred groups.
                names = file.read_row_group(number, columns=["ordinal", "key"], use_threads=False)
                wanted = is_wanted(names["ordinal"].to_numpy(), names["key"].to_pylist())
                if not np.any(wanted):
                    continue
                first = 0
                for batch in file.iter_batches(
                    BATCH_ROWS, row_groups=[number], columns=list(columns), use_threads=False
                ):
                    mine = wanted[first : first + batch.num_rows]
                    first += batch.num_rows
                    if np.any(mine):
                        yield batch.filter(pa.array(mine)).to_pylist()


class parquet_errors:  # noqa: N801
    """A context in which a Parquet file that cannot be read is reported as damaged."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, pa.ArrowException | KeyError | OSError) and not isinstance(error, MemoryError):
            raise DamagedData(
                f"the catalogue cannot be read: {error}",
                where=self._path,
                remedy="run `iconoclip catalogue` again",
            ) from error


def write_catalogue(folder: Path, rows: Iterable[Mapping[str, Any]], about: Mapping[str, Any]) -> int:
    """Write a catalogue. Its parts appear complete or not at all, the manifest last.

    Args:
        folder: the folder of the catalogue.
        rows: in the order of the source (data_prep.catalogue.columns.row_of).
        about: the fields of the manifest that do not follow from the rows.

    Returns:
        The number of rows.

    Raises:
        TryAgainLater: the disk is full.
    """
    num_rows = num_usable = 0
    path = folder / CATALOGUE_NAME
    with (
        atomic_write(path) as file,
        pq.ParquetWriter(file, SCHEMA, compression="zstd", write_page_index=False) as writer,
    ):
        for group in _groups(rows):
            writer.write_table(group)
            num_rows += group.num_rows
            num_usable += pc.sum(group["usable"]).as_py() or 0
        # The manifest of an older catalogue must not appear to describe the new file.
        (folder / MANIFEST_NAME).unlink(missing_ok=True)
    manifest = CatalogueManifest(
        **about,
        num_rows=num_rows,
        num_usable=num_usable,
        num_bytes=path.stat().st_size,
        sha256=sha256_of(path),
    )
    write_json(folder / MANIFEST_NAME, manifest.model_dump(mode="json"))
    return num_rows


def _groups(rows: Iterable[Mapping[str, Any]]) -> Iterator[pa.Table]:
    """The rows as tables. A few rows at a time become Arrow's, which takes a tenth of the memory."""
    tables: list[pa.Table] = []
    batch: list[Mapping[str, Any]] = []
    num_chars = num_rows = 0
    for row in rows:
        batch.append(row)
        num_rows += 1
        num_chars += len(row["candidate"]) + sum(len(pair["value"]) for pair in row["raw"])
        num_chars += sum(len(caption["text"]) for caption in row["captions"])
        is_full = num_rows >= MAX_ROWS_OF_A_GROUP or num_chars >= MAX_CHARS_OF_A_GROUP
        if is_full or len(batch) >= BATCH_ROWS:
            tables.append(pa.Table.from_pylist(batch, schema=SCHEMA))
            batch = []
        if is_full:
            yield pa.concat_tables(tables)
            tables, num_chars, num_rows = [], 0, 0
    if batch:
        tables.append(pa.Table.from_pylist(batch, schema=SCHEMA))
    if tables:
        yield pa.concat_tables(tables)


def is_catalogue(path: Path) -> bool:
    """Whether a source is a catalogue's folder, or a Parquet file."""
    has_both = (path / MANIFEST_NAME).is_file() and (path / CATALOGUE_NAME).is_file()
    return has_both or (path.suffix == ".parquet" and path.is_file())


def open_catalogue(path: Path) -> Catalogue:
    """Open a catalogue by its folder, or by its Parquet file.

    Raises:
        DamagedData: the file does not match its checksum, or cannot be read.
        BadInput: a Parquet file that is no catalogue.
    """
    folder = path if path.is_dir() else path.parent
    manifest = read_manifest(folder) if (folder / MANIFEST_NAME).is_file() else None
    is_own = path.is_dir() or (path.name == CATALOGUE_NAME and manifest is not None)
    file = folder / CATALOGUE_NAME if path.is_dir() else path
    digest = sha256_of(file)
    if is_own and manifest is not None and digest != manifest.sha256:
        raise DamagedData(
            "the catalogue does not match its checksum",
            where=file,
            remedy="run `iconoclip catalogue` again, or copy it again",
        )
    return Catalogue(file, digest, manifest if is_own else None, _metadata_of(file))


def read_manifest(folder: Path) -> CatalogueManifest:
    """The manifest of a catalogue.

    Raises:
        DamagedData: it is not one, or is of a later version.
    """
    path = folder / MANIFEST_NAME
    try:
        with path.open("rb") as file:
            return CatalogueManifest.model_validate_json(file.read(MAX_MANIFEST_BYTES))
    except (OSError, ValidationError) as error:
        raise DamagedData(
            "not the manifest of a catalogue that this version can read",
            where=path,
            remedy="run `iconoclip catalogue` again",
        ) from error


def _metadata_of(path: Path) -> pq.FileMetaData:
    """The metadata of a Parquet file that has the columns of a catalogue.

    Raises:
        DamagedData: it cannot be read.
        BadInput: it has other columns.
    """
    with parquet_errors(path):
        metadata = pq.read_metadata(path)
        names = metadata.schema.to_arrow_schema().names
    missing = [name for name in READ_COLUMNS if name not in names]
    if missing:
        raise BadInput(
            f"no catalogue: the columns {', '.join(missing)} are missing",
            where=path,
            remedy="name the folder that `iconoclip catalogue` wrote, or a query's result with all of its"
            " columns; a table of images is for `iconoclip pack`",
        )
    return metadata
