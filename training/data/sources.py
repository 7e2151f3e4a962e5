"""Opens what a run trains on: shard sets, and sources with weights, which may be tars of other programs."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iconoclip import transfer
from iconoclip.address_cache import is_remote
from iconoclip.errors import ConfigError, IconoclipError, MissingRequirement
from iconoclip.shardset import MANIFEST_NAME, ShardSet
from iconoclip.shardset_open import open_set
from iconoclip.tar_lists import is_folder, names_tars, path_of, tars_in
from iconoclip.vocabulary import PolicyName
from training.config import TrainConfig
from training.data.mixing import Mix
from training.data.samples import Samples, samples_of
from training.data.tar_index import IndexedTars, Tars, open_tars
from training.data.tar_rows import TarSettings
from training.source_config import SourceConfig


@dataclass(frozen=True)
class _Source:
    sets: tuple[ShardSet, ...]
    weight: float | None
    rights: str | None = None


def load_for(config: TrainConfig) -> Samples:
    """The samples that a run may train on, with the weights of their sources.

    Raises:
        ConfigError: a source is not described as it must be.
        IconoclipError: a set or a tar cannot be opened, or no sample is left.
    """
    found = _sources_of(config)
    sets = tuple(one for source in found for one in source.sets)
    mix = None
    if found[0].weight is not None:
        numbers = tuple(number for number, source in enumerate(found) for _ in source.sets)
        mix = Mix(numbers, tuple(source.weight or 0.0 for source in found), config.data.institution_alpha)
    return samples_of(sets, split=config.data.split, policy=config.data.policy, mix=mix)


def own_sets(config: TrainConfig) -> list[str]:
    """The shard sets among everything that a run trains on; tars of others are not validated on."""
    return [
        *config.shardsets,
        *(word for one in config.data.sources if not _is_tars(one) for word in one.shards),
    ]


def described(config: TrainConfig, samples: Samples) -> list[dict[str, Any]]:
    """Each set with its digest, for the records of a run; for tars the statement of rights as well."""
    rights: list[str | None] = [None] * len(config.shardsets)
    for source in config.data.sources:
        rights += [source.rights] if _is_tars(source) else [None] * len(source.shards)
    return [
        {"folder": str(one.folder), "name": one.manifest.name, "digest": one.digest}
        | ({"rights": said, "tars": len(one.manifest.shards)} if isinstance(one, IndexedTars) else {})
        for one, said in zip(samples.sets, rights, strict=True)
    ]


def _sources_of(config: TrainConfig) -> list[_Source]:
    for word in config.shardsets:
        if not _is_set(word) and names_tars(word):
            raise ConfigError(
                "these tars state no rights, and without a statement nothing is trained on",
                where=word,
                remedy="name them under data.sources, with rights: --data.sources "
                f"'[{{shards: \"{word}\", rights: CC0}}]'",
            )
    weights: Sequence[float | None] = config.data.weights or [None] * len(config.shardsets)
    found = [
        _Source((open_set(word),), weight) for word, weight in zip(config.shardsets, weights, strict=True)
    ]
    return found + [_opened(source, config.data.policy) for source in config.data.sources]


def _opened(source: SourceConfig, policy: PolicyName) -> _Source:
    if not _is_tars(source):
        _refuse_others(source.shards)
        if source.rights is not None:
            raise ConfigError(
                "a shard set states the rights of each of its samples; a statement for all is not accepted",
                where=source.shards[0],
                remedy="leave out its `rights`",
            )
        return _Source(tuple(map(open_set, source.shards)), source.weight)
    tars = _tars(source)
    return _Source((open_tars(tars, policy),), source.weight, source.rights)


def _refuse_others(words: Sequence[str]) -> None:
    """Refuse what is on this machine and is neither a shard set nor tars, by what it is."""
    for word in words:
        if is_remote(word) or _is_set(word):
            continue
        path = Path(word)
        if not path.exists():
            raise MissingRequirement("no such file or folder", where=word, remedy="check the path")
        if not path.is_dir():
            raise ConfigError(
                "neither a shard set nor a tar",
                where=word,
                remedy="name WebDataset tars (.tar) or a shard set; `iconoclip pack` makes one of a table",
            )
        if any(path.glob("*.tar.*")) or any(path.glob("*.tgz")):
            remedy = "unpack each to a plain .tar"
            raise ConfigError("a folder of packed tars, which are not read", where=word, remedy=remedy)
        raise ConfigError(
            "the folder is no shard set, and holds no tars",
            where=word,
            remedy="name a folder with tars (.tar) or a shard set; `iconoclip pack` makes one of pictures",
        )


def _is_tars(source: SourceConfig) -> bool:
    kinds = {not _is_set(word) and names_tars(word) for word in source.shards}
    if len(kinds) > 1:
        raise ConfigError(
            "a source names both shard sets and tars of other programs",
            where=", ".join(source.shards[:3]),
            remedy="name them as two sources",
        )
    return kinds.pop()


def _is_set(word: str) -> bool:
    return not is_remote(word) and is_folder(word) and (Path(word) / MANIFEST_NAME).exists()


def _tars(source: SourceConfig) -> Tars:
    addresses = tuple(tar for word in source.shards for tar in tars_in(word))
    if not source.rights:
        raise ConfigError(
            "a source of tars states no rights, and without a statement nothing is trained on",
            where=source.shards[0],
            remedy="add the statement that holds for all its samples, as `rights: CC0`, or leave it out",
        )
    for address in addresses:
        if not address.endswith(".tar"):
            raise ConfigError(
                "the address of a tar ends in .tar: one with a query cannot be read again later",
                where=address,
                remedy="make the tars readable by their plain addresses, or download them",
            )
    _refuse_shards(addresses)
    name = source.name or _slug(addresses[0])
    return Tars(addresses, name, source.rights, TarSettings(
        source.language, tuple(source.caption_keys), _class_names(source.class_names)
    ))  # fmt: skip


def _refuse_shards(addresses: Sequence[str]) -> None:
    """Refuse tars of a shard set: their withdrawals, rights and checksums are in files next to them."""
    for folder in dict.fromkeys(address.rpartition("/")[0] or "." for address in addresses):
        manifest = f"{folder}/{MANIFEST_NAME}"
        is_there = Path(manifest).exists()
        if is_remote(folder):
            # Where nothing else may be read, a manifest cannot be either.
            with contextlib.suppress(IconoclipError):
                is_there = transfer.read_quickly(manifest) is not None
        if is_there:
            raise ConfigError(
                "these tars belong to a shard set",
                where=folder,
                remedy="name the folder instead of tars",
            )


def _slug(address: str) -> str:
    name = path_of(address).rpartition("/")[2].removesuffix(".tar").lower()
    folder = path_of(str(Path(address).resolve()) if not is_remote(address) else address).rpartition("/")[0]
    # Tars are often called by numbers alone: then their folder says more.
    if not re.search("[a-z]", name):
        name = f"{folder.rpartition('/')[2].lower()}"
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"[-_.]*\d+$", "", name)).strip("-")[:40] or "tars"


def _class_names(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    try:
        return tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    except FileNotFoundError:
        raise MissingRequirement("no such file of class names", where=path, remedy="check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the class names cannot be read: {error}", where=path) from error
