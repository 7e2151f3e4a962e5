"""Replaces a shard set by another state that was built in a folder within it, safely.

A set is first built in another folder (`STAGING/packing`), renamed when it is complete (`STAGING/packed`),
then moved into place file by file, `shardset.json` last. A process killed in between leaves the old set, or
one that the next writer or reader completes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from iconoclip.errors import IconoclipError
from iconoclip.locks import lock_file
from iconoclip.shardset_manifest import MANIFEST_NAME, ShardSetManifest, unseal

PACKED: Final = "packed"
# Folders of a set in which `merge` and `takedown` build its next state.
MERGE_STAGING: Final = ".merge"
TAKEDOWN_STAGING: Final = ".takedown"


def hand_over(folder: Path, out: Path) -> bool:
    """Move a finished build into place. Returns False when there is none. Safe to repeat after a crash.

    Args:
        folder: holds the build, in `packed`.
        out: the folder of the set. Shards that the new state does not list are removed.
    """
    if not folder.is_dir():
        return False
    with _locked(folder):
        staging = folder / PACKED
        if not (staging / MANIFEST_NAME).exists():
            shutil.rmtree(staging, ignore_errors=True)
            return False
        names = sorted(path.name for path in staging.iterdir() if path.name != MANIFEST_NAME)
        unseal(out)
        for name in names:
            (staging / name).replace(out / name)
        manifest = ShardSetManifest.model_validate_json((staging / MANIFEST_NAME).read_bytes())
        (staging / MANIFEST_NAME).replace(out / MANIFEST_NAME)
        ours = {shard.name for shard in manifest.shards if shard.at is None}
        for path in out.glob("*-[0-9][0-9][0-9][0-9][0-9][0-9].tar"):
            if path.name not in ours:
                path.unlink()
        staging.rmdir()
    return True


def complete(out: Path) -> bool:
    """Complete what a killed merge or takedown left, for a reader that finds no manifest.

    Returns:
        Whether there was something.
    """
    for name in (MERGE_STAGING, TAKEDOWN_STAGING):
        # A writer that is alive holds the lock; once it is released the manifest is there.
        with contextlib.suppress(OSError):
            if (out / name / PACKED / MANIFEST_NAME).exists():
                hand_over(out / name, out)
                return True
    return False


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes from moving the same files. Without file locks nobody else is expected to."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(IconoclipError):
            lock_file(descriptor, waits=True)
        yield
    finally:
        os.close(descriptor)
