"""The socket: taken before anything is loaded, and a busy port is an answer with a remedy."""

from __future__ import annotations

import asyncio
import logging
import os
import socket

import pytest

from iconoclip.errors import ConfigError, TryAgainLater
from retrieval.service.serve import address, bind, set_up_logging


def test_a_port_in_use_says_how_to_get_another() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(TryAgainLater) as busy:
            bind("127.0.0.1", port)
    assert busy.value.exit_code == 75
    assert f"port {port} is in use" in busy.value.what
    assert "--port 0" in (busy.value.remedy or "")


def test_port_zero_takes_a_free_one_and_the_address_names_it() -> None:
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert port > 0
        assert address(listener) == f"http://127.0.0.1:{port}/"


def test_every_network_is_reached_at_this_machine() -> None:
    with bind("0.0.0.0", 0) as listener:
        assert address(listener).startswith("http://127.0.0.1:")


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_an_ipv6_address_is_in_brackets() -> None:
    with bind("::1", 0) as listener:
        assert address(listener) == f"http://[::1]:{listener.getsockname()[1]}/"


@pytest.mark.parametrize("host", ["192.0.2.7", "no.such.host.invalid"])
def test_a_host_that_is_not_this_machine_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match="cannot listen there"):
        bind(host, 0)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may take any port")
def test_a_port_of_the_system_is_refused() -> None:
    with pytest.raises(ConfigError, match="may not take port 80"):
        bind("127.0.0.1", 80)


def test_the_end_of_an_answer_is_not_delayed() -> None:
    """Without TCP_NODELAY, what a connection carries after its first answer comes 40 ms late."""

    async def accepted_without_delay() -> bool:
        delays: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def met(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted = writer.get_extra_info("socket")
            delays.set_result(bool(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
            writer.close()

        with bind("127.0.0.1", 0) as listener:
            async with await asyncio.start_server(met, sock=listener):
                _, writer = await asyncio.open_connection(*listener.getsockname())
                writer.close()
                return await delays

    assert asyncio.run(accepted_without_delay())


def test_changes_of_the_index_are_logged_and_messages_of_libraries_are_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    handlers = {name: list(logging.getLogger(name).handlers) for name in (None, "retrieval.live")}
    try:
        logging.getLogger().handlers.clear()
        set_up_logging()
        logging.getLogger("uvicorn.error").error("GET /search?q=secret")
        logging.getLogger("retrieval.live.refresh").error("the index folder cannot be read again")
    finally:
        for name, before in handlers.items():
            logging.getLogger(name).handlers[:] = before
    written = capsys.readouterr()
    assert (written.out, written.err) == ("", "iconoclip: the index folder cannot be read again\n")
