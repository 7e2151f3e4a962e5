"""Time limits for connections, so that idle clients cannot block the service.

uvicorn limits idle connections after a response. It has no limit for a request that never arrives, a body
that arrives byte by byte, or a response that the client does not read. Its `limit_concurrency` counts open
sockets, so that 200 idle ones block the service for everyone. A reverse proxy has these limits, but this
service is also run without one. hypercorn and granian have some of them. Neither limits a slow reader, and
either would replace the start, the port handling and the shutdown of `serve.py`. So the limits are a subclass
of uvicorn's own protocol (docs/decisions/0010-service-in-the-open.md).
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
    """The seconds that a connection may spend in each stage, and the number of connections.

    The seconds count from the start of the stage, not from the last byte, so single bytes do not extend them.
    """

    header_seconds: float = 10.0
    body_seconds: float = 120.0
    send_seconds: float = 60.0
    max_connections: int = 500

    @property
    def seconds_between_looks(self) -> float:
        """The interval between checks of each connection: a limit is exceeded by at most a tenth."""
        return min(1.0, min(self.header_seconds, self.body_seconds, self.send_seconds) / 10)

    def seconds_of(self, stage: str) -> float:
        """The limit of a stage. Our own work on a response has none."""
        limits = {WAITING: self.header_seconds, RECEIVING: self.body_seconds, SENDING: self.send_seconds}
        return limits.get(stage, float("inf"))


class LimitedConnection(H11Protocol):
    """One connection under the limits of its class; made by `limited`."""

    limits = ConnectionLimits()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to watch the connection. If there are too many, close the one that
        has been idle for longest.
        """
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
        """The present stage of the connection, and the request that it belongs to."""
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
            # Not `close`, which waits until everything is sent, however slowly the client reads.
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
