"""`iconoclip texts`: downloads what institutions know of the text of pages, for `iconoclip segment`.

A document that is there already is not requested again, so the same command continues where it stopped.
OUT/texts.json lists what could not be used, with the reasons; it is written last.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final

from data_prep.candidate import Refusal
from data_prep.harvest.client import pace_of
from data_prep.institutions import profile_for
from data_prep.network.addresses import AllowList
from data_prep.network.fetch import Fetcher, Limits
from data_prep.page_text.config import TextsConfig
from data_prep.page_text.fetching import Document, TextFetcher
from iconoclip.errors import SomeRefused
from iconoclip.files import atomic_write, write_json
from iconoclip.progress import Meter, progress
from iconoclip.record import Record
from iconoclip.shardset import ShardSet

REPORT_NAME: Final = "texts.json"
_MAX_LISTED: Final = 10_000
_AT_ONCE: Final = 4


@dataclass
class _Result:
    """What came of the pages."""

    num_new: int = 0
    num_known: int = 0
    num_without: int = 0
    refused: list[dict[str, str]] = field(default_factory=list)

    def note(self, key: str, refusals: tuple[Refusal, ...]) -> None:
        """Remember why a page has no text."""
        self.refused += [{"key": key, "where": each.source, "reason": each.reason} for each in refusals]


def texts(config: TextsConfig) -> int:
    """Run the verb.

    Raises:
        MissingRequirement: there is no such shard set.
        ConfigError: a host is not this machine, and no contact is given.
        SomeRefused: finished, but some documents could not be used.
    """
    pages = ShardSet(config.shardset)
    config.out.mkdir(parents=True, exist_ok=True)
    known = {path.stem for path in config.out.iterdir() if path.is_file()}
    result = _Result()
    with progress("texts", total=len(pages), unit="pages") as meter:
        asyncio.run(_download(config, pages, known, result, meter))
    write_json(
        config.out / REPORT_NAME,
        {
            "num_texts": result.num_new + result.num_known,
            "num_without": result.num_without,
            "num_refused": len(result.refused),
            "refused": result.refused[:_MAX_LISTED],
        },
    )
    count = result.num_new + result.num_known
    print(f"{count} of {len(pages)} pages have a text in {config.out}", file=sys.stderr)
    if result.refused:
        raise SomeRefused(
            f"{len(result.refused)} documents could not be used",
            where=config.out / REPORT_NAME,
            remedy="the rest is done; the same command tries them again",
        )
    return 0


async def _download(
    config: TextsConfig, pages: ShardSet, known: set[str], result: _Result, meter: Meter
) -> None:
    network = config.network
    fetcher = Fetcher(
        contact=config.contact,
        allowed=AllowList(network.allow_hosts),
        pace_of=lambda host: pace_of(host, network, profile_for),
        limits=Limits(
            network.max_attempts, network.stall_seconds, network.max_wait_seconds, network.retry_seconds
        ),
        proxy=network.proxy,
    )
    async with fetcher:
        client = TextFetcher(fetcher)
        limit = asyncio.Semaphore(_AT_ONCE)

        async def one(record: Record) -> None:
            async with limit:
                await _page(config.out, client, record, known, result)
                meter.advance()

        # One object at a time: its manifest is then fetched once.
        for manifest, group in groupby(_records(pages), key=lambda record: record.source.manifest):
            records = list(group)
            await one(records[0])
            if manifest is not None:
                await _structure(config.out, client, manifest, known, result)
            await asyncio.gather(*map(one, records[1:]))


async def _structure(out: Path, client: TextFetcher, manifest: str, known: set[str], result: _Result) -> None:
    """Download what tells the kinds of a volume's pages: its manifest's ranges, and its METS document if the
    manifest names one."""
    volume = hashlib.sha256(manifest.encode()).hexdigest()[:16]
    if f"{volume}.manifest" not in known and (ranges := await client.ranges(manifest)) is not None:
        with atomic_write(out / f"{volume}.manifest.json") as file:
            file.write(ranges)
    name = f"{volume}.mets"
    if name in known:
        return
    found = await client.structure(manifest)
    if isinstance(found, Refusal):
        result.note(manifest, (found,))
    elif found is not None:
        with atomic_write(out / f"{name}.xml") as file:
            file.write(found)


def _records(pages: ShardSet) -> Iterator[Record]:
    table = pages.table(["shard", "record_offset", "record_size"])
    columns = (table[name].to_pylist() for name in ("shard", "record_offset", "record_size"))
    for shard, offset, size in zip(*columns, strict=True):
        yield pages.read_record(shard, offset, size)


async def _page(out: Path, client: TextFetcher, record: Record, known: set[str], result: _Result) -> None:
    if record.key in known:
        result.num_known += 1
        return
    image = record.image
    size = (image.source_width or image.width, image.source_height or image.height)
    found = await client.document(record, size)
    if not isinstance(found, Document):
        result.num_without += 1
        result.note(record.key, found)
        return
    with atomic_write(out / f"{record.key}{found.suffix}") as file:
        file.write(found.body)
    result.num_new += 1
