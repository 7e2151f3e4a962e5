"""Checkpoint files that are complete or absent: written under a temporary name and renamed, with a
checksum, and loaded as data only.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import IO, Any

import torch
from lightning.pytorch.plugins.io import CheckpointIO

from iconoclip.errors import DamagedData, MissingRequirement
from iconoclip.files import atomic_write
from training.checkpoint.folder import checksum_path, is_sound

_REMEDY = "remove it; the run continues from the checkpoint before it"


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The contents of a checkpoint: tensors and plain values, never code.

    Raises:
        MissingRequirement: no such file.
        DamagedData: it does not match its checksum, or contains something other than data.
    """
    if not path.is_file():
        raise MissingRequirement("no such checkpoint", where=path, remedy="`iconoclip train` writes them")
    if not is_sound(path):
        raise DamagedData("the checkpoint does not match its checksum", where=path, remedy=_REMEDY)
    try:
        # weights_only: an untrusted checkpoint must not run code while it is unpickled.
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise DamagedData(
            f"not a checkpoint of plain tensors: {str(error).splitlines()[0]}",
            where=path,
            remedy="load only checkpoints that iconoclip wrote",
        ) from error
    return checkpoint


class _HashingWriter:
    """Writes to a file and computes the hash of the bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.sha256 = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


class AtomicCheckpointIO(CheckpointIO):
    """Writes Lightning's checkpoints atomically, with a checksum, and reads them as data only."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint. A crash at any moment leaves the earlier ones unchanged."""
        self.write(checkpoint, Path(path))

    def write(self, checkpoint: dict[str, Any], path: Path) -> None:
        """Write a checkpoint and its checksum, or nothing.

        Raises:
            TryAgainLater: the disk is full; earlier checkpoints are kept.
        """
        with atomic_write(path) as file:
            writer = _HashingWriter(file)
            torch.save(checkpoint, writer)  # type: ignore[arg-type]
            with atomic_write(checksum_path(path)) as checksum:
                checksum.write(f"{writer.sha256.hexdigest()}  {path.name}\n".encode())

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint as plain data."""
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint and its checksum."""
        Path(path).unlink(missing_ok=True)
        checksum_path(Path(path)).unlink(missing_ok=True)
