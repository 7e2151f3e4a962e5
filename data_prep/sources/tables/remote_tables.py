"""Tables at an address: fetched once per process into a folder of its own, which is removed at its end.

The addresses are typed by a person; so they may be on this machine or in a private network. An address that
ends with a slash is a folder: the usual names of a table are tried in it. A table's pictures are relative to
its address, as those of a local table are to its folder.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

from data_prep.sources.tables.files import SUFFIXES
from data_prep.sources.tables.web_folders import public_address
from iconoclip import transfer
from iconoclip.address_cache import is_remote
from iconoclip.errors import BadInput, MissingRequirement

# What a table is called in a folder at an address, which cannot be listed.
USUAL_NAMES: Final = tuple(
    f"{stem}{suffix}"
    for stem in ("metadata", "catalogue")
    for suffix in (".csv", ".jsonl", ".xlsx", ".json", ".parquet")
)


def is_address(table: Path | str) -> bool:
    """Whether a table is named by an http, https or s3 address; a path has lost one slash of it."""
    text = str(table)
    return is_remote(text) or text.lower().startswith(("http:/", "https:/", "s3:/"))


def on_disk(table: Path | str) -> Path:
    """The table as a file or folder on this disk; one at an address is fetched.

    Raises:
        MissingRequirement: there is none at the address, or the server refuses it.
        BadInput: its name is not that of a table.
        TryAgainLater: it cannot be fetched now.
    """
    return _fetched(_whole(table)) if is_address(table) else Path(table)


def folder_of(table: Path | str) -> str | None:
    """The address that names in the table are relative to; None for a table on this disk."""
    if not is_address(table):
        return None
    parts = urlsplit(public_address(_whole(table)))
    return urlunsplit((parts.scheme, parts.netloc, f"{parts.path.rpartition('/')[0]}/", "", ""))


def _whole(table: Path | str) -> str:
    scheme, _, rest = str(table).partition(":/")
    return f"{scheme.lower()}://{rest.lstrip('/')}"


@functools.cache
def _fetched(address: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="iconoclip-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    address = public_address(address)
    name = unquote(urlsplit(address).path.rpartition("/")[2])
    if not name:
        return _usual_table(address, folder)
    suffix = Path(name).suffix.lower()
    if not suffix:
        raise BadInput(
            "the address does not end with the name of a table",
            where=address,
            remedy=f"a folder ends with a slash; a table with one of {', '.join(SUFFIXES)}",
        )
    return _download(address, folder / f"table{suffix}")


def _download(address: str, target: Path) -> Path:
    transfer.download(address, target)
    return target


def _usual_table(address: str, folder: Path) -> Path:
    for name in USUAL_NAMES:
        try:
            return _download(address + name, folder / name)
        except MissingRequirement:
            continue
    raise MissingRequirement(
        f"no table in this folder: {', '.join(USUAL_NAMES)} were requested",
        where=address,
        remedy="name the table itself",
    )
