"""Behind a real nginx that ends TLS, under a path of another host: every address of the service works."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi.routing import APIRoute

from retrieval.config import ServeConfig
from retrieval.engine import SearchEngine
from retrieval.service.api import exports, health, images
from retrieval.service.api import routes as api
from retrieval.service.app import create_app
from retrieval.service.guards.connections import ConnectionLimits, limited
from retrieval.service.iiif import content_search, presentation
from retrieval.service.pages import routes as pages
from retrieval.service.serve import bind

HOST, VIEWER = "museum.example", "https://viewer.example"
BASE = f"https://{HOST}/search"
NGINX = """
daemon off; pid {folder}/nginx.pid; error_log stderr; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_buffer_size 10m; proxy_max_temp_file_size 0;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl; server_name {host};
    ssl_certificate {folder}/certificate.pem; ssl_certificate_key {folder}/key.pem;
    location /search/ {{
      proxy_pass http://127.0.0.1:{upstream}/;
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-For $remote_addr;
    }}
  }}
}}
"""


class Response:
    """An answer that has been read."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Asking = Callable[..., Response]


@pytest.fixture(scope="module")
def app(engine: SearchEngine, index_folder: Path) -> Any:
    config = ServeConfig(
        index=str(index_folder), public_url=BASE, cors_origins=[VIEWER], rate_limit_per_minute=0
    )
    return create_app(engine, config)


@pytest.fixture(scope="module")
def upstream(app: Any) -> Iterator[int]:
    """The port of the service itself."""
    with bind("127.0.0.1", 0) as listener:
        settings = {"http": limited(ConnectionLimits()), "proxy_headers": False, "log_level": "critical"}
        server = uvicorn.Server(uvicorn.Config(app, **settings))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def ask(
    upstream: int, nginx: str, openssl: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asking]:
    """Asks at a public address, over TLS that is verified; `museum.example` is nginx here."""
    folder = tmp_path_factory.mktemp("nginx")
    make_certificate(folder, openssl)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, upstream=upstream, host=HOST))
    context = ssl.create_default_context(cafile=str(folder / "certificate.pem"))

    def asking(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Response:
        parts = urllib.parse.urlsplit(url)
        assert (parts.scheme, parts.netloc) == ("https", HOST), url
        connection = http.client.HTTPConnection(HOST)
        raw = socket.create_connection(("127.0.0.1", port), timeout=30)
        connection.sock = context.wrap_socket(raw, server_hostname=HOST)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, target, body, named)
            return Response(connection.getresponse())
        finally:
            connection.close()

    process = subprocess.Popen(
        [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.PIPE
    )
    try:
        wait_for(port, process)
        yield asking
    finally:
        process.terminate()
        process.communicate(timeout=20)


def make_certificate(folder: Path, openssl: str) -> None:
    """A certificate that signs itself, for the public host."""
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}", "-days", "2"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(process.communicate()[1] if process.poll() is not None else "nginx does not listen")


