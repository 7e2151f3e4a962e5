"""Looks at sets of others, plain WebDataset tars and those of img2dataset, and says what they lack.

Nobody has promised anything about them, so nothing is damaged: a set lacks rights, captions, or pictures that
can be decoded. `iconoclip pack` makes a shard set of what is there.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from data_prep.contribute.checking.members import BLOCK, MAX_IMAGE_BYTES
from data_prep.contribute.checking.rules import shown
from data_prep.images.store import decoded_size
from iconoclip.errors import BadInput, MissingRequirement, SomeRefused
from iconoclip.pictures import ImageRefused
from iconoclip.progress import progress
from iconoclip.rights import read
from iconoclip.shardset import MANIFEST_NAME, MAX_RECORD_BYTES
from iconoclip.tar_lists import IMAGES

MAX_PIXELS: Final = 100_000_000
_RIGHTS: Final = ("rights", "license", "licence", "license_url", "dc:rights")
_CAPTIONS: Final = ("caption", "title", "text", "description", "alt")
_KEY: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass
class Seen:
    """Counts over the samples of a set of others."""

    num_samples: int = 0
    num_usable: int = 0
    lacks: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    rights: Counter[str] = field(default_factory=Counter)

    def lack(self, what: str, where: str) -> None:
        """Count something that is missing, with the first place."""
        self.lacks[what] += 1
        self.examples.setdefault(what, where)


def is_foreign(path: Path) -> bool:
    """Whether a path is a tar, or a folder of tars, and no shard set."""
    if path.suffix == ".tar":
        return True
    return path.is_dir() and not (path / MANIFEST_NAME).exists() and any(path.glob("*.tar"))


def check_foreign(path: Path) -> int:
    """Print what a set of others holds and lacks.

    Raises:
        MissingRequirement: no such tar.
        BadInput: no sample can be used.
        SomeRefused: something is missing.
    """
    tars = [path] if path.suffix == ".tar" else sorted(path.glob("*.tar"))
    seen = Seen()
    with progress("check", unit="samples") as meter:
        for tar in tars:
            if not tar.is_file():
                raise MissingRequirement("no such tar", where=tar, remedy="check the path")
            for key, members in _samples(tar, seen):
                meter.advance()
                _look(f"{tar.name}/{shown(key)}", key, members, seen)
    kind = "img2dataset" if any(tar.with_suffix(".parquet").exists() for tar in tars) else "WebDataset"
    print(
        f"{kind}: {seen.num_samples} samples in {len(tars)} tars, {seen.num_usable} with all that is needed"
    )
    for statement, count in seen.rights.most_common(10):
        print(f"  {count:>8}  {shown(statement)}")
    for what, count in seen.lacks.most_common():
        print(f"lacks: {count} {what}, for example {seen.examples[what]}")
    print(
        f"no shard set: `iconoclip pack {path} --institution YOURS --rights STATEMENT --out FOLDER` makes one"
    )
    if not seen.num_samples or (
        "samples with a picture that can be decoded" in seen.lacks and not seen.num_usable
    ):
        raise BadInput("no sample can be used", where=path, remedy="the lines above say what is missing")
    if seen.lacks:
        raise SomeRefused(
            f"{seen.num_usable} of {seen.num_samples} samples have all that is needed", where=path
        )
    return 0


def _samples(path: Path, seen: Seen) -> Iterator[tuple[str, dict[str, bytes]]]:
    """The samples of a tar by WebDataset's rule: adjacent members that share the name up to its first dot."""
    key, members = "", dict[str, bytes]()
    met: set[str] = set()
    try:
        for name, data in _members(path, seen):
            folder, _, last = name.rpartition("/")
            stem, _, ending = last.partition(".")
            own = f"{folder}/{stem}" if folder else stem
            if own != key:
                if members:
                    yield key, members
                key, members = own, {}
                if own.casefold() in met:
                    seen.lack(
                        "samples whose members are adjacent and whose name is their own",
                        f"{path.name}/{shown(own)}",
                    )
                met.add(own.casefold())
            members[ending.lower()] = data
    except (tarfile.TarError, OSError, ValueError) as error:
        seen.lack("tars that can be read to their end", f"{path.name}: {shown(error)}")
    if members:
        yield key, members


def _members(path: Path, seen: Seen) -> Iterator[tuple[str, bytes]]:
    """The plain files of a tar; extended headers are passed over without being read."""
    place, size = 0, path.stat().st_size
    with path.open("rb") as file:
        while place < size:
            file.seek(place)
            block = file.read(BLOCK)
            if block == bytes(BLOCK):
                return
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            start = place + BLOCK
            place = start + -(-max(0, info.size) // BLOCK) * BLOCK
            if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
                continue
            ending = info.name.rpartition(".")[2].lower()
            if info.size > (MAX_IMAGE_BYTES if ending in IMAGES else MAX_RECORD_BYTES):
                seen.lack("members of a bounded size", f"{path.name}/{shown(info.name)}")
                continue
            if place > size:
                raise tarfile.ReadError("cut short")
            yield info.name, file.read(info.size)


def _look(where: str, key: str, members: dict[str, bytes], seen: Seen) -> None:
    seen.num_samples += 1
    before = seen.lacks.total()
    said = _json(members.get("json"))
    image = next((data for ending, data in members.items() if ending.rpartition(".")[2] in IMAGES), None)
    if image is None:
        seen.lack("samples with a picture", where)
    else:
        try:
            decoded_size(image, MAX_PIXELS)
        except ImageRefused:
            seen.lack("samples with a picture that can be decoded", where)
    text = members.get("txt", b"").strip() or next((said[name] for name in _CAPTIONS if said.get(name)), "")
    if not text:
        seen.lack("samples with a caption", where)
    rights = next((said[name] for name in _RIGHTS if said.get(name)), None)
    if not rights:
        seen.lack("samples that state their rights (pack asks for --rights)", where)
    elif read(str(rights)).uri is None:
        seen.lack("rights statements that are understood", f"{where}: '{shown(rights)}'")
    else:
        seen.rights[str(read(str(rights)).uri)] += 1
    if not _KEY.fullmatch(key.rpartition("/")[2]):
        seen.lack("keys in small letters, digits and hyphens", where)
    seen.num_usable += seen.lacks.total() == before


def _json(data: bytes | None) -> dict[str, Any]:
    try:
        value = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
