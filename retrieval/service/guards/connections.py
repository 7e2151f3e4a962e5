"""Time limits for connections, so that idle clients cannot block the service.

uvicorn has a limit for idle connections after an answer, and none for a request that never arrives, a body
that comes a byte at a time, or an answer that nobody reads; its `limit_concurrency` counts sockets, so that
200 silent ones close a service to everyone. A reverse proxy has these limits, and this service is also run
without one. hypercorn and granian have some of them; neither limits a slow reader, and each would replace the
start, the port handling and the shutdown of `serve.py`, so the limits are a subclass of uvicorn's own
protocol (docs/decisions/0004-search.md).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

Stage = tuple[str, object]
WAITING, RECEIVING, ANSWERING, SENDING = "waiting", "receiving", "answering", "sending"


@dataclass(frozen=True)
class ConnectionLimits:
    """How long a connection may stay in each stage, in seconds, and how many connections there may be.

    The seconds count from the start of the stage and not from the last byte: a byte now and then does not
    extend them.
    """

    header_seconds: float = 10.0
    body_seconds: float = 120.0
    send_seconds: float = 60.0
    max_connections: int = 500

    @property
    def seconds_between_looks(self) -> float:
        """How often each connection is looked at: late by a tenth at most."""
        return min(1.0, min(self.header_seconds, self.body_seconds, self.send_seconds) / 10)

    def seconds_of(self, stage: str) -> float:
        """The limit of a stage; our own work on an answer has none."""
        limits = {WAITING: self.header_seconds, RECEIVING: self.body_seconds, SENDING: self.send_seconds}
        return limits.get(stage, float("inf"))


class LimitedConnection(H11Protocol):
    """One connection under the limits of its class; made by `limited`."""

    limits = ConnectionLimits()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to watch; where there are too many connections, close the one that has waited longest."""
        super().connection_made(transport)
        self._stage: Stage = (WAITING, None)
        self._deadline = self.loop.time() + self.limits.header_seconds
        self._next_look = self.loop.call_later(self.limits.seconds_between_looks, self._look)
        if len(self.connections) > self.limits.max_connections:
            self._longest_waiting().transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching the connection."""
        self._next_look.cancel()
        super().connection_lost(exc)

    def stage(self) -> Stage:
        """The present stage of the connection, and the request it is in."""
        if self.transport.get_write_buffer_size():
            return SENDING, None
        if self.cycle is None or self.cycle.response_complete:
            return WAITING, self.cycle
        return (RECEIVING if self.cycle.more_body else ANSWERING), self.cycle

    def _look(self) -> None:
        now, stage = self.loop.time(), self.stage()
        if stage[0] != self._stage[0] or stage[1] is not self._stage[1]:
            self._stage, self._deadline = stage, now + self.limits.seconds_of(stage[0])
        if now >= self._deadline:
            # Not `close`: that waits until everything is sent, for as long as the reader likes.
            self.transport.abort()
        else:
            self._next_look = self.loop.call_later(self.limits.seconds_between_looks, self._look)

    def _longest_waiting(self) -> LimitedConnection:
        waiting = [
            each
            for each in self.connections
            if isinstance(each, LimitedConnection) and each is not self and each.stage()[0] == WAITING
        ]
        return min(waiting, key=lambda each: each._deadline, default=self)


def limited(limits: ConnectionLimits) -> type[Any]:
    """The protocol class for uvicorn's `http` setting."""
    return type("LimitedConnection", (LimitedConnection,), {"limits": limits})