class Addresses(HTMLParser):
    """Every address in a page, as the page writes it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            is_read = name in ("href", "src") or (name == "action" and dict(attrs).get("method") != "post")
            if is_read and value:
                self.found.add(value)


def internal_addresses(html: str, at: str) -> set[str]:
    """The addresses of a page that are ours, whole; none may be of the host and not below the prefix."""
    whole = {urllib.parse.urljoin(at, each).split("#")[0] for each in Addresses(html).found}
    ours = {each for each in whole if urllib.parse.urlsplit(each).netloc == HOST}
    assert all(each.startswith(f"{BASE}/") for each in ours), sorted(ours)
    return ours


def one_of_each_kind(addresses: set[str]) -> set[str]:
    """Addresses that differ in more than the values of their parameters and the key in their path."""
    kinds: dict[tuple[str, tuple[str, ...]], str] = {}
    for address in sorted(addresses):
        parts = urllib.parse.urlsplit(address)
        names = sorted({name for name, _ in urllib.parse.parse_qsl(parts.query)})
        kinds.setdefault((re.sub(r"[a-z-]+-[0-9a-f]{16}", "KEY", parts.path), tuple(names)), address)
    return set(kinds.values())


def test_every_address_of_every_page_exists(ask: Asking, shown_key: str, link_key: str) -> None:
    starts = ["/", "/about", "/search?q=a+lion&k=3", f"/search?like={shown_key}&reusable=true&k=2",
              f"/item/{shown_key}", f"/item/{link_key}"]  # fmt: skip
    addresses = set[str]()
    for start in starts:
        page = ask(BASE + start)
        assert page.status == 200, start
        found = internal_addresses(page.body.decode(), BASE + start)
        assert len(found) > 8, start
        addresses |= found
    assert len(addresses) > 80
    # Each of the former runs the model fifty times.
    addresses = {each for each in addresses if "seen=" not in each and "branch=" not in each}
    addresses = one_of_each_kind(addresses)
    lost = {each: status for each in sorted(addresses) if (status := ask(each).status) != 200}
    assert lost == {}
    assert len(addresses) > 25


def test_every_address_in_a_manifest_exists(ask: Asking, shown_key: str) -> None:
    for path in (f"/iiif/{shown_key}/manifest.json", f"/iiif/{shown_key}/object/manifest.json",
                 "/iiif/search/manifest.json?q=lion&k=5", "/iiif/search/collection.json?k=5"):  # fmt: skip
        document = ask(BASE + path)
        assert document.json["id"] == BASE + path
        text = document.body.decode()
        assert f"https://{HOST}/" not in text.replace(f"{BASE}/", "")
        named = set(re.findall(rf'"id": ?"({BASE}/(?:image|thumb|api)/[^"#]+)"', text))
        named |= {each.get("id") or each["@id"] for each in document.json.get("service", [])}
        assert {each: ask(each).status for each in named} == dict.fromkeys(named, 200)


def test_the_openapi_document_names_the_server_that_answers(ask: Asking, shown_key: str) -> None:
    document = ask(f"{BASE}/api/openapi.json").json
    assert document["servers"] == [{"url": BASE}]
    path = "/api/v1/items/{key}"
    assert path in document["paths"]
    item = ask(document["servers"][0]["url"] + path.format(key=shown_key)).json
    assert item["page"] == f"{BASE}/item/{shown_key}"
    assert {ask(item[name]).status for name in ("page", "image", "thumbnail")} == {200}
    assert f"{BASE}/search?q=" in ask(f"{BASE}/opensearch.xml").body.decode()
    assert f"{BASE}/item/" in ask(f"{BASE}/api/search.csv?k=2").body.decode()
    assert f"{BASE}/item/" in ask(f"{BASE}/api/search.jsonld?k=2").body.decode()


def test_forms_redirects_scripts_and_cookies_stay_below_the_prefix(ask: Asking, shown_key: str) -> None:
    picture = ask(f"{BASE}/image/{shown_key}.jpg").body
    body = (
        b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
        + picture
        + b"\r\n--b--\r\n"
    )
    sent = ask(f"{BASE}/search/image", "POST", body, Content_Type="multipart/form-data; boundary=b")
    found = urllib.parse.urljoin(f"{BASE}/search/image", sent.headers["location"])
    assert (sent.status, found.startswith(f"{BASE}/search?image=")) == (303, True)
    assert ask(found).status == 200
    home = ask(f"{BASE}/?lang=fr")
    assert "; Path=/search;" in home.headers["set-cookie"]
    assert "; Secure" in home.headers["set-cookie"]
    # The prefix with which the script builds addresses.
    assert 'data-root="/search"' in home.body.decode()
    left = ask(f"{BASE}/members/leave", "POST", b"")
    assert urllib.parse.urljoin(f"{BASE}/members/leave", left.headers["location"]) == f"{BASE}/"
    slash = ask(f"{BASE}/about/")
    assert slash.status == 404 or ask(urllib.parse.urljoin(BASE, slash.headers["location"])).status == 200


def test_a_viewer_on_another_host_reads_manifests_and_pictures(ask: Asking, shown_key: str) -> None:
    for path in (f"/iiif/{shown_key}/manifest.json", f"/image/{shown_key}.jpg", "/api/search?q=lion"):
        preflight = ask(BASE + path, "OPTIONS", Origin=VIEWER, Access_Control_Request_Method="GET",
                        Access_Control_Request_Headers="if-none-match")  # fmt: skip
        assert preflight.status == 200, path
        assert preflight.headers["access-control-allow-origin"] == VIEWER
        assert ask(BASE + path, Origin=VIEWER).headers["access-control-allow-origin"] == VIEWER
        assert ask(BASE + path, Origin="https://other.example").headers["access-control-allow-origin"] is None
    refused = ask(f"{BASE}/image/nobody-0123456789abcdef.jpg", Origin=VIEWER)
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (404, VIEWER)


def test_head_is_answered_wherever_get_is(ask: Asking, shown_key: str) -> None:
    modules = (api, images, exports, presentation, content_search, health, pages)
    routes = [route for module in modules for route in module.router.routes]
    paths = {route.path for route in routes if isinstance(route, APIRoute) and "GET" in route.methods}
    assert len(paths) > 20
    for path in [*sorted(paths), "/static/page.js", "/api/openapi.json"]:
        key = "1-f" if path.startswith("/occlusion/") else shown_key
        url = (
            BASE
            + path.format(key=key, name=key)
            + {"/occlusion/{name}.png": "?width=9&height=9"}.get(path, "")
        )
        got, headed = ask(url), ask(url, "HEAD")
        assert (headed.status, headed.body) == (got.status, b""), path
        if path != "/metrics" and "took_ms" not in got.body.decode(errors="replace"):
            assert headed.headers["content-length"] == got.headers["content-length"], path


def test_a_valid_cached_copy_is_not_sent_again(ask: Asking, shown_key: str) -> None:
    for path in (f"/image/{shown_key}.jpg", f"/thumb/{shown_key}.jpg", "/static/page.js"):
        tag = ask(BASE + path).headers["etag"]
        for known in (tag, f"W/{tag}", "*", f'"other", W/{tag}', f'"a,b",{tag}'):
            again = ask(BASE + path, If_None_Match=known)
            assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag), known
        for unknown in ('"other"', tag.strip('"'), f'"{tag.strip(chr(34))}x"', ""):
            assert ask(BASE + path, If_None_Match=unknown).status == 200, unknown


def test_robots_txt_and_the_favicon_exist(ask: Asking) -> None:
    robots = ask(f"{BASE}/robots.txt")
    assert robots.headers["content-type"].startswith("text/plain")
    assert "Disallow: /search/search\n" in robots.body.decode()
    assert "noindex" in ask(f"{BASE}/search?q=lion").body.decode()
    assert "noindex" not in ask(f"{BASE}/").body.decode()
    icon = ask(f"{BASE}/favicon.ico")
    assert (icon.status, icon.headers["content-type"]) == (200, "image/svg+xml")
