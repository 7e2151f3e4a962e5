"""`iconoclip merge`: the shard sets of several institutions -> one.

Samples are streamed and parents are named by their digests. Withdrawn samples are left out and their
tombstones are kept, so that merging an old copy does not bring them back. Verdicts are computed again under
one policy: a permission stored in a set is not trusted, and a refusal is never loosened. Copies and
near-duplicates across the sets join their groups, so that no picture is on two sides of the split.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from data_prep.contribute.config import MergeConfig
from data_prep.contribute.copies import clusters_of
from data_prep.harvest.recording import created_by
from data_prep.near_duplicates import Clusters
from iconoclip import clock
from iconoclip.errors import BadInput, ConfigError, DamagedData, IconoclipError
from iconoclip.progress import progress
from iconoclip.record import Record, Rights, Split
from iconoclip.rights import POLICY_VERSION, judge
from iconoclip.shardset import Parent, ShardSet, ShardSetManifest, ShardSetWriter, Tombstone
from iconoclip.vocabulary import PolicyName


def merge(config: MergeConfig) -> int:
    """Merge `config.shardsets` into `config.out`.

    Raises:
        MissingRequirement: an input is no shard set.
        DamagedData: an input's checksum differs.
        BadInput: a key occurs in two sets.
        ConfigError: the output folder is an input, or holds another set.
        TryAgainLater: the disk is full.
    """
    sets = [ShardSet(folder) for folder in config.shardsets]
    parents = tuple(Parent(name=one.manifest.name, digest=one.digest) for one in sets)
    if _is_done(config, parents):
        print(f"merged already: {len(ShardSet(config.out))} samples in {config.out}")
        return 0
    for one in sets:
        one.verify()
    clusters = clusters_of(sets, config.near_duplicate_bits)
    tombstones = {tombstone.key: tombstone for one in sets for tombstone in one.manifest.tombstones}
    with (
        progress("merge", total=sum(len(one) for one in sets), unit="samples") as meter,
        ShardSetWriter(
            config.out,
            name=config.name,
            policy=f"{config.policy}@{POLICY_VERSION}",
            created_at=clock.now(config.created_at),
            created_by=created_by(),
            parents=parents,
            tombstones=tombstones.values(),
            max_shard_bytes=config.storage.max_shard_bytes,
        ) as writer,
    ):
        num_moved = _add_all(sets, writer, config, tombstones, clusters, meter.advance)
    print(f"{len(ShardSet(config.out))} samples of {len(sets)} shard sets in {config.out}")
    if clusters.num_joined:
        print(f"{clusters.num_joined} groups were joined: they hold copies or near-duplicates of a picture")
    if num_moved:
        print(f"{num_moved} samples changed sides of the split, to stay with their group in an earlier set")
    return 0


def _is_done(config: MergeConfig, parents: tuple[Parent, ...]) -> bool:
    """Whether the output is this very merge already.

    Raises:
        ConfigError: it is something else.
    """
    if config.out.resolve() in {folder.resolve() for folder in config.shardsets}:
        raise ConfigError(
            "a set cannot be merged into itself", where=config.out, remedy="choose another --out"
        )
    try:
        there = ShardSet(config.out).manifest
    except DamagedData:
        raise
    except IconoclipError:
        return False
    if _identity(there) == (config.name, f"{config.policy}@{POLICY_VERSION}", parents):
        return True
    raise ConfigError(
        "this folder holds another shard set", where=config.out, remedy="choose another --out, or remove it"
    )


def _identity(manifest: ShardSetManifest) -> tuple[str, str, tuple[Parent, ...]]:
    return manifest.name, manifest.policy, manifest.parents


def _add_all(
    sets: list[ShardSet],
    writer: ShardSetWriter,
    config: MergeConfig,
    withdrawn: dict[str, Tombstone],
    clusters: Clusters,
    advance: Callable[[], None],
) -> int:
    seen: dict[str, Path] = {}
    splits: dict[str, Split] = {}
    num_moved = 0
    for one in sets:
        for record, image in one.samples():
            advance()
            # Withdrawn in one set is withdrawn in all.
            if record.key in withdrawn:
                continue
            if record.key in seen:
                _refuse_twin(record, seen[record.key], one.folder, config)
                continue
            seen[record.key] = one.folder
            group = clusters.name(record.group)
            split = splits.setdefault(group, record.split)
            num_moved += split != record.split
            rights = judged_again(record.rights, config.policy)
            changes = {"group": group, "split": split, "rights": rights}
            writer.add(record.model_copy(update=changes), image)
    return num_moved


def _refuse_twin(record: Record, first: Path, second: Path, config: MergeConfig) -> None:
    if config.duplicates == "refuse":
        raise BadInput(
            f"the key {record.key} occurs in two sets: {first} and {second}",
            where=record.source.id,
            remedy="leave one of them out, or merge with --duplicates first",
        )


def judged_again(rights: Rights, policy: PolicyName) -> Rights:
    """The verdict under `policy`; training is a plain yes only if the record's own verdict does not deny it.

    A record from a stricter policy may gain permissions: its raw value and reservations decide. One whose URI
    differs from what its raw value means gains none.
    """
    verdict = judge(
        rights.raw or rights.uri, policy=policy, attribution=rights.attribution, opt_out=rights.opt_out
    )
    if verdict.uri != rights.uri:
        return verdict.model_copy(update={"train": "no", "redistribute": "no", "display": "link"})
    return verdict
