"""Processor seconds of the tests by folder, file and test: `CPU_TIMES=40 make test` prints the forty largest.

The wall-clock times of `--durations` mix work with waiting and with what else runs on the machine. A child
process counts when it has ended and its parent has waited for it; a service that outlives a test counts with
the last one.
"""

from __future__ import annotations

import os
import resource
from collections import Counter
from collections.abc import Iterator

import pytest

from tests import commands

NUM_LINES = int(os.environ.get("CPU_TIMES", "0"))
_NAME = "processor_seconds"


def _seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used) + commands.processor_seconds()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Keep the time at which a test began."""
    item.stash[_BEGAN] = _seconds()
    return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Give each of a test's three reports the time since the one before."""
    now = _seconds()
    item.user_properties.append((_NAME, now - item.stash[_BEGAN]))
    item.stash[_BEGAN] = now
    try:
        return (yield)
    finally:
        item.user_properties.pop()


_BEGAN = pytest.StashKey[float]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the sums by folder, and the files and tests that take most."""
    tests: Counter[str] = Counter()
    files: Counter[str] = Counter()
    folders: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, seconds in getattr(report, "user_properties", ()):
                if name == _NAME:
                    path = report.nodeid.partition("::")[0]
                    tests[report.nodeid] += seconds
                    files[path] += seconds
                    folders["/".join(path.split("/")[:2])] += seconds
    terminalreporter.section(f"processor seconds: {sum(files.values()):.0f}")
    for path, seconds in [
        *folders.most_common(),
        *files.most_common(NUM_LINES),
        *tests.most_common(NUM_LINES),
    ]:
        terminalreporter.line(f"{seconds:8.1f}  {path}")
