"""What other programs rely on: generated clients, versions, one form of errors, HEAD everywhere."""

from __future__ import annotations

import importlib
import io
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from retrieval.service.guards.limits import BodyLimit, RequestLimit
from retrieval.service.guards.refusals import FaultBody

ClientOf = Callable[..., TestClient]


@pytest.fixture(scope="module")
def generated(client: TestClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The client that openapi-python-client makes of the document; the name of its package."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_text(client.get("/api/openapi.json").text)
    command = ["generate", "--path", "openapi.json", "--output-path", "library_client", "--meta", "none"]
    program = [sys.executable, "-m", "openapi_python_client"]
    done = subprocess.run([*program, *command], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    return "library_client"


def test_a_generated_client_searches_and_uploads(client: TestClient, shown_key: str, generated: str) -> None:
    def operation(path: str) -> Any:
        return importlib.import_module(f"{generated}.api.{path}")

    package = importlib.import_module(generated)
    models, types = (importlib.import_module(f"{generated}.{name}") for name in ("models", "types"))
    library = package.Client(base_url="http://testserver")
    library.set_httpx_client(client)
    found = operation("search.search").sync(client=library, q="a lion", k=5, reusable=True)
    assert [hit.rank for hit in found.hits] == [1, 2, 3, 4, 5]
    assert all(hit.rights.may_reuse for hit in found.hits)
    whole = operation("items.item").sync(shown_key, client=library)
    assert whole.item.record.key == shown_key
    picture = types.File(payload=io.BytesIO(client.get(f"/image/{shown_key}.jpg").content), file_name="x.jpg")
    body = models.BodySearchWithImage(image=picture)
    like = operation("search.search_with_image").sync(client=library, body=body, k=3)
    assert shown_key in [hit.key for hit in like.hits]
    kept = operation("search.bring").sync(client=library, body=models.BodyBring(image=picture))
    assert len(kept.image) == 22
    fault = operation("items.item").sync("a-0000000000000000", client=library)
    assert (fault.error.code, fault.error.where) == ("not_found", "a-0000000000000000")
    table = operation("exports.as_csv").sync_detailed(client=library, q="lion", k=3)
    assert table.content.count(b"\r\n") == 4


def test_no_answer_is_closed_and_a_token_is_declared(client: TestClient) -> None:
    document = client.get("/api/openapi.json").json()
    assert not [
        name for name, each in document["components"]["schemas"].items() if "additionalProperties" in each
    ]
    assert {each["type"] for each in document["components"]["securitySchemes"].values()} == {"http", "apiKey"}
    assert {} in document["security"], "what is public needs no token"


def test_addresses_of_the_api_have_a_version(client: TestClient) -> None:
    document = client.get("/api/openapi.json").json()
    unversioned = {path for path in document["paths"] if path.startswith("/api/") and "/v1/" not in path}
    assert unversioned == {"/api/health", "/api/ready"}
    new, old = client.get("/api/v1/search?q=lion&k=2"), client.get("/api/search?q=lion&k=2")
    assert new.json()["hits"] == old.json()["hits"]
    assert "deprecation" not in new.headers
    assert old.headers["deprecation"].startswith("@")
    assert old.headers["link"] == '</api/v1/search>; rel="successor-version"'
    assert "deprecation" not in client.get("/api/health").headers
    later = client.get("/api/v2/search")
    assert later.status_code == 404
    assert "deprecation" not in later.headers
    assert "link" not in later.headers


def test_no_address_can_write_a_header(client: TestClient) -> None:
    for path in ("/api/a%0d%0aX-Evil:%201", "/api/%E2%80%A8", "/api/x%3E;rel=evil"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "x-evil" not in answer.headers
        assert "link" not in answer.headers


def test_head_is_answered_wherever_get_is(client: TestClient, shown_key: str, link_key: str) -> None:
    document = client.get("/api/openapi.json").json()
    query = {"/api/v1/similar": f"?key={shown_key}", "/api/v1/iconclass": "?notation=25F"}
    query["/api/v1/explain"] = f"?key={shown_key}&q=lion"
    paths = [
        path.replace("{key}", shown_key) + query.get(path, "")
        for path, each in document["paths"].items()
        if "get" in each
    ]
    pages = [
        "/",
        "/search?q=lion",
        f"/item/{shown_key}",
        "/about",
        "/export?q=lion",
        f"/image/{link_key}.jpg",
    ]
    for path in [*paths, *pages, "/api/openapi.json", "/static/style.css", "/robots.txt", "/metrics"]:
        head, got = client.head(path), client.get(path)
        assert (head.status_code, head.content) == (got.status_code, b""), path
        assert head.headers["content-type"] == got.headers["content-type"], path


def test_every_refusal_has_one_form(client_of: ClientOf, shown_key: str) -> None:
    client = client_of(max_upload_bytes=1_000, cors_origins=["https://viewer.example"])
    # A new request is allowed after half a minute: longer than all of these take.
    limited = client_of(rate_limit_per_minute=2)
    preflight = {"Origin": "https://other.example", "Access-Control-Request-Method": "DELETE"}
    answers = [
        (400, client.get("/api/v1/search?cursor=x")),
        (400, client.options("/api/v1/search", headers=preflight)),
        (401, client.get("/api/v1/search", headers={"Authorization": "Bearer unknown"})),
        (404, client.get("/api/v1/nothing")),
        (404, client.get("/iiif/nothing")),
        (405, client.delete("/api/v1/search")),
        (405, limited.options("/api/v1/search", headers=preflight)),
        (409, client.get("/api/v1/search.csv?scope=all&snapshot=x")),
        (413, client.post("/api/v1/search", files={"image": b"x" * 20_000})),
        (415, client.post("/api/v1/pictures", files={"image": b"no picture"})),
        (422, client.get("/api/v1/search?k=1000")),
    ]
    for _ in range(2):
        limited.get("/api/v1/facets")
    answers.append((429, limited.get("/api/v1/facets")))
    for status, answer in answers:
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/json", status
        assert FaultBody.model_validate(answer.json()).error.what
        assert set(answer.json()["error"]) == {"code", "what", "where", "remedy"}


def test_a_busy_service_refuses_in_the_same_form() -> None:
    async def never(*_: object) -> None:
        raise AssertionError("the request must not arrive")

    full = RequestLimit(never, max_requests=1)
    full.num_requests = 1
    held = BodyLimit(never, max_bytes=100, max_held_bytes=10)
    for app, send in ((full, {}), (held, {"content": b"x" * 50})):
        answer = TestClient(app).request("POST", "/api/v1/search", **send)  # type: ignore[arg-type]
        assert answer.status_code == 503
        assert FaultBody.model_validate(answer.json()).error.code == "not_ready"
        assert answer.headers["retry-after"] == "1"


def test_a_site_that_is_allowed_reads_the_headers_of_an_export(client_of: ClientOf) -> None:
    client = client_of(cors_origins=["https://viewer.example"])
    answer = client.get("/api/v1/search.csv?k=1", headers={"Origin": "https://viewer.example"})
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"X-Total-Count", "X-Snapshot", "Deprecation"} <= set(exposed)
