"""`iconoclip takedown`: withdraw items from every place that has them, immediately and permanently.

The keys go into the list next to the sets first (`withdrawn.parquet`), which applies to every set in the same
folder, also to those that are made later. Then each set that holds an item gets its tombstone. Each file is
replaced in one rename, so a process that is killed leaves every set whole, and the same command completes it.
From then on no reader returns the samples, no index keeps them, and no merge, pack or new harvest brings them
back. Their bytes stay in the tars until `--purge`: shards in use elsewhere keep their checksums.

Why something was withdrawn is nobody else's business: the reason is in a log next to the sets that only its
owner can read (`.withdrawals.jsonl`), and in no file of a set.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from data_prep.contribute.config import SignConfig, TakedownConfig
from data_prep.contribute.sign import sign
from data_prep.contribute.withdrawing.names import Names, words_in
from data_prep.contribute.withdrawing.places import Places
from data_prep.contribute.withdrawing.purge import purge, purge_tables
from data_prep.contribute.withdrawing.search import FoundItem, find
from iconoclip import clock, locks
from iconoclip.address_cache import forget, is_remote
from iconoclip.errors import BadInput, ConfigError, IconoclipError, SomeRefused, TryAgainLater
from iconoclip.files import write_json
from iconoclip.progress import progress
from iconoclip.shardset import (
    MANIFEST_NAME,
    QUALITY_NAME,
    SIGNATURE_NAME,
    ShardSet,
    Tombstone,
    with_tombstones,
)
from iconoclip.shardset_manifest import WITHDRAWN, ShardSetManifest, is_final, remove_embedded
from iconoclip.withdrawals import LIST_NAME, add_to_list, final_keys

LOG_NAME: Final = ".withdrawals.jsonl"
# What an institution's or an artist's name means may be more than its writer thinks.
MANY: Final = 100


def takedown(config: TakedownConfig) -> int:
    """Withdraw the named items from all sets that hold them.

    Raises:
        MissingRequirement: no shard set, or no file of keys.
        BadInput: nothing is named, or something that is in no set; then nothing is withdrawn.
        ConfigError: an institution or a creator means many items, and nobody has confirmed it.
        SomeRefused: done, but not everywhere; the lines above say where not.
    """
    if is_remote(str(config.shardset)):
        raise BadInput(
            "a set at an address cannot be changed from here", where=config.shardset,
            remedy="withdraw from your own copy, and publish it again",
        )  # fmt: skip
    words, listed = words_in(config.keys_file)
    names = Names(
        [*config.keys, *words], institutions=config.institutions, creators=config.creators, listed=listed
    )
    if not names and not config.purge:
        raise BadInput("nothing to withdraw was named", remedy="give sample keys, or --keys_file FILE")
    places = Places.of(config.shardset, config.within)
    found = find(places.sets, names) if names else FoundItem()
    _refuse_unknown(found, config)
    _need_confirmation(found, names, config)
    work = _Takedown(config, places, found, clock.now(config.at))
    if config.dry_run:
        work.tell()
        return 0
    work.list_keys()
    for folder in places.sets:
        work.attempt(folder, work.bury)
    if config.purge:
        work.purge()
    for folder in list(work.signed):
        work.attempt(folder, work.sign)
    work.report()
    return 0


def _refuse_unknown(found: FoundItem, config: TakedownConfig) -> None:
    if not found.unknown:
        return
    named = ", ".join(found.unknown[:10]) + (" ..." if len(found.unknown) > 10 else "")
    raise BadInput(
        f"not in this set: {named}; nothing was withdrawn",
        where=config.shardset,
        remedy="check the spelling; source, manifest and canvas addresses work as well",
    )


def _need_confirmation(found: FoundItem, names: Names, config: TakedownConfig) -> None:
    if len(found.keys) <= MANY or config.yes or config.dry_run or not names.means_many:
        return
    raise ConfigError(
        f"this means {len(found.keys)} samples; nothing was withdrawn", where=config.shardset,
        remedy="a withdrawal is final: look at it with --dry_run, then run it again with --yes",
    )  # fmt: skip


@dataclass
class _Takedown:
    """One withdrawal: what it means, where, and what became of it."""

    config: TakedownConfig
    places: Places
    found: FoundItem
    at: str
    signed: dict[Path, None] = field(default_factory=dict)
    failed: list[tuple[Path, str]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    @property
    def _affected(self) -> list[Path]:
        return [folder for folder, keys in self.found.held.items() if keys]

    def tell(self) -> None:
        """Print what would be done."""
        for folder in self._affected:
            held = self.found.held.get(folder, [])
            new = sum(key not in self.places.sets[folder].withdrawn for key in held)
            print(f"{folder}: {new} samples would be withdrawn, {len(held) - new} are already")
        shown = list(self.found.keys)[:20]
        more = f" and {len(self.found.keys) - 20} more" if len(self.found.keys) > 20 else ""
        print(f"keys: {', '.join(shown)}{more}")
        if self.found.num_details:
            print(f"{self.found.num_details} of them are pictures that were cut out of a page that is named")
        print("dry run: nothing was written")

    def list_keys(self) -> None:
        """Put the keys into the lists next to the sets, and the reason into the log."""
        if not self.found.keys:
            return
        first = self.config.shardset.resolve()
        above = first.parent if first in self.places.sets else first
        _log(above / LOG_NAME, {
            "at": self.at, "reason": self.config.reason, "keys": list(self.found.keys)
        })  # fmt: skip
        for folder in dict.fromkeys([above, *(one.parent for one in self._affected)]):
            # A set in the folder of another set: its list is that set's own.
            if folder not in self.places.sets:
                self.attempt(folder, lambda place: add_to_list(place / LIST_NAME, self.found.keys))

    def attempt(self, folder: Path, work: object) -> None:
        """Do something in a folder; what fails there must not keep it from being done elsewhere."""
        try:
            work(folder)  # type: ignore[operator]
        except (IconoclipError, OSError) as error:
            what = error.what if isinstance(error, IconoclipError) else f"{error.strerror}"
            self.failed.append((folder, what))

    def bury(self, folder: Path) -> None:
        """Write the tombstones of a set and its own list. Its signature and report describe it as it was."""
        with locks.hold(folder / ".withdrawals.lock", _busy(folder), timeout_seconds=60):
            before = ShardSet(folder)
            known = final_keys(before.manifest)
            held = self.found.held.get(folder, [])
            new = [key for key in held if key not in known]
            stones = (Tombstone(key=key, reason=WITHDRAWN, at=self.at) for key in new)
            manifest = with_tombstones(_without_reasons(before.manifest, frozenset(new)), stones)
            if held or (folder / LIST_NAME).exists():
                add_to_list(folder / LIST_NAME, final_keys(manifest))
            if manifest != before.manifest:
                self._unsign(folder)
                write_json(folder / MANIFEST_NAME, manifest.model_dump(mode="json"))
                _remove(
                    folder / QUALITY_NAME, "`iconoclip card` writes it again, without the withdrawn items"
                )
                if remove_embedded(folder):
                    print("the Parquet files with pictures were removed: `iconoclip card` writes them again")
        if held:
            remain = len(ShardSet(folder))
            print(
                f"{folder}: {len(new)} samples withdrawn, {len(held) - len(new)} were before; {remain} remain"
            )

    def _unsign(self, folder: Path) -> None:
        is_first = folder == self.config.shardset.resolve()
        if self.config.sign_key is not None and (is_first or (folder / SIGNATURE_NAME).exists()):
            self.signed[folder] = None
        _remove(folder / SIGNATURE_NAME, "`iconoclip sign` signs the set again")

    def sign(self, folder: Path) -> None:
        """Sign a set that was changed."""
        assert self.config.sign_key is not None
        sign(SignConfig(shardset=folder, key=self.config.sign_key))

    def purge(self) -> None:
        """Remove what is withdrawn from the files of all sets: first of those that hold the shards."""
        sets = sorted(self.places.sets, key=lambda folder: self.places.sets[folder].manifest.is_by_reference)
        with progress("purge", total=len(sets), unit="sets") as meter:
            for folder in sets:
                self.attempt(folder, self._purge_set)
                meter.advance()

    def _purge_set(self, folder: Path) -> None:
        with locks.hold(folder / ".withdrawals.lock", _busy(folder), timeout_seconds=60):
            shardset = ShardSet(folder)
            before = _checksums(shardset)
            if (folder / SIGNATURE_NAME).exists() and len(shardset.table_of_withdrawn()):
                self._unsign(folder)
            count = purge(shardset)
            tables = purge_tables(folder, shardset.withdrawn)
            after = _checksums(ShardSet(folder))
        forget(before - after)
        if count or tables:
            also = f"; also changed: {', '.join(tables)}" if tables else ""
            print(f"{folder}: {count} samples removed from the files{also}")
        if (folder / ".harvest").is_dir():
            self.lost.append(f"{folder / '.harvest'}: what the source said of it, in the harvest's ledger")

    def report(self) -> None:
        """Print what was not reached.

        Raises:
            SomeRefused: a set could not be changed.
        """
        for address in self.places.elsewhere:
            print(f"not reached: {address}; its makers withdraw it from there")
        if self.places.indexes and self.found.keys:
            names = ", ".join(str(one) for one in self.places.indexes)
            print(f"no longer shown within a minute: {names}")
        if self.places.runs and self.found.keys:
            print(
                f"{len(self.places.runs)} training runs are there: `iconoclip seen FOLDER KEY` says which"
                " checkpoints saw it"
            )
        for line in (*self.lost, *self._not_purged()):
            print(f"not purged: {line}")
        if self._affected:
            print(
                "published elsewhere? publish the set again, or hand out its withdrawn.parquet;"
                " `iconoclip card` writes the card again"
            )
        self.failed += self.places.unreadable
        for folder, what in self.failed:
            print(f"not done: {folder}: {what}")
        if self.failed:
            raise SomeRefused(
                f"{len(self.failed)} places could not be changed", where=self.failed[0][0],
                remedy="mend them and run the same command again; the lists hold the keys already",
            )  # fmt: skip

    def _not_purged(self) -> list[str]:
        if not self.config.purge:
            return []
        indexes = [f"{one}: `iconoclip index --out {one} --compact`" for one in self.places.indexes]
        stores = [f"{one}: vectors; `iconoclip encode` again" for one in self.places.stores]
        runs = [f"{one}: what a model learned" for one in self.places.runs]
        return [*indexes, *stores, *runs, "backups, and copies on other machines"]


def _without_reasons(manifest: ShardSetManifest, again: frozenset[str]) -> ShardSetManifest:
    """A manifest whose tombstones state no private reason; those of `again` are left out, to be written."""
    stones = tuple(
        stone.model_copy(update={"reason": WITHDRAWN}) if is_final(stone) else stone
        for stone in manifest.tombstones
        if stone.key not in again
    )
    return manifest.model_copy(update={"tombstones": stones})


def _checksums(shardset: ShardSet) -> frozenset[str]:
    """The checksums of a set's shards and of its index."""
    manifest = shardset.manifest
    return frozenset([manifest.records_sha256, *(shard.sha256 for shard in manifest.shards)])


def _busy(folder: Path) -> locks.Busy:
    def busy(holder: str) -> TryAgainLater:
        return TryAgainLater(
            f"another withdrawal changes this set: {holder}", where=folder, remedy="run it again later"
        )

    return busy


def _remove(path: Path, remedy: str) -> None:
    """Remove a file that describes the set as it was before."""
    if path.exists():
        path.unlink()
        print(f"{path.name} described the set before the withdrawal and was removed: {remedy}")


def _log(path: Path, entry: dict[str, object]) -> None:
    """Append a line to the log, which only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, (json.dumps(entry, ensure_ascii=False) + "\n").encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
