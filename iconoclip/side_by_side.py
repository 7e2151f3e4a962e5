"""Work on a stream of inputs in threads, with the results in order and bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


def side_by_side(inputs: Iterable[S], run: Callable[[S], T], num_workers: int) -> Iterator[T]:
    """The result of `run` for each input, in order, computed by threads, or without threads by the caller.

    At most two inputs per worker are read in advance.
    """
    if num_workers == 0:
        yield from map(run, inputs)
        return
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(num_workers, thread_name_prefix="worker") as pool:
        try:
            for each in inputs:
                waiting.append(pool.submit(run, each))
                if len(waiting) > 2 * num_workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
