"""Serves collections in a separate process: starts it, reads its addresses, and ensures that it ends.

The child is `python -m` some module. It writes one line of JSON when its sockets listen, and ends when its
standard input closes, so that it never outlives the program that started it.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from builtin_collections.serving.exchange import Application, Handler
from iconoclip.errors import BadInput, IconoclipError, TryAgainLater

HOST = "127.0.0.1"
_STOP_SECONDS = 10
# A listening socket, its port, and what answers there.
_Site = tuple[socket.socket, int, Handler]


@contextmanager
def child(module: str, arguments: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Run `module` as a child process while the block runs; yields the JSON line that it wrote.

    The module must have the options --json and --until-stdin-closes (`serve` implements the latter).

    Raises:
        TryAgainLater: a port is in use.
        BadInput: the collection cannot be made with these arguments.
    """
    command = [sys.executable, "-P", "-m", module, "--until-stdin-closes", "--json", *arguments]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_child_environment(),
    )
    try:
        yield _announced(process)
    finally:
        _stop(process)


def _child_environment() -> dict[str, str]:
    """The parent's environment, with this package importable wherever the parent runs."""
    home = str(Path(__file__).resolve().parents[2])
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _announced(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdout is not None, "the child's output is piped"
    line = process.stdout.readline()
    if line:
        threading.Thread(target=_drain, args=(process,), daemon=True).start()
        announced: dict[str, Any] = json.loads(line)
        return announced
    reason = process.communicate()[1].decode(errors="replace").strip()
    errors = {TryAgainLater.exit_code: TryAgainLater, BadInput.exit_code: BadInput}
    error = errors.get(process.returncode, IconoclipError)
    raise error(reason or "the collection's server ended without a message")


def _drain(process: subprocess.Popen[bytes]) -> None:
    """Pass on what the child writes to standard error, so that a full pipe never blocks it."""
    assert process.stderr is not None, "the child's errors are piped"
    for line in process.stderr:
        sys.stderr.write(line.decode(errors="replace"))


def _stop(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None, "the child's input is piped"
    process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def serve(
    make_handlers: Callable[[Sequence[str]], Sequence[Handler]],
    ports: Sequence[int],
    *,
    announce: Callable[[Sequence[str]], None],
    until_stdin_closes: bool,
) -> None:
    """Serve one handler per port until told to stop: the first in this process, each other in a process
    forked from it, which ends when this one does. So the sites answer at the same time.

    Args:
        make_handlers: makes the handlers from the base URLs, in the order of `ports`; called
            once the ports are bound.
        ports: 0 takes a free one.
        announce: called with the base URLs once the sockets listen.

    Raises:
        TryAgainLater: a port is in use.
    """
    sockets = [_listen(port) for port in ports]
    bound = [opened.getsockname()[1] for opened in sockets]
    bases = [f"http://{HOST}:{port}" for port in bound]
    sites = list(zip(sockets, bound, make_handlers(bases), strict=True))
    announce(bases)
    until_closed, kept_open = os.pipe()
    mine, *others = sites
    children = []
    for site in others:
        pid = os.fork()
        if pid == 0:
            os.close(kept_open)
            _end_as_child(site, sites, until_closed)
        children.append(pid)
    for opened, _, _ in others:
        opened.close()
    try:
        _serve_one(*mine, until=0 if until_stdin_closes else None)
    finally:
        os.close(kept_open)
        for pid in children:
            os.waitpid(pid, 0)


def _end_as_child(site: _Site, sites: Sequence[_Site], until: int) -> NoReturn:
    """Serve one site in a process forked for it, and end that process."""
    for opened, _, _ in sites:
        if opened is not site[0]:
            opened.close()
    try:
        _serve_one(*site, until=until)
    except KeyboardInterrupt:
        pass
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _serve_one(opened: socket.socket, port: int, handler: Handler, *, until: int | None) -> None:
    """Serve until told to stop, or until the file descriptor `until` is at its end."""
    import uvicorn

    settings = uvicorn.Config(
        Application({port: handler}),
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(settings)
    if until is not None:
        threading.Thread(target=_stop_at_end_of, args=(until, server), daemon=True).start()
    asyncio.run(server.serve(sockets=[opened]))


def _listen(port: int) -> socket.socket:
    # asyncio turns off Nagle's delay (40 ms per response) only if the protocol is named.
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


def _stop_at_end_of(descriptor: int, server: object) -> None:
    while os.read(descriptor, 4096):
        pass
    server.should_exit = True  # type: ignore[attr-defined]
