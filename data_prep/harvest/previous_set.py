"""The shard set of an earlier round: its images, its withdrawals, and what a refresh would withdraw."""

from __future__ import annotations

import json
from pathlib import Path

from data_prep.ledger.holdings import Published
from data_prep.ledger.ledger import Ledger
from iconoclip.errors import BadInput, IconoclipError
from iconoclip.files import atomic_write
from iconoclip.shardset import ShardSet, Tombstone
from iconoclip.shardset_manifest import GONE, is_final
from iconoclip.withdrawals import listed_for

# A refresh that would withdraw more than a tenth of a larger set stops and needs confirmation.
LARGE_SET = 100
SHARE_THAT_MAY_GO = 0.1
WITHDRAWALS_NAME = "withdrawals.jsonl"
NUM_SHOWN = 20


class TooManyWithdrawals(BadInput):
    """A refresh would withdraw so much of a set that a person must confirm it."""


class PreviousSet:
    """The set that was published before this round, if any. Its keys are in a temporary table."""

    def __init__(self, ledger: Ledger, out: Path) -> None:
        self._published = Published(ledger.database)
        try:
            self._set: ShardSet | None = ShardSet(out)
        except IconoclipError:
            self._set = None
        self._tombstones = (
            {} if self._set is None else {one.key: one for one in self._set.manifest.tombstones}
        )
        # Items that the source dropped may return; items that a person withdrew may not.
        self.withdrawn = {key for key, one in self._tombstones.items() if is_final(one)}
        # Also what was withdrawn from other sets of the same people, by the lists around this folder.
        self.withdrawn |= listed_for(out)

    def __enter__(self) -> PreviousSet:
        self._published.__enter__()
        if self._set is not None:
            table = self._set.table(["key", "shard", "image_offset", "image_size"])
            for batch in table.to_batches(max_chunksize=10_000):
                self._published.add(zip(*(column.to_pylist() for column in batch.columns), strict=True))
        return self

    def __exit__(self, *_: object) -> None:
        self._published.__exit__()

    def image(self, key: str) -> bytes | None:
        """The stored JPEG of a sample."""
        place = self._published.place(key)
        try:
            return self._set.read_bytes(*place) if self._set is not None and place else None
        except IconoclipError:
            return None

    def kept(self, key: str) -> None:
        """Record that the sample is in the new set as well."""
        if self._set is not None:
            self._published.keep(key)
            self._tombstones.pop(key, None)

    def tombstones(self, at: str) -> list[Tombstone]:
        """The earlier withdrawals, and one for every sample that was in the set before and is not now."""
        gone = self._published.not_kept()
        new = [Tombstone(key=key, reason=GONE, at=at) for key in gone if key not in self._tombstones]
        return [*self._tombstones.values(), *new]

    def ask_before_withdrawing(self, folder: Path) -> None:
        """Stop if a large part of a large set would be withdrawn.

        Raises:
            TooManyWithdrawals: with the list, in `folder`.
        """
        gone = [key for key in self._published.not_kept() if key not in self.withdrawn]
        num_before = len(self._published)
        if num_before <= LARGE_SET or len(gone) <= SHARE_THAT_MAY_GO * num_before:
            return
        path = folder / WITHDRAWALS_NAME
        with atomic_write(path) as file:
            for key in gone:
                file.write((json.dumps({"key": key, "reason": GONE}) + "\n").encode())
        shown = "".join(f"\n  {key}" for key in gone[:NUM_SHOWN])
        more = f"\n  ... and {len(gone) - NUM_SHOWN} more" if len(gone) > NUM_SHOWN else ""
        raise TooManyWithdrawals(
            f"this refresh would withdraw {len(gone)} of {num_before} samples; nothing was"
            f" changed:{shown}{more}",
            where=path,
            remedy=(
                "if they really are gone, run it again with --confirm-withdrawals; if the servers had"
                " problems, run it again with --refresh"
            ),
        )
