"""What the service wrote and reads back: cursors, names of pictures, maps in addresses, cookies. Anything
else is refused, and never causes a server error."""

from __future__ import annotations

import base64
import json
import string
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from retrieval.engine import SearchEngine
from retrieval.query.ranking import query_digest
from retrieval.questions import Query

FUZZED = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# Where each example is many requests.
FEW = settings(FUZZED, max_examples=8)
NUMBERS = (
    st.integers()
    | st.sampled_from([2**31, 2**40 - 1, 2**40, 2**63, 2**64, 10**400])
    | st.floats()
    | st.sampled_from([float("inf"), float("nan"), 1e308])
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
# What an HTTP client can send in a header.
HEADER_TEXT = st.text(string.printable.strip() + " ", max_size=80)
KEY_TEXT = st.text(string.ascii_lowercase + string.digits + "-_%.:,", max_size=40)


BOXES = (
    st.none() | st.text(max_size=30) | st.tuples(*[NUMBERS] * 4).map(lambda four: ",".join(map(str, four)))
)


def encoded(value: Any) -> str:
    text = json.dumps(value).replace("Infinity", "1e999")
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.fixture(scope="module")
def digest() -> str:
    """Of the query `q=lion`, as the service understands it: a cursor with it looks like one of the
    service."""
    return query_digest(Query(text="lion"))


def is_no_fault(answer: Any) -> bool:
    return bool(200 <= answer.status_code < 500)


@FUZZED
@given(
    values=st.tuples(st.text(max_size=8) | st.just("gen-000001"), NUMBERS, NUMBERS, NUMBERS),
    page=st.booleans(),
)
@example(values=("gen-000001", float("inf"), 1, 1), page=True)
@example(values=("gen-000001", 10**400, 1, 1), page=False)
@example(values=("gen-000001", 0, 0, 0), page=False)
@example(values=("gen-000001", 5, 0, 3), page=True)
@example(values=("gen-000000", 0, 2**40 - 1, 2**40 - 1), page=False)
def test_numbers_in_a_cursor(client: TestClient, digest: str, values: tuple[Any, ...], page: bool) -> None:
    asked = {"q": "lion", "cursor": encoded([*values, digest])}
    assert is_no_fault(client.get("/search" if page else "/api/search", params=asked))


@FUZZED
@given(
    token=JSON.map(encoded)
    | st.text(max_size=60)
    | st.binary(max_size=40).map(lambda data: base64.urlsafe_b64encode(data).decode())
)
@example(token=encoded(["gen-000001", float("inf"), 1, 1, "x"]))
@example(token=encoded("[" * 200))
@example(token="WyJnZW4tMDAwMDAxIiwxZTk5OSwxLDEsIngiXQ")
def test_invalid_cursors(client: TestClient, shown_key: str, token: str) -> None:
    for path, asked in (("/api/search", {"q": "lion"}), ("/api/similar", {"key": shown_key})):
        answer = client.get(path, params=asked | {"cursor": token})
        assert answer.status_code in ((400, 422) if token else (200, 400)), answer.text


def test_cursors_work_from_the_first_page_to_the_last(client: TestClient, engine: SearchEngine) -> None:
    cursor, found = None, []
    while cursor is not None or not found:
        page = client.get(
            "/api/search", params={"k": 20, "fold": False} | ({"cursor": cursor} if cursor else {})
        ).json()
        found += [hit["key"] for hit in page["hits"]]
        cursor = page["next_cursor"]
    assert len(set(found)) == len(found) == engine.status().num_items


@FUZZED
@given(name=KEY_TEXT | st.text(max_size=30), box=BOXES, width=NUMBERS, height=NUMBERS)
@example(name="1-f", box="0.0000,0.0000,999.0000,999.0000", width=1, height=100_000)
@example(name="99-" + "f" * 990, box="-999.0000,-999.0000,999.0000,999.0000", width=100_000, height=1)
@example(name="1-0", box="1.0000,1.0000,0.0000,0.0000", width=1, height=1)
@example(name="2-f0", box=None, width=1, height=100_000)
def test_a_map_in_an_address(client: TestClient, name: str, box: str | None, width: Any, height: Any) -> None:
    asked = {"width": str(width), "height": str(height)} | ({} if box is None else {"box": box})
    assert is_no_fault(client.get(f"/occlusion/{quoted(name)}.png", params=asked))


def quoted(text: str) -> str:
    from urllib.parse import quote

    # Names of folders that a client would resolve itself are left out.
    return quote(text, safe="") if text.strip(".") else "x"


@FEW
@given(name=KEY_TEXT | st.text(max_size=30))
def test_names_and_keys_in_addresses(client: TestClient, name: str) -> None:
    for path in ("/kept/{}.jpg", "/image/{}.jpg", "/thumb/{}.jpg", "/item/{}", "/api/items/{}",
                 "/iiif/{}/manifest.json",
                 "/iiif/{}/object/search", "/static/{}"):  # fmt: skip
        assert is_no_fault(client.get(path.format(quoted(name)))), path
    for parameter in ("image", "region", "term", "like", "iconclass", "institution", "rights", "language"):
        for path in ("/api/search", "/search", "/iiif/search/manifest.json"):
            assert is_no_fault(client.get(path, params={parameter: name})), (path, parameter)


@FUZZED
@given(page=NUMBERS | st.text(max_size=5), text=st.text(max_size=20), motivation=st.text(max_size=20))
def test_pages_of_a_search_within_an_object(
    client: TestClient, shown_key: str, page: Any, text: str, motivation: str
) -> None:
    asked = {"q": text, "page": str(page), "motivation": motivation}
    assert is_no_fault(client.get(f"/iiif/{shown_key}/object/search", params=asked))


@FEW
@given(value=HEADER_TEXT)
@example(value="de;q=1e999,fr;q=nan")
@example(value='W/"' + '"' * 70)
@example(value="bytes=-1e9")
@example(value="Bearer ")
def test_headers_and_cookies(client: TestClient, shown_key: str, value: str) -> None:
    for name in ("Accept-Language", "If-None-Match", "Authorization", "Range", "If-Range", "Accept",
                 "If-Modified-Since",
                 "X-Forwarded-For", "Cookie"):  # fmt: skip
        for path in ("/about", f"/thumb/{shown_key}.jpg", "/static/page.js"):
            assert is_no_fault(client.get(path, headers={name: value})), (name, path)
    cookies = f"iconoclip_token={value.replace(';', '')}; iconoclip_lang={value.replace(';', '')}"
    assert is_no_fault(client.get("/about", headers={"Cookie": cookies}))


@FUZZED
@given(token=st.text(max_size=40))
def test_tokens_of_members(client: TestClient, token: str) -> None:
    assert client.post("/members", data={"token": token}).status_code in (401, 422)
