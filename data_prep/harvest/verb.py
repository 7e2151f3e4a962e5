"""`iconoclip harvest`: collections in, a shard set out. Stopped at any moment, it goes on where it was."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from data_prep.config import HarvestConfig
from data_prep.harvest.array import PACE_FOLDER, Share, join, task_folder, waiting_for
from data_prep.harvest.documents import DocumentReader, refused_for_rights
from data_prep.harvest.engine import Engine
from data_prep.harvest.items import ItemFetcher
from data_prep.harvest.recording import Recorder
from data_prep.harvest.report import already_finished, must_wait, nothing_usable, report_of_harvest, say
from data_prep.harvest.shards import LostBytes, TooManyWithdrawals, hand_over, pack
from data_prep.images.decoders import Decoders
from data_prep.images.store import Wanted
from data_prep.institutions import HostLimit, InstitutionProfile, load_profile, profile_for
from data_prep.ledger.absence import drop_what_is_no_longer_listed
from data_prep.ledger.database import LEDGER_NAME, exclusive_lock
from data_prep.ledger.jobs import CANDIDATE, LinkRow
from data_prep.ledger.joining import forget_what_was_withdrawn
from data_prep.ledger.ledger import IDENTITY_FIELDS, Ledger
from data_prep.ledger.rounds import begin_round, retry_not_known, retry_refused, round_times
from data_prep.ledger.walk import settle
from data_prep.network.addresses import AllowList
from data_prep.network.fetch import Fetcher, Limits
from data_prep.network.hosts import Pace
from data_prep.sources.registry import roots
from iconoclip import clock, locks
from iconoclip.addresses import is_loopback
from iconoclip.errors import BadInput, ConfigError, DamagedData
from iconoclip.progress import Meter, progress
from iconoclip.record import is_slug
from iconoclip.shardset import MANIFEST_NAME

LEDGER_FOLDER = ".harvest"
MAX_PACKINGS = 3


def harvest(config: HarvestConfig) -> int:
    """Harvest `config.sources` into the shard set `config.out`.

    Raises:
        SomeRefused: done, but some items were refused; the report says which.
        BadInput: nothing usable, or the folder holds another harvest.
        RightsForbid: everything was refused for its rights.
        ConfigError: a host beyond this machine, and no contact.
        TryAgainLater: the disk is full, or servers ask to wait longer than `max_wait_seconds`.
    """
    if config.dry_run:
        from data_prep.harvest.dry_run import dry_run

        return dry_run(config)
    assert config.out is not None
    if config.num_tasks > 1:
        return _harvest_share(config)
    with Ledger(task_folder(config.out / LEDGER_FOLDER, 0, 1)) as ledger:
        if not _prepare(ledger, config):
            return already_finished(config.out)
        return fetch_and_pack(ledger, config, name=_name(config))


def _harvest_share(config: HarvestConfig) -> int:
    """One task's share of an array; the last to finish packs."""
    assert config.out is not None
    assert config.task is not None
    folder = config.out / LEDGER_FOLDER
    # The tasks share each host's rate limit through file locks.
    locks.require(folder)
    with Ledger(task_folder(folder, config.task, config.num_tasks)) as ledger:
        if _prepare(ledger, config) and not ledger.get("fetched"):
            share = Share(config.task, config.num_tasks, folder)
            parked = _fetch_everything(ledger, config, None, share)
            if parked and not config.pack_incomplete:
                raise must_wait(parked, ledger)
            ledger.note(fetched="yes")
    waiting = waiting_for(folder, config)
    if waiting:
        print(f"task {config.task} of {config.num_tasks} has fetched its share; {len(waiting)} still have to")
        return 0
    return _pack_joined(config, folder)


def _pack_joined(config: HarvestConfig, folder: Path) -> int:
    assert config.out is not None
    whole = config.model_copy(update={"task": None})
    try:
        lock = exclusive_lock(folder / "join.lock")
    except BadInput:
        # Two tasks may end at once. Should the other die over it, any task that runs again packs.
        print(f"task {config.task} of {config.num_tasks} has fetched its share; another packs")
        return 0
    with lock:
        join(folder, config)
        with Ledger(folder) as ledger:
            take_over(ledger, config)
            if ledger.get("finished"):
                return already_finished(config.out)
            return fetch_and_pack(ledger, whole, name=_name(config))


