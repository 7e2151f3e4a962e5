"""`iconoclip remap`: apply another mapping to a shard set, offline.

Captions, creators, dates, languages, object types and rights are computed again from the raw pairs of each
record, with the function that a harvest uses (data_prep.description.raw). Images, keys, groups and splits
stay. So the result is that of a fresh harvest with the new mapping, byte for byte, without a request.

The new set is built in another folder (`.remap`), then moved into place like a harvest; a process killed in
between leaves the old set or finishes the new one at the next call.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Final

from data_prep.composition import changes_in
from data_prep.contribute.changes import Changes
from data_prep.contribute.config import RemapConfig
from data_prep.description.raw import Describer, why_no_region
from data_prep.harvest.recording import rights_refusal
from data_prep.iiif.document import web_address
from data_prep.institutions import InstitutionProfile, load_profile, profile_by_slug
from iconoclip.errors import BadInput, ConfigError
from iconoclip.progress import progress
from iconoclip.record import RawPair, Record, Rights, Train
from iconoclip.replacing import hand_over
from iconoclip.rights import POLICY_VERSION, judge
from iconoclip.shardset import SIGNATURE_NAME, ShardSet, ShardSetWriter
from iconoclip.vocabulary import PolicyName

STAGING: Final = ".remap"
_LOOSENESS: Final[dict[Train, int]] = {"no": 0, "review": 1, "yes": 2}


def remap(config: RemapConfig) -> int:
    """Show what another mapping changes in a shard set, and write it if that is confirmed.

    Raises:
        MissingRequirement: no shard set there, or no such profile or composition.
        DamagedData: a file of the set differs from its checksum.
        BadInput: no record keeps what its source said, or nothing would be left.
        ConfigError: nobody has confirmed the change.
        TryAgainLater: the disk is full.
    """
    staging = config.shardset / STAGING
    hand_over(staging, config.shardset)
    shardset = ShardSet(config.shardset)
    shardset.verify()
    mapper = Mapper(config, shardset)
    changes = _survey(shardset, mapper)
    if changes.num_without_raw == changes.num_records:
        raise BadInput(
            "no record of this set keeps what its source said, so there is nothing to map again",
            where=config.shardset,
            remedy="sets of older versions do not; harvest or pack it again once",
        )
    print(changes.summary())
    if config.dry_run:
        print("dry run: nothing was written")
        return 0
    if not changes.num_changed:
        print("nothing changes; the set was not written")
        return 0
    _need_confirmation(config)
    was_signed = (config.shardset / SIGNATURE_NAME).exists()
    _write(shardset, mapper, staging, config)
    hand_over(staging, config.shardset)
    staging.rmdir()
    print(f"{len(ShardSet(config.shardset))} samples in {config.shardset}")
    _say_what_no_longer_fits(config.shardset, was_signed=was_signed)
    return 0


def _survey(shardset: ShardSet, mapper: Mapper) -> Changes:
    changes = Changes()
    with progress("compare", total=len(shardset), unit="samples") as meter:
        for record in shardset.records():
            changes.add(record, mapper.mapped(record))
            meter.advance()
    return changes


def _need_confirmation(config: RemapConfig) -> None:
    if config.yes:
        return
    if sys.stdin.isatty() and input("write this? [y/N] ").strip().lower() in ("y", "yes"):
        return
    raise ConfigError(
        "nothing was written: the change is not confirmed",
        where=config.shardset,
        remedy="read the summary above, then run it again with --yes",
    )


def _write(shardset: ShardSet, mapper: Mapper, staging: Path, config: RemapConfig) -> None:
    shutil.rmtree(staging, ignore_errors=True)
    manifest = shardset.manifest
    building = staging / "packing"
    with (
        progress("remap", total=len(shardset), unit="samples") as meter,
        ShardSetWriter(
            building,
            name=manifest.name,
            policy=mapper.policy,
            created_at=manifest.created_at,
            created_by=manifest.created_by,
            parents=manifest.parents,
            tombstones=manifest.tombstones,
            max_shard_bytes=config.storage.max_shard_bytes,
        ) as writer,
    ):
        for record, image in shardset.samples():
            meter.advance()
            mapped = mapper.mapped(record)
            if isinstance(mapped, Record):
                writer.add(mapped, image)
    building.rename(staging / "packed")


def _say_what_no_longer_fits(folder: Path, *, was_signed: bool) -> None:
    if was_signed:
        print(f"{SIGNATURE_NAME} was of the set before and was removed: `iconoclip sign` signs the set again")
    if (folder / "README.md").exists():
        print("README.md and croissant.json are of the set before: `iconoclip card` writes them again")
    if (folder / ".harvest").exists():
        print("this folder's harvest keeps its own mapping: remap the set again after each refresh")


class Mapper:
    """Maps records again.

    Args:
        config: profile, composition, policy.
        shardset: its policy applies unless the config names another.
    """

    def __init__(self, config: RemapConfig, shardset: ShardSet) -> None:
        self._config = config
        self._changes = changes_in(config.composition)
        self._describers: dict[str, Describer] = {}
        name = config.policy or shardset.manifest.policy.partition("@")[0]
        self._policy: PolicyName = name  # type: ignore[assignment]
        self.policy = f"{name}@{POLICY_VERSION}"
        self._is_merged = bool(shardset.manifest.parents)

    def mapped(self, record: Record) -> Record | str:
        """The record under the new mapping, or why it is left out; one without raw pairs stays as it is."""
        if not record.raw:
            return record
        raw = tuple(self._read_as(pair) for pair in record.raw)
        told = self._describer(record).describe(raw, record.num_images)
        rights = judge(
            told.rights_raw,
            policy=self._policy,
            attribution=told.attribution,
            opt_out=record.rights.opt_out,
        )
        is_partial = self._is_merged or record.raw_num_dropped > 0
        if is_partial and _LOOSENESS[rights.train] > _LOOSENESS[record.rights.train]:
            # A parent denied it, or something was said that the record had no room for.
            rights = record.rights
        reason = rights_refusal(rights, self._keep(record.rights)) or why_no_region(raw, told)
        if reason is not None:
            return reason
        by_machines = tuple(one for one in record.captions if one.origin.startswith("machine:"))
        return record.model_copy(
            update={
                "source": record.source.model_copy(update={"homepage": web_address(told.homepage)}),
                "captions": (*told.captions, *by_machines),
                "iconclass": told.iconclass,
                "creators": told.creators,
                "date": told.date,
                "object_type": told.object_type,
                "rights": rights,
                "raw": raw,
            }
        )

    def _keep(self, before: Rights) -> str:
        """`all` if the set holds an item that may not be used: it was made with `keep: all`."""
        return "all" if rights_refusal(before, "usable") is not None else "usable"

    def _read_as(self, pair: RawPair) -> RawPair:
        field = self._config.read_as.get(pair.label)
        return pair if field is None else pair.model_copy(update={"field": field})

    def _describer(self, record: Record) -> Describer:
        slug = record.institution.slug
        if slug not in self._describers:
            self._describers[slug] = Describer(self._profile(record).with_composition(self._changes))
        return self._describers[slug]

    def _profile(self, record: Record) -> InstitutionProfile:
        if self._config.institution:
            return load_profile(self._config.institution)
        return profile_by_slug(record.institution.slug) or InstitutionProfile(
            slug=record.institution.slug, name=record.institution.name, is_generic=True
        )
