"""Progress of every long verb: a bar on a terminal, or a plain line from time to time in a log."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

SECONDS_BETWEEN_LOG_LINES = 15.0


class Meter:
    """Counts the items of one piece of work; `advance` and `note` may be called as often as you like."""

    def __init__(self, what: str, total: int | None, unit: str) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.done = 0
        self.text = ""
        self._started = time.monotonic()

    def advance(self, count: int = 1) -> None:
        """Count `count` more items as done."""
        self.done += count
        self.show()

    def expect(self, total: int) -> None:
        """Set the total, once it is known or when it grows."""
        self.total = total
        self.show()

    def note(self, text: str) -> None:
        """Show a short text next to the count: a loss, a host, a number of refusals."""
        self.text = text
        self.show()

    @property
    def rate(self) -> float:
        """Items per second since the start."""
        return self.done / max(time.monotonic() - self._started, 1e-9)

    def show(self, *, last: bool = False) -> None:
        """Draw the current state. This base class draws nothing.

        Args:
            last: the work is done, so what limits how often it is drawn no longer applies.
        """


class _LogMeter(Meter):
    def __init__(self, what: str, total: int | None, unit: str) -> None:
        super().__init__(what, total, unit)
        self._shown = time.monotonic()

    def show(self, *, last: bool = False) -> None:
        """Log a line with the count and the rate, every few seconds and at the end."""
        now = time.monotonic()
        if not last and now - self._shown < SECONDS_BETWEEN_LOG_LINES:
            return
        self._shown = now
        of = f"/{self.total}" if self.total else ""
        left = (
            f", {_clock((self.total - self.done) / self.rate)} left"
            if self.total and self.done and not last
            else ""
        )
        took = f" in {_clock(now - self._started)}" if last else ""
        note = f", {self.text}" if self.text else ""
        print(
            f"{self.what}: {self.done}{of} {self.unit}{took}, {self.rate:.1f}/s{left}{note}",
            file=sys.stderr,
            flush=True,
        )


class _BarMeter(Meter):
    def __init__(self, what: str, total: int | None, unit: str, progress: Progress) -> None:
        super().__init__(what, total, unit)
        self._progress = progress
        self._task = progress.add_task(what, total=total, note="", unit=unit, rate="")

    def show(self, *, last: bool = False) -> None:
        """Move the bar on the terminal."""
        self._progress.update(
            self._task,
            completed=self.done,
            total=self.total,
            note=self.text,
            rate=f"{self.rate:.1f}/s",
            refresh=last,
        )


@contextlib.contextmanager
def progress(what: str, *, total: int | None = None, unit: str = "items") -> Iterator[Meter]:
    """Show progress on standard error while the block runs.

    Args:
        what: the work, in a word or two ("harvest", "encode").
        total: the number of items, when it is known.
        unit: what is counted.
    """
    if not sys.stderr.isatty():
        meter: Meter = _LogMeter(what, total, unit)
        try:
            yield meter
        finally:
            meter.show(last=True)
        return
    columns = (
        TextColumn("[bold]{task.description}"), BarColumn(bar_width=28), MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"), TextColumn("[cyan]{task.fields[rate]}"), TimeElapsedColumn(),
        TimeRemainingColumn(), TextColumn("[dim]{task.fields[note]}"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=5) as bars:
        meter = _BarMeter(what, total, unit, bars)
        try:
            yield meter
        finally:
            meter.show(last=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
