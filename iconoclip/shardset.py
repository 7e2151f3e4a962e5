"""Shard set: a folder of WebDataset tars, an index of every sample, and one file that vouches for all of it.

    shardset.json       schema version, sha256 of every file, totals, policy, parents, tombstones
    records.parquet     one row a sample: where its bytes are, and what a loader decides on
    INSTITUTION-000000.tar ...   KEY.jpg, KEY.json (the Record), KEY.txt (the first caption), adjacent
    README.md  croissant.json    the dataset card and its machine-readable twin

The tars are plain: any WebDataset trainer reads them. They are also canonical (fixed owner, mode and mtime), so
that the same samples in the same order give the same bytes. JSON Schema: docs/schemas/shardset.schema.json.
"""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from iconoclip.errors import BadInput, DamagedData, MissingRequirement
from iconoclip.files import atomic_write, disk_full_is_an_answer, sha256_of, write_json
from iconoclip.record import Record, Sha256

MANIFEST_NAME = "shardset.json"
RECORDS_NAME = "records.parquet"
MAX_SHARD_BYTES = 1_000_000_000
MAX_MANIFEST_BYTES = 256_000_000
MAX_RECORD_BYTES = 4_000_000

_CAPTION = pa.struct(
    [("text", pa.string()), ("language", pa.string()), ("field", pa.string()), ("origin", pa.string())]
)

