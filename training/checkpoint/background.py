"""Writes checkpoints while the training continues: a copy in memory, and a thread that writes it.

The thread writes as `file.py` does, so a checkpoint is complete or absent also when the process is killed
meanwhile. There is one copy at a time: a checkpoint that is due before the last one is written waits for it.

What a step loses is kept small in two ways. The memory of the copy is kept: the system clears new memory page
by page, which takes several times as long as the copy itself. And the thread has a low priority: checksums
take some tenths of a second of a core for each 200 MB, which the threads of the training need as well.
"""

from __future__ import annotations

import contextlib
import copy
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from training.checkpoint.file import AtomicCheckpointIO
from training.checkpoint.folder import prune

# As of nice(1), more than the training's: where cores are scarce, a third of the share of a thread of it.
# With 10 a checkpoint of 200 MB took longer than 20 steps on a busy machine, so the next one waited for it.
MORE_NICENESS: Final = 5


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
        self._copier = Copier()

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Begin to write a checkpoint. A crash at any moment leaves the earlier ones unchanged."""
        self.wait()
        if not self._in_background:
            self._write(checkpoint, Path(path))
            return
        # Not a daemon: a process that ends by itself completes its last checkpoint.
        whole = self._copier(checkpoint)
        self._thread = threading.Thread(target=self._write_slowly, args=(whole, Path(path)))
        self._thread.start()

    def wait(self) -> None:
        """Return once no checkpoint is being written; `problem` then tells whether that succeeded."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        """The same as `wait`, for a run that ends with an error."""
        self.wait()

    def _write_slowly(self, checkpoint: dict[str, Any], path: Path) -> None:
        # On Linux a thread has a priority of its own; a system may forbid to change it.
        with contextlib.suppress(OSError):
            own = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, own, os.getpriority(os.PRIO_PROCESS, own) + MORE_NICENESS)
        self._write(checkpoint, path)

    def _write(self, checkpoint: dict[str, Any], path: Path) -> None:
        try:
            self.write(checkpoint, path)
            prune(path.parent, self._num_kept)
        except Exception as error:
            self.problem = error


class Copier:
    """Copies checkpoints into memory of the CPU that it keeps: each copy overwrites the one before."""

    def __init__(self) -> None:
        self._made: list[Tensor] = []
        self._kept: Iterator[Tensor] = iter(())
        self._copies: dict[tuple[Any, ...], Tensor] = {}

    def __call__(self, checkpoint: dict[str, Any]) -> dict[str, Any]:
        """A copy of a checkpoint, which later steps do not change.

        Tensors keep their memory layout, and tensors that share memory share it in the copy.
        """
        self._kept, self._made, self._copies = iter(self._made), [], {}
        with torch.no_grad():
            found: dict[str, Any] = self._copied(checkpoint)
        self._kept, self._copies = iter(()), {}
        return found

    def _copied(self, value: Any) -> Any:
        """The same for one value of it, at any depth."""
        if isinstance(value, Tensor):
            place = (value.device, value.data_ptr(), value.shape, value.stride(), value.dtype)
            if place not in self._copies or not value.numel():
                self._copies[place] = self._tensor_copied(value)
                self._made.append(self._copies[place])
            return self._copies[place]
        if isinstance(value, dict):
            # Also the attribute in which a state dict has the versions of its modules.
            found = copy.copy(value)
            found.update((name, self._copied(one)) for name, one in value.items())
            return found
        if isinstance(value, list):
            return [self._copied(one) for one in value]
        if type(value) is tuple:
            parts = tuple(self._copied(one) for one in value)
            # A tuple of plain values stays the same object, which pickle then writes once.
            return value if all(one is other for one, other in zip(value, parts, strict=True)) else parts
        return value

    def _tensor_copied(self, value: Tensor) -> Tensor:
        # A run has the same tensors in the same order each time, but for the state of an optimizer that has
        # just begun, or for weights that were unfrozen.
        kept = next(self._kept, None)
        if kept is not None and _form(kept) == _form(value):
            return kept.copy_(value)
        return value.detach().to("cpu", copy=True)


def _form(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.shape, tensor.stride(), tensor.dtype
