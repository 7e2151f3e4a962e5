"""Turns failures of the machine into a message with a remedy instead of a traceback of torch."""

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
# Messages of gloo, NCCL and the rendezvous store after a rank has ended.
RANK_LOST = re.compile(
    r"connection (was )?(closed|reset|refused)|broken pipe|remote process exited|recvvalue failed"
    r"|socket timeout|timed out waiting|store.{0,20}timeout|ncclremoteerror|watchdog",
    re.IGNORECASE,
)


@contextlib.contextmanager
def machine_troubles(where: Path, remedy: str) -> Iterator[None]:
    """Turn common failures of the machine inside the block into errors that a person can act on.

    Args:
        where: the file or folder that is being written.
        remedy: the fields that reduce memory use.

    Raises:
        BadInput: the device has too little memory.
        TryAgainLater: the disk is full, or another rank has ended.
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