# The columns a loader, an index or a catalogue decides on; everything else stays in the record's JSON.
RECORDS_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("shard", pa.string(), nullable=False),
        pa.field("image_offset", pa.int64(), nullable=False),
        pa.field("image_size", pa.int64(), nullable=False),
        pa.field("record_offset", pa.int64(), nullable=False),
        pa.field("record_size", pa.int64(), nullable=False),
        pa.field("institution", pa.string(), nullable=False),
        pa.field("captions", pa.list_(_CAPTION)),
        pa.field("iconclass", pa.list_(pa.string())),
        pa.field("group", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("rights_raw", pa.string()),
        pa.field("rights_uri", pa.string()),
        pa.field("train", pa.string(), nullable=False),
        pa.field("display", pa.string(), nullable=False),
        pa.field("opt_out", pa.list_(pa.string())),
        pa.field("earliest", pa.int32()),
        pa.field("latest", pa.int32()),
        pa.field("object_type", pa.string()),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("image_sha256", pa.string(), nullable=False),
        pa.field("phash", pa.string()),
    ]
)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Shard(_Part):
    """One tar of a shard set."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*-[0-9]{6}\.tar$")
    sha256: Sha256
    num_bytes: int = Field(gt=0)
    num_samples: int = Field(gt=0)


class Totals(_Part):
    """Counts of samples."""

    num_samples: int = 0
    num_trainable: int = Field(
        0, description="samples whose rights say a plain yes to training, without opt-out"
    )
    by_institution: dict[str, int] = Field(default_factory=dict)
    by_language: dict[str, int] = Field(default_factory=dict, description="captions, by BCP 47 tag")
    by_rights: dict[str, int] = Field(
        default_factory=dict, description="by canonical URI; 'none' where there is none"
    )
    by_split: dict[str, int] = Field(default_factory=dict)


class Tombstone(_Part):
    """A withdrawn sample: its bytes may still stand in a tar, but no reader may hand it out."""

    key: str
    reason: str
    at: str = Field(description="ISO 8601 time, UTC")


class Parent(_Part):
    """A shard set this one was merged from."""

    name: str
    digest: Sha256


class ShardSetManifest(_Part):
    """The contents of `shardset.json`."""

    schema_version: Literal[1] = 1
    name: str
    records_sha256: Sha256 = Field(description="of records.parquet")
    shards: tuple[Shard, ...]
    totals: Totals
    policy: str = Field(description="the rights policy of the verdicts, as name@version")
    created_at: str
    created_by: str
    parents: tuple[Parent, ...] = ()
    tombstones: tuple[Tombstone, ...] = ()


class ShardSet:
    """A shard set on disk, opened for reading.

    Raises:
        MissingRequirement: the folder holds no shard set.
        DamagedData: `shardset.json` is not one.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.manifest = _read_manifest(self.folder / MANIFEST_NAME)
        self.withdrawn = frozenset(tombstone.key for tombstone in self.manifest.tombstones)

    def __len__(self) -> int:
        """The number of samples that may be handed out: all, less the withdrawn."""
        # Tombstones also stand for samples that a merge or a new harvest has left out: those are not among the totals.
        return self.table(["key"]).num_rows if self.withdrawn else self.manifest.totals.num_samples

    @property
    def digest(self) -> str:
        """The SHA-256 of `shardset.json`, which names the checksum of everything else."""
        return sha256_of(self.folder / MANIFEST_NAME)

    def table(self, columns: list[str] | None = None) -> pa.Table:
        """The rows of `records.parquet` in shard order, withdrawn samples left out.

        Raises:
            DamagedData: the index is missing, or not the one the manifest vouches for.
        """
        path = self.folder / RECORDS_NAME
        if not path.is_file() or sha256_of(path) != self.manifest.records_sha256:
            raise DamagedData("the index does not match shardset.json", where=path, remedy=_COPY_AGAIN)
        wanted = None if columns is None else list(dict.fromkeys([*columns, "key"]))
        table = pq.read_table(path, columns=wanted)
        if self.withdrawn:
            keep = [key not in self.withdrawn for key in table["key"].to_pylist()]
            table = table.filter(pa.array(keep))
        return table if columns is None or "key" in columns else table.drop_columns(["key"])

    def verify(self) -> None:
        """Compare every file with its checksum.

        Raises:
            DamagedData: a shard is missing or differs; the message names it.
        """
        self.table(["key"])
        for shard in self.manifest.shards:
            self.verify_shard(shard)

    def verify_shard(self, shard: Shard) -> None:
        """Compare one shard with its checksum.

        Raises:
            DamagedData: it is missing or differs.
        """
        path = self.folder / shard.name
        if not path.is_file():
            raise DamagedData("a shard is missing", where=path, remedy=_COPY_AGAIN)
        if path.stat().st_size != shard.num_bytes or sha256_of(path) != shard.sha256:
            raise DamagedData("a shard's checksum differs from shardset.json", where=path, remedy=_COPY_AGAIN)

    def samples(self) -> Iterator[tuple[Record, bytes]]:
        """Every record with the bytes of its image, in shard order, withdrawn samples left out."""
        columns = ["shard", "image_offset", "image_size", "record_offset", "record_size"]
        table = self.table(columns)
        shard_name, file = "", None
        try:
            for row in zip(*(table[name].to_pylist() for name in columns), strict=True):
                if row[0] != shard_name:
                    if file:
                        file.close()
                    shard_name, file = row[0], self._open_shard(row[0])
                assert file is not None
                yield self._sample(file, *row[1:])
        finally:
            if file:
                file.close()

    def read_bytes(self, shard: str, offset: int, size: int) -> bytes:
        """`size` bytes of `shard` from `offset`, as the index gives them.

        Raises:
            DamagedData: the shard is shorter than the index says.
        """
        with self._open_shard(shard) as file:
            return self._slice(file, offset, size)

    def read_record(self, shard: str, offset: int, size: int) -> Record:
        """The record whose JSON stands at `offset` of `shard`."""
        return _parse_record(self.read_bytes(shard, offset, size), shard)

    def _open_shard(self, name: str) -> IO[bytes]:
        if name not in {shard.name for shard in self.manifest.shards}:
            raise DamagedData(
                f"the index names a shard '{name}' that shardset.json does not",
                where=self.folder,
                remedy=_COPY_AGAIN,
            )
        try:
            return (self.folder / name).open("rb")
        except FileNotFoundError:
            raise DamagedData("a shard is missing", where=self.folder / name, remedy=_COPY_AGAIN) from None

    def _sample(
        self, file: IO[bytes], image_offset: int, image_size: int, record_offset: int, record_size: int
    ) -> tuple[Record, bytes]:
        image = self._slice(file, image_offset, image_size)
        return _parse_record(self._slice(file, record_offset, record_size), file.name), image

    def _slice(self, file: IO[bytes], offset: int, size: int) -> bytes:
        if size > MAX_SHARD_BYTES:
            raise DamagedData(
                "the index claims a sample larger than a shard", where=file.name, remedy=_COPY_AGAIN
            )
        file.seek(offset)
        data = file.read(size)
        if len(data) != size:
            raise DamagedData("a shard is shorter than the index says", where=file.name, remedy=_COPY_AGAIN)
        return data


