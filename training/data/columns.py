"""The rows of a training set as plain columns of numbers and bytes, in memory or in files that are mapped.

Each column is one array. In a file it is the array's bytes and nothing else, so opening ten million rows
costs no more than opening ten, and all processes of a machine share one copy in the page cache. What is text
in the index is a number here, with a vocabulary in `Facts`, or bytes with the place where each text begins.

Letters: N rows, C captions of all rows together.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from iconoclip.errors import DamagedData

Array = npt.NDArray[Any]
# The type of each column. `..._first` says where the part of each row begins, and has one entry more.
DTYPES: Final[Mapping[str, str]] = {
    "shard": "<i4",
    "offset": "<i8",
    "size": "<i8",
    "checksum": "<u8",
    "width": "<i4",
    "height": "<i4",
    "institution": "<i4",
    "object_type": "<i4",
    "display": "<i4",
    "earliest": "<i4",
    "latest": "<i4",
    "group": "<i8",
    "notations": "<i8",
    "key": "u1",
    "key_first": "<i8",
    "notation": "<i4",
    "notation_first": "<i8",
    "caption_first": "<i8",
    "caption_kind": "<i4",
    "caption_number": "<i8",
    "text": "u1",
    "text_first": "<i8",
}
BYTES_OF_A_SUM: Final = 2**20
# A missing year, in the columns `earliest` and `latest`.
NO_YEAR: Final = -(2**31)


class Kind(NamedTuple):
    """What captions are weighed by."""

    language: str
    field: str
    origin: str
    level: str
    """empty in sets of older versions"""
    role: str
    """empty in sets of older versions, and for captions of machines"""


class RightsFacts(NamedTuple):
    """Everything that decides whether a row may be used, and what was decided."""

    raw: str | None
    uri: str | None
    train: str
    opt_out: tuple[str, ...]
    is_allowed: bool


@dataclass
class Facts:
    """What is known of the rows as a whole."""

    num_rows: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    """how many rows of the index were left out, by reason"""
    shards: list[tuple[int, str, int]] = field(default_factory=list)
    """the number of its set, the name and the number of rows of each shard"""
    vocabularies: dict[str, list[str]] = field(default_factory=dict)
    """the values of the columns `institution`, `object_type`, `display` and `notation`"""
    kinds: list[Kind] = field(default_factory=list)
    num_of_kind: list[int] = field(default_factory=list)
    """captions of each kind"""
    most_captions: int = 0
    """the largest number of captions of a row"""
    by_rights: dict[str, int] = field(default_factory=dict)
    rights: list[RightsFacts] = field(default_factory=list)
    """each distinct combination in the index, also of rows that were left out"""

    def as_json(self) -> dict[str, Any]:
        """The facts as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Facts:
        """The facts from what `as_json` gave.

        Raises:
            TypeError, ValueError, KeyError: they are something else.
        """
        facts = cls(**values)
        facts.shards = [(int(one[0]), str(one[1]), int(one[2])) for one in facts.shards]
        facts.kinds = [Kind(*one) for one in facts.kinds]
        facts.rights = [
            RightsFacts(raw, uri, train, tuple(opt_out), is_allowed)
            for raw, uri, train, opt_out, is_allowed in facts.rights
        ]
        return facts

    def by_language(self) -> dict[str, int]:
        """The number of captions of each language."""
        counts = Counter[str]()
        for kind, num in zip(self.kinds, self.num_of_kind, strict=True):
            counts[kind.language] += num
        return dict(sorted(counts.items()))


@dataclass(frozen=True)
class Columns:
    """The columns by their names in `DTYPES`, and the facts."""

    facts: Facts
    arrays: Mapping[str, Array]

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]


class MemorySink:
    """Collects the parts of columns in memory."""

    def __init__(self) -> None:
        self._parts: dict[str, list[Array]] = {name: [] for name in DTYPES}

    def append(self, name: str, values: Array) -> None:
        """Add a part to the end of a column."""
        self._parts[name].append(values.astype(DTYPES[name], copy=False))

    def columns(self, facts: Facts) -> Columns:
        """The columns of all parts."""
        return Columns(
            facts,
            {
                name: np.concatenate([np.zeros(0, dtype=DTYPES[name]), *parts])
                for name, parts in self._parts.items()
            },
        )


class FileSink:
    """Appends the parts of columns to one file per column."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, IO[bytes]] = {}

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Keep the files open while the block runs."""
        with contextlib.ExitStack() as stack:
            for name in DTYPES:
                self._files[name] = stack.enter_context(file_of(self._folder, name).open("wb"))
            yield

    def append(self, name: str, values: Array) -> None:
        """Add a part to the end of a column."""
        self._files[name].write(np.ascontiguousarray(values, dtype=DTYPES[name]).tobytes())


def file_of(folder: Path, name: str) -> Path:
    """The file of a column in a folder."""
    return folder / f"{name}.bin"


def checksums(folder: Path) -> dict[str, str]:
    """A checksum of each file, by the name of its column; a file that cannot be read has none."""
    with ThreadPoolExecutor(4) as threads:
        found = threads.map(_checksum, (file_of(folder, name) for name in DTYPES))
        return {name: one for name, one in zip(DTYPES, found, strict=True) if one is not None}


def mapped(folder: Path, facts: Facts, expected: Mapping[str, str]) -> Columns:
    """The columns in a folder, mapped into memory and compared with their checksums.

    Raises:
        DamagedData: a file is missing or differs.
    """
    found = checksums(folder)
    for name in DTYPES:
        if name not in found or found[name] != expected.get(name):
            raise DamagedData("the file does not match its checksum", where=file_of(folder, name))
    return Columns(facts, {name: _mapped(file_of(folder, name), DTYPES[name]) for name in DTYPES})


def _checksum(path: Path) -> str | None:
    """The SHA-256 of the sums over each mebibyte, as words of eight bytes, and of the bytes that are left.

    It is several times as fast as a SHA-256 of everything, and notices a damaged disk or a truncated file as
    well. It is no protection against changes on purpose.
    """
    try:
        content = _mapped(path, "u1")
    except OSError:
        return None
    whole = len(content) // BYTES_OF_A_SUM * BYTES_OF_A_SUM
    words = content[:whole].view("<u8").reshape(-1, BYTES_OF_A_SUM // 8)
    found = hashlib.sha256(words.sum(axis=1, dtype=np.uint64).astype("<u8").tobytes())
    found.update(content[whole:].tobytes())
    return found.hexdigest()


def _mapped(path: Path, dtype: str) -> Array:
    # An empty file cannot be mapped.
    if not path.stat().st_size:
        return np.zeros(0, dtype=dtype)
    return np.memmap(path, dtype=dtype, mode="r").view(np.ndarray)
