"""`iconoclip merge`: the shard sets of several institutions -> one, by copy or by reference.

Parents are named by their digests and addresses. Withdrawn samples are left out and their tombstones are
kept, so that merging an old copy does not bring them back; and what is withdrawn from a parent later is
withdrawn from the result at once (`iconoclip.withdrawals`). Verdicts are computed again under one policy: a
permission stored in a set is not trusted, and a refusal is never loosened. Copies and near-duplicates across
the sets join their groups, so that no picture is on two sides of the split.

A merge by reference writes an index and a manifest, and reads no shard but for the colours of pictures that
may be copies. The result is built in another folder (`.merge`), then moved into place like a harvest; a
process killed in between leaves the old set, or finishes the new one at the next call.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from data_prep.contribute.config import MergeConfig
from data_prep.contribute.conflicts import Conflicts, Statement, rights_of
from data_prep.contribute.copies import KnownColours, clusters_of
from data_prep.harvest.recording import created_by
from data_prep.near_duplicates import Clusters
from iconoclip import clock
from iconoclip.address_cache import is_remote, relative_to
from iconoclip.errors import BadInput, ConfigError, DamagedData, IconoclipError
from iconoclip.files import write_json
from iconoclip.progress import Meter, progress
from iconoclip.record import Record, Rights, Split
from iconoclip.replacing import MERGE_STAGING, hand_over
from iconoclip.rights import POLICY_VERSION, judged_again
from iconoclip.shardset import Parent, Shard, ShardSet, ShardSetManifest, ShardSetWriter, Tombstone
from iconoclip.shardset_manifest import WITHDRAWN, is_final
from iconoclip.shardset_open import open_set
from iconoclip.shardset_reference import ReferenceSetWriter
from iconoclip.withdrawals import LIST_NAME, add_to_list, listed_at, listed_for

COLOURS_NAME: Final = "colours.json"


def merge(config: MergeConfig) -> int:
    """Merge `config.shardsets` into `config.out`.

    Raises:
        MissingRequirement: an input is no shard set.
        DamagedData: an input's checksum differs.
        BadInput: a key occurs in two sets.
        ConfigError: the output folder is an input, or holds another set; a weight is of no input.
        TryAgainLater: the disk is full, or a server does not answer.
    """
    staging = config.out / MERGE_STAGING
    hand_over(staging, config.out)
    _refuse_itself(config)
    sets = [open_set(location) for location in config.shardsets]
    parents = _parents(config, sets)
    there = _there(config, parents)
    if there is not None and _identity(there.manifest) == _wanted(config, parents):
        print(f"merged already: {len(there)} samples in {config.out}")
        return 0
    if not config.by_reference:
        for one in sets:
            one.verify()
    work = _Work.of(config, sets, parents)
    if config.dry_run:
        print(f"{work.num_samples} samples of {len(sets)} shard sets would be in {config.out}")
        return 0
    shutil.rmtree(staging / "packing", ignore_errors=True)
    work.write(staging / "packing")
    (staging / "packing").rename(staging / "packed")
    hand_over(staging, config.out)
    how = ", by reference" if config.by_reference else ""
    print(f"{len(ShardSet(config.out))} samples of {len(sets)} shard sets in {config.out}{how}")
    work.say()
    return 0


def _refuse_itself(config: MergeConfig) -> None:
    folders = {Path(one).resolve() for one in config.shardsets if not is_remote(one)}
    if config.out.resolve() in folders:
        raise ConfigError(
            "a set cannot be merged into itself", where=config.out, remedy="choose another --out"
        )


def _parents(config: MergeConfig, sets: list[ShardSet]) -> tuple[Parent, ...]:
    names = {name for one in sets for name in (one.manifest.name, one.base, str(one.folder))}
    if unknown := sorted(config.weights.keys() - names - set(config.shardsets)):
        raise ConfigError(
            f"no set is called '{unknown[0]}'", where="weights",
            remedy=f"these are merged: {', '.join(one.manifest.name for one in sets)}",
        )  # fmt: skip
    return tuple(
        Parent(
            name=one.manifest.name,
            digest=one.digest,
            address=relative_to(one.base, str(config.out)),
            weight=_weight(config, location, one),
        )
        for location, one in zip(config.shardsets, sets, strict=True)
    )


def _weight(config: MergeConfig, location: str, one: ShardSet) -> float | None:
    weight = config.weights.get(location, config.weights.get(one.manifest.name))
    return None if weight == 1 else weight


def _there(config: MergeConfig, parents: tuple[Parent, ...]) -> ShardSet | None:
    """The set that is in the output folder.

    Raises:
        ConfigError: it is not an earlier state of this merge.
    """
    try:
        there = ShardSet(config.out)
    except DamagedData:
        raise
    except IconoclipError:
        return None
    manifest, names = there.manifest, [parent.name for parent in parents]
    is_ours = (manifest.name, manifest.policy) == (config.name, f"{config.policy}@{POLICY_VERSION}")
    has_same_parents = [parent.name for parent in manifest.parents] == names
    if is_ours and manifest.parents and (has_same_parents or config.update):
        return there
    raise ConfigError(
        "this folder holds another shard set", where=config.out,
        remedy="choose another --out, or remove it; --update replaces a merge of other sets",
    )  # fmt: skip


def _identity(manifest: ShardSetManifest) -> tuple[object, ...]:
    parents = [(one.name, one.digest, one.weight) for one in manifest.parents]
    return manifest.name, manifest.policy, manifest.is_by_reference, parents, manifest.withdrawals


def _wanted(config: MergeConfig, parents: tuple[Parent, ...]) -> tuple[object, ...]:
    named = [(one.name, one.digest, one.weight) for one in parents]
    policy = f"{config.policy}@{POLICY_VERSION}"
    return config.name, policy, config.by_reference, named, _lists(config)


def _lists(config: MergeConfig) -> tuple[str, ...]:
    return tuple(relative_to(location, str(config.out)) for location in config.withdrawals)


@dataclass
class _Work:
    """What a merge has found out about its sets before it writes."""

    config: MergeConfig
    sets: list[ShardSet]
    parents: tuple[Parent, ...]
    tombstones: dict[str, Tombstone]
    conflicts: Conflicts
    clusters: Clusters
    strictest: dict[str, Statement]
    num_moved: int = 0
    _seen: set[str] = field(default_factory=set)
    _splits: dict[str, Split] = field(default_factory=dict)

    @classmethod
    def of(cls, config: MergeConfig, sets: list[ShardSet], parents: tuple[Parent, ...]) -> _Work:
        """Compare the sets.

        Raises:
            BadInput: a key occurs in two sets.
        """
        tombstones = _tombstones(config, sets)
        conflicts = Conflicts(sets, config.policy, frozenset(tombstones))
        if config.report:
            write_json(config.report, {"num_conflicts": len(conflicts), "conflicts": conflicts.as_json()})
        if len(conflicts) and config.duplicates == "refuse":
            raise BadInput(
                conflicts.summary(),
                where=config.out,
                remedy="leave a set out, or merge with --duplicates first: then the first set's picture and"
                " texts count, and the strictest of the rights",
            )
        known = KnownColours(config.out / MERGE_STAGING / COLOURS_NAME)
        clusters = clusters_of(sets, config.near_duplicate_bits, known)
        if not config.dry_run:
            known.save()
        return cls(config, sets, parents, tombstones, conflicts, clusters, conflicts.strictest())

    @property
    def num_samples(self) -> int:
        """How many samples the result will have."""
        keys = {row["key"] for one in self.sets for row in one.rows(("key",))}
        return len(keys - self.tombstones.keys())

    def write(self, folder: Path) -> None:
        """Write the merged set into an empty folder."""
        about: dict[str, Any] = {
            "name": self.config.name,
            "policy": f"{self.config.policy}@{POLICY_VERSION}",
            "created_at": clock.now(self.config.created_at),
            "created_by": created_by(),
            "parents": self.parents,
            "tombstones": tuple(self.tombstones.values()),
            "withdrawals": _lists(self.config),
        }
        with progress("merge", total=sum(len(one) for one in self.sets), unit="samples") as meter:
            if self.config.by_reference:
                with ReferenceSetWriter(folder, **about) as references:
                    self._refer(references, meter)
            else:
                about["max_shard_bytes"] = self.config.storage.max_shard_bytes
                with ShardSetWriter(folder, **about) as writer:
                    self._copy(writer, meter)
        add_to_list(folder / LIST_NAME, (key for key, one in self.tombstones.items() if is_final(one)))

    def _copy(self, writer: ShardSetWriter, meter: Meter) -> None:
        for one, parent in zip(self.sets, self.parents, strict=True):
            inner = {shard.name: shard.weight for shard in one.manifest.shards}
            for shard, record, image in one.placed_samples():
                meter.advance()
                if self._is_left_out(record.key):
                    continue
                writer.weigh(_product(parent.weight, inner[shard]))
                writer.add(self._changed(record), image)

    def _changed(self, record: Record) -> Record:
        group, split = self._side(record.group, record.split)
        rights = judged_again(self._stated(record.key, record.rights), self.config.policy)
        return record.model_copy(update={"group": group, "split": split, "rights": rights})

    def _refer(self, writer: ReferenceSetWriter, meter: Meter) -> None:
        verdicts: dict[Any, Rights] = {}
        for part, (one, parent) in enumerate(zip(self.sets, self.parents, strict=True)):
            shards = {shard.name: self._reference(one, shard, parent) for shard in one.manifest.shards}
            for row in one.rows():
                meter.advance()
                if self._is_left_out(row["key"]):
                    continue
                stated = self._stated(row["key"], rights_of(row, self.config.policy))
                identity = stated.raw, stated.uri, stated.opt_out
                if identity not in verdicts:
                    verdicts[identity] = judged_again(stated, self.config.policy)
                writer.add(self._changed_row(row, verdicts[identity]), shards[row["shard"]], part)

    def _changed_row(self, row: dict[str, Any], rights: Rights) -> dict[str, Any]:
        group, split = self._side(row["group"], row["split"])
        return {
            **row,
            "group": group,
            "split": split,
            "rights_raw": rights.raw,
            "rights_uri": rights.uri,
            "train": rights.train,
            "display": rights.display,
            "opt_out": list(rights.opt_out),
        }

    def _reference(self, one: ShardSet, shard: Shard, parent: Parent) -> Shard:
        at = relative_to(one.location_of(shard.name), str(self.config.out))
        return shard.model_copy(update={"at": at, "weight": _product(parent.weight, shard.weight)})

    def _is_left_out(self, key: str) -> bool:
        """Whether a sample is withdrawn, or came before. Withdrawn in one set is withdrawn in all."""
        if key in self.tombstones or key in self._seen:
            return True
        self._seen.add(key)
        return False

    def _side(self, group: str, split: Split) -> tuple[str, Split]:
        """The group and split of a sample, as those of its group in an earlier set."""
        group = self.clusters.name(group)
        chosen = self._splits.setdefault(group, split)
        self.num_moved += chosen != split
        return group, chosen

    def _stated(self, key: str, rights: Rights) -> Rights:
        """The rights of a sample; where the sets disagree, their strictest statement."""
        if key not in self.strictest:
            return rights
        raw, uri, opt_out = self.strictest[key]
        return rights.model_copy(update={"raw": raw, "uri": uri, "opt_out": opt_out})

    def say(self) -> None:
        """Print what was joined, moved and decided."""
        if len(self.conflicts):
            print(f"{self.conflicts.summary()}\nthe first set's counted, with the strictest of the rights")
        if self.clusters.num_joined:
            print(
                f"{self.clusters.num_joined} groups were joined: they hold copies or near-duplicates of a"
                " picture"
            )
        if self.num_moved:
            print(
                f"{self.num_moved} samples changed sides of the split, to stay with their group in an earlier"
                " set"
            )


def _tombstones(config: MergeConfig, sets: list[ShardSet]) -> dict[str, Tombstone]:
    """The tombstones of all sets without private reasons, and one for each sample that a list withdraws."""
    found: dict[str, Tombstone] = {}
    at = clock.now(config.created_at)
    for one in sets:
        for stone in one.manifest.tombstones:
            reason = WITHDRAWN if is_final(stone) else stone.reason
            if stone.key not in found or is_final(stone):
                found[stone.key] = stone.model_copy(update={"reason": reason})
    listed = listed_for(config.out) | listed_at(config.withdrawals)
    listed = listed.union(*(one.withdrawn for one in sets))
    if listed - found.keys():
        keys = {row["key"] for one in sets for row in one.all_rows(("key",))}
        for key in sorted((listed & keys) - found.keys()):
            found[key] = Tombstone(key=key, reason=WITHDRAWN, at=at)
    return found


def _product(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return one * other
