"""Lightning callbacks during training: the record of the run, its checkpoints, error checks, a clean stop."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from iconoclip.errors import BadInput, DamagedData
from iconoclip.progress import Meter, progress
from iconoclip.rundir import RunDir
from training.checkpoint.background import BackgroundCheckpointIO
from training.checkpoint.folder import checkpoint_path
from training.config_groups import CheckpointConfig
from training.cost import EnergyMeter
from training.data.loader import Batch
from training.data.samples import Samples
from training.hardware import peak_memory_megabytes
from training.losses import gather_plain
from training.module import ContrastiveModule
from training.ranks import any_rank, joined_list

# A line of metrics.jsonl with a pair of keys for each use of a damaged sample: its own key
# and that of its replacement.
DAMAGED_EVENT = "damaged pictures: each was replaced by a neighbour"
STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


class Stopwatch(Callback):
    """Measures how much time steps take and how much is spent waiting for data. The first step of
    a process does not count.
    """

    def __init__(self) -> None:
        self.num_samples = 0
        self.seconds = 0.0
        self.waited_seconds = 0.0
        self._ended = self._before = time.perf_counter()
        self._is_first = True

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """The batch has arrived: the time since the last step was spent waiting for data."""
        self._before = time.perf_counter()
        self._waited = self._before - self._ended

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Count the finished step and its time."""
        now = time.perf_counter()
        if not self._is_first:
            self.num_samples += len(batch) * trainer.world_size
            self.seconds += now - self._before + self._waited
            self.waited_seconds += self._waited
        self._is_first = False
        self._ended = now

    def pause(self) -> None:
        """Ignore the time since the last step: it was used for a checkpoint or a validation."""
        self._ended = time.perf_counter()

    @property
    def samples_per_second(self) -> float:
        """The samples of all ranks divided by the wall-clock time of steps and of waiting for data."""
        return self.num_samples / self.seconds if self.seconds else 0.0

    @property
    def data_wait_share(self) -> float:
        """The share of that time that was spent waiting for data."""
        return self.waited_seconds / self.seconds if self.seconds else 0.0


class Mirror(Protocol):
    """Another destination of the lines of metrics.jsonl."""

    def log(self, values: dict[str, Any]) -> None:
        """Copy one line of metrics."""

    def close(self) -> None:
        """Write the remaining lines at the end of the run."""


