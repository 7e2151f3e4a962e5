"""Copies the metrics into TensorBoard event files in the run's folder:
`tensorboard --logdir RUN_DIR/tensorboard`.
"""

from __future__ import annotations

from typing import Any

from iconoclip.disk_full import disk_full_is_an_answer
from iconoclip.errors import MissingRequirement
from iconoclip.rundir import RunDir


class TensorBoardMirror:
    """Writes the numbers of each line of metrics.jsonl.

    Args:
        run: the run.
        first_step: the step that the run continues from; later entries of an earlier process no longer count.

    Raises:
        MissingRequirement: the package `tensorboard` is not installed.
    """

    def __init__(self, run: RunDir, first_step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingRequirement(
                "the package 'tensorboard' is not installed",
                where="tensorboard",
                remedy="pip install tensorboard, or leave the field false: metrics.jsonl holds the same",
            ) from error
        self._folder = run.folder / "tensorboard"
        self._writer: Any = SummaryWriter(
            str(self._folder), purge_step=first_step + 1 if first_step else None
        )

    def log(self, values: dict[str, Any]) -> None:
        """Write one line; texts and lists stay in metrics.jsonl."""
        with disk_full_is_an_answer(self._folder):
            for name, value in values.items():
                if isinstance(value, int | float) and name != "step":
                    self._writer.add_scalar(name, value, global_step=values["step"])

    def close(self) -> None:
        """Write the remaining data in the buffers."""
        with disk_full_is_an_answer(self._folder):
            self._writer.close()
