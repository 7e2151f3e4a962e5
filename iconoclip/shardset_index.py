"""`records.parquet`: one row per sample, with the position of its bytes and the fields that other
stages filter by.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from iconoclip.record import Record
from iconoclip.shardset_manifest import Totals

_CAPTION_FIELDS = ("text", "language", "field", "origin", "language_source", "level", "role")
_CAPTION = pa.struct([(name, pa.string()) for name in _CAPTION_FIELDS])
RAW_PAIR = pa.struct(
    [
        ("label", pa.string()),
        ("value", pa.string()),
        ("language", pa.string()),
        ("level", pa.string()),
        ("field", pa.string()),
        ("num_cut", pa.int32()),
    ]
)

# The columns that a loader, an index or a catalogue selects by; all other fields are only in the
# record's JSON.
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
        pa.field("raw", pa.list_(RAW_PAIR)),
        pa.field("raw_num_dropped", pa.int32()),
    ]
)
# Columns that older versions did not write; a set without them is read as if they were empty.
LATER_COLUMNS = ("raw", "raw_num_dropped")


def index_row(record: Record, **place: Any) -> dict[str, Any]:
    """The row of `records.parquet` for a record; `place` holds its shard, offsets and sizes."""
    return {
        **place,
        "key": record.key,
        "institution": record.institution.slug,
        "captions": [{name: getattr(one, name) for name in _CAPTION_FIELDS} for one in record.captions],
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
        "raw": [pair.model_dump() for pair in record.raw],
        "raw_num_dropped": record.raw_num_dropped,
    }


def columns_there(schema: pa.Schema, wanted: list[str] | None) -> list[str] | None:
    """The wanted columns without those that an older version did not write; None means all."""
    if wanted is None:
        return None
    return [name for name in wanted if name in schema.names or name not in LATER_COLUMNS]


def as_of_today(table: pa.Table, wanted: Iterable[str]) -> pa.Table:
    """A table of any version of the index with the `wanted` columns in their present types.

    What an older version did not write is null, or an empty list where the column holds lists.
    """
    for name in wanted:
        if name not in RECORDS_SCHEMA.names:
            continue
        field = RECORDS_SCHEMA.field(name)
        if name in table.column_names:
            column = table.column(name)
            if column.type != field.type:
                place = table.column_names.index(name)
                table = table.set_column(place, field, column.cast(field.type))
        elif name in LATER_COLUMNS:
            empty: Any = [] if pa.types.is_list(field.type) else 0
            table = table.append_column(field, pa.array([empty] * len(table), field.type))
    return table


def raw_digest(pairs: list[dict[str, Any]]) -> bytes:
    """Eight bytes by which two values of the column `raw` are compared."""
    text = json.dumps(pairs or [], ensure_ascii=False, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


class Counts:
    """Counts over the rows of the index, added one by one."""

    def __init__(self) -> None:
        self._institutions, self._languages = Counter[str](), Counter[str]()
        self._rights, self._splits = Counter[str](), Counter[str]()
        self._num_trainable = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Add one row of the index to the counts."""
        self._institutions[row["institution"]] += 1
        self._languages.update(caption["language"] for caption in row["captions"])
        self._rights[row["rights_uri"] or "none"] += 1
        self._splits[row["split"]] += 1
        self._num_trainable += row["train"] == "yes" and not row["opt_out"]

    def totals(self) -> Totals:
        """The counts of all rows added so far."""
        return Totals(
            num_samples=self._institutions.total(),
            num_trainable=self._num_trainable,
            by_institution=dict(sorted(self._institutions.items())),
            by_language=dict(sorted(self._languages.items())),
            by_rights=dict(sorted(self._rights.items())),
            by_split=dict(sorted(self._splits.items())),
        )


def totals_of(rows: Iterable[Mapping[str, Any]]) -> Totals:
    """Counts over rows of the index."""
    counts = Counts()
    for row in rows:
        counts.add(row)
    return counts.totals()
