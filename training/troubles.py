"""What a machine does to a run, as a sentence with a remedy instead of a traceback of torch's."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import torch

from iconoclip.disk_full import disk_full_is_an_answer
from iconoclip.errors import BadInput, IconoclipError, TryAgainLater
from training.ranks import is_distributed

NO_MEMORY = re.compile(
    r"can't allocate memory|not enough memory|CUDA out of memory|CUBLAS_STATUS_ALLOC_FAILED"
)
# What gloo, NCCL and the store that ranks meet at say when a rank has gone.
RANK_LOST = re.compile(
    r"connection (was )?(closed|reset|refused)|broken pipe|remote process exited|recvvalue failed"
    r"|socket timeout|timed out waiting|store.{0,20}timeout|ncclremoteerror|watchdog",
    re.IGNORECASE,
)


@contextlib.contextmanager
def machine_troubles(where: Path, remedy: str) -> Iterator[None]:
    """Turn a machine's ordinary troubles inside the block into errors that a person can act on.

    Args:
        where: what is being written.
        remedy: the fields that make the work smaller.

    Raises:
        BadInput: the device has too little memory for what is asked of it.
        TryAgainLater: the disk is full, or another rank has gone.
    """
    try:
        with disk_full_is_an_answer(where):
            yield
    except IconoclipError:
        raise
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _out_of_memory(str(error), where, remedy) from error
    except RuntimeError as error:
        if NO_MEMORY.search(str(error)):
            raise _out_of_memory(str(error), where, remedy) from error
        if is_distributed() and RANK_LOST.search(str(error)):
            raise TryAgainLater(
                "another rank has ended, and this one cannot continue without it",
                where=where,
                remedy="see what that rank reported; the same command continues from the last checkpoint",
            ) from error
        raise


def _out_of_memory(text: str, where: Path, remedy: str) -> BadInput:
    asked = re.search(r"[Tt]ried to allocate ([\d.]+ \w+)", text)
    amount = f", with {asked[1]} more" if asked else ""
    return BadInput(f"the device is out of memory{amount}", where=where, remedy=remedy)
