"""The JSON API over the real engine."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from retrieval.answers import Facets, Results
from retrieval.questions import MAX_TEXT_CHARS
from retrieval.service.api.routes import ItemAnswer
from tests.retrieval.service.conftest import ClientOf

UNKNOWN = "armorial-nowhere-0123456789abcdef"


def hits_of(client: TestClient, **params: Any) -> list[dict[str, Any]]:
    answer = client.get("/api/search", params=params)
    assert answer.status_code == 200, answer.text
    return list(Results.model_validate(answer.json()).model_dump(mode="json")["hits"])


def error_of(answer: Any) -> dict[str, Any]:
    error = answer.json()
    assert set(error) == {"error"}
    assert set(error["error"]) == {"code", "what", "where", "remedy"}
    assert error["error"]["what"]
    return dict(error["error"])


def test_the_words_of_a_caption_find_its_item_in_each_language(client: TestClient, shown_key: str) -> None:
    captions = client.get(f"/api/items/{shown_key}").json()["item"]["record"]["captions"]
    blazons = {caption["language"]: caption["text"] for caption in captions if caption["field"] == "blazon"}
    assert set(blazons) == {"en", "fr", "de"}
    for text in blazons.values():
        assert shown_key in [hit["key"] for hit in hits_of(client, q=text, mode="keyword", k=10, fold=False)]


def test_without_a_question_the_whole_set_is_listed(client: TestClient) -> None:
    listed = client.get("/api/search", params={"k": 200, "fold": False}).json()
    assert len(listed["hits"]) == listed["total"] > 60
    assert listed["matches_well"] is None


def test_pages_follow_each_other_without_gap_or_repetition(client: TestClient) -> None:
    seen: list[str] = []
    params: dict[str, Any] = {"q": "a lion", "k": 25, "mode": "semantic", "fold": False}
    while True:
        page = client.get("/api/search", params=params).json()
        seen += [hit["key"] for hit in page["hits"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert len(seen) == len(set(seen)) == page["total"]


def test_filters_hold_alone_and_together(client: TestClient) -> None:
    for hit in hits_of(client, q="azure", institution="armorial-valcendre", reusable=True, k=50):
        assert hit["institution"] == "armorial-valcendre"
        assert hit["rights"]["may_reuse"] is True
    dated = hits_of(client, earliest=1500, latest=1550, k=200)
    assert dated
    both = hits_of(client, institution=["armorial-valcendre", "armorial-wexcombe"], k=200)
    assert {hit["institution"] for hit in both} == {"armorial-valcendre", "armorial-wexcombe"}


def test_a_hit_carries_its_rights_its_credit_and_its_origin(client: TestClient, shown_key: str) -> None:
    answer = ItemAnswer.model_validate(client.get(f"/api/items/{shown_key}").json())
    hit, record = answer.item.hit, answer.item.record
    assert hit.rights.uri
    assert hit.rights.label
    assert "invent" in (hit.rights.attribution or "") or "erfunden" in (hit.rights.attribution or "").lower()
    assert hit.manifest
    assert hit.canvas
    assert hit.homepage
    assert record.harvested_by == "iconoclip tests"
    (found,) = hits_of(client, q=hit.title, k=200, fold=False)[:1]
    assert found["provenance"] == {
        "source": found["canvas"],
        "harvested_at": record.harvested_at,
        "harvested_by": "iconoclip tests",
        "rights_judged_by": "open@1",
    }
    assert answer.image == f"http://testserver/image/{shown_key}.jpg"
    assert answer.content_state


def test_an_item_that_may_only_be_linked_has_no_picture_anywhere(client: TestClient, link_key: str) -> None:
    answer = client.get(f"/api/items/{link_key}").json()
    assert answer["image"] is None
    assert answer["thumbnail"] is None
    assert answer["item"]["hit"]["homepage"]
    for path in (f"/image/{link_key}.jpg", f"/thumb/{link_key}.jpg"):
        refused = client.get(path)
        assert refused.status_code == 403
        assert "institution" in error_of(refused)["remedy"]
    page = client.get(f"/item/{link_key}", headers={"Accept": "text/html"}).text
    assert f"/image/{link_key}" not in page
    assert f"/thumb/{link_key}" not in page


def test_pictures_come_with_a_validator_and_answer_304(client: TestClient, shown_key: str) -> None:
    picture = client.get(f"/image/{shown_key}.jpg")
    assert picture.headers["content-type"] == "image/jpeg"
    assert "max-age" in picture.headers["cache-control"]
    assert Image.open(io.BytesIO(picture.content)).format == "JPEG"
    again = client.get(f"/image/{shown_key}.jpg", headers={"If-None-Match": picture.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_similar_leaves_the_item_itself_out(client: TestClient, shown_key: str) -> None:
    found = client.get("/api/similar", params={"key": shown_key, "k": 10}).json()["hits"]
    assert len(found) == 10
    assert shown_key not in [hit["key"] for hit in found]


def test_a_picture_finds_itself(client: TestClient, shown_key: str) -> None:
    picture = client.get(f"/image/{shown_key}.jpg").content
    answer = client.post("/api/search", params={"k": 5}, files={"image": ("any name.jpg", picture)})
    assert answer.status_code == 200, answer.text
    assert shown_key in [hit["key"] for hit in answer.json()["hits"]]


def test_facets_count_what_a_search_lists(client: TestClient) -> None:
    facets = Facets.model_validate(client.get("/api/facets").json())
    assert facets.total == sum(value.count for value in facets.institution)
    for value in facets.institution:
        assert len(hits_of(client, institution=value.value, k=200, fold=False)) == value.count
    assert {value.value for value in facets.language} == {"en", "fr", "de"}
    assert facets.num_reusable == len(hits_of(client, reusable=True, k=200, fold=False))


def test_a_notation_has_its_words_its_place_and_its_count(client: TestClient) -> None:
    answer = client.get("/api/iconclass", params={"notation": "46A122", "language": "de"}).json()
    assert "Wappen" in answer["label"]
    assert answer["broader"][0]["notation"] == "4"
    assert answer["num_items"] > 50
    unknown = client.get("/api/iconclass", params={"notation": "99ZZZ"})
    assert unknown.status_code == 404


def test_a_notation_causes_no_request_to_wikidata(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a request left the server")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    assert client.get("/api/iconclass", params={"notation": "11H(wd:Q40662)"}).status_code == 404


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/api/search?k=0", "k"),
        ("/api/search?k=201", "k"),
        ("/api/search?k=many", "k"),
        ("/api/search?q=" + "x" * 1_001, "q"),
        ("/api/search?q=%00", "q"),
        ("/api/search?mode=psychic", "mode"),
        ("/api/search?diversity=2", "diversity"),
        ("/api/search?earliest=999999", "earliest"),
        ("/api/search?like=../../etc/passwd", "like.0"),
        ("/api/search?region=nonsense", "region"),
        ("/api/search?cursor=" + "c" * 501, "cursor"),
        ("/api/items/..%2f..%2fetc", None),
        ("/api/similar", "key"),
        ("/api/facets?sort=title", "sort"),
        ("/api/search?insitution=x", "insitution"),
        ("/api/search?term=winter", "term.0"),
        ("/api/search?term=11:winter", "term.0"),
        ("/api/search?term=0.5:", "term.0"),
        ("/api/search?image=../../etc", "image"),
        ("/api/iconclass?notation=%20", "notation"),
        ("/api/iconclass?notation=a%00", "notation"),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_name(client: TestClient, path: str, where: str | None) -> None:
    answer = client.get(path)
    assert answer.status_code in (404, 422)
    error = error_of(answer)
    if where:
        assert answer.status_code == 422
        assert error["where"] == where


def test_a_misspelt_parameter_is_answered_with_the_right_name(client: TestClient) -> None:
    assert error_of(client.get("/api/search?insitution=x"))["remedy"] == "did you mean 'institution'?"


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/api/v1/search.csv?scop=all", "scope"),
        ("/iiif/search/collection.json?snapshott=x", "snapshot"),
        ("/api/v1/search?scope=all", None),
    ],
)
def test_the_names_that_are_proposed_are_those_of_the_address(
    client: TestClient, path: str, meant: str | None
) -> None:
    remedy = client.get(path).json()["error"]["remedy"]
    assert remedy == f"did you mean '{meant}'?" if meant else "'scope'" not in remedy


@pytest.mark.parametrize(
    ("content", "where", "remedy"),
    [
        ("{", "body", "Content-Type: application/json"),
        ('["q"]', "body", "Content-Type: application/json"),
        ('{"language": "en"}', "q", "give 'q'"),
        ('{"q": "li", "limit": 3}', "limit", "known here: k, language, q"),
    ],
)
def test_a_body_that_is_not_understood_is_refused_by_what_it_lacks(
    client: TestClient, content: str, where: str, remedy: str
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = client.post("/api/v1/complete", content=content, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["error"]["where"] == where
    assert remedy in answer.json()["error"]["remedy"]


def test_an_invalid_cursor_is_a_client_error(client: TestClient) -> None:
    for cursor in ("nonsense", "AAAA", "%FF"):
        assert 400 <= client.get(f"/api/search?q=a&cursor={cursor}").status_code < 500


@pytest.mark.parametrize(
    "path",
    ["/api/items/{}", "/api/similar?key={}", "/image/{}.jpg", "/thumb/{}.jpg", "/iiif/{}/manifest.json"],
)
def test_an_item_that_is_not_there_is_404(client: TestClient, path: str) -> None:
    answer = client.get(path.format(UNKNOWN))
    assert answer.status_code == 404
    assert error_of(answer)["code"] == "not_found"


def test_methods_and_addresses_that_are_not_there(client: TestClient) -> None:
    assert error_of(client.get("/api/nothing"))["code"] == "not_found"
    refused = client.delete("/api/search")
    assert refused.status_code == 405
    assert error_of(refused)["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/v1/search", {"GET", "HEAD", "POST"}),
        ("/api/v1/facets", {"GET", "HEAD"}),
        ("/api/v1/complete", {"POST"}),
        ("/about", {"GET", "HEAD"}),
    ],
)
def test_the_allow_header_names_every_method_of_an_address(
    client: TestClient, path: str, allowed: set[str]
) -> None:
    answer = client.delete(path)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == allowed
    # Whatever else is asked for is refused, and what is named is not.
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH"):
        assert (client.request(method, path).status_code == 405) == (method not in allowed), method


def test_a_period_may_be_given_from_either_end(client: TestClient) -> None:
    keys = [
        [hit["key"] for hit in client.get(f"/api/v1/search?earliest={one}&latest={other}").json()["hits"]]
        for one, other in ((-9999, 9999), (9999, -9999))
    ]
    assert keys[0] == keys[1] != []
    page = client.get("/search?earliest=1700&latest=1500", headers={"Accept": "text/html"}).text
    assert "1500–1700" in page
    assert "1700–1500" not in page


def test_a_text_that_is_too_long_is_refused_in_the_readers_language(client_of: ClientOf) -> None:
    client = client_of()
    fault = error_of(client.get("/api/v1/search", params={"q": "x" * 1_001}))
    assert (fault["where"], fault["what"]) == ("q", "the text is too long")
    assert fault["remedy"] == f"shorten it to {MAX_TEXT_CHARS:,} characters"
    reader = {"Accept": "text/html", "Accept-Language": "de"}
    page = client.get("/search", params={"q": "x" * 1_001}, headers=reader)
    assert page.status_code == 422
    assert "Der Text ist zu lang." in page.text
    assert "Kürzen Sie ihn auf 1.000 Zeichen." in page.text
    assert client.get("/api/v1/search", params={"q": "x" * MAX_TEXT_CHARS}).status_code == 200


def test_uploads_out_of_bounds(client_of: ClientOf) -> None:
    small = client_of(max_upload_bytes=20_000, max_upload_pixels=10_000)
    many_bytes = small.post("/api/search", files={"image": b"x" * 40_000})
    many_pixels = io.BytesIO()
    Image.new("RGB", (101, 100)).save(many_pixels, "PNG")
    assert error_of(many_bytes)["code"] == "too_large"
    assert error_of(small.post("/api/search", files={"image": many_pixels.getvalue()}))["code"] == "too_large"
    assert error_of(small.post("/api/search", files={"image": b"text"}))["code"] == "not_an_image"
    assert small.post("/api/search").status_code == 422
    assert small.post(
        "/api/search", content=b"x", headers={"Content-Type": "multipart/form-data"}
    ).status_code in (400, 422)


def test_long_answers_wait_for_each_other_within_a_limit(
    client_of: ClientOf, shown_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.service.context.MAX_WAIT_SECONDS", 0.01)
    client = client_of()
    turns = client.app.state.context._long_answers  # type: ignore[attr-defined]
    for _ in range(2):
        turns.acquire()
    refused = client.get("/api/explain", params={"key": shown_key, "q": "a lion"})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
    assert client.get("/api/search", params={"q": "a lion"}).status_code == 200, "quick ones do not wait"
    turns.release()
    assert client.get("/api/explain", params={"key": shown_key, "q": "a lion"}).status_code == 200


def test_health_ready_and_metrics(client: TestClient) -> None:
    assert client.get("/api/health").json() == {"status": "ok"}
    assert client.get("/api/ready").json()["num_items"] > 60
    client.get("/api/search", params={"q": "a most particular question"})
    metrics = client.get("/metrics").text
    assert 'iconoclip_requests_total{method="GET",route="/api/search",status="200"}' in metrics
    assert "iconoclip_ready 1.0" in metrics
    assert "particular" not in metrics


def test_cors_is_closed_until_it_is_opened(client: TestClient, client_of: ClientOf) -> None:
    origin = {"Origin": "https://viewer.example"}
    assert "access-control-allow-origin" not in client.get("/api/health", headers=origin).headers
    opened = client_of(cors_origins=["https://viewer.example"]).get("/api/health", headers=origin)
    assert opened.headers["access-control-allow-origin"] == "https://viewer.example"
    assert "access-control-allow-credentials" not in opened.headers
