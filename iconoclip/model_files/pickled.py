"""The strings in a pickle, read from its opcodes: nothing in it is built or called."""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

LEGACY_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""the start of files of torch before 1.6: a pickle of one number"""
MAX_PICKLE_BYTES = 200_000_000
# Longer strings are no names: older protocols write the bytes of an array of NumPy as a string.
MAX_NAME_CHARS = 1_000
_STRINGS = ("BINUNICODE", "SHORT_BINUNICODE", "UNICODE", "BINSTRING", "SHORT_BINSTRING")
# Magic number, protocol, the machine, the object, and the keys of its storages.
_NUM_LEGACY_PICKLES = 5


def strings(file: IO[bytes], num_pickles: int = 1) -> Iterator[str]:
    """The strings, of the length of names, of as many pickles as follow each other in a file.

    Raises:
        ValueError: it is not a pickle, or is cut short.
    """
    for _ in range(num_pickles):
        for opcode, argument, _position in pickletools.genops(file):
            if opcode.name in _STRINGS and argument is not None and len(argument) <= MAX_NAME_CHARS:
                yield str(argument)


def names_in_torch_zip(archive: zipfile.ZipFile) -> list[str]:
    """The strings of the pickle in a file that torch wrote.

    Raises:
        ValueError: the pickle is damaged, or too large to be one of a model.
    """
    name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
    if archive.getinfo(name).file_size > MAX_PICKLE_BYTES:
        raise ValueError("its list of tensors is too large")
    return list(strings(io.BytesIO(archive.read(name))))


def names_in_legacy_file(path: Path) -> list[str]:
    """The strings of a file that torch wrote before version 1.6.

    Raises:
        ValueError: it is cut short.
    """
    with path.open("rb") as file:
        return list(strings(file, _NUM_LEGACY_PICKLES))


def names_in_plain_pickle(path: Path) -> list[str]:
    """The strings of a pickle that torch did not write.

    Raises:
        ValueError: it is cut short, or no pickle.
    """
    with path.open("rb") as file:
        return list(strings(file))
