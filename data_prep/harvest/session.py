"""The objects that a harvest needs, made once from its config; and one run of its engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvloop

from data_prep.config import HarvestConfig
from data_prep.harvest.array import PACE_FOLDER, Share
from data_prep.harvest.documents import DocumentReader
from data_prep.harvest.engine import Engine
from data_prep.harvest.items import ItemFetcher
from data_prep.harvest.pace import pace_of, profiles
from data_prep.images.decoders import Decoders
from data_prep.images.store import Wanted
from data_prep.institutions import InstitutionProfile
from data_prep.ledger.ledger import Ledger
from data_prep.network.addresses import AllowList
from data_prep.network.fetch import Fetcher, Limits
from data_prep.sources.address_list import addresses_of
from iconoclip.errors import ConfigError
from iconoclip.progress import Meter
from iconoclip.record import is_slug

LEDGER_FOLDER = ".harvest"


@dataclass(frozen=True)
class Session:
    """A harvest that writes a shard set.

    Args:
        config: the settings of the harvest.
        out: the folder of the shard set.
        profile_of: gives the institution of a document by its address.
        image_folder: the folder of images without an http address, which only tables have.
        share: this task's share of the work in an array; None means all of it.
    """

    config: HarvestConfig
    out: Path
    profile_of: Callable[[str], InstitutionProfile]
    image_folder: Path | None = None
    share: Share | None = None

    @classmethod
    def of(cls, config: HarvestConfig, image_folder: Path | None = None) -> Session:
        """The session of a config.

        Raises:
            ConfigError: it names no output folder.
        """
        if config.out is None:
            raise ConfigError("no output folder", remedy="give --out, or --dry-run to see what it would hold")
        share = None
        if config.num_tasks > 1 and config.task is not None:
            share = Share(config.task, config.num_tasks, config.out / LEDGER_FOLDER)
        return cls(config, config.out, profiles(config), image_folder, share)

    @property
    def folder(self) -> Path:
        """The folder of the ledger, or of the ledgers of an array's tasks."""
        return self.out / LEDGER_FOLDER

    @property
    def name(self) -> str:
        """The set's name: from the config, otherwise the institution's slug, otherwise the folder's name."""
        if self.config.name:
            return self.config.name
        sources = self.config.sources
        slug = self.profile_of(next(addresses_of(sources[:1]), sources[0])).slug
        own = self.out.name.lower()
        return own if self.config.institution is None and slug == "local" and is_slug(own) else slug

    def run(self, ledger: Ledger, meter: Meter) -> dict[str, str]:
        """Download until nothing is left that can be done now. Returns the paused
        hosts, each with the reason.
        """
        return uvloop.run(self._run(ledger, meter))

    async def _run(self, ledger: Ledger, meter: Meter) -> dict[str, str]:
        config = self.config
        wanted = Wanted(config.max_side_pixels, config.storage.jpeg_quality, config.storage.max_pixels)
        async with (
            fetcher_for(config, ledger, self.profile_of) as fetcher,
            Decoders(wanted, config.num_workers) as decoders,
        ):
            number = int(ledger.get("round") or 0)
            documents = DocumentReader(
                config, fetcher, self.profile_of, share=self.share, round_number=number
            )
            items = ItemFetcher(
                config, ledger, fetcher, decoders, image_folder=self.image_folder, round_number=number
            )
            return await Engine(config, ledger, fetcher, documents, items, meter).run()


def fetcher_for(
    config: HarvestConfig, ledger: Ledger, profile_of: Callable[[str], InstitutionProfile]
) -> Fetcher:
    """The HTTP client of this harvest."""
    network = config.network
    return Fetcher(
        contact=config.contact,
        allowed=AllowList(network.allow_hosts, addresses_of(config.sources)),
        pace_of=lambda host: pace_of(host, config, profile_of),
        limits=Limits(
            network.max_attempts, network.stall_seconds, network.max_wait_seconds, network.retry_seconds
        ),
        memory=ledger,
        pace_folder=config.out / LEDGER_FOLDER / PACE_FOLDER if config.num_tasks > 1 and config.out else None,
        proxy=network.proxy,
    )