_COPY_AGAIN = "copy the shard set again from where it came; `iconoclip check` says what else differs"


def _read_manifest(path: Path) -> ShardSetManifest:
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise DamagedData("shardset.json is too large to be one", where=path, remedy=_COPY_AGAIN)
        return ShardSetManifest.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise MissingRequirement(
            "no shard set here", where=path, remedy="`iconoclip harvest` or `iconoclip pack` makes one"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        raise DamagedData(
            f"not a shardset.json: {first['msg']} at {'.'.join(map(str, first['loc']))}",
            where=path,
            remedy=_COPY_AGAIN,
        ) from error


def _parse_record(data: bytes, where: str) -> Record:
    try:
        return Record.model_validate_json(data)
    except ValidationError as error:
        raise DamagedData(
            f"not a record: {error.errors()[0]['msg']}", where=where, remedy=_COPY_AGAIN
        ) from error


class ShardSetWriter:
    """Writes a shard set in one pass; `shardset.json` appears last, so a reader never sees half a set.

    Args:
        folder: where; created if need be.
        name: of the set, and the first part of every shard's name.
        policy: the rights policy of the verdicts, as name@version.
        created_at: ISO 8601 time, UTC.
        created_by: program and version.
        max_shard_bytes: a shard is closed before it would grow past this.

    Use as a context manager: leaving it without an error writes the index and the manifest.

    Raises:
        BadInput: a key twice, or no sample at all.
        TryAgainLater: the disk is full.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        name: str,
        policy: str,
        created_at: str,
        created_by: str,
        parents: Iterable[Parent] = (),
        tombstones: Iterable[Tombstone] = (),
        max_shard_bytes: int = MAX_SHARD_BYTES,
    ) -> None:
        self.folder = Path(folder)
        self._name, self._policy = name, policy
        self._created_at, self._created_by = created_at, created_by
        self._parents, self._tombstones = tuple(parents), tuple(tombstones)
        self._max_shard_bytes = max_shard_bytes
        self._shards: list[Shard] = []
        self._rows: list[dict[str, Any]] = []
        self._keys: set[str] = set()
        self._tar: tarfile.TarFile | None = None
        self._partial = self.folder / f".{name}.tar.partial"
        self._num_in_shard = 0

    def __enter__(self) -> ShardSetWriter:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / MANIFEST_NAME).unlink(missing_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            if self._tar:
                self._tar.close()
            self._partial.unlink(missing_ok=True)

    def add(self, record: Record, image: bytes) -> None:
        """Append a sample: the record and the JPEG bytes of its image."""
        if record.key in self._keys:
            raise BadInput(
                f"the key {record.key} appears twice",
                where=record.source.id,
                remedy="give each item its own source id",
            )
        members = {
            "jpg": image,
            "json": (record.model_dump_json(indent=None) + "\n").encode(),
            "txt": record.title.encode(),
        }
        with disk_full_is_an_answer(self.folder):
            offsets = self._append(record.key, members)
        self._keys.add(record.key)
        self._rows.append(
            index_row(
                record,
                shard=self._shard_name(len(self._shards)),
                image_offset=offsets["jpg"],
                image_size=len(image),
                record_offset=offsets["json"],
                record_size=len(members["json"]),
            )
        )

    def _append(self, key: str, members: dict[str, bytes]) -> dict[str, int]:
        size = sum(512 + -(-len(data) // 512) * 512 for data in members.values())
        if self._tar and self._tar.offset + size + 2 * tarfile.BLOCKSIZE > self._max_shard_bytes:
            self._close_shard()
        if not self._tar:
            self._tar = tarfile.open(self._partial, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
        offsets = {}
        for extension, data in members.items():
            member = tarfile.TarInfo(f"{key}.{extension}")
            member.size, member.mode, member.mtime = len(data), 0o644, 0
            self._tar.addfile(member, io.BytesIO(data))
            offsets[extension] = self._tar.offset - -(-len(data) // 512) * 512
        self._num_in_shard += 1
        return offsets

    def _shard_name(self, number: int) -> str:
        return f"{self._name}-{number:06d}.tar"

    def _close_shard(self) -> None:
        if not self._tar:
            return
        self._tar.close()
        self._tar = None
        path = self.folder / self._shard_name(len(self._shards))
        self._shards.append(
            Shard(
                name=path.name,
                sha256=sha256_of(self._partial),
                num_bytes=self._partial.stat().st_size,
                num_samples=self._num_in_shard,
            )
        )
        self._num_in_shard = 0
        self._partial.replace(path)

    def _finish(self) -> None:
        if not self._rows:
            raise BadInput(
                "no sample to write", where=self.folder, remedy="see the report for why each item was refused"
            )
        with disk_full_is_an_answer(self.folder):
            self._close_shard()
        with atomic_write(self.folder / RECORDS_NAME) as file:
            pq.write_table(pa.Table.from_pylist(self._rows, schema=RECORDS_SCHEMA), file, compression="zstd")
        manifest = ShardSetManifest(
            name=self._name,
            policy=self._policy,
            created_at=self._created_at,
            created_by=self._created_by,
            records_sha256=sha256_of(self.folder / RECORDS_NAME),
            shards=tuple(self._shards),
            totals=totals_of(self._rows),
            parents=self._parents,
            tombstones=self._tombstones,
        )
        self._remove_leftover_shards()
        write_json(self.folder / MANIFEST_NAME, manifest.model_dump(mode="json"))

    def _remove_leftover_shards(self) -> None:
        """Remove shards of an earlier, longer set of the same name."""
        ours = {shard.name for shard in self._shards}
        for path in self.folder.glob(f"{self._name}-[0-9][0-9][0-9][0-9][0-9][0-9].tar"):
            if path.name not in ours:
                path.unlink()


def index_row(record: Record, **place: Any) -> dict[str, Any]:
    """The row of `records.parquet` for a record; `place` holds its shard, offsets and sizes."""
    return {
        **place,
        "key": record.key,
        "institution": record.institution.slug,
        "captions": [
            {"text": c.text, "language": c.language, "field": c.field, "origin": c.origin}
            for c in record.captions
        ],
        "iconclass": list(record.iconclass),
        "group": record.group,
        "split": record.split,
        "rights_raw": record.rights.raw,
        "rights_uri": record.rights.uri,
        "train": record.rights.train,
        "display": record.rights.display,
        "opt_out": list(record.rights.opt_out),
        "earliest": record.date.earliest if record.date else None,
        "latest": record.date.latest if record.date else None,
        "object_type": record.object_type,
        "width": record.image.width,
        "height": record.image.height,
        "image_sha256": record.image.sha256,
        "phash": record.image.phash,
    }


def totals_of(rows: Iterable[dict[str, Any]]) -> Totals:
    """Counts over rows of the index."""
    institutions, languages, rights, splits = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    num_trainable = 0
    for row in rows:
        institutions[row["institution"]] += 1
        languages.update(caption["language"] for caption in row["captions"])
        rights[row["rights_uri"] or "none"] += 1
        splits[row["split"]] += 1
        num_trainable += row["train"] == "yes" and not row["opt_out"]
    return Totals(
        num_samples=institutions.total(),
        num_trainable=num_trainable,
        by_institution=dict(sorted(institutions.items())),
        by_language=dict(sorted(languages.items())),
        by_rights=dict(sorted(rights.items())),
        by_split=dict(sorted(splits.items())),
    )


def with_tombstones(manifest: ShardSetManifest, tombstones: Iterable[Tombstone]) -> ShardSetManifest:
    """The manifest with more samples withdrawn; a key withdrawn before keeps its first tombstone."""
    known = {tombstone.key for tombstone in manifest.tombstones}
    added = tuple(tombstone for tombstone in tombstones if tombstone.key not in known)
    return manifest.model_copy(update={"tombstones": manifest.tombstones + added})
