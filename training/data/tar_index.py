"""Tars of other programs as a shard set: read once, then an index says where each image is.

The index is a set by reference in `CACHE/tars/`, where CACHE is $ICONOCLIP_CACHE: `records.parquet` and
`shardset.json`, as our own sets have them, with the checksum of each tar. So order, resume, weights, the
cache of rows and the verification of shards treat such tars as they treat any set.

    CACHE/tars/tar-IDENTITY.json   what is in one tar; the identity has its name, size and time or ETag
    CACHE/tars/IDENTITY/           the index of some tars under a statement of rights and a policy

A tar that has changed has another identity, and is read again. The same tars give the same index, byte by
byte.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import posixpath
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from iconoclip import locks, transfer
from iconoclip.address_cache import cache_folder, cached_shard, download_unknown, is_remote
from iconoclip.errors import (
    BadInput,
    DamagedData,
    IconoclipError,
    MissingRequirement,
    RightsForbid,
    TryAgainLater,
)
from iconoclip.files import sha256_of, write_json
from iconoclip.leftovers import remove_unused
from iconoclip.progress import progress
from iconoclip.record import sample_key
from iconoclip.rights import POLICY_VERSION, judge, terms
from iconoclip.shardset import MANIFEST_NAME, Shard, ShardSet
from iconoclip.shardset_reference import ReferenceSetWriter
from iconoclip.tar_lists import IMAGES
from iconoclip.vocabulary import PolicyName
from training.data.numbers import text_numbers
from training.data.seen_numbers import SeenNumbers
from training.data.tar_rows import (
    DAMAGED,
    DOTS,
    NO_CAPTION,
    NO_CAPTION_KEY,
    NO_CLASS,
    NO_IMAGE,
    NO_PICTURE,
    NO_TAR,
    NO_UTF8,
    Row,
    TarContent,
    TarSettings,
    content_of,
)

# Changed whenever the same tars would give other rows.
VERSION: Final = 2
LEFT_OUT_NAME: Final = "left_out.json"
SAME_KEY: Final = "the key of an earlier sample"
MAX_THREADS: Final = 4
REMEDIES: Final = {
    DAMAGED: "download the tars again, and compare their sizes with those at the source",
    NO_CLASS: "give the file with the names of the classes as `class_names`",
    NO_CAPTION_KEY: "name the keys of the JSON that hold captions as `caption_keys`",
    DOTS: "pack the tars with names that have no dot but the one before their ending",
    NO_IMAGE: f"pack the tars with images in one of these formats, each with its text: {', '.join(IMAGES)}",
    NO_PICTURE: f"look at one of them: it may be an error page, or is none of {', '.join(IMAGES)}",
    NO_UTF8: "write the texts in UTF-8 (`iconv -f LATIN1 -t UTF-8`), and pack the tars again",
}
# Ranks of a machine wait for the one that reads the tars, however long that takes.
SECONDS_TO_WAIT: Final = 7 * 86_400.0
_INDEX_AGAIN: Final = "run the same command again: it reads the tars that have changed"


@dataclass(frozen=True)
class Tars:
    """Some tars, with what the user states about them."""

    addresses: tuple[str, ...]
    name: str
    rights: str
    settings: TarSettings


class IndexedTars(ShardSet):
    """Tars of other programs, opened for reading through their index."""

    @property
    def left_out(self) -> dict[str, int]:
        """How many samples and members of the tars are not in the index, by reason."""
        found: dict[str, int] = json.loads((self.folder / LEFT_OUT_NAME).read_bytes())
        return found

    def path_of(self, name: str) -> Path:
        """The local file of a tar; one at an address is downloaded if the cache does not have it.

        Raises:
            DamagedData, MissingRequirement, TryAgainLater: as for any set.
        """
        location, shard = self.location_of(name), self._shards[name]
        if is_remote(location):
            return cached_shard(location, shard.sha256, shard.num_bytes)
        return Path(location)

    def verify_shard(self, shard: Shard) -> None:
        """Compare a tar with the checksum that it had when it was read.

        Raises:
            DamagedData: it is missing or differs.
        """
        path = self.path_of(shard.name)
        if not path.is_file():
            raise DamagedData("a tar is missing", where=path, remedy=_INDEX_AGAIN)
        if path.stat().st_size != shard.num_bytes or sha256_of(path) != shard.sha256:
            raise DamagedData("a tar has changed since it was read", where=path, remedy=_INDEX_AGAIN)


def open_tars(tars: Tars, policy: PolicyName) -> IndexedTars:
    """The index of some tars, which is made if it is not in the cache.

    Raises:
        MissingRequirement: a tar does not exist or may not be read, or the cache cannot be written.
        RightsForbid: the statement allows no training under the policy.
        BadInput: no tar has a sample that can be used.
        TryAgainLater: a server still fails after all retries, or the disk is full.
    """
    _check_rights(tars, policy)
    states = [_state_of(address) for address in tars.addresses]
    identity = _checksum(
        [VERSION, POLICY_VERSION, tars.name, tars.rights, policy, asdict(tars.settings), states]
    )
    folder = cache_folder() / "tars" / identity
    if not (folder / MANIFEST_NAME).is_file():
        with locks.hold(folder.with_name(".lock"), _busy(tars), timeout_seconds=SECONDS_TO_WAIT):
            if not (folder / MANIFEST_NAME).is_file():
                _write_index(folder, tars, policy, _read_all(folder.parent, tars, states))
                remove_unused(folder, MANIFEST_NAME, notes="tar-*.json")
    with contextlib.suppress(OSError):
        os.utime(folder / MANIFEST_NAME)
    return IndexedTars(folder)


def _busy(tars: Tars) -> locks.Busy:
    def busy(holder: str) -> IconoclipError:
        return TryAgainLater(
            f"the tars are being read by {holder}",
            where=tars.addresses[0],
            remedy="run the same command again",
        )

    return busy


def _check_rights(tars: Tars, policy: PolicyName) -> None:
    verdict = judge(tars.rights, policy=policy)
    if verdict.train == "yes":
        return
    meaning = f"as {verdict.uri}" if verdict.uri else "as no statement that is understood"
    raise RightsForbid(
        f"the policy '{policy}' does not allow training under the rights '{tars.rights}', read {meaning}",
        where=tars.addresses[0],
        remedy="state the licence that holds for these tars, by its name or address"
        if terms(verdict.uri).train_under or not verdict.uri
        else "leave these tars out",
    )


def _state_of(address: str) -> dict[str, Any]:
    """What tells a tar from another one, or from its own later state."""
    if is_remote(address):
        return {"address": address, **transfer.state_of(address)}
    try:
        status = Path(address).stat()
    except OSError:
        raise MissingRequirement("no such tar", where=address, remedy="check the path") from None
    return {"address": os.path.realpath(address), "size": status.st_size, "time": status.st_mtime_ns}


@dataclass(frozen=True)
class _Read:
    """What was read of a tar, and its checksum."""

    sha256: str
    num_bytes: int
    content: TarContent


def _read_all(folder: Path, tars: Tars, states: Sequence[Mapping[str, Any]]) -> Iterator[_Read]:
    """What is in each tar, in order; tars that were read before are not read again."""
    num_threads = min(MAX_THREADS, len(os.sched_getaffinity(0)))
    left, ahead = iter(states), deque[Future[_Read]]()
    with (
        progress(what="read tars", total=len(states), unit="tars") as meter,
        ThreadPoolExecutor(num_threads) as threads,
    ):
        try:
            while True:
                # A few ahead of the one that is written: the rows of thousands of tars fill the memory.
                for state in itertools.islice(left, 2 * num_threads - len(ahead)):
                    ahead.append(threads.submit(_read, folder, tars, state))
                if not ahead:
                    return
                yield ahead.popleft().result()
                meter.advance()
        finally:
            threads.shutdown(cancel_futures=True)


def _read(folder: Path, tars: Tars, state: Mapping[str, Any]) -> _Read:
    path = folder / f"tar-{_checksum([VERSION, state, asdict(tars.settings)])}.json"
    try:
        known = json.loads(path.read_bytes())
        return _Read(
            known["sha256"], known["num_bytes"], TarContent(known["rows"], Counter(known["left_out"]))
        )
    except (OSError, ValueError, KeyError, TypeError):
        pass
    address = state["address"]
    tar = download_unknown(address, _size_in(state)) if is_remote(address) else Path(address)
    try:
        found = _Read(sha256_of(tar), tar.stat().st_size, content_of(tar, tars.settings))
    except OSError as error:
        raise MissingRequirement(
            f"the tar cannot be read: {error.strerror}", where=address, remedy="check its permissions"
        ) from error
    left_out = {name: count for name, count in found.content.left_out.items() if count}
    values = {"sha256": found.sha256, "num_bytes": found.num_bytes, "left_out": left_out}
    write_json(path, values | {"rows": found.content.rows})
    return found


def _size_in(state: Mapping[str, Any]) -> int | None:
    size = str(state.get("size", ""))
    return int(size) if size.isdecimal() else None


def _write_index(folder: Path, tars: Tars, policy: PolicyName, found: Iterator[_Read]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # Of 63 bits of a hash: among ten million keys, two are taken for one in one of 180,000 indexes.
    left_out, keys = Counter[str](), SeenNumbers()
    facts = {
        "policy": f"{policy}@{POLICY_VERSION}",
        "created_at": "1970-01-01T00:00:00Z",
        "created_by": "iconoclip",
    }
    try:
        with ReferenceSetWriter(folder, name=tars.name, **facts) as writer:
            for number, (address, label, one) in enumerate(
                zip(tars.addresses, _labels(tars.addresses), found, strict=True)
            ):
                left_out.update(one.content.left_out)
                rows = [_index_row(row, f"{label}/{row['name']}", tars, policy) for row in one.content.rows]
                is_new = keys.add(text_numbers(pa.array([row["key"] for row in rows], pa.string())))
                new = [row for row, one in zip(rows, is_new, strict=True) if one]
                left_out[SAME_KEY] += len(rows) - len(new)
                at = address if is_remote(address) else os.path.realpath(address)
                shard = {"sha256": one.sha256, "num_bytes": one.num_bytes, "num_samples": max(1, len(new))}
                for row in new:
                    writer.add(row, Shard(name="tar-000000.tar", at=at, **shard), number)
            # Before the manifest, which comes last.
            write_json(folder / LEFT_OUT_NAME, {name: num for name, num in sorted(left_out.items()) if num})
    except BadInput as error:
        if error.what != "no sample to write":
            raise
        counts = (
            "; ".join(f"{num:,}: {name}" for name, num in left_out.most_common(5) if num) or "they are empty"
        )
        raise BadInput(
            f"no sample of these tars can be used ({counts})",
            where=", ".join(tars.addresses[:2]),
            remedy=_remedy(left_out),
        ) from error


def _remedy(left_out: Counter[str]) -> str:
    """What to do about the most common reason why samples were left out."""
    found = left_out.most_common(1)
    reason = found[0][0] if found else ""
    if reason in (NO_CAPTION, NO_IMAGE) and left_out[NO_CAPTION] == left_out[NO_IMAGE]:
        return (
            "a sample's image and text have the same path but for the ending, and follow each other: pack "
            "the tar from one folder with `tar --sort=name`"
        )
    if reason.startswith(NO_TAR):
        return "download the tars again, as plain .tar files"
    return REMEDIES.get(
        reason, "a sample is an image with a text of the same name: KEY.jpg and KEY.txt or KEY.json"
    )


def _labels(addresses: Sequence[str]) -> list[str]:
    """A name for each tar: its file name, or more of its path where two have the same."""
    paths = [
        address.partition("://")[2] if is_remote(address) else os.path.realpath(address)
        for address in addresses
    ]
    names = [posixpath.basename(path) for path in paths]
    return names if len(set(names)) == len(names) else paths


def _index_row(row: Row, source_id: str, tars: Tars, policy: PolicyName) -> dict[str, Any]:
    """The row of the index for a sample of a tar."""
    key = row.get("key") or sample_key(tars.name, source_id)
    # Of several statements the strictest counts, and one that is not understood means no.
    stated = tars.rights + (f" | {row['rights']}" if row.get("rights") else "")
    rights = judge(stated, policy=policy, opt_out=tuple(row.get("opt_out", ())))
    split = row.get("split")
    nothing = {"language_source": None, "level": None, "role": None, "origin": "institution"}
    return {
        "key": key,
        "shard": "",
        "image_offset": row["offset"],
        "image_size": row["size"],
        "record_offset": 0,
        "record_size": 0,
        "institution": tars.name,
        "captions": [{**nothing, **caption} for caption in row["captions"]],
        "iconclass": [],
        "group": row.get("group") or key,
        "split": split if split in ("val", "test") else "train",
        "rights_raw": rights.raw,
        "rights_uri": rights.uri,
        "train": rights.train if row.get("train", "yes") == "yes" else "no",
        "display": rights.display,
        "opt_out": list(rights.opt_out),
        "earliest": None,
        "latest": None,
        "object_type": None,
        "width": row["width"],
        "height": row["height"],
        "image_sha256": row["sha256"],
        "phash": None,
        "raw": [],
        "raw_num_dropped": 0,
    }


def _checksum(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
