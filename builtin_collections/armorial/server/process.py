"""The server as a process of its own: start it, learn its addresses, and be sure that it ends.

The child is `python -m builtin_collections.armorial`. It writes one line of JSON when its sockets listen, and ends
when its standard input closes, so that it never outlives the program that started it.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from builtin_collections.armorial.collection import NUM_ARMS, build
from builtin_collections.armorial.server.exchange import Application
from builtin_collections.armorial.server.site import site
from iconoclip.errors import BadInput, IconoclipError, TryAgainLater

HOST = "127.0.0.1"
_STOP_SECONDS = 10


@dataclass(frozen=True)
class ServedArmorial:
    """Where the three archives answer. Base URLs have no slash at the end."""

    wexcombe: str
    aldersheim: str
    valcendre: str

    @property
    def wexcombe_collection(self) -> str:
        """Presentation 3.0: the top Collection."""
        return f"{self.wexcombe}/collection/top"

    @property
    def wexcombe_changes(self) -> str:
        """Change Discovery 1.0: the OrderedCollection of the same archive."""
        return f"{self.wexcombe}/activity/all-changes"

    @property
    def aldersheim_collection(self) -> str:
        """Presentation 2.1: the top sc:Collection."""
        return f"{self.aldersheim}/collection/top"

    @property
    def valcendre_oai(self) -> str:
        """OAI-PMH 2.0: the base URL."""
        return f"{self.valcendre}/oai"


@contextmanager
def serve_armorial(
    *, num_arms: int = NUM_ARMS, seed: int = 0, ports: Sequence[int] = (0, 0, 0)
) -> Iterator[ServedArmorial]:
    """Serve the collection from a child process while the block runs; port 0 takes a free one.

    Raises TryAgainLater if a port is in use, BadInput if the repertoire cannot give `num_arms`.
    """
    command = [sys.executable, "-P", "-m", "builtin_collections.armorial", "--until-stdin-closes", "--json"]
    command += ["--num-arms", str(num_arms), "--seed", str(seed), "--ports", ",".join(map(str, ports))]
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_child_environment(),
    )
    try:
        yield _announced(child)
    finally:
        _stop(child)


def _child_environment() -> dict[str, str]:
    """The parent's environment, with this package importable wherever the parent runs."""
    home = str(Path(__file__).resolve().parents[3])
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _announced(child: subprocess.Popen[bytes]) -> ServedArmorial:
    assert child.stdout is not None, "the child's output is piped"
    line = child.stdout.readline()
    if line:
        threading.Thread(target=_drain, args=(child,), daemon=True).start()
        return ServedArmorial(**json.loads(line))
    reason = child.communicate()[1].decode(errors="replace").strip()
    errors = {TryAgainLater.exit_code: TryAgainLater, BadInput.exit_code: BadInput}
    raise errors.get(child.returncode, IconoclipError)(reason or "the armorial's server ended without a word")


def _drain(child: subprocess.Popen[bytes]) -> None:
    """Pass on what the child complains of, so that a full pipe never blocks it."""
    assert child.stderr is not None, "the child's errors are piped"
    for line in child.stderr:
        sys.stderr.write(line.decode(errors="replace"))


def _stop(child: subprocess.Popen[bytes]) -> None:
    assert child.stdin is not None, "the child's input is piped"
    child.stdin.close()
    try:
        child.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def run(
    *,
    num_arms: int,
    seed: int,
    ports: Sequence[int],
    announce: Callable[[ServedArmorial], None],
    until_stdin_closes: bool,
) -> None:
    """Serve in this process until told to stop; `announce` is called once the sockets listen."""
    import uvicorn

    sockets = [_listen(port) for port in ports]
    try:
        holdings = build(num_arms=num_arms, seed=seed)
    except ValueError as error:
        raise BadInput(str(error)) from error
    bound = [opened.getsockname()[1] for opened in sockets]
    bases = [f"http://{HOST}:{port}" for port in bound]
    handlers = {port: site(held, base) for port, held, base in zip(bound, holdings, bases, strict=True)}
    settings = uvicorn.Config(
        Application(handlers),
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(settings)
    if until_stdin_closes:
        threading.Thread(target=_watch_stdin, args=(server,), daemon=True).start()
    announce(ServedArmorial(*bases))
    asyncio.run(server.serve(sockets=sockets))


def _listen(port: int) -> socket.socket:
    # asyncio turns Nagle's delay (40 ms an answer) off only where the protocol is named.
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((HOST, port))
    except (OSError, OverflowError) as error:
        opened.close()
        raise TryAgainLater(
            f"port {port} cannot be used: {error}",
            where=HOST,
            remedy="choose another port, or 0 for any free one",
        ) from error
    opened.listen(512)
    return opened


def _watch_stdin(server: object) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True  # type: ignore[attr-defined]
