"""Where connections may go, and where a redirect or a name may not lead them."""

from __future__ import annotations

import pytest

from data_prep.network.addresses import AllowList
from data_prep.network.answers import NotNow, Refused
from tests.data_prep.harvest.fetching import JSON, get


def test_redirects_within_the_site(server, reply):
    server.routes["/a"] = reply(status=302, headers={"Location": "b?x=1"})
    server.routes["/b?x=1"] = reply(b"{}", headers=JSON)
    assert get(server, "/a").uri == f"{server.origin}/b?x=1"


def test_redirects_in_a_circle(server, reply):
    server.routes["/a"] = reply(status=301, headers={"Location": "/b"})
    server.routes["/b"] = reply(status=301, headers={"Location": "/a"})
    with pytest.raises(Refused, match="redirects"):
        get(server, "/a")


@pytest.mark.parametrize(
    "location", ["http://[x/", "http://a]b/", "//ex\u2100mple/", "http://h:99999999/", "http://.h/"]
)
def test_redirect_to_what_is_no_address(server, reply, location):
    server.routes["/x"] = reply(status=302, headers={"Location": location.encode().decode("latin-1")})
    with pytest.raises((Refused, NotNow)):
        get(server, "/x")


def test_redirect_without_an_address(server, reply):
    server.routes["/a"] = reply(status=302)
    with pytest.raises(Refused, match="without a Location"):
        get(server, "/a")


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.1:1/x", "http://localhost:{port}/x", "http://[::1]:{port}/x",
     "http://[::ffff:127.0.0.1]:{port}/x",
     "http://0.0.0.0:{port}/x", "http://10.0.0.1/x", "http://192.168.1.1/x",
     "http://169.254.169.254/latest/meta-data/",
     "http://100.64.0.1/x", "http://[fe80::1]/x", "http://[fd00::1]/x", "http://2130706433:{port}/x",
     "http://127.1:{port}/x",
     "http://0x7f.1:{port}/x", "http://0177.0.0.1:{port}/x", "http://[64:ff9b:1::7f00:1]/x",
     "http://[2001:0:a00:1::1]/x",
     "file:///etc/passwd", "ftp://example.org/x", "gopher://127.0.0.1:{port}/x",
     "http://user:word@127.0.0.1:{port}/x"],
)  # fmt: skip
def test_forbidden_redirects(server, reply, target):
    server.routes["/a"] = reply(status=302, headers={"Location": target.format(port=server.port)})
    server.routes["/x"] = reply(b"{}", headers=JSON)
    with pytest.raises(Refused):
        get(server, "/a", contact="mail@library.example")
    assert "/x" not in server.paths
    assert "/latest/meta-data/" not in server.paths


def test_loopback_must_be_named(server, reply):
    server.routes["/a"] = reply(b"{}", headers=JSON)
    with pytest.raises(Refused, match="private address"):
        get(server, "/a", allow=())
    assert not server.requests
    assert get(server, "/a", allow=("127.0.0.1",)).body == b"{}"


def test_sources_name_literal_addresses_only():
    allowed = AllowList(
        [], ["http://127.0.0.1:8000/x", "http://localhost/y", "http://intranet.example:80/z", "no address"]
    )
    assert ("127.0.0.1", 8000) in allowed
    assert ("localhost", 80) in allowed
    assert ("127.0.0.1", 8001) not in allowed
    assert ("intranet.example", 80) not in allowed


def test_a_port_that_nobody_listens_on(server):
    with pytest.raises(NotNow, match="connection failed"):
        get(server, "http://127.0.0.1:1/x", allow=("127.0.0.1",), contact="mail@library.example")
