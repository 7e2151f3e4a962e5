"""`iconoclip takedown`: withdraw items from a shard set, immediately and permanently.

The tombstone is written in one rename. From then on no reader returns the sample, no index keeps it, no merge
or new harvest brings it back. Its bytes stay in the tar until the set is packed again: shards in use
elsewhere keep their checksums.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from data_prep.contribute.config import TakedownConfig
from iconoclip import clock
from iconoclip.errors import BadInput, MissingRequirement
from iconoclip.files import write_json
from iconoclip.progress import progress
from iconoclip.record import KEY_PATTERN
from iconoclip.shardset import (
    MANIFEST_NAME,
    QUALITY_NAME,
    SIGNATURE_NAME,
    ShardSet,
    Tombstone,
    with_tombstones,
)
from iconoclip.shardset_manifest import remove_embedded

MAX_KEYS_BYTES = 100_000_000


def takedown(config: TakedownConfig) -> int:
    """Withdraw the named items from a shard set.

    Raises:
        MissingRequirement: no shard set, or no file of keys.
        BadInput: nothing is named, or something that is not in the set; then nothing is withdrawn.
    """
    shardset = ShardSet(config.shardset)
    wanted = list(dict.fromkeys([*config.keys, *_keys_in(config.keys_file)]))
    if not wanted:
        raise BadInput("nothing to withdraw was named", remedy="give sample keys, or --keys_file FILE")
    keys, unknown = _resolve(shardset, wanted)
    if unknown:
        named = ", ".join(unknown[:10]) + (" ..." if len(unknown) > 10 else "")
        raise BadInput(
            f"not in this set: {named}; nothing was withdrawn",
            where=config.shardset,
            remedy="check the spelling; source, manifest and canvas addresses work as well",
        )
    new = [key for key in keys if key not in shardset.withdrawn]
    at = clock.now(config.at)
    manifest = with_tombstones(
        shardset.manifest, (Tombstone(key=key, reason=config.reason, at=at) for key in new)
    )
    if new:
        write_json(config.shardset / MANIFEST_NAME, manifest.model_dump(mode="json"))
        _remove(config.shardset / SIGNATURE_NAME, "`iconoclip sign` signs the set again")
        _remove(
            config.shardset / QUALITY_NAME, "`iconoclip card` writes it again, without the withdrawn items"
        )
        if remove_embedded(config.shardset):
            print("the Parquet files with pictures were removed: `iconoclip card` writes them again")
    print(
        f"{len(new)} samples withdrawn, {len(keys) - len(new)} were before; {len(ShardSet(config.shardset))}"
        " remain"
    )
    if new:
        print(
            "published elsewhere? `iconoclip card` writes the card again; an index drops them when it is"
            " built again"
        )
    return 0


def _remove(path: Path, remedy: str) -> None:
    """Remove files that describe the set as it was before."""
    if path.exists():
        path.unlink()
        print(f"{path.name} described the set before the withdrawal and was removed: {remedy}")


def _keys_in(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        if path.stat().st_size > MAX_KEYS_BYTES:
            raise BadInput("the file of keys is larger than 100 MB", where=path)
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except FileNotFoundError:
        raise MissingRequirement("no such file of keys", where=path, remedy="check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the file of keys cannot be read: {error}", where=path) from error


def _resolve(shardset: ShardSet, wanted: Iterable[str]) -> tuple[list[str], list[str]]:
    """The keys of the given names, and the names that are not in the set."""
    known = {*shardset.table(["key"])["key"].to_pylist(), *shardset.withdrawn}
    found: list[str] = []
    addresses: list[str] = []
    for name in wanted:
        if name in known:
            found.append(name)
        else:
            addresses.append(name)
    others = [name for name in addresses if not re.match(KEY_PATTERN, name)]
    by_address = _keys_by_address(shardset, set(others)) if others else {}
    for name in addresses:
        found += by_address.get(name, [])
    return list(dict.fromkeys(found)), [name for name in addresses if name not in by_address]


def _keys_by_address(shardset: ShardSet, addresses: set[str]) -> dict[str, list[str]]:
    """Keys of the samples with one of these addresses as source, canvas, manifest, image or home page."""
    found: dict[str, list[str]] = {}
    with progress("look", total=len(shardset), unit="samples") as meter:
        for record, _ in shardset.samples():
            meter.advance()
            source = record.source
            for address in {
                source.id,
                source.canvas,
                source.manifest,
                source.image,
                source.image_service,
                source.homepage,
            }:
                if address in addresses:
                    found.setdefault(address, []).append(record.key)
    return found
