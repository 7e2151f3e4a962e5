"""A connection to the very IP address that was checked.

Between a check of a name's addresses and a connection to the name, a second look-up could give another
address (DNS rebinding). So the name is resolved once.
"""

from __future__ import annotations

import http.client
import socket
import ssl

from iconoclip.addresses import DEFAULT_PORTS

Host = tuple[str, int]
Addresses = list[str]


def resolve(host: str, port: int) -> Addresses:
    """Every address of a name."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class PinnedConnection(http.client.HTTPConnection):
    """A connection to an IP address, with the host's name in its header and its certificate.

    Args:
        host: name and port.
        address: the IP address to connect to.
        is_secure: whether to speak TLS.
        stall_seconds: how long to wait for each part of an answer.
    """

    def __init__(self, host: Host, address: str, *, is_secure: bool, stall_seconds: float) -> None:
        # The Host header contains the port only if it is not the default of the scheme.
        self.default_port = DEFAULT_PORTS["https" if is_secure else "http"]
        super().__init__(*host, timeout=stall_seconds)
        self._address, self._is_secure, self._stall_seconds = address, is_secure, stall_seconds

    def connect(self) -> None:
        """Connect to the checked address, without resolving the name again."""
        self.sock = socket.create_connection((self._address, self.port), self._stall_seconds)
        if self._is_secure:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)