def _prepare(ledger: Ledger, config: HarvestConfig) -> bool:
    """Get a ledger ready to work with. Returns False when its harvest is finished and nothing more is wanted."""
    assert config.out is not None
    same_harvest(ledger, config)
    if config.num_tasks == 1:
        take_over(ledger, config)
    else:
        forget_what_was_withdrawn(ledger.database, config.out / LEDGER_FOLDER / LEDGER_NAME)
    is_done = ledger.get("finished") or ledger.get("fetched")
    if is_done and not _begin_round(ledger, config):
        return config.num_tasks > 1
    if not is_done and ledger.get("config") is not None:
        # What ended without a set is looked at anew by a refresh; what broke off is continued.
        if config.refresh and ledger.get("stopped"):
            begin_round(ledger, clock.now(config.harvested_at))
        else:
            retry_not_known(ledger)
    if ledger.get("config") is None:
        links = roots(config.sources, config.source)
        _need_contact(config, links)
        ledger.begin(config, clock.now(config.harvested_at))
        ledger.add_roots(links)
    return True


def fetch_and_pack(
    ledger: Ledger, config: HarvestConfig, *, name: str, image_folder: Path | None = None
) -> int:
    """Do what the ledger still holds, then pack; the common road of every source.

    Args:
        name: of the shard set.
        image_folder: where a table's images are read from.
    """
    assert config.out is not None
    recorder = Recorder(config, round_times(ledger))
    for _ in range(MAX_PACKINGS):
        parked = _fetch_everything(ledger, config, image_folder)
        if parked and not config.pack_incomplete:
            raise must_wait(parked, ledger)
        if not ledger.get("changed") and (config.out / MANIFEST_NAME).exists():
            _finish(ledger)
            return already_finished(config.out, "nothing has changed since")
        try:
            packed = pack(ledger, config, recorder, config.out, name)
        except LostBytes:
            continue
        except TooManyWithdrawals:
            ledger.note(stopped="yes")
            raise
        except BadInput:
            ledger.note(stopped="yes")
            raise nothing_usable(ledger, config.out) from None
        report = report_of_harvest(ledger, packed, config.out)
        _finish(ledger)
        return say(report, config.out)
    raise DamagedData(
        "stored images keep changing on the disk",
        where=ledger.folder,
        remedy="check the disk, or choose another --out",
    )


def _fetch_everything(
    ledger: Ledger, config: HarvestConfig, image_folder: Path | None, share: Share | None = None
) -> dict[str, str]:
    """Fetch until nothing is left; then settle which candidate speaks for each key, and fetch what that changed."""
    while True:
        with progress("harvest", unit="images") as meter, _terminate_as_interrupt():
            parked = uvloop.run(_run(ledger, config, meter, image_folder, share))
        if share is None:
            forget_what_is_no_longer_listed(ledger)
        if not settle(
            ledger, lambda candidate: refused_for_rights(CANDIDATE.validate_json(candidate), config)
        ):
            return parked


def forget_what_is_no_longer_listed(ledger: Ledger) -> None:
    """What lists do not name any more is withdrawn, where all of them were read to their end."""
    with ledger.transaction():
        is_news = drop_what_is_no_longer_listed(ledger.database)
    if is_news:
        ledger.note(changed="yes")


async def _run(
    ledger: Ledger,
    config: HarvestConfig,
    meter: Meter,
    image_folder: Path | None,
    share: Share | None,
) -> dict[str, str]:
    profile_of = profiles(config)
    wanted = Wanted(config.max_side_pixels, config.jpeg_quality, config.max_pixels)
    async with (
        fetcher_for(config, ledger, profile_of) as fetcher,
        Decoders(wanted, config.num_workers) as decoders,
    ):
        round_number = int(ledger.get("round") or 0)
        documents = DocumentReader(config, fetcher, profile_of, share=share, round_number=round_number)
        items = ItemFetcher(
            config, ledger, fetcher, decoders, image_folder=image_folder, round_number=round_number
        )
        engine = Engine(config, ledger, fetcher, documents, items, meter)
        return await engine.run()