class Recorder(Callback):
    """Writes metrics.jsonl, copies it to the mirrors, and shows the progress bar. Only on the first rank.

    Args:
        run: the folder of the run.
        every: steps between lines.
        batch_size: samples per step, over all ranks.
        stopwatch, energy: measure the steps.
        meter: the progress bar, if one is shown.
        mirrors: get a copy of each line.
    """

    def __init__(
        self,
        run: RunDir,
        every: int,
        batch_size: int,
        stopwatch: Stopwatch,
        energy: EnergyMeter,
        meter: Meter | None,
        mirrors: Sequence[Mirror],
    ) -> None:
        self._run, self._every, self._batch_size = run, every, batch_size
        self._stopwatch, self._energy = stopwatch, energy
        self._meter, self._mirrors = meter, mirrors

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Show the step, and record every `log_every`-th."""
        assert isinstance(pl_module, ContrastiveModule)
        assert pl_module.last
        step = pl_module.step
        if self._meter:
            self._meter.text = f"loss {pl_module.last.loss:.3f}"
            self._meter.advance(self._batch_size)
        is_time = step % self._every == 0 or step == pl_module.num_steps
        if is_time and trainer.is_global_zero:
            self.record(step=step, **self._values(pl_module))

    def _values(self, module: ContrastiveModule) -> dict[str, Any]:
        assert module.last
        scale = {"loss_scale": module.scaler.scale} if module.scaler else {}
        return {
            **scale,
            "samples": module.step * self._batch_size,
            "loss": _finite(module.last.loss),
            "grad_norm": _finite(module.last.grad_norm),
            "learning_rate": module.learning_rate(),
            "logit_scale": module.scale().item(),
            "samples_per_second": self._stopwatch.samples_per_second,
            "data_wait_share": self._stopwatch.data_wait_share,
            "memory_mb": peak_memory_megabytes(module.device),
            "train_seconds": self._energy.run_seconds(self._stopwatch.seconds),
            "energy_kwh": self._energy.read(self._stopwatch.seconds, module.device)["energy_kwh"],
        }

    def record(self, **values: Any) -> None:
        """Append a line to metrics.jsonl, and to its mirrors."""
        self._run.log(**values)
        for mirror in self._mirrors:
            mirror.log(values)


class SampleGuard(Callback):
    """Checks before each step whether every rank has loaded its share, and which pictures were damaged.

    The ranks decide together, so that all of them end with the same message and exit code, or none.
    """

    def __init__(self, run: RunDir, samples: Samples, recorder: Recorder, max_damaged: int) -> None:
        self._run, self._samples, self._recorder, self._max = run, samples, recorder, max_damaged

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Check the batch of this step.

        Raises:
            IconoclipError: a rank could not load its share.
            DamagedData: more pictures are damaged than allowed; the message lists them.
        """
        assert isinstance(pl_module, ContrastiveModule)
        if not any_rank(batch.problem is not None or bool(batch.damaged)):
            return
        problems = joined_list([batch.problem] if batch.problem else [])
        if problems:
            raise problems[0]
        self._note(pl_module, joined_list(list(batch.damaged)), is_first=trainer.is_global_zero)

    def _note(
        self, module: ContrastiveModule, damaged: list[tuple[int, int, str]], *, is_first: bool
    ) -> None:
        keys = self._samples.keys
        pairs = [[keys[row].as_py(), keys[neighbour].as_py()] for row, neighbour, _ in damaged]
        known = len(module.damaged)
        module.damaged |= {key: what for (key, _), (_, _, what) in zip(pairs, damaged, strict=True)}
        if is_first:
            self._recorder.record(step=module.step + 1, event=DAMAGED_EVENT, damaged=pairs)
            if len(module.damaged) > known:
                self._run.update_job(damaged=module.damaged)
        if len(module.damaged) > self._max:
            listed = "; ".join(f"{key}: {what}" for key, what in list(module.damaged.items())[:20])
            more = f" and {len(module.damaged) - 20} more" if len(module.damaged) > 20 else ""
            raise DamagedData(
                f"{len(module.damaged)} samples have damaged pictures, more than data.max_damaged_samples "
                f"({self._max}): {listed}{more}",
                where=self._run.job_path,
                remedy="job.json lists them all: repair them, remove them with `iconoclip takedown`, "
                "or allow more with data.max_damaged_samples",
            )


