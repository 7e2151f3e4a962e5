"""`records.parquet`: one row per sample, with the place of its bytes and what other stages filter by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from iconoclip.record import Record
from iconoclip.shardset_manifest import Totals

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


class Counts:
    """Counts over rows of the index, as they come."""

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
