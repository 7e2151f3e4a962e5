"""The public address of a request, as stated by a trusted proxy and by other clients."""

from __future__ import annotations

import pytest

from tests.retrieval.service.conftest import ClientOf

FORWARDED = {
    "X-Forwarded-Prefix": "/find",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "museum.example",
    "X-Forwarded-For": "203.0.113.9",
}


def test_a_trusted_proxy_says_where_the_service_is_published(client_of: ClientOf) -> None:
    client = client_of(trusted_proxies="testclient")
    document = client.get("/iiif/search/manifest.json?k=2", headers=FORWARDED).json()
    assert document["id"] == "https://museum.example/find/iiif/search/manifest.json?k=2"
    home = client.get("/?lang=de", headers=FORWARDED)
    assert 'href="/find/about"' in home.text
    assert "Path=/find" in home.headers["set-cookie"]


def test_headers_of_other_clients_are_ignored(client_of: ClientOf) -> None:
    client = client_of(trusted_proxies="192.0.2.1")
    document = client.get("/iiif/search/manifest.json?k=2", headers=FORWARDED).json()
    assert document["id"] == "http://testserver/iiif/search/manifest.json?k=2"
    assert 'href="/about"' in client.get("/", headers=FORWARDED).text


def test_a_configured_address_wins_over_every_header(client_of: ClientOf) -> None:
    client = client_of(trusted_proxies="testclient", public_url="https://library.example/pictures/")
    document = client.get("/iiif/search/manifest.json", headers=FORWARDED).json()
    assert document["id"] == "https://library.example/pictures/iiif/search/manifest.json"
    assert 'href="/pictures/about"' in client.get("/", headers=FORWARDED).text


@pytest.mark.parametrize("prefix", ["//evil.example", "/a b", '/"><script>', "relative", "/a/../..", "/", ""])
def test_a_prefix_that_is_no_path_is_ignored(client_of: ClientOf, prefix: str) -> None:
    client = client_of(trusted_proxies="testclient")
    page = client.get("/", headers={"X-Forwarded-Prefix": prefix})
    assert 'href="/about"' in page.text


def test_the_cookie_of_a_token_is_limited_to_the_published_path(
    client_of: ClientOf, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tokens = tmp_path_factory.mktemp("tokens") / "tokens"
    tokens.write_text("a-token-of-the-consortium\n")
    client = client_of(
        public_url="https://museum.example/search", consortium=["nobody"], token_file=str(tokens)
    )
    entered = client.post("/members", data={"token": "a-token-of-the-consortium"}, follow_redirects=False)
    assert entered.headers["location"] == "/search/"
    assert "Path=/search;" in entered.headers["set-cookie"]
    left = client.post("/members/leave", follow_redirects=False)
    assert "Path=/search;" in left.headers["set-cookie"]
