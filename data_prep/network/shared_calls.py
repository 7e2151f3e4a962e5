"""Calls whose result several tasks need: each is made only once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SharedCalls(Generic[T]):
    """Joins equal calls: a second call during the first one waits for the result, or the exception, of the
    first.

    A call that has ended is forgotten, so a later one is made again.
    """

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[T]] = {}

    async def of(self, key: str, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of the call with this key. `make` is called unless such a call is running.

        A task that is cancelled while it waits does not cancel the call for the others.
        """
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(make())
            task.add_done_callback(_mark_as_seen)
            task.add_done_callback(lambda _: self._tasks.pop(key, None))
        return await asyncio.shield(task)

    def cancel(self) -> None:
        """Cancel the calls that are running."""
        for task in list(self._tasks.values()):
            task.cancel()


def _mark_as_seen(task: asyncio.Task[Any]) -> None:
    """Every task that waited for a failed call may have been cancelled; asyncio warns of unseen failures."""
    if not task.cancelled():
        task.exception()
