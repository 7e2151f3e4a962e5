"""Removes withdrawn samples from the files of a shard set.

A shard that holds one is written again. Zeros take the place of its members, under a name that readers of
WebDataset pass over, so that every other sample stays where it was: indexes, sets by reference and running
trainings still find theirs. The rows of the index, and of every other Parquet file with keys in the folder,
are removed. The new state is built in another folder and moved into place (`iconoclip.replacing`).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from iconoclip.address_cache import is_remote
from iconoclip.disk_full import disk_full_is_an_answer
from iconoclip.files import atomic_write, sha256_of, write_json
from iconoclip.replacing import PACKED, TAKEDOWN_STAGING, hand_over
from iconoclip.shardset import MANIFEST_NAME, RECORDS_NAME, Shard, ShardSet
from iconoclip.shardset_index import Counts, as_of_today
from iconoclip.shardset_manifest import FILLER_NAME, ShardSetManifest, version_of
from iconoclip.shardset_tar import BLOCK, header, member_at
from iconoclip.withdrawals import LIST_NAME

COPY_BYTES: Final = 1 << 20
# Documents of a set that state or show what was in it.
STALE: Final = ("croissant.json", "documents.sha256", "documents.sha256.sig", "report.html")


def purge(shardset: ShardSet) -> int:
    """Remove the withdrawn samples of a set from its files, and return how many there were.

    Raises:
        DamagedData: the index differs from its checksum.
        TryAgainLater: the disk is full.
    """
    gone = shardset.table_of_withdrawn()
    changed = _references(shardset)
    if not len(gone) and changed == shardset.manifest.shards:
        return 0
    folder = shardset.folder
    staging = folder / TAKEDOWN_STAGING
    shutil.rmtree(staging, ignore_errors=True)
    building = staging / "packing"
    building.mkdir(parents=True)
    with disk_full_is_an_answer(folder):
        named = _write_index(shardset, building / RECORDS_NAME)
        places = _places(gone)
        shards = [
            _without(shardset, shard, places[shard.name], building)
            if shard.at is None and shard.name in places
            else shard
            for shard in changed
            if shard.name in named
        ]
        manifest = _manifest(shardset, tuple(shards), building)
        if (folder / LIST_NAME).exists():
            shutil.copyfile(folder / LIST_NAME, building / LIST_NAME)
        write_json(building / MANIFEST_NAME, manifest.model_dump(mode="json"))
    building.rename(staging / PACKED)
    hand_over(staging, folder)
    staging.rmdir()
    return len(gone)


def purge_tables(folder: Path, keys: frozenset[str]) -> list[str]:
    """Remove rows with these keys from the other Parquet files in a set's folder, such as annotations, and
    remove documents that may show a picture. Returns the names of the files that were changed.
    """
    changed = []
    for path in sorted(folder.rglob("*.parquet")):
        inside = path.relative_to(folder)
        # Lists of keys belong to vectors in the same order, or tell what a run has seen.
        if path.name in (RECORDS_NAME, LIST_NAME) or path.name.startswith("keys"):
            continue
        if _remove_rows(path, keys):
            changed.append(inside.as_posix())
    for name in STALE:
        if (folder / name).exists():
            (folder / name).unlink()
            changed.append(f"{name} (removed)")
    return changed


def _remove_rows(path: Path, keys: frozenset[str]) -> bool:
    """Write a file again without the rows of some keys, if it has any."""
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            if "key" not in schema.names or not pa.types.is_string(schema.field("key").type):
                return False
            wanted = pa.array(sorted(keys), pa.string())
            batches = file.iter_batches(columns=["key"])
            if not any(pc.any(pc.is_in(one.column(0), value_set=wanted)).as_py() for one in batches):
                return False
            with atomic_write(path) as target, pq.ParquetWriter(target, schema, compression="zstd") as writer:
                for batch in file.iter_batches(1_000):
                    table = pa.Table.from_batches([batch])
                    writer.write_table(table.filter(pc.invert(pc.is_in(table["key"], value_set=wanted))))
    except (pa.ArrowException, OSError, ValueError):
        return False
    return True


def _references(shardset: ShardSet) -> tuple[Shard, ...]:
    """The shards, where those of other sets on this machine have the checksums that they have now."""
    known: dict[Path, dict[str, Shard]] = {}
    found = []
    for shard in shardset.manifest.shards:
        location = shardset.location_of(shard.name)
        if shard.at is not None and not is_remote(location):
            owner = Path(location).parent
            if owner not in known:
                known[owner] = _shards_in(owner)
            now = known[owner].get(Path(location).name)
            # Anything but the same shard after a purge is another one: then the sets must be merged again.
            if now is not None and shard.sha256 in now.formerly:
                shard = shard.model_copy(update={"sha256": now.sha256, "num_samples": now.num_samples})
        found.append(shard)
    return tuple(found)


def _shards_in(folder: Path) -> dict[str, Shard]:
    try:
        manifest = ShardSetManifest.model_validate_json((folder / MANIFEST_NAME).read_bytes())
    except (OSError, ValueError):
        return {}
    return {shard.name: shard for shard in manifest.shards if shard.at is None}


def _write_index(shardset: ShardSet, path: Path) -> set[str]:
    """Write the rows that stay, in the present version of the format. Returns the shards that they name."""
    named: set[str] = set()
    withdrawn = pa.array(sorted(shardset.withdrawn), pa.string())
    with (
        pq.ParquetFile(shardset.folder / RECORDS_NAME) as file,
        path.open("wb") as target,
        pq.ParquetWriter(target, file.schema_arrow, compression="zstd") as writer,
    ):
        for batch in file.iter_batches(10_000):
            table = pa.Table.from_batches([batch])
            kept = table.filter(pc.invert(pc.is_in(table["key"], value_set=withdrawn)))
            named.update(kept["shard"].unique().to_pylist())
            if len(kept):
                writer.write_table(kept)
    return named


def _places(gone: pa.Table) -> dict[str, set[int]]:
    """Of each shard, where the images of its withdrawn samples begin."""
    places: dict[str, set[int]] = {}
    names = ("shard", "image_offset")
    for shard, offset in zip(*(gone[name].to_pylist() for name in names), strict=True):
        places.setdefault(shard, set()).add(offset)
    return places


def _without(shardset: ShardSet, shard: Shard, starts: set[int], folder: Path) -> Shard:
    """Write a shard in which zeros take the places of samples."""
    source, target = shardset.folder / shard.name, folder / shard.name
    with source.open("rb") as old, target.open("wb") as new:
        shutil.copyfileobj(old, new, COPY_BYTES)
    with target.open("r+b") as file:
        for start, end in _samples(source, starts):
            _fill(file.fileno(), start, end)
        file.flush()
        os.fsync(file.fileno())
    update: dict[str, Any] = {
        "sha256": sha256_of(target),
        "num_samples": shard.num_samples - len(starts),
        "formerly": (*shard.formerly, shard.sha256),
    }
    return shard.model_copy(update=update)


def _samples(path: Path, image_offsets: set[int]) -> list[tuple[int, int]]:
    """Where the samples with these images begin and end in a tar, headers included."""
    found = []
    with path.open("rb") as file:
        for offset in sorted(image_offsets):
            start = offset - BLOCK
            name, end = member_at(file, start)
            key = name.partition(".")[0]
            following, beyond = member_at(file, end)
            while following.partition(".")[0] == key:
                end = beyond
                following, beyond = member_at(file, end)
            found.append((start, end))
    return found


def _fill(descriptor: int, start: int, end: int) -> None:
    """Replace the members between two places of a tar by one of the same size that holds zeros."""
    os.pwrite(descriptor, header(FILLER_NAME, end - start - BLOCK), start)
    zeros = bytes(COPY_BYTES)
    for place in range(start + BLOCK, end, COPY_BYTES):
        os.pwrite(descriptor, zeros[: min(COPY_BYTES, end - place)], place)


def _manifest(shardset: ShardSet, shards: tuple[Shard, ...], folder: Path) -> ShardSetManifest:
    before = shardset.manifest
    counts = Counts()
    names = ["institution", "captions", "rights_uri", "split", "train", "opt_out"]
    with pq.ParquetFile(folder / RECORDS_NAME) as file:
        for batch in file.iter_batches(1_000, columns=names):
            for row in as_of_today(pa.Table.from_batches([batch]), names).to_pylist():
                counts.add({**row, "captions": row["captions"] or []})
    checksum = sha256_of(folder / RECORDS_NAME)
    formerly = before.formerly
    if checksum != before.records_sha256:
        formerly = (*formerly, before.records_sha256)
    changes: dict[str, Any] = {
        "schema_version": 3 if formerly else version_of(shards, before.parents, before.withdrawals),
        "records_sha256": checksum,
        "shards": shards,
        "totals": counts.totals(),
        "formerly": formerly,
    }
    return before.model_copy(update=changes)
