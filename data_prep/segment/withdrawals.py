"""What was withdrawn from a set of pictures, or with the pages that they were cut from, stays withdrawn.

OUT/.segment/withdrawn.json          the tombstones of all pictures that were ever withdrawn: while a set is
                                     written again it has no shardset.json, and a process may be killed then
OUT/.segment/withdrawn-places.json   the page of each, and its box
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter

from data_prep.contribute.withdrawing.purge import STALE, purge
from data_prep.segment.outputs import PAGES_NAME, PARTS, read_summary
from data_prep.segment.parts import PageResult, read_part, write_part
from iconoclip import clock, locks
from iconoclip.errors import DamagedData, IconoclipError, TryAgainLater
from iconoclip.files import write_json
from iconoclip.page_layout.measure import Corners, overlap
from iconoclip.shardset import (
    MANIFEST_NAME,
    QUALITY_NAME,
    SIGNATURE_NAME,
    ShardSet,
    Tombstone,
    unseal,
    with_tombstones,
)
from iconoclip.shardset_manifest import WITHDRAWN, is_final, remove_embedded
from iconoclip.withdrawals import LIST_NAME, add_to_list, final_keys, listed_for

WITHDRAWN_NAME: Final = "withdrawn.json"
PLACES_NAME: Final = "withdrawn-places.json"
# A box that overlaps that of a withdrawn picture by this much is the same picture; one that has this share of
# its own area in it is a part of it.
SAME: Final = 0.5
INSIDE: Final = 0.7
_Known = TypeVar("_Known")
_Place = tuple[str, Corners]
"""The key of a page, and a box in shares of it"""
_TOMBSTONES: Final = TypeAdapter(dict[str, Tombstone])
_PLACES: Final = TypeAdapter(dict[str, _Place])


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
        add_to_list(out / LIST_NAME, final_keys(manifest))
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
    """The tombstones of a set of pictures, by key: those that it has, those of earlier runs, those of all
    pictures that were ever cut from a withdrawn page, and those of all that show what was withdrawn, although
    their boxes differ: another model or a correction may move an edge.

    What the parts and the downloads hold of them is removed from the disk.

    Args:
        out: the folder of the set of pictures.
        parts: the folder of the parts, those of other settings included.
        pages: the set of pages.

    Raises:
        DamagedData: a list of earlier runs cannot be read.
        BadInput: another process downloads pictures into this folder.
    """
    part_paths = sorted(parts.glob("*.parquet"))
    earlier = {**_earlier(parts / WITHDRAWN_NAME, _TOMBSTONES), **_of_the_set(out)}
    by_page = {one.key: one for one in pages.manifest.tombstones}
    # Lists of withdrawals and sets that the pages were merged from withdraw them as well.
    for key in pages.withdrawn - by_page.keys():
        by_page[key] = _listed(key)
    listed = listed_for(out)
    if not earlier and not by_page and not listed:
        return []
    places = _earlier(parts / PLACES_NAME, _PLACES)
    # A page that its source offers again brings its pictures back, if they were not withdrawn themselves.
    found = {
        key: one.model_copy(update={"reason": WITHDRAWN}) if key in listed else one
        for key, one in earlier.items()
        if key in listed or is_final(one) or key not in places or places[key][0] in by_page
    }
    for page, picture, box in _of_table(out / PAGES_NAME):
        cause = _listed(picture) if picture in listed else by_page.get(page)
        if cause is not None:
            found.setdefault(picture, cause.model_copy(update={"key": picture}))
        if picture in found:
            places.setdefault(picture, (page, box))
    num_before = len(found)
    for page, picture, box, cause in _of_parts(part_paths, by_page, listed, _by_page(places, found)):
        if picture not in found:
            found[picture] = cause.model_copy(update={"key": picture})
            places.setdefault(picture, (page, box))
    if len(found) > num_before:
        print(f"{len(found) - num_before} more pictures of what was withdrawn are left out", file=sys.stderr)
    tombstones = [found[key] for key in sorted(found)]
    if tombstones:
        parts.mkdir(parents=True, exist_ok=True)
        write_json(parts / PLACES_NAME, places)
        write_json(parts / WITHDRAWN_NAME, {one.key: one.model_dump(mode="json") for one in tombstones})
        _purge(part_paths, by_page.keys(), found.keys())
        if any(parts.glob("service-*")):
            # Imported here: the harvest takes a second to import.
            from data_prep.segment.from_service import erase_pictures

            erase_pictures(parts, found)
    return tombstones


def _by_page(
    places: dict[str, _Place], found: Mapping[str, Tombstone]
) -> dict[str, list[tuple[Corners, Tombstone]]]:
    """The boxes of withdrawn pictures, by the key of the page."""
    boxes: dict[str, list[tuple[Corners, Tombstone]]] = {}
    for picture, (page, box) in places.items():
        if picture in found:
            boxes.setdefault(page, []).append((box, found[picture]))
    return boxes


def _earlier(path: Path, kind: TypeAdapter[dict[str, _Known]]) -> dict[str, _Known]:
    if not path.is_file():
        return {}
    try:
        return kind.validate_json(path.read_bytes())
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


def _of_table(path: Path) -> Iterator[tuple[str, str, Corners]]:
    """Every picture of the set: the key of its page, its own, and its box in shares of the page."""
    if not path.is_file():
        return
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(10_000, columns=["key", "width", "height", "boxes"]):
                for row in batch.to_pylist():
                    across, down = row["width"], row["height"]
                    for box in row["boxes"] or ():
                        if box["key"]:
                            left, top = box["x"] / across, box["y"] / down
                            right, bottom = left + box["width"] / across, top + box["height"] / down
                            yield row["key"], box["key"], (left, top, right, bottom)
    except (pa.ArrowException, OSError):
        # It is about to be written again; the parts say the same of withdrawn pages.
        return


def _of_parts(
    paths: Iterable[Path],
    pages: Mapping[str, Tombstone],
    listed: Set[str],
    boxes: Mapping[str, Sequence[tuple[Corners, Tombstone]]],
) -> Iterator[tuple[str, str, Corners, Tombstone]]:
    """The pictures that the parts hold and that are withdrawn, their pages are, or what was in their places:
    the key of the page, that of the picture, its box, and what withdraws it."""
    for path in paths:
        for result in read_part(path):
            for number, record, _ in result.regions:
                if result.finding is None:
                    continue
                shown = result.finding.boxes[number].corners
                cause = _listed(record.key) if record.key in listed else pages.get(result.key)
                cause = cause or _in_place(shown, boxes.get(result.key, ()))
                if cause is not None:
                    yield result.key, record.key, shown, cause


def _listed(key: str) -> Tombstone:
    return Tombstone(key=key, reason=WITHDRAWN, at=clock.now())


def _in_place(box: Corners, boxes: Iterable[tuple[Corners, Tombstone]]) -> Tombstone | None:
    return next((one for withdrawn, one in boxes if _shows(box, withdrawn)), None)


def _shows(box: Corners, withdrawn: Corners) -> bool:
    """Whether a box is that of a withdrawn picture with other edges, or a part of it."""
    across = min(box[2], withdrawn[2]) - max(box[0], withdrawn[0])
    down = min(box[3], withdrawn[3]) - max(box[1], withdrawn[1])
    inside = max(across, 0.0) * max(down, 0.0) / ((box[2] - box[0]) * (box[3] - box[1]))
    return overlap(box, withdrawn) >= SAME or inside >= INSIDE


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