class BadStepGuard(Callback):
    """Reports each step that is skipped because of a non-finite loss or gradient, and
    ends the run after too many.
    """

    def __init__(self, samples: Samples, recorder: Recorder, max_bad_steps: int) -> None:
        self._samples, self._recorder, self._max = samples, recorder, max_bad_steps

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Check the step that has just ended.

        Raises:
            BadInput: more steps than allowed were skipped.
        """
        assert isinstance(pl_module, ContrastiveModule)
        assert pl_module.last
        if pl_module.last.is_applied:
            return
        if pl_module.last.is_overflow:
            if trainer.is_global_zero:
                event = "step skipped: a gradient overflowed in float16; the scale of the loss was halved"
                self._recorder.record(step=pl_module.step, event=event)
            return
        keys = [self._samples.keys[row].as_py() for row in gather_plain(batch.rows_B).tolist()]
        if trainer.is_global_zero:
            self._recorder.record(
                step=pl_module.step, event="step skipped: the loss or a gradient is not finite", keys=keys
            )
        if pl_module.num_bad_steps > self._max:
            raise BadInput(
                f"{pl_module.num_bad_steps} steps had a loss or gradient that is not finite; none of them "
                "was applied",
                where=f"step {pl_module.step}, first keys: {', '.join(keys[:3])}",
                remedy="lower optimizer.learning_rate, or hardware.precision float32; metrics.jsonl lists "
                "the keys of each batch",
            )


class Checkpointer(Callback):
    """Saves a checkpoint after a number of steps or minutes, and at the end."""

    def __init__(
        self,
        run: RunDir,
        when: CheckpointConfig,
        stopwatch: Stopwatch,
        files: BackgroundCheckpointIO,
        first_step: int,
    ) -> None:
        self._run, self._when, self._stopwatch, self._files = run, when, stopwatch, files
        self._saved_at = time.monotonic()
        self._saved_step = first_step or -1

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Save if a checkpoint is due.

        Raises:
            TryAgainLater: the disk was full when the last checkpoint was written; on every rank.
        """
        assert isinstance(pl_module, ContrastiveModule)
        is_time = time.monotonic() - self._saved_at > 60 * self._when.minutes
        problem = self._files.problem
        if trainer.world_size > 1:
            # The clocks of ranks differ, but all must save at the same step, and end at the same one.
            is_time, problem = trainer.strategy.broadcast((is_time, problem))
        if problem is not None:
            raise problem
        if pl_module.step % self._when.every == 0 or is_time:
            self.save(trainer, pl_module)

    def save(self, trainer: pl.Trainer, module: ContrastiveModule) -> None:
        """Begin to write the checkpoint of the present step, unless that was done."""
        if self._saved_step == module.step:
            return
        trainer.save_checkpoint(checkpoint_path(self._run.checkpoints, module.step))
        self._saved_step, self._saved_at = module.step, time.monotonic()
        self._stopwatch.pause()

    def finish(self, trainer: pl.Trainer, module: ContrastiveModule) -> None:
        """Write the checkpoint of the last step, and wait until it is complete.

        Raises:
            TryAgainLater: the disk is full, on every rank.
        """
        self.save(trainer, module)
        self._files.wait()
        # If the disk is full for the first rank, all ranks end.
        if (problem := trainer.strategy.broadcast(self._files.problem)) is not None:
            raise problem


class StopSignals(Callback):
    """After a signal, ends the run when the present step is done. A second Ctrl-C stops at once.

    Nothing is saved inside the signal handler: it runs between any two instructions, and saving there can
    hang (pytorch-lightning #21406). All ranks agree on the step to stop at.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Handle signals while the block runs."""
        self._install()
        try:
            yield
        finally:
            if threading.current_thread() is threading.main_thread():
                for number, handler in self._previous.items():
                    signal.signal(number, handler)

    def _install(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in STOP_SIGNALS:
                previous = signal.signal(number, self._note)
                self._previous.setdefault(number, previous)

    def _note(self, number: int, frame: Any) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        if self.received is None and number == signal.SIGINT:
            print("\nstopping after this step; Ctrl-C again to stop at once", file=sys.stderr)
        self.received = signal.Signals(number)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restore our handler, which Lightning has replaced by its own."""
        self._install()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Stop if any rank has received a signal."""
        is_asked = self.received is not None
        if trainer.world_size > 1:
            is_asked = bool(trainer.strategy.reduce_boolean_decision(is_asked, all=False))
        if is_asked:
            self.received = self.received or signal.SIGTERM
            trainer.should_stop = True


class StepLimit(Callback):
    """Ends the run at its last step."""

    def __init__(self, last_step: int) -> None:
        self._last_step = last_step

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Stop if this was the last step."""
        assert isinstance(pl_module, ContrastiveModule)
        if pl_module.step >= self._last_step:
            trainer.should_stop = True


@contextlib.contextmanager
def bar(what: str, total: int, unit: str, *, is_shown: bool) -> Iterator[Meter | None]:
    """A progress bar, on the rank that shows it."""
    if not is_shown:
        yield None
        return
    with progress(what, total=total, unit=unit) as meter:
        yield meter


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None
