"""The resources of this machine that the process may use."""

from __future__ import annotations

import os


def num_cores() -> int:
    """The number of CPU cores that this process may use; in a job or a container it may be smaller
    than the machine's.
    """
    return len(os.sched_getaffinity(0))
