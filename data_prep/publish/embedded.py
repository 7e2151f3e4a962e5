"""The samples of a set as Parquet with their pictures inside: `data/SPLIT-00000.parquet`.

This is what the Hugging Face library `datasets`, its viewer, and Croissant readers load without a program of
ours: a file per split, the picture in a column that they know (`Image`), withdrawn samples left out. The
files are made from the shards and can be made again at any time; `iconoclip.shardset_manifest.unseal` removes
them with everything else that shows a set as it was.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from iconoclip.progress import progress
from iconoclip.record import Record, Split
from iconoclip.rights import statement
from iconoclip.shardset import ShardSet
from iconoclip.shardset_manifest import EMBEDDED_FOLDER

SPLITS: Final[tuple[str, ...]] = get_args(Split)
# "auto" writes the files for sets with at most this many bytes of pictures.
MAX_AUTO_BYTES: Final = 2_000_000_000
BYTES_OF_A_FILE: Final = 500_000_000
# A row group is what a reader loads at once.
ROWS_OF_A_GROUP: Final = 100
BYTES_OF_A_GROUP: Final = 50_000_000

_CAPTION: Final = ("text", "language", "field", "level", "role")
_TEXTS: Final = (
    "key", "title", "date", "object_type", "institution", "institution_name", "homepage", "source_id",
    "manifest", "rights", "rights_uri", "attribution", "train", "redistribute", "display", "group",
    "image_sha256",
)  # fmt: skip
SCHEMA: Final = pa.schema(
    [
        pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        pa.field("key", pa.string()),
        pa.field("title", pa.string()),
        pa.field("captions", pa.list_(pa.struct([(name, pa.string()) for name in _CAPTION]))),
        pa.field("iconclass", pa.list_(pa.string())),
        pa.field("creators", pa.list_(pa.string())),
        pa.field("earliest", pa.int32()),
        pa.field("latest", pa.int32()),
        pa.field("opt_out", pa.list_(pa.string())),
        *(pa.field(name, pa.string()) for name in _TEXTS if name not in ("key", "title")),
    ]
)


def write_embedded(shardset: ShardSet, wanted: str) -> list[Path]:
    """Write the Parquet files of a set, or remove those of an earlier time.

    Args:
        wanted: "yes", "no", or "auto": where the pictures have at most `MAX_AUTO_BYTES`.

    Returns:
        The files, in their order; none where they are not wanted.
    """
    folder = shardset.folder / EMBEDDED_FOLDER
    if folder.is_dir():
        for path in folder.glob("*.parquet"):
            path.unlink()
    if wanted == "no" or (wanted == "auto" and _num_bytes(shardset) > MAX_AUTO_BYTES):
        shutil.rmtree(folder, ignore_errors=True)
        return []
    folder.mkdir(exist_ok=True)
    writers = {split: _SplitWriter(folder, split) for split in SPLITS}
    try:
        with progress("embed", total=len(shardset), unit="samples") as meter:
            for record, image in shardset.samples():
                writers[record.split].add(record, image)
                meter.advance()
    finally:
        for writer in writers.values():
            writer.close()
    return [path for writer in writers.values() for path in writer.paths]


def _num_bytes(shardset: ShardSet) -> int:
    return sum(shardset.table(["image_size"])["image_size"].to_pylist())


def _features() -> bytes:
    """What `datasets` reads its column types from (`Features.from_arrow_schema`)."""
    features: dict[str, Any] = {}
    for column in SCHEMA:
        if column.name == "image":
            features["image"] = {"_type": "Image"}
        elif column.name == "captions":
            features["captions"] = [{name: {"dtype": "string", "_type": "Value"} for name in _CAPTION}]
        elif pa.types.is_list(column.type):
            features[column.name] = [{"dtype": "string", "_type": "Value"}]
        else:
            features[column.name] = {"dtype": str(column.type), "_type": "Value"}
    return json.dumps({"info": {"features": features}}).encode()


def _row(record: Record, image: bytes) -> dict[str, Any]:
    date, rights = record.date, record.rights
    return {
        "image": {"bytes": image, "path": f"{record.key}.jpg"},
        "key": record.key,
        "title": record.captions[0].text if record.captions else None,
        "captions": [{name: getattr(one, name) for name in _CAPTION} for one in record.captions],
        "iconclass": list(record.iconclass),
        "creators": list(record.creators),
        "earliest": date.earliest if date else None,
        "latest": date.latest if date else None,
        "opt_out": list(rights.opt_out),
        "date": (date.text or date.edtf) if date else None,
        "object_type": record.object_type,
        "institution": record.institution.slug,
        "institution_name": record.institution.name,
        "homepage": record.source.homepage,
        "source_id": record.source.id,
        "manifest": record.source.manifest,
        "rights": statement(rights.uri),
        "rights_uri": rights.uri,
        "attribution": rights.attribution,
        "train": rights.train,
        "redistribute": rights.redistribute,
        "display": rights.display,
        "group": record.group,
        "image_sha256": record.image.sha256,
    }


@dataclass
class _SplitWriter:
    """Writes the files of one split in row groups of bounded size."""

    folder: Path
    split: str
    paths: list[Path] = field(default_factory=list)
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _num_bytes: int = 0
    _writer: pq.ParquetWriter | None = None

    def add(self, record: Record, image: bytes) -> None:
        """Append a sample; a full row group is written."""
        self._rows.append(_row(record, image))
        self._num_bytes += len(image)
        if len(self._rows) >= ROWS_OF_A_GROUP or self._num_bytes >= BYTES_OF_A_GROUP:
            self._flush()

    def close(self) -> None:
        """Write what is left and close the last file."""
        self._flush()
        if self._writer:
            self._writer.close()
            self._writer = None

    def _flush(self) -> None:
        if not self._rows:
            return
        if self._writer is None:
            self.paths.append(self.folder / f"{self.split}-{len(self.paths):05d}.parquet")
            schema = SCHEMA.with_metadata({"huggingface": _features()})
            self._writer = pq.ParquetWriter(self.paths[-1], schema, compression="zstd")
        columns = [pa.array([row[one.name] for row in self._rows], one.type) for one in SCHEMA]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._writer.schema))
        self._rows, self._num_bytes = [], 0
        if self.paths[-1].stat().st_size >= BYTES_OF_A_FILE:
            self._writer.close()
            self._writer = None
