"""Shows again and again what a verb prints: a live picture on a terminal, text with times elsewhere."""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections.abc import Callable

from rich.console import Console
from rich.highlighter import RegexHighlighter
from rich.live import Live
from rich.text import Text
from rich.theme import Theme

from iconoclip import clock

THEME = Theme({"state.good": "green", "state.bad": "red", "state.idle": "yellow", "state.over": "dim"})


class States(RegexHighlighter):
    """Colours for the states of runs and harvests."""

    base_style = "state."
    highlights = [  # noqa: RUF012 (rich reads this attribute of the class)
        r"(?P<good>\b(running|joining|downloading)\b)", r"(?P<bad>\b(failed|cancelled|damaged)\b)",
        r"(?P<idle>\b(waiting|submitted|requeued|interrupted|stopped|ending)\b)", r"(?P<over>\bfinished\b)",
    ]  # fmt: skip


def watch(show: Callable[[], object], every_seconds: float) -> int:
    """Show what `show` prints until Ctrl-C.

    Returns:
        0: to stop watching is not an error.
    """
    with contextlib.suppress(KeyboardInterrupt):
        if sys.stdout.isatty():
            _live(show, every_seconds)
        else:
            _as_text(show, every_seconds)
    return 0


def _live(show: Callable[[], object], every_seconds: float) -> None:
    console = Console(theme=THEME)
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            live.update(_picture(_printed_by(show)), refresh=True)
            time.sleep(every_seconds)


def _picture(printed: str) -> Text:
    text = Text.from_ansi(f"{printed}\n{clock.wall_now()}; Ctrl-C ends it", no_wrap=True, overflow="ellipsis")
    States().highlight(text)
    return text


def _as_text(show: Callable[[], object], every_seconds: float) -> None:
    while True:
        print(f"{_printed_by(show)}\n# {clock.wall_now()}\n", flush=True)
        time.sleep(every_seconds)


def _printed_by(show: Callable[[], object]) -> str:
    """What it prints to standard output, then what it prints to standard error."""
    out, notes = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(notes):
        show()
    return (out.getvalue() + notes.getvalue()).rstrip()
