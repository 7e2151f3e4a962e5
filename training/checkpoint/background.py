"""Writes checkpoints while the training continues: a copy in memory, and a thread that writes it.

The thread writes as `file.py` does, so a checkpoint is complete or absent also when the process is killed
meanwhile. There is one copy at a time: a checkpoint that is due before the last one is written waits for it.
"""

from __future__ import annotations

import copy
import threading
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.checkpoint.file import AtomicCheckpointIO
from training.checkpoint.folder import prune


class BackgroundCheckpointIO(AtomicCheckpointIO):
    """Writes Lightning's checkpoints in a thread, and removes old ones once a new one is complete.

    Only the first rank writes. If it fails, the error is stored in `problem`, so that all ranks can end
    together. If one rank raised it, the others would wait for that rank.

    Args:
        num_kept: the number of checkpoints to keep.
        in_background: whether to use a thread; otherwise each checkpoint is written before this returns.
    """

    def __init__(self, num_kept: int, *, in_background: bool = True) -> None:
        self.problem: Exception | None = None
        self._num_kept, self._in_background = num_kept, in_background
        self._thread: threading.Thread | None = None

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Begin to write a checkpoint. A crash at any moment leaves the earlier ones unchanged."""
        self.wait()
        if not self._in_background:
            self._write(checkpoint, Path(path))
            return
        # Not a daemon: a process that ends by itself completes its last checkpoint.
        self._thread = threading.Thread(target=self._write, args=(snapshot(checkpoint), Path(path)))
        self._thread.start()

    def wait(self) -> None:
        """Return once no checkpoint is being written; `problem` then tells whether that succeeded."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        """The same as `wait`, for a run that ends with an error."""
        self.wait()

    def _write(self, checkpoint: dict[str, Any], path: Path) -> None:
        try:
            self.write(checkpoint, path)
            prune(path.parent, self._num_kept)
        except Exception as error:
            self.problem = error


def snapshot(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """A copy of a checkpoint in the memory of the CPU, which later steps do not change.

    Tensors keep their memory layout, and tensors that share memory share it in the copy.
    """
    copies: dict[tuple[Any, ...], Tensor] = {}

    def copied(value: Any) -> Any:
        """The same for one value of it, at any depth."""
        if isinstance(value, Tensor):
            place = (value.device, value.data_ptr(), value.shape, value.stride(), value.dtype)
            if place not in copies or not value.numel():
                copies[place] = value.detach().to("cpu", copy=True)
            return copies[place]
        if isinstance(value, dict):
            # Also the attribute in which a state dict has the versions of its modules.
            found = copy.copy(value)
            found.update((name, copied(one)) for name, one in value.items())
            return found
        if isinstance(value, list):
            return [copied(one) for one in value]
        if type(value) is tuple:
            parts = tuple(copied(one) for one in value)
            # A tuple of plain values stays the same object, which pickle then writes once.
            return value if all(one is other for one, other in zip(value, parts, strict=True)) else parts
        return value

    with torch.no_grad():
        whole: dict[str, Any] = copied(checkpoint)
    return whole
