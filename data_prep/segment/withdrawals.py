"""What was withdrawn from a set of pictures, or with the pages that they were cut from, stays withdrawn.

OUT/.segment/withdrawn.json lists the tombstones of all pictures that were ever withdrawn: while a set is
written again it has no shardset.json, and a process may be killed then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter

from data_prep.segment.parts import PageResult, read_part, write_part
from iconoclip import clock
from iconoclip.errors import DamagedData, IconoclipError
from iconoclip.files import write_json
from iconoclip.shardset import ShardSet, Tombstone
from iconoclip.shardset_manifest import WITHDRAWN

WITHDRAWN_NAME: Final = "withdrawn.json"
_TOMBSTONES: Final = TypeAdapter(dict[str, Tombstone])


def withdrawn_pictures(out: Path, parts: Path, pages: ShardSet) -> list[Tombstone]:
    """The tombstones of a set of pictures, by key: those that it has, those of earlier runs, and those of all
    pictures that were ever cut from a withdrawn page.

    What the parts hold of withdrawn pages is removed from the disk.

    Args:
        out: the folder of the set of pictures.
        parts: the folder of the parts, those of other settings included.
        pages: the set of pages.

    Raises:
        DamagedData: the list of earlier runs cannot be read.
    """
    path, part_paths = parts / WITHDRAWN_NAME, sorted(parts.glob("*.parquet"))
    found = {**_earlier(path), **_of_the_set(out)}
    by_page = {one.key: one for one in pages.manifest.tombstones}
    # Lists of withdrawals and sets that the pages were merged from withdraw them as well.
    for key in pages.withdrawn - by_page.keys():
        by_page[key] = Tombstone(key=key, reason=WITHDRAWN, at=clock.now())
    if by_page:
        keys = [*_of_table(out / "pages.parquet", by_page), *_of_parts(part_paths, by_page)]
        for page, picture in keys:
            reason = by_page[page].reason
            found.setdefault(picture, Tombstone(key=picture, reason=reason, at=by_page[page].at))
    tombstones = [found[key] for key in sorted(found)]
    if tombstones:
        parts.mkdir(parents=True, exist_ok=True)
        write_json(path, {one.key: one.model_dump(mode="json") for one in tombstones})
        _purge(part_paths, by_page)
    return tombstones


def _earlier(path: Path) -> dict[str, Tombstone]:
    if not path.is_file():
        return {}
    try:
        return _TOMBSTONES.validate_python(json.loads(path.read_bytes()))
    except ValueError as error:
        raise DamagedData(
            f"not a list of withdrawn pictures: {str(error)[:200]}",
            where=path,
            remedy="put it back from a copy: without it, withdrawn pictures could come back",
        ) from error


def _of_the_set(out: Path) -> dict[str, Tombstone]:
    try:
        return {one.key: one for one in ShardSet(out).manifest.tombstones}
    except IconoclipError:
        return {}


def _of_table(path: Path, pages: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Withdrawn pages with the pictures that the set had of them."""
    if not path.is_file():
        return
    wanted = set(pages)
    try:
        rows = pq.read_table(path, columns=["key", "boxes"]).to_pylist()
    except (pa.ArrowException, OSError):
        # It is about to be written again; the parts say the same.
        return
    for row in rows:
        if row["key"] in wanted:
            yield from ((row["key"], box["key"]) for box in row["boxes"] or () if box["key"])


def _of_parts(paths: Iterable[Path], pages: Iterable[str]) -> Iterator[tuple[str, str]]:
    wanted = set(pages)
    for path in paths:
        for result in read_part(path):
            if result.key in wanted:
                yield from ((result.key, record.key) for _, record, _ in result.regions)


def _purge(paths: Iterable[Path], pages: Iterable[str]) -> None:
    """Write the parts again that hold pictures of withdrawn pages, without these pages."""
    wanted = set(pages)
    for path in paths:
        if any(result.key in wanted for result in read_part(path)):
            write_part(path, _without(path, lambda key: key in wanted))


def _without(path: Path, is_gone: Callable[[str], bool]) -> Iterator[PageResult]:
    return (result for result in list(read_part(path)) if not is_gone(result.key))
