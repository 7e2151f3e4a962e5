"""WebDataset tars that are not ours -> candidates: plain ones, and those that img2dataset writes.

A sample is the members of one key (webdataset's rule): an image, its text in `.txt`, its metadata in `.json`.
The metadata count as the columns of a table's row, so that a sample takes the way of a row, with the same
mapping, rights and checks. Images are written to a folder, from which the harvest reads them as it reads
those of a table.

Every member that cannot be used is refused with a reason. Sizes are bounded, links are not followed, and no
name of a member becomes a name on this disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from data_prep.candidate import Candidate, Found, Refusal
from data_prep.config_groups import Network
from data_prep.sources.table import TableReader
from data_prep.sources.table_config import Columns, TableSettings
from data_prep.sources.tables.cells import Cells
from data_prep.sources.tables.picture_files import Match
from iconoclip import transfer
from iconoclip.address_cache import is_remote
from iconoclip.errors import ConfigError, MissingRequirement
from iconoclip.tar_headers import BoundedTarInfo
from iconoclip.tar_lists import IMAGES, names_tars, tars_in

MAX_IMAGE_BYTES: Final[int] = Network.model_fields["max_image_bytes"].default
MAX_TEXT_BYTES: Final = 1_000_000
MAX_MEMBERS: Final = 1_000_000
# Columns that this module adds to the metadata of a sample.
FILE, KEY, TEXT, ADDRESS = "__file__", "__key__", "__text__", "__address__"


@dataclass(frozen=True)
class Member:
    """A file of a tar, read or not: `data` is None where it is an image that is not wanted now."""

    name: str
    size: int
    data: bytes | None


def tars_of(config: TableSettings) -> list[str]:
    """The tars that are to be packed; none when a table is.

    Raises:
        ConfigError: a command in place of an address.
    """
    words = [str(config.table), *config.more_tars]
    found = [tar for word in words if names_tars(word) for tar in tars_in(word)]
    if found and config.more_tars and not all(map(names_tars, words)):
        raise ConfigError("a table and tars at once", where=words[0], remedy="pack one after the other")
    return found


class TarReader(TableReader):
    """Reads tars as a table is read: one chunk per tar.

    Args:
        config: of the verb; its `columns` name keys of the samples' JSON.
        tars: paths and addresses, in order.
        folder: where the images are written; None in a dry run, which writes none.
    """

    def __init__(self, config: TableSettings, tars: list[str], folder: Path | None) -> None:
        self.tars, self.name = tars, tars[0]
        for tar in tars:
            if not is_remote(tar) and not Path(tar).is_file():
                raise MissingRequirement("no such tar", where=tar, remedy="check the path")
        self.path = Path(tars[0])
        self.paths = [self.path]
        self.folder = folder or Path()
        self._writes = folder is not None
        self._config, self._columns = config, columns_of_samples(config.columns)
        self._cells = Cells((), config.list_separator, config.separators)
        self.web = None
        self._institutions(config)

    def _file(self, name: str) -> Match:
        """The name that this reader gave to the image of a sample."""
        return Match(name)

    def identity(self) -> str:
        """What tells these tars from others: their names and, on this disk, sizes."""
        sizes = [None if is_remote(tar) else Path(tar).stat().st_size for tar in self.tars]
        return hashlib.sha256(json.dumps([self.tars, sizes]).encode()).hexdigest()

    def chunks(self) -> Iterator[Found]:
        """The candidates of each tar, in the order of its members.

        Raises:
            ConfigError: no sample of a tar states its rights, and the config does not for all.
            TryAgainLater: a tar cannot be fetched now.
            MissingRequirement, BadInput: it cannot be fetched at all.
        """
        seen: set[str] = set()
        for number, address in enumerate(self.tars):
            with _on_disk(address) as path:
                candidates: list[Candidate] = []
                refusals: list[Refusal] = []
                for found in self._samples(number, address, path):
                    if isinstance(found, Candidate):
                        identity = f"{found.source.id}#{found.source.region}"
                        if identity in seen:
                            where = f"{address}: {found.source.id}"
                            found = Refusal(where, "an earlier sample has the same id")
                        seen.add(identity)
                    (refusals if isinstance(found, Refusal) else candidates).append(found)  # type: ignore[arg-type]
                self._check_rights(candidates, address)
                yield Found(tuple(candidates), refusals=tuple(refusals))

    def _check_rights(self, candidates: list[Candidate], address: str) -> None:
        """Someone must state the rights: the samples, or the user for all of them."""
        if candidates and not any(candidate.rights_raw for candidate in candidates):
            raise ConfigError(
                "the samples of this tar state no rights",
                where=address,
                remedy="give --rights, a statement that holds for all of them",
            )

    def _samples(self, number: int, address: str, path: Path) -> Iterator[Candidate | Refusal]:
        # Imported here: webdataset imports torch.
        from webdataset.tariterators import group_by_keys

        refusals: list[Refusal] = []

        def refuse(error: Exception) -> bool:
            # Its one complaint: two members of the same name in a sample.
            refusals.append(Refusal(address, str(error.args[0]).partition(" dict_keys")[0]))
            return True

        members = self._members(address, path, refusals)
        for count, sample in enumerate(group_by_keys(members, handler=refuse)):
            yield from _emptied(refusals)
            yield from self._sample(f"{number:05d}/{count:07d}", address, sample)
        yield from _emptied(refusals)

    def _members(self, address: str, path: Path, refusals: list[Refusal]) -> Iterator[dict[str, Any]]:
        """The files of a tar as webdataset groups them; what is none, or damaged, is refused."""
        from webdataset.tariterators import base_plus_ext

        try:
            with tarfile.open(path, "r:", tarinfo=BoundedTarInfo) as tar:
                for count, info in enumerate(tar, 1):
                    # tarfile keeps every header that it has read: a gigabyte for a million.
                    tar.members = []  # type: ignore[attr-defined]
                    where = f"{address}: {info.name}"
                    if count > MAX_MEMBERS:
                        refusals.append(Refusal(where, f"more than {MAX_MEMBERS} members in a tar"))
                        return
                    if info.isdir() or info.name.startswith("__"):
                        continue
                    if not info.isreg():
                        refusals.append(Refusal(where, "no plain file"))
                    elif base_plus_ext(info.name)[0] is None:
                        refusals.append(Refusal(where, "a name without an extension belongs to no sample"))
                    elif isinstance(member := self._member(tar, info), Member):
                        yield {"fname": info.name, "data": member, "__url__": address}
                    else:
                        refusals.append(Refusal(where, member))
                if (end := _end_of(tar)) is not None:
                    refusals.append(Refusal(address, end))
        except (tarfile.TarError, OSError, EOFError, ValueError) as error:
            refusals.append(Refusal(address, f"damaged: {error}; what follows cannot be read"))

    def _member(self, tar: tarfile.TarFile, info: tarfile.TarInfo) -> Member | str:
        """A member with its bytes, or the reason why it is refused."""
        is_image = _kind_of(info.name) in IMAGES
        limit = MAX_IMAGE_BYTES if is_image else MAX_TEXT_BYTES
        if info.size > limit:
            return f"{info.size} bytes, more than {limit}"
        if is_image and not self._writes:
            return Member(info.name, info.size, None)
        file = tar.extractfile(info)
        data = file.read() if file else b""
        return Member(info.name, info.size, data) if len(data) == info.size else "cut short"

    def _sample(self, place: str, address: str, sample: dict[str, Any]) -> Iterator[Candidate | Refusal]:
        key = sample["__key__"]
        where = f"{address}: {key}"
        images = [ending for ending in sample if _kind_of(ending) in IMAGES]
        if not images:
            yield Refusal(where, "a sample without an image")
            return
        for other in images[1:]:
            yield Refusal(f"{where}.{other}", "a second image of one sample")
        try:
            row = {**_metadata(sample), TEXT: _text(sample)}
        except (ValueError, RecursionError) as error:
            yield Refusal(where, f"its text or JSON is damaged: {error}")
            return
        image: Member = sample[images[0]]
        file = f"{place}.{_kind_of(images[0])}"
        if image.data is not None:
            target = self.folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(image.data)
        row |= {KEY: key.rpartition("/")[2], FILE: file, ADDRESS: f"{address}#{image.name}"}
        for found in self._row(0, row):
            yield Refusal(where, found.reason) if isinstance(found, Refusal) else found


def columns_of_samples(columns: Columns) -> Columns:
    """The mapping of a table, for samples: as configured, else the names that img2dataset and others use."""
    captions = {field: _listed(names) for field, names in columns.captions.items()}
    captions["caption"] = [*captions.get("caption", []), TEXT]
    rights = ["rights", "license", "licence"] if columns.rights == "rights" else columns.rights
    return columns.model_copy(
        update={
            "file": FILE,
            "id": [*_listed(columns.id or ["id", "key"]), KEY],
            "captions": captions,
            "rights": rights,
            "image": [*_listed(columns.image or "url"), ADDRESS],
        }
    )


def _listed(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _kind_of(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _metadata(sample: dict[str, Any]) -> dict[str, Any]:
    """The sample's JSON as the columns of a row."""
    member: Member | None = sample.get("json")
    if member is None or member.data is None:
        return {}
    found = json.loads(member.data)
    if not isinstance(found, dict):
        raise ValueError("the JSON is no object")
    return found


def _text(sample: dict[str, Any]) -> str | None:
    member: Member | None = sample.get("txt")
    return member.data.decode("utf-8").strip() if member is not None and member.data else None


def _emptied(refusals: list[Refusal]) -> Iterator[Refusal]:
    while refusals:
        yield refusals.pop(0)


def _end_of(tar: tarfile.TarFile) -> str | None:
    """Why a tar that was read to its end has none: after a damaged header tarfile stops without a word."""
    assert tar.fileobj is not None
    tar.fileobj.seek(tar.offset)
    block = tar.fileobj.read(tarfile.BLOCKSIZE)
    if block == bytes(tarfile.BLOCKSIZE):
        return None
    return "damaged: what follows cannot be read" if block else "cut short: its end is missing"


@contextlib.contextmanager
def _on_disk(address: str) -> Iterator[Path]:
    """The tar as a file on this disk; one from elsewhere is there while the block runs."""
    if not is_remote(address):
        yield Path(address)
        return
    with tempfile.TemporaryDirectory(prefix="iconoclip-") as folder:
        target = Path(folder) / "shard.tar"
        transfer.download(address, target)
        yield target
