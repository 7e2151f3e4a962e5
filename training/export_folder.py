"""Writes a model directory as a whole: it is complete, or it is not there."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from iconoclip.disk_full import disk_full_is_an_answer
from iconoclip.errors import BadInput
from iconoclip.files import sha256_of
from iconoclip.leftovers import locked_folder, remove_leftovers

PROVENANCE_NAME = "provenance.json"


def exported(folder: Path) -> dict[str, Any] | None:
    """What the folder was made from, if it is complete; None otherwise."""
    try:
        found = json.loads((folder / PROVENANCE_NAME).read_text())
        source: dict[str, Any] = found["source"]
        is_whole = all(sha256_of(folder / name) == known for name, known in found["files"].items())
    except (OSError, KeyError, json.JSONDecodeError, AttributeError):
        return None
    return source if is_whole else None


def refuse_foreign(folder: Path) -> None:
    """Refuse to write into a folder that contains something else than an exported model.

    Raises:
        BadInput: it does.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / PROVENANCE_NAME).exists():
        raise BadInput(
            "the folder holds something that is not an exported model",
            where=folder,
            remedy="choose another with --out",
        )


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder that replaces `target` when the block ends without an error, and is removed otherwise."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked_folder(target) as scratch:
        remove_leftovers(target.parent, now=scratch.stat().st_mtime)
        with disk_full_is_an_answer(target):
            yield scratch
        scratch.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        scratch.replace(target)


def checksums(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file of the folder, by its path in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}
