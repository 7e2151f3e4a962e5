"""Checks one sample: its record against the index and the rights table, its caption, its picture."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import ValidationError

from data_prep.contribute.checking.members import KINDS, Sample
from data_prep.contribute.checking.rules import Finding, shown
from data_prep.images.store import checked_size
from iconoclip.pictures import ImageRefused
from iconoclip.record import Record, sample_key
from iconoclip.rights import judge
from iconoclip.shardset import index_row, raw_digest
from iconoclip.vocabulary import PolicyName

Row = dict[str, Any]


def findings_of(
    shard: str,
    row: Row,
    sample: Sample,
    policy: PolicyName,
    decode: bool,
    as_indexed: Callable[[Record], Record],
) -> list[Finding]:
    """What is wrong with a sample; nothing where it is sound.

    Args:
        as_indexed: gives a record the fields that the set states for it (`ShardSet.as_indexed`).
    """
    where = f"{shard}/{sample.key}"
    missing = [f".{kind}" for kind in KINDS if kind not in sample.members]
    if missing:
        return [Finding(where, "member-missing", f"lacks {', '.join(missing)}")]
    try:
        record = Record.model_validate_json(sample.members["json"])
    except ValidationError as error:
        first = error.errors()[0]
        what = f"not a record: {'.'.join(map(str, first['loc']))}: {shown(first['msg'])}"
        return [Finding(where, "record-invalid", what)]
    return [
        Finding(where, rule, what)
        for rule, what in (
            *_place(row, sample),
            *_record(as_indexed(record), row, policy),
            *_caption(record, sample.members["txt"]),
            *_image(record, sample.members["jpg"], decode),
        )
    ]


def _place(row: Row, sample: Sample) -> Iterator[tuple[str, str]]:
    true = {
        "image_offset": sample.offsets["jpg"],
        "image_size": len(sample.members["jpg"]),
        "record_offset": sample.offsets["json"],
        "record_size": len(sample.members["json"]),
    }
    wrong = [f"{name} is {row[name]}, not {value}" for name, value in true.items() if row[name] != value]
    if wrong:
        yield "index-place", "the index points elsewhere: " + ", ".join(wrong)


def _record(record: Record, row: Row, policy: PolicyName) -> Iterator[tuple[str, str]]:
    place = {
        name: row[name] for name in ("shard", "image_offset", "image_size", "record_offset", "record_size")
    }
    expected = index_row(record, **place)
    expected["raw"] = raw_digest(expected["raw"])
    differing = [name for name, value in expected.items() if row[name] != value]
    if differing:
        yield "index-differs", f"record and index differ in {', '.join(differing)}"
    if record.key != sample_key(record.institution.slug, record.source.id, record.source.region):
        yield "record-key", "its key does not follow from its source"
    rights = record.rights
    verdict = judge(rights.raw or rights.uri, policy=policy, opt_out=rights.opt_out)
    if (rights.uri, rights.redistribute, rights.display) != (
        verdict.uri,
        verdict.redistribute,
        verdict.display,
    ):
        yield "rights-differ", f"its rights are not what the table says of '{shown(rights.raw)}'"
    elif rights.may_train and not verdict.may_train:
        yield (
            "rights-exceeded",
            f"its record allows training; under {verdict.policy} it may not be trained on",
        )


def _caption(record: Record, text: bytes) -> Iterator[tuple[str, str]]:
    if text != record.title.encode():
        shown_text = shown(text.decode("utf-8", "replace"))
        yield "caption-file", f"its caption file holds '{shown_text}', not the first caption of the record"


def _image(record: Record, jpeg: bytes, decode: bool) -> Iterator[tuple[str, str]]:
    if hashlib.sha256(jpeg).hexdigest() != record.image.sha256:
        yield "picture-checksum", "its image does not match the checksum in the record"
        return
    if not decode:
        return
    try:
        size = checked_size(jpeg, (record.image.width, record.image.height))
    except ImageRefused as refused:
        yield "picture-unreadable", shown(refused)
        return
    if size != (record.image.width, record.image.height):
        yield (
            "picture-size",
            f"its image is {size[0]}x{size[1]} pixels, not {record.image.width}x{record.image.height}",
        )
