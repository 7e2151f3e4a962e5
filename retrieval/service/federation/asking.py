"""Asks several services the same question at once, and waits for none of them longer than the time limit.

Each service has its own few threads, so one that hangs takes none from the others. What it answers is
bounded: its bytes, its time over all (not only between two parts of it), no redirects, no compression. A
connection that is too slow is cut from outside.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

from retrieval.answers import Results
from retrieval.service.federation.members import AddressBook, Member
from retrieval.service.federation.reading import read_results
from retrieval.service.guards.pinned import PinnedConnection

MAX_ANSWER_BYTES, CHUNK_BYTES = 2_000_000, 65_536
NUM_THREADS_PER_SERVICE = 16

State = Literal["answered", "slow", "unreachable", "busy", "refused", "unreadable"]
_HEADERS = {
    "User-Agent": f"iconoclip/{version('iconoclip')} (federation)",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
}


@dataclass(frozen=True)
class Reply:
    """What became of a question to one service."""

    member: Member
    state: State
    results: Results | None = None
    took_ms: float = 0.0


class _Failed(Exception):
    """The service did not answer as it should."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.state = state


class Asker:
    """Asks services.

    Args:
        members: the services.
        addresses: resolves their names.
        timeout_seconds: how long to wait for a whole answer.
    """

    def __init__(self, members: Sequence[Member], addresses: AddressBook, timeout_seconds: float) -> None:
        self._addresses, self._timeout_seconds = addresses, timeout_seconds
        self._pools = {
            member: ThreadPoolExecutor(NUM_THREADS_PER_SERVICE, thread_name_prefix=f"ask-{member.id}")
            for member in members
        }
        self._free = {member: threading.BoundedSemaphore(NUM_THREADS_PER_SERVICE) for member in members}

    def ask(self, questions: dict[Member, str]) -> list[Reply]:
        """Ask each service for its path and query (`/api/v1/search?q=lion`); in the order of `questions`."""
        until = time.monotonic() + self._timeout_seconds
        asked = {member: self._begin(member, path, until) for member, path in questions.items()}
        futures = [future for _, future in asked.values() if future is not None]
        wait(futures, timeout=self._timeout_seconds)
        return [self._end(member, *each) for member, each in asked.items()]

    def _begin(self, member: Member, path: str, until: float) -> tuple[_Question, Future[Reply] | None]:
        question = _Question(member, path, until, self._addresses)
        if not self._free[member].acquire(blocking=False):
            return question, None
        future = self._pools[member].submit(question.answered)
        future.add_done_callback(lambda _: self._free[member].release())
        return question, future

    @staticmethod
    def _end(member: Member, question: _Question, future: Future[Reply] | None) -> Reply:
        if future is None:
            return Reply(member, "slow")
        if not future.done():
            question.cut()
            return Reply(member, "slow")
        return future.result()

    def close(self) -> None:
        """Wait for no one, and start no thread any more."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)


class _Question:
    """One question to one service."""

    def __init__(self, member: Member, path: str, until: float, addresses: AddressBook) -> None:
        self._member, self._path, self._until, self._addresses = member, path, until, addresses
        self._connection: PinnedConnection | None = None

    def cut(self) -> None:
        """End the connection from another thread."""
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def answered(self) -> Reply:
        """Ask, and read the answer. Never raises: whatever goes wrong is a state."""
        started = time.monotonic()
        results: Results | None = None
        state: State = "answered"
        try:
            results = self._ask()
        except _Failed as failed:
            state = failed.state
        except TimeoutError:
            state = "slow"
        except http.client.HTTPException:
            state = "unreadable"
        except (OSError, ValueError):
            state = "unreachable"
        return Reply(self._member, state, results, round(1000 * (time.monotonic() - started), 1))

    def _ask(self) -> Results:
        member = self._member
        address = self._addresses.address_of(member)
        if address is None:
            raise _Failed("unreachable")
        self._connection = PinnedConnection(
            member.host, address, is_secure=member.is_secure, stall_seconds=self._left()
        )
        try:
            self._connection.request("GET", member.path + self._path, headers=_HEADERS)
            response = self._connection.getresponse()
            _check(response)
            results = read_results(self._read(response))
        finally:
            self._connection.close()
        if results is None:
            raise _Failed("unreadable")
        return results

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        data = bytearray()
        while chunk := response.read1(CHUNK_BYTES):
            data += chunk
            if len(data) > MAX_ANSWER_BYTES:
                raise _Failed("unreadable")
            self._left()
        return bytes(data)


def _check(response: http.client.HTTPResponse) -> None:
    """Refuse an answer by its header: a redirect is never followed."""
    if response.status in (429, 503):
        raise _Failed("busy")
    if 400 <= response.status < 500:
        raise _Failed("refused")
    declared = response.headers.get("Content-Length", "0")
    is_json = response.headers.get_content_type() == "application/json"
    is_plain = response.headers.get("Content-Encoding", "identity") == "identity"
    is_small = declared.isdecimal() and int(declared) <= MAX_ANSWER_BYTES
    if response.status != 200 or not (is_json and is_plain and is_small):
        raise _Failed("unreadable")
