"""`iconoclip publish`: put a shard set where others find it, and keep it there as it should be.

Only the files of the format travel, never `.harvest/`, reports of refusals, configs, or reasons of
withdrawals. A run that was cut, or that comes after a change of the set, uploads what differs and removes
what is no longer published, first of all what was withdrawn. The manifest is removed first and comes back
last, so nobody takes half a set for a whole one. In the end every file there is compared with its checksum.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from data_prep.contribute.config import SignConfig
from data_prep.contribute.sign import sign
from data_prep.contribute.signatures import DOCUMENTS_NAME, DOCUMENTS_SIGNATURE_NAME
from data_prep.publish.card import CARD_NAME, CROISSANT_NAME, write_documents
from data_prep.publish.config import PublishConfig
from data_prep.publish.edition import Edition, make_edition
from data_prep.publish.targets.base import LocalFile, Target
from data_prep.publish.targets.folder import FolderTarget
from iconoclip.errors import BadInput, ConfigError, DamagedData
from iconoclip.files import sha256_of
from iconoclip.leftovers import locked_folder
from iconoclip.progress import progress
from iconoclip.shardset import (
    MANIFEST_NAME,
    QUALITY_NAME,
    RECORDS_NAME,
    SIGNATURE_NAME,
    ShardSet,
    ShardSetManifest,
)
from iconoclip.shardset_manifest import EMBEDDED_FOLDER
from iconoclip.withdrawals import LIST_NAME

DOCUMENTS: Final = (
    LIST_NAME, CARD_NAME, CROISSANT_NAME, QUALITY_NAME, DOCUMENTS_NAME, DOCUMENTS_SIGNATURE_NAME,
    SIGNATURE_NAME,
)  # fmt: skip
_EMBEDDED: Final = re.compile(rf"{EMBEDDED_FOLDER}/(train|val|test)-[0-9]{{5}}\.parquet")
_SHARD: Final = re.compile(r"(?P<set>[a-z0-9][a-z0-9_-]*)-[0-9]{6}\.tar")


def publish(config: PublishConfig) -> int:
    """Publish a shard set at `config.to`.

    Raises:
        MissingRequirement: no shard set, no credentials, no such bucket.
        BadInput: another set is published there; the server refuses.
        RightsForbid: nothing of the set may be passed on.
        TryAgainLater: the network is down, or the storage there is full; run the command again.
        DamagedData: the set does not match its checksums, or what is there afterwards does not.
    """
    shardset = ShardSet(config.shardset)
    target = target_of(config)
    with locked_folder(shardset.folder / "publish") as folder:
        edition = make_edition(
            shardset, folder, config.pass_on, lambda: _has_some_of(target, shardset.manifest.name)
        )
        write_documents(edition.shardset, config)
        if config.key is not None:
            sign(SignConfig(shardset=folder, key=config.key))
        files = files_of(edition.shardset)
        changes = changes_at(target, files, shardset.manifest.name)
        _say(edition, shardset, changes, config)
        if not config.dry_run:
            _carry_out(target, files, changes, _Unfinished(shardset.folder, target.where))
    return 0


def target_of(config: PublishConfig) -> Target:
    """The place that `to` names.

    Raises:
        ConfigError: it names none.
    """
    scheme, found, rest = config.to.partition("://")
    reads_again = config.compare == "read"
    if not found:
        return FolderTarget(Path(config.to))
    if scheme == "s3" and (bucket := rest.strip("/").partition("/"))[0]:
        # Imported here: the client libraries take a second.
        from data_prep.publish.targets.s3 import S3Target

        return S3Target(bucket[0], bucket[2].strip("/"), reads_again=reads_again)
    name = rest.strip("/").removeprefix("datasets/")
    if scheme == "hf" and re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        from data_prep.publish.targets.hub import HubTarget

        return HubTarget(name, visibility=config.visibility, reads_again=reads_again)
    raise ConfigError(
        "no place to publish at", where=config.to,
        remedy="hf://datasets/OWNER/NAME, s3://BUCKET/FOLDER, or the path of a folder",
    )  # fmt: skip


def files_of(edition: ShardSet) -> list[LocalFile]:
    """The files that travel, in the order of their upload; the manifest is the last."""
    known = {shard.name: shard.sha256 for shard in edition.manifest.shards}
    embedded = sorted(path.name for path in (edition.folder / EMBEDDED_FOLDER).glob("*.parquet"))
    names = [*known, *(f"{EMBEDDED_FOLDER}/{name}" for name in embedded)]
    names += [name for name in DOCUMENTS if (edition.folder / name).is_file()]
    names += [RECORDS_NAME, MANIFEST_NAME]
    return [
        LocalFile(
            name, path := edition.folder / name, path.stat().st_size, known.get(name) or sha256_of(path)
        )
        for name in names
    ]


@dataclass(frozen=True)
class Changes:
    """What differs between a place and an edition.

    `num_gone` counts the samples that are published now and will not be; None: nobody knows, because an
    earlier run was cut.
    """

    uploads: tuple[LocalFile, ...]
    removals: tuple[str, ...]
    num_gone: int | None

    @property
    def has_any(self) -> bool:
        """Whether anything there must change."""
        return bool(self.uploads or self.removals)


def changes_at(target: Target, files: list[LocalFile], name: str) -> Changes:
    """Compare a place with what should be there.

    Raises:
        BadInput: another set is published there.
    """
    there = target.listing()
    with tempfile.TemporaryDirectory(prefix="iconoclip-") as folder:
        _refuse_another_set(target, there, name, Path(folder))
        wanted = {file.name for file in files}
        uploads = tuple(file for file in files if file.name not in there or not target.is_same(file))
        removals = tuple(one for one in sorted(there) if one not in wanted and _is_ours(one, name))
        num_gone: int | None = 0
        changed = {file.name for file in uploads} & there.keys()
        if changed or removals:
            num_gone = _num_gone(target, there, files, Path(folder))
    return Changes(uploads, removals, num_gone)


def _refuse_another_set(target: Target, there: dict[str, int], name: str, folder: Path) -> None:
    found: str | None = None
    if MANIFEST_NAME in there:
        path = target.read(MANIFEST_NAME, folder / MANIFEST_NAME)
        try:
            found = ShardSetManifest.model_validate_json(path.read_bytes()).name
        except ValueError:
            found = "(unreadable)"
    elif shards := [match for one in there if (match := _SHARD.fullmatch(one))]:
        found = shards[0]["set"]
    if found is not None and found != name:
        raise BadInput(
            f"another set is published there: {found}", where=target.where,
            remedy="choose another place, or remove what is there",
        )  # fmt: skip


def _has_some_of(target: Target, name: str) -> bool:
    return any(_is_ours(one, name) for one in target.listing())


def _is_ours(name: str, of_set: str) -> bool:
    shard = _SHARD.fullmatch(name)
    return (
        name in DOCUMENTS
        or _EMBEDDED.fullmatch(name) is not None
        or (shard is not None and shard["set"] == of_set)
    )


def _num_gone(target: Target, there: dict[str, int], files: list[LocalFile], folder: Path) -> int | None:
    """How many samples are in the published index and no longer in the new one."""
    if MANIFEST_NAME not in there or RECORDS_NAME not in there:
        return None
    old = _keys(target.read(RECORDS_NAME, folder / RECORDS_NAME))
    new = _keys(next(file.path for file in files if file.name == RECORDS_NAME))
    return None if old is None or new is None else len(old - new)


def _keys(index: Path) -> set[str] | None:
    try:
        return set(pq.read_table(index, columns=["key"])["key"].to_pylist())
    except Exception:  # a foreign or damaged file: then nobody knows
        return None


class _Unfinished:
    """A note next to the set that earlier versions are still to be forgotten at a place."""

    def __init__(self, folder: Path, where: str) -> None:
        self._path, self._where = folder / ".publish-unfinished", where

    @property
    def is_noted(self) -> bool:
        return self._where in self._lines()

    def note(self) -> None:
        if not self.is_noted:
            self._path.write_text("\n".join([*self._lines(), self._where]) + "\n", encoding="utf-8")

    def clear(self) -> None:
        left = [line for line in self._lines() if line != self._where]
        if left:
            self._path.write_text("\n".join(left) + "\n", encoding="utf-8")
        else:
            self._path.unlink(missing_ok=True)

    def _lines(self) -> list[str]:
        return self._path.read_text(encoding="utf-8").splitlines() if self._path.is_file() else []


def _carry_out(target: Target, files: list[LocalFile], changes: Changes, unfinished: _Unfinished) -> None:
    if changes.num_gone != 0:
        unfinished.note()
    if changes.has_any:
        target.unseal()
        target.remove(changes.removals)
        with progress("publish", total=sum(file.size for file in changes.uploads), unit="bytes") as meter:
            for file in _with_manifest(changes.uploads, files):
                meter.note(file.name)
                target.put(file)
                meter.advance(file.size if file in changes.uploads else 0)
        target.finish(_message(changes))
    if unfinished.is_noted:
        target.forget()
        unfinished.clear()
    _verify(target, files)


def _with_manifest(uploads: tuple[LocalFile, ...], files: list[LocalFile]) -> list[LocalFile]:
    """The uploads, and the manifest at their end even where it did not change: it was removed before."""
    manifest = files[-1]
    return [*(file for file in uploads if file != manifest), manifest]


def _message(changes: Changes) -> str:
    gone = f", {changes.num_gone} samples withdrawn" if changes.num_gone else ""
    return f"Publish the shard set: {len(changes.uploads)} files{gone}"


def _verify(target: Target, files: list[LocalFile]) -> None:
    with progress("verify", total=len(files), unit="files") as meter:
        wrong = []
        for file in files:
            if what := target.wrong(file):
                wrong.append(f"{file.name} {what}")
            meter.advance()
    if wrong:
        raise DamagedData(
            f"{len(wrong)} files there are not as they should be: {'; '.join(wrong[:5])}",
            where=target.where,
            remedy="run the same command again",
        )
    print(f"published: {len(files)} files at {target.where}, every one compared with its checksum")


def _say(edition: Edition, shardset: ShardSet, changes: Changes, config: PublishConfig) -> None:
    size = sum(file.size for file in changes.uploads)
    print(
        f"{len(edition.shardset)} samples are published; left out: {edition.num_withdrawn} withdrawn,"
        f" {edition.num_kept_back} whose rights do not allow it (--pass_on {config.pass_on})"
    )
    print(f"to upload: {len(changes.uploads)} files, {size} bytes; to remove: {len(changes.removals)} files")
    if changes.num_gone:
        print(f"{changes.num_gone} samples that are published now are removed there")
    if config.dry_run:
        for file in changes.uploads:
            print(f"upload  {file.size:>12}  {file.name}")
        for name in changes.removals:
            print(f"remove  {'':>12}  {name}")
    if config.key is None and (shardset.folder / SIGNATURE_NAME).is_file():
        print("the signature of the set is not of what is published; --key FILE signs that")
