"""What was withdrawn from a set of pictures, or with the pages that they were cut from, stays withdrawn.

OUT/.segment/withdrawn.json lists the tombstones of all pictures that were ever withdrawn: while a set is
written again it has no shardset.json, and a process may be killed then.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Set
from dataclasses import replace
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter

from data_prep.contribute.withdrawing.purge import STALE, purge
from data_prep.segment.outputs import PAGES_NAME, PARTS, read_summary
from data_prep.segment.parts import PageResult, read_part, write_part
from iconoclip import clock, locks
from iconoclip.errors import DamagedData, IconoclipError, TryAgainLater
from iconoclip.files import write_json
from iconoclip.shardset import (
    MANIFEST_NAME,
    QUALITY_NAME,
    SIGNATURE_NAME,
    ShardSet,
    Tombstone,
    unseal,
    with_tombstones,
)
from iconoclip.shardset_manifest import WITHDRAWN, remove_embedded
from iconoclip.withdrawals import LIST_NAME, add_to_list

WITHDRAWN_NAME: Final = "withdrawn.json"
_TOMBSTONES: Final = TypeAdapter(dict[str, Tombstone])


def digest_of_withdrawn(pages: ShardSet) -> str:
    """Of the keys of all withdrawn pages: also those of lists, which do not change the set of pages."""
    return hashlib.sha256("\n".join(sorted(pages.withdrawn)).encode()).hexdigest()


def withdraw_at_once(out: Path, pages_folder: Path) -> None:
    """Take the pictures of withdrawn pages out of a set that is there, before anything else is done: what
    comes next may fail, or must wait for an image service.

    Raises:
        DamagedData: the list of earlier runs cannot be read.
        TryAgainLater: a takedown is at work in the folder, or the disk is full.
    """
    try:
        pages, before = ShardSet(pages_folder), ShardSet(out)
    except IconoclipError:
        # There is no set yet; or what is wrong with the pages is said when they are read.
        return
    if read_summary(out).get("withdrawn") == digest_of_withdrawn(pages):
        return
    known = {one.key for one in before.manifest.tombstones}
    new = [one for one in withdrawn_pictures(out, out / PARTS, pages) if one.key not in known]
    if not new and not before.withdrawn:
        return
    # The same lock as that of `iconoclip takedown`.
    with locks.hold(out / ".withdrawals.lock", lambda holder: _busy(out, holder), timeout_seconds=60):
        manifest = with_tombstones(ShardSet(out).manifest, new)
        add_to_list(out / LIST_NAME, [one.key for one in manifest.tombstones])
        for name in (SIGNATURE_NAME, QUALITY_NAME, *STALE):
            (out / name).unlink(missing_ok=True)
        remove_embedded(out)
        write_json(out / MANIFEST_NAME, manifest.model_dump(mode="json"))
        try:
            purge(ShardSet(out))
        except DamagedData:
            # It is about to be written again; until then no reader may open it.
            unseal(out)


def _busy(out: Path, holder: str) -> TryAgainLater:
    return TryAgainLater(
        f"a withdrawal changes this set: {holder}", where=out, remedy="run the same command again later"
    )


def withdrawn_pictures(out: Path, parts: Path, pages: ShardSet) -> list[Tombstone]:
    """The tombstones of a set of pictures, by key: those that it has, those of earlier runs, and those of all
    pictures that were ever cut from a withdrawn page.

    What the parts hold of withdrawn pages and pictures is removed from the disk.

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
        keys = [*_of_table(out / PAGES_NAME, by_page), *_of_parts(part_paths, by_page)]
        for page, picture in keys:
            reason = by_page[page].reason
            found.setdefault(picture, Tombstone(key=picture, reason=reason, at=by_page[page].at))
    tombstones = [found[key] for key in sorted(found)]
    if tombstones:
        parts.mkdir(parents=True, exist_ok=True)
        write_json(path, {one.key: one.model_dump(mode="json") for one in tombstones})
        _purge(part_paths, by_page.keys(), found.keys())
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


def _purge(paths: Iterable[Path], pages: Set[str], pictures: Set[str]) -> None:
    """Write the parts again that hold something withdrawn, without it."""
    for path in paths:
        if any(_is_withdrawn(result, pages, pictures) for result in read_part(path)):
            write_part(path, _without(list(read_part(path)), pages, pictures))


def _is_withdrawn(result: PageResult, pages: Set[str], pictures: Set[str]) -> bool:
    return result.key in pages or any(record.key in pictures for _, record, _ in result.regions)


def _without(results: Iterable[PageResult], pages: Set[str], pictures: Set[str]) -> Iterator[PageResult]:
    for result in results:
        if result.key not in pages:
            kept = tuple(region for region in result.regions if region[1].key not in pictures)
            yield replace(result, regions=kept)
