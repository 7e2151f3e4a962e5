"""Checks archives of arrays (.npz) before they are unpacked: a small file may claim to fill the memory."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from iconoclip.errors import BadInput, DamagedData

_AGAIN = "get another copy from its source"


def check_arrays(path: Path, *, most_bytes: int) -> None:
    """Check the sizes that an archive of arrays states.

    Args:
        path: the archive.
        most_bytes: what all arrays together may take.

    Raises:
        BadInput: they take more.
        DamagedData: an array claims to be larger than its bytes, or is none.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            # What a member claims is also the most that is unpacked of it.
            total = sum(one.file_size for one in members)
            if total > most_bytes:
                raise BadInput(
                    f"the arrays take {total / 1e6:,.0f} MB, more than any weights of this model",
                    where=path,
                    remedy="name the architecture that the weights were trained with",
                )
            for one in members:
                with archive.open(one) as file:
                    if _num_bytes(file) > one.file_size:
                        raise ValueError(f"{one.filename} claims to be larger than it is")
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise DamagedData(f"not an archive of arrays: {error}", where=path, remedy=_AGAIN) from error


def _num_bytes(file: IO[bytes]) -> int:
    """The bytes that the header of an array asks for."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if any(size < 0 for size in shape):
        raise ValueError("an array has a negative size")
    return math.prod(shape) * int(dtype.itemsize)
