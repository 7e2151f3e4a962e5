"""The verb `serve`: binds the port, serves, prints the address, and ends cleanly on Ctrl-C.

The socket is bound before anything is loaded, so that a busy port is reported at once. Then the index is
opened, and the model is loaded in the background (`/api/ready` shows when it is ready).
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import sys
from typing import TYPE_CHECKING

from iconoclip.addresses import literal_address
from iconoclip.errors import ConfigError, MissingRequirement, TryAgainLater

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from retrieval.config import ServeConfig
    from retrieval.engine import SearchEngine

SHUTDOWN_SECONDS = 5


def serve(config: ServeConfig) -> int:
    """Serve the page and the API until interrupted.

    Raises:
        TryAgainLater: the port is in use.
        MissingRequirement, DamagedData: there is no index, or it is not complete.
        ConfigError: the host is not an address of this machine, the port is not permitted, or the model is
            not the one that the index was built with.
    """
    with contextlib.closing(bind(config.host, config.port)) as listener:
        # Imported after the port is bound, because together they take a second or two.
        from retrieval.engine import SearchEngine
        from retrieval.service.app import create_app

        with SearchEngine.open(
            config.index, shardsets=config.shardsets or None, model=config.model, compacts=True
        ) as engine:
            _check_model(engine, config)
            run(create_app(engine, config), listener, config.max_connections)
    return 0


def _check_model(engine: SearchEngine, config: ServeConfig) -> None:
    """Refuse to start with a model that cannot answer queries.

    A model that is missing at its recorded location may be copied there later; until then
    keyword searches and lists work.

    Raises:
        ConfigError: the model is not the one that the index was built with.
        MissingRequirement: there is no model at `--model`.
    """
    try:
        engine.check_model()
    except MissingRequirement:
        if config.model:
            raise


def run(app: FastAPI, listener: socket.socket, max_connections: int) -> None:
    """Serve an application on an open socket until interrupted."""
    import uvicorn

    from retrieval.service.guards.connections import ConnectionLimits, limited

    set_up_logging()
    settings = uvicorn.Config(
        app,
        http=limited(ConnectionLimits(max_connections=max_connections)),
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        # The application reads X-Forwarded headers itself, including those that uvicorn does not support.
        proxy_headers=False,
    )
    try:
        _announcing(settings, address(listener)).run(sockets=[listener])
    except KeyboardInterrupt:
        # All running requests are finished at this point. Ctrl-C is the normal way to
        # stop a server, not an error.
        print("\niconoclip: stopped", file=sys.stderr, flush=True)


def set_up_logging() -> None:
    """Log only messages about the index folder, to standard error.

    Nothing about requests is logged: neither by uvicorn, whose lines would contain addresses and queries, nor
    by a library. Without a handler, Python itself would print their warnings.
    """
    logging.getLogger().addHandler(logging.NullHandler())
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("iconoclip: %(message)s"))
    # The messages of retrieval.live contain no queries: they report an index that cannot be opened or
    # withdrawals that cannot be read.
    logging.getLogger("retrieval.live").addHandler(handler)


def bind(host: str, port: int) -> socket.socket:
    """Open a listening socket.

    Raises:
        TryAgainLater: another program uses the port.
        ConfigError: this machine does not have the address, or the user may not use the port (below 1024).
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named, because asyncio sets TCP_NODELAY only then. Without it the kernel delays the end
    # of a response until the beginning is acknowledged, 40 ms later.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            # Without it, a restart within a minute fails because of the kernel's TIME_WAIT. It never
            # takes a port that is in use.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(socket.SOMAXCONN)
    except OSError as error:
        listener.close()
        raise _refused(host, port, error) from error
    return listener


def _refused(host: str, port: int, error: OSError) -> Exception:
    where = f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return TryAgainLater(
            f"port {port} is in use by another program",
            where=where,
            remedy="stop that program, or let iconoclip pick a free port: --port 0",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return ConfigError(
            f"this user may not take port {port}", where=where, remedy="choose one above 1023, or --port 0"
        )
    return ConfigError(
        f"cannot listen there: {error.strerror or error}",
        where=where,
        remedy="--host is an address of this machine: 127.0.0.1 for this machine only, 0.0.0.0 for"
        " every network",
    )


def address(listener: socket.socket) -> str:
    """The address to open in a browser."""
    host, port = listener.getsockname()[:2]
    parsed = literal_address(host)
    if parsed is not None and parsed.is_unspecified:
        host = "127.0.0.1" if parsed.version == 4 else "::1"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _announcing(config: uvicorn.Config, url: str) -> uvicorn.Server:
    import uvicorn

    class Announcing(uvicorn.Server):
        """A server that prints its address as soon as it accepts requests, and not earlier."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                print(f"iconoclip: serving at {url}  (Ctrl-C stops it)", flush=True)

    return Announcing(config)