def fetcher_for(
    config: HarvestConfig, ledger: Ledger, profile_of: Callable[[str], InstitutionProfile]
) -> Fetcher:
    """The client of this harvest."""
    return Fetcher(
        contact=config.contact,
        allowed=AllowList(config.allow_hosts, config.sources),
        pace_of=lambda host: pace_of(host, config, profile_of),
        limits=Limits(
            config.max_attempts, config.stall_seconds, config.max_wait_seconds, config.retry_seconds
        ),
        memory=ledger,
        pace_folder=config.out / LEDGER_FOLDER / PACE_FOLDER if config.num_tasks > 1 and config.out else None,
        proxy=config.proxy,
    )


def pace_of(host: str, config: HarvestConfig, profile_of: Callable[[str], InstitutionProfile]) -> Pace:
    """The pace of a host: its profile's, else the config's, else a careful one; this machine bears more."""
    name = host.rpartition(":")[0] if ":" in host else host
    limit = _limit_of(name, profile_of(f"https://{host}/")) or _limit_of(
        name, profile_for(f"https://{host}/")
    )
    if limit is not None:
        return Pace(
            60 / limit.requests_per_minute, limit.concurrency, limit.cool_down_seconds, limit.refusal_is_final
        )
    if is_loopback(name):
        interval = 60 / config.requests_per_minute if config.requests_per_minute else 0.0
        return Pace(interval, config.concurrency or 8, cool_down_seconds=1.0)
    return Pace(60 / (config.requests_per_minute or 60), config.concurrency or 2)


def _limit_of(host: str, profile: InstitutionProfile) -> HostLimit | None:
    labels = host.split(".")
    names = (".".join(labels[start:]) for start in range(len(labels)))
    return next((profile.hosts[name] for name in names if name in profile.hosts), None)


def profiles(config: HarvestConfig) -> Callable[[str], InstitutionProfile]:
    """Which institution a document belongs to: the one the config names, else by its address."""
    if config.institution is None:
        return profile_for
    profile = load_profile(config.institution)
    return lambda _: profile


@contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """A scheduler's SIGTERM ends a harvest as Ctrl-C does: what is finished is kept."""

    def interrupt(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


# The life of a ledger


def same_harvest(ledger: Ledger, config: HarvestConfig) -> None:
    """Refuse to mix two harvests in one folder."""
    values = {
        name: value for name, value in config.model_dump(mode="json").items() if name in IDENTITY_FIELDS
    }
    known = ledger.get("config")
    if known is None:
        return
    before = json.loads(known)
    differing = [name for name in IDENTITY_FIELDS if before.get(name) != values.get(name)]
    if differing:
        name = differing[0]
        raise ConfigError(
            f"this folder holds a harvest with another `{name}`: {before.get(name)!r}, now {values.get(name)!r}",
            where=config.out,
            remedy="choose another --out, or give the same settings to go on",
        )


def take_over(ledger: Ledger, config: HarvestConfig) -> None:
    """Finish what a killed process had packed and not yet put into place."""
    assert config.out is not None
    if hand_over(config.out / LEDGER_FOLDER, config.out):
        _finish(ledger)


def _need_contact(config: HarvestConfig, links: list[LinkRow]) -> None:
    real = next(
        (row.uri for row in links if row.host and not is_loopback(urlsplit(row.uri).hostname or "")),
        None,
    )
    if real and config.contact is None:
        raise ConfigError(
            "no contact is configured, and a server beyond this machine is to be asked",
            where=real,
            remedy="say who you are: --contact you@your.institution (or a web page about your harvest)",
        )


def _begin_round(ledger: Ledger, config: HarvestConfig) -> bool:
    """Put everything back to pending for a refresh, or the refused alone for another try."""
    if config.refresh:
        begin_round(ledger, clock.now(config.harvested_at))
        return True
    return retry_refused(ledger) if config.retry_refused else retry_not_known(ledger)


def _finish(ledger: Ledger) -> None:
    ledger.note(finished="yes")
    ledger.drop_spools()


def _name(config: HarvestConfig) -> str:
    """The set's name: as configured, else the institution's slug, else the folder's name."""
    if config.name:
        return config.name
    slug = profiles(config)(config.sources[0]).slug
    if (
        config.institution is None
        and slug == "local"
        and config.out is not None
        and is_slug(config.out.name.lower())
    ):
        return config.out.name.lower()
    return slug
