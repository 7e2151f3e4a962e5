"""The objects that a harvest needs, made once from its config; and one run of its engine."""

from __future__ import annotations

import contextlib
import functools
import json
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import uvloop

from data_prep.config_groups import Network, Storing
from data_prep.harvest.array import PACE_FOLDER, Share
from data_prep.harvest.client import fetcher_for
from data_prep.harvest.config import HarvestConfig, SourceKind
from data_prep.harvest.documents import DocumentReader
from data_prep.harvest.engine import Engine
from data_prep.harvest.items import ItemFetcher
from data_prep.images.decoders import Decoders
from data_prep.images.store import Wanted
from data_prep.institutions import InstitutionProfile, profiles
from data_prep.ledger.ledger import Ledger
from data_prep.sources.address_list import addresses_of
from iconoclip.config import renamed_fields
from iconoclip.errors import ConfigError
from iconoclip.progress import Meter
from iconoclip.record import is_slug
from iconoclip.withdrawals import listed_for

LEDGER_FOLDER = ".harvest"
# The settings that make two harvests the same, because they decide which samples a set contains. The others
# (rate limits, bounds, attempts) may change between runs.
IDENTITY_FIELDS = (
    "sources", "source", "institution", "name", "policy", "keep", "max_side_pixels",
    "storage.jpeg_quality", "split.val_share", "split.test_share", "split.seed", "split.near_duplicate_bits",
    "storage.max_shard_bytes", "num_tasks", "task", "composition",
)  # fmt: skip


@dataclass(frozen=True)
class Session:
    """A harvest that writes a shard set, with every setting decided. `harvest` and `pack` each make one.

    Args:
        out: the folder of the shard set.
        name: the name of the shard set.
        sources: the addresses, files and folders that the user named.
        kind: the kind of the sources; `auto` detects it.
        storing: how images are stored, and which are.
        network: which servers may be contacted, and the limits.
        identity: the values that decide what the set contains (`identity_of`).
        profile_of: gives the institution of a document by its address.
        contact: whom a server's operator may write to.
        again: which part of a finished harvest is requested again: failures, also what was gone, or
            everything.
        confirm_withdrawals: whether a large part of the set may be withdrawn.
        pack_incomplete: whether to pack even if servers ask to wait for the rest.
        image_folder: the folder of images without an http address, which only tables have.
        max_file_bytes: larger files of that folder are refused; None for the bound of downloads.
        trusted: addresses whose hosts may be contacted even if they are private, in addition to the sources.
        fetches_images: whether images are downloaded; a catalogue only lists them.
        num_tasks: the number of tasks that share this harvest.
        share: this task's share of the work in an array; None means all of it.
        withdrawn: keys of which no image is requested, because a person withdrew them.
    """

    out: Path
    name: str
    sources: Sequence[str]
    storing: Storing
    identity: Mapping[str, Any]
    profile_of: Callable[[str], InstitutionProfile]
    kind: SourceKind = "auto"
    network: Network = field(default_factory=Network)
    contact: str | None = None
    again: Literal["failed", "gone", "everything"] = "failed"
    confirm_withdrawals: bool = False
    pack_incomplete: bool = False
    image_folder: Path | None = None
    max_file_bytes: int | None = None
    trusted: Sequence[str] = ()
    fetches_images: bool = True
    num_tasks: int = 1
    share: Share | None = None
    withdrawn: frozenset[str] = frozenset()

    @classmethod
    def of(cls, config: HarvestConfig) -> Session:
        """The session of a config.

        Raises:
            ConfigError: it names no output folder.
        """
        if config.out is None:
            raise ConfigError("no output folder", remedy="give --out, or --dry-run to see the records")
        profile_of = profiles(config.institution, config.composition)
        first = next(addresses_of(config.sources[:1]), config.sources[0])
        is_shared = config.num_tasks > 1 and config.task is not None
        return cls(
            out=config.out,
            name=config.name or default_name(config.out, profile_of(first), config.institution),
            sources=config.sources,
            storing=config,
            identity=identity_of(config),
            profile_of=profile_of,
            kind=config.source,
            network=config.network,
            contact=config.contact,
            again=config.again,
            confirm_withdrawals=config.confirm_withdrawals,
            pack_incomplete=config.pack_incomplete,
            num_tasks=config.num_tasks,
            share=Share(config.task or 0, config.num_tasks, config.out / LEDGER_FOLDER)
            if is_shared
            else None,
            withdrawn=listed_for(config.out),
        )

    @property
    def folder(self) -> Path:
        """The folder of the ledger, or of the ledgers of an array's tasks."""
        return self.out / LEDGER_FOLDER

    def run(self, ledger: Ledger, meter: Meter) -> dict[str, str]:
        """Download until nothing is left that can be done now. Returns the paused
        hosts, each with the reason.
        """
        return uvloop.run(self._run(ledger, meter))

    async def _run(self, ledger: Ledger, meter: Meter) -> dict[str, str]:
        storing, network = self.storing, self.network
        wanted = Wanted(storing.max_side_pixels, storing.storage.jpeg_quality, storing.storage.max_pixels)
        async with contextlib.AsyncExitStack() as stack:
            fetcher = await stack.enter_async_context(
                fetcher_for(
                    ledger,
                    network,
                    self.profile_of,
                    sources=[*self.sources, *self.trusted],
                    contact=self.contact,
                    pace_folder=self.folder / PACE_FOLDER if self.num_tasks > 1 else None,
                )
            )
            number = int(ledger.get("round") or 0)
            documents = DocumentReader(
                storing,
                network,
                fetcher,
                self.profile_of,
                accept_emptied=self.confirm_withdrawals,
                share=self.share,
                round_number=number,
            )
            items = None
            if self.fetches_images:
                items = ItemFetcher(
                    ledger,
                    fetcher,
                    await stack.enter_async_context(Decoders(wanted, storing.num_workers)),
                    max_side_pixels=storing.max_side_pixels,
                    max_bytes=network.max_image_bytes,
                    image_folder=self.image_folder,
                    max_file_bytes=self.max_file_bytes,
                    round_number=number,
                    withdrawn=self.withdrawn,
                )
            return await Engine(network, ledger, fetcher, documents, items, meter).run()


def default_name(out: Path, profile: InstitutionProfile, institution: str | None) -> str:
    """The name of a set without a configured one: the institution's slug, otherwise the folder's name."""
    own = out.name.lower()
    return own if institution is None and profile.slug == "local" and is_slug(own) else profile.slug


def identity_of(config: Storing, **more: Any) -> dict[str, Any]:
    """The values of `IDENTITY_FIELDS`, by their dotted names.

    Args:
        more: values of fields that the config does not have; a pack is one task and has no `sources`.
    """
    values = {**config.model_dump(mode="json"), **more}
    return {name: functools.reduce(operator.getitem, name.split("."), values) for name in IDENTITY_FIELDS}


def stored_identity(text: str) -> dict[str, Any]:
    """The identity with which a harvest was begun, from the ledger's JSON.

    An earlier version wrote fields that are in groups now without the group's name, and had fewer fields.
    """
    present = renamed_fields(HarvestConfig)
    values = {present.get(name, name): value for name, value in json.loads(text).items()}
    return {"composition": HarvestConfig.model_fields["composition"].default, **values}
