"""What this machine offers to the process."""

from __future__ import annotations

import os


def num_cores() -> int:
    """The CPU cores that this process may use, which in a job or a container are fewer than there are."""
    return len(os.sched_getaffinity(0))
