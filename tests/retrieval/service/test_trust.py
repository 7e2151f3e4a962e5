"""What institutions must be able to rely on: no logs of queries, immediate withdrawal, closed collections."""

from __future__ import annotations

import json
import shutil
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from iconoclip.files import write_json
from iconoclip.shardset import MANIFEST_NAME, ShardSet, Tombstone, with_tombstones
from retrieval.config import ServeConfig
from retrieval.engine import SearchEngine
from retrieval.service.app import create_app
from retrieval.service.guards.visibility import COOKIE
from tests import commands
from tests.retrieval.service.conftest import ClientOf

TOKEN = "a-token-that-is-long-enough"
CLOSED = "armorial-valcendre"
HTML = {"Accept": "text/html"}


def keys(client: TestClient, **headers: str) -> set[str]:
    answer = client.get("/api/search", params={"k": 200, "fold": False}, headers=headers)
    return {hit["key"] for hit in answer.json()["hits"]}


@pytest.fixture(scope="module")
def closed(client_of: ClientOf, tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    file = tmp_path_factory.mktemp("tokens") / "tokens"
    file.write_text(f"{TOKEN}\n")
    return client_of(consortium=[CLOSED], token_file=str(file))


def test_a_closed_institution_is_absent_everywhere(closed: TestClient, client: TestClient) -> None:
    hidden = {key for key in keys(client) if key.startswith(CLOSED)}
    assert hidden
    assert keys(closed) == keys(client) - hidden
    one = sorted(hidden)[0]
    for path in ("/api/items/{}", "/image/{}.jpg", "/thumb/{}.jpg", "/iiif/{}/manifest.json",
                 "/api/similar?key={}",
                 "/api/search?like={}", "/api/search?region={}:0,0,0.5,0.5", "/api/explain?q=lion&key={}",
                 "/item/{}",
                 "/api/search?term=0.5:{}", "/api/iconclass?notation=46A12&suggest_for={}",
                 "/item/{}?seen=a+lion",
                 "/iiif/{}/object/manifest.json", "/iiif/{}/object/search?q=or",
                 "/iiif/{}/source/search"):  # fmt: skip
        answer = closed.get(path.format(one))
        assert answer.status_code == 404, path
        assert CLOSED not in answer.text.replace(one, "")
    for path in ("/", "/search?q=lion", "/api/facets", "/api/search.csv?k=200", "/api/search.jsonld?k=200",
                 "/iiif/search/manifest.json?k=200", "/iiif/search/collection.json?k=200"):  # fmt: skip
        assert CLOSED not in closed.get(path).text, path
        assert CLOSED in client.get(path).text, path
    num_open, num_all = (each.get("/api/ready").json()["num_items"] for each in (closed, client))
    assert num_open == num_all - len(hidden), "nor is it counted"
    assert f"iconoclip_items {float(num_open)}" in closed.get("/metrics").text
    notation = {each.get("/api/iconclass?notation=46A122").json()["num_items"] for each in (closed, client)}
    assert len(notation) == 2
    visible = sorted(keys(closed))[0]
    assert CLOSED not in closed.get(f"/api/items/{visible}").text


def test_a_token_opens_it_and_a_wrong_one_is_refused(closed: TestClient, client: TestClient) -> None:
    assert keys(closed, Authorization=f"Bearer {TOKEN}") == keys(client)
    refused = closed.get("/api/search", headers={"Authorization": "Bearer wrong"})
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"


def test_a_member_enters_a_token_on_the_page_and_removes_it(closed: TestClient) -> None:
    assert "For members" in closed.get("/", headers=HTML).text
    assert closed.post("/members", data={"token": "wrong"}, headers=HTML).status_code == 401
    entered = closed.post("/members", data={"token": TOKEN}, headers=HTML, follow_redirects=False)
    assert "httponly" in entered.headers["set-cookie"].lower()
    assert "samesite=strict" in entered.headers["set-cookie"].lower()
    assert any(key.startswith(CLOSED) for key in keys(closed))
    closed_picture = next(key for key in sorted(keys(closed)) if key.startswith(CLOSED))
    answer = closed.get(f"/image/{closed_picture}.jpg")
    assert answer.status_code == 403 or answer.headers["cache-control"].startswith("private")
    closed.post("/members/leave", headers=HTML)
    assert COOKIE not in closed.cookies
    assert not any(key.startswith(CLOSED) for key in keys(closed))


def test_a_hidden_institution_stays_hidden_from_members_too(client_of: ClientOf, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"{TOKEN}\n")
    client = client_of(hidden=[CLOSED], token_file=str(file))
    shown = keys(client, Authorization=f"Bearer {TOKEN}")
    assert shown
    assert not any(key.startswith(CLOSED) for key in shown)


def test_a_withdrawn_item_is_gone_everywhere_while_the_service_runs(
    index_folder: Path, tmp_path: Path
) -> None:
    shardset = tmp_path / "shards"
    shutil.copytree(index_folder.parent / "shards", shardset)
    with SearchEngine.open(index_folder, shardsets=[shardset]) as engine:
        config = ServeConfig(index=str(index_folder), rate_limit_per_minute=0)
        with TestClient(create_app(engine, config)) as client:
            hit = next(
                hit
                for hit in client.get("/api/search?k=200").json()["hits"]
                if hit["rights"]["display"] == "yes"
                and client.get(f"/api/items/{hit['key']}").json()["item"]["siblings"]
            )
            sibling = client.get(f"/api/items/{hit['key']}").json()["item"]["siblings"][0]["key"]
            key, before = hit["key"], client.get("/api/facets").json()["total"]
            assert client.get(f"/image/{key}.jpg").status_code == 200
            assert client.get(f"/thumb/{key}.jpg").status_code == 200
            _withdraw(shardset, key)
            _wait_until_gone(client, key)
            for path in (
                f"/thumb/{key}.jpg",
                f"/item/{key}",
                f"/iiif/{key}/manifest.json",
                f"/iiif/{key}/object/manifest.json",
                f"/iiif/{key}/object/search",
                f"/api/items/{key}",
                f"/api/similar?key={key}",
                f"/api/explain?key={key}&q=a",
                f"/api/iconclass?notation=46A12&suggest_for={key}",
            ):
                assert client.get(path).status_code == 404, path
            for path in (
                "/",
                "/api/search.csv?k=200",
                "/iiif/search/manifest.json?k=200",
                "/api/search?k=200&fold=false",
                "/api/search.jsonld?k=200",
                "/search?q=lion&k=200",
                f"/iiif/{sibling}/object/manifest.json",
                f"/iiif/{sibling}/object/search",
                f"/item/{sibling}",
            ):
                assert key not in client.get(path).text, path
            assert client.get("/api/facets").json()["total"] == before - 1


def _withdraw(folder: Path, key: str) -> None:
    tombstone = Tombstone(key=key, reason="asked for", at="2026-11-21T12:00:00Z")
    manifest = with_tombstones(ShardSet(folder).manifest, [tombstone])
    write_json(folder / MANIFEST_NAME, manifest.model_dump(mode="json"))


def _wait_until_gone(client: TestClient, key: str, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while client.get(f"/image/{key}.jpg").status_code == 200:
        assert time.monotonic() < until, "a withdrawn item is still shown after a minute"
        time.sleep(0.1)


SECRET = "zyzzyva"


def test_the_verb_serves_logs_no_query_and_stops_on_ctrl_c(index_folder: Path, tmp_path: Path) -> None:
    words = ["serve", index_folder, "--port", "0", "--preload", "false"]
    server = commands.Command([*commands.THE_COMMAND, *words], cwd=tmp_path)
    try:
        address = _address_in(server)
        _ask_well(address)
        _ask_badly(address)
        _upload_badly(address)
    finally:
        server.send_signal(signal.SIGINT)
        status = server.wait(30)
    text = server.stdout + server.stderr
    assert status == 0, text
    assert [line for line in text.splitlines() if line] == [
        f"iconoclip: serving at {address}  (Ctrl-C stops it)",
        "iconoclip: stopped",
    ], "not a word of what was asked, and none of any library's"
    assert not list(tmp_path.iterdir()), "nothing was written"


def _ask_well(address: str) -> None:
    """Questions with the secret in them that are answered, by pages, API, IIIF and exports."""
    with urllib.request.urlopen(f"{address}search?q={SECRET}&mode=keyword") as answer:
        assert SECRET in answer.read().decode()
    key = json.loads(urllib.request.urlopen(f"{address}api/search?k=1").read())["hits"][0]["key"]
    for path in (
        f"item/{key}?seen={SECRET}",
        f"api/explain?key={key}&q={SECRET}",
        f"iiif/{key}/object/search?q={SECRET}",
        f"api/search.csv?q={SECRET}",
    ):
        with urllib.request.urlopen(f"{address}{path}", timeout=60) as answer:
            assert answer.status == 200, path


def _ask_badly(address: str) -> None:
    """Questions with the secret in them that are refused."""
    for path in (f"api/search?q={SECRET}&k=0", f"api/{SECRET}", f"search?image={SECRET}", f"item/{SECRET}"):
        assert _refusal(urllib.request.Request(f"{address}{path}")).code in (404, 422), path
    by_address = f"url=http://{SECRET}.example/".encode()
    refused = _refusal(urllib.request.Request(f"{address}api/pictures", data=by_address))
    assert (
        "fetched only from the institutions that are searched here"
        in json.loads(refused.read())["error"]["what"]
    )


def _upload_badly(address: str) -> None:
    """Invalid pictures with the secret in their name, their form and their sender's address."""
    upload = urllib.request.Request(
        f"{address}api/search?q={SECRET}",
        data=(
            f'--b\r\nContent-Disposition: form-data; name="image"; filename="{SECRET}.jpg"'
            "\r\n\r\nx\r\n--b--\r\n"
        ).encode(),
        headers={"Content-Type": "multipart/form-data; boundary=b", "X-Forwarded-For": "198.51.100.23"},
    )
    assert json.loads(_refusal(upload).read())["error"]["code"] == "not_an_image"
    upload.data = f"--b\r\nX-[{SECRET}]: 1\r\n\r\nx\r\n--b--\r\n".encode()
    assert _refusal(upload).code == 400


def _refusal(request: urllib.request.Request) -> urllib.error.HTTPError:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)
    return refused.value


def _address_in(server: commands.Command, seconds: float = 60.0) -> str:
    until = time.monotonic() + seconds
    while "serving at " not in (said := server.stdout + server.stderr):
        assert time.monotonic() < until, said
        time.sleep(0.1)
    return said.split("serving at ")[1].split()[0]
