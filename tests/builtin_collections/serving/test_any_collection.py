"""The server works for any collection: here one of two grey squares."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
from PIL import Image
from pydantic import ValidationError

from builtin_collections.serving.change_stream import Change, ChangeStream
from builtin_collections.serving.exchange import Answer, Request
from builtin_collections.serving.image_request import Offer
from builtin_collections.serving.image_service import ServedPicture, image_answer
from builtin_collections.serving.oai import Element, Entry, Repository
from builtin_collections.serving.presentation3 import CONTEXT, published, text

BASE = "http://127.0.0.1:1"
DAY = datetime(2024, 5, 1, 12, tzinfo=UTC)
OAI = "{http://www.openarchives.org/OAI/2.0/}"
DC = "{http://purl.org/dc/elements/1.1/}"
SQUARES = Offer(3, 2, (200, 200), ((100, 100), (200, 200)), ("jpg", "png"))


def body(answer: Answer) -> bytes:
    return answer.body() if callable(answer.body) else answer.body


def test_a_published_document_is_complete_and_in_reading_order() -> None:
    document = published(
        {
            "items": [{"type": "Manifest", "label": text("la", "Unum"), "id": f"{BASE}/1"}],
            "label": {"la": ["Omnia"], "en": ["All"]},
            "type": "Collection",
            "id": f"{BASE}/all",
            "summary": None,
        }
    )
    assert list(document) == ["@context", "id", "type", "label", "items"]
    assert document["@context"] == CONTEXT
    assert list(document["label"]) == ["la", "en"]
    assert list(document["items"][0].items()) == [
        ("id", f"{BASE}/1"),
        ("type", "Manifest"),
        ("label", {"la": ["Unum"]}),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"label": {"en": "one value, not a list"}},
        {"label": None},
        {"id": "no address"},
        {"items": [{"id": f"{BASE}/c", "type": "Picture", "items": []}]},
        {"metadata": [{"label": text("en", "Date")}]},
        {"rights": "all mine"},
        {"behavior": ["sideways"]},
    ],
)
def test_what_the_standard_refuses_is_not_published(wrong: dict[str, object]) -> None:
    sound = {"id": f"{BASE}/1", "type": "Manifest", "label": text("en", "One"), "items": []}
    published(sound)
    with pytest.raises(ValidationError):
        published(sound | wrong)


def test_pictures_are_drawn_at_the_width_that_is_requested() -> None:
    widths: list[int] = []

    def draw(width: int) -> Image.Image:
        widths.append(width)
        return Image.new("RGB", (width, width), (90, 90, 90))

    square = ServedPicture(draw, ("square", 1), DAY)
    whole = image_answer(SQUARES, f"{BASE}/s", square, "full/100,/0/default.png", Request("GET", "/"))
    cut = image_answer(SQUARES, f"{BASE}/s", square, "0,0,100,50/50,25/0/default.png", Request("GET", "/"))
    tiny = image_answer(SQUARES, f"{BASE}/s", square, "full/4,/0/default.png", Request("GET", "/"))
    assert widths == [], "nothing is drawn before the answer is sent"
    sizes = [Image.open(io.BytesIO(body(answer))).size for answer in (whole, cut, tiny)]
    assert sizes == [(100, 100), (50, 25), (4, 4)]
    assert widths == [100, 100, 32]
    assert len({whole.etag, cut.etag, tiny.etag}) == 3
    info = image_answer(SQUARES, f"{BASE}/s", square, "info.json", Request("GET", "/"))
    assert b'"width":200' in body(info)
    assert (
        image_answer(SQUARES, f"{BASE}/s", square, "full/400,/0/default.png", Request("GET", "/")).status
        == 400
    )


def entries() -> list[Entry]:
    def described() -> Sequence[Element]:
        return [Element("title", "Grau", "de"), Element("type", "image")]

    gone = Entry("b", DAY, DAY.replace(day=3), "grey", described, is_deleted=True)
    return [Entry("a", DAY, DAY, "grey", described), gone]


def test_records_of_any_kind_are_listed() -> None:
    repository = Repository(
        name="Squares",
        uri=f"{BASE}/oai",
        domain="squares.example",
        entries=entries(),
        sets={"grey": "Grey ones"},
    )
    wanted = [("verb", "ListRecords"), ("metadataPrefix", "oai_dc")]
    root = ElementTree.fromstring(body(repository.answer(Request("GET", "/oai", wanted))))
    headers = root.findall(f".//{OAI}header")
    assert [header.findtext(f"{OAI}identifier") for header in headers] == [
        "oai:squares.example:a",
        "oai:squares.example:b",
    ]
    assert [header.get("status") for header in headers] == [None, "deleted"]
    assert [title.text for title in root.iter(f"{DC}title")] == ["Grau"]
    later = [*wanted, ("from", "2024-05-02")]
    root = ElementTree.fromstring(body(repository.answer(Request("GET", "/oai", later))))
    assert len(root.findall(f".//{OAI}header")) == 1


@pytest.mark.parametrize(("num_changes", "num_pages"), [(0, 1), (1, 1), (100, 1), (101, 2)])
def test_a_change_stream_has_pages_of_a_hundred(num_changes: int, num_pages: int) -> None:
    changes = [Change(DAY, "Create", f"{BASE}/{n}", f"{BASE}/{n}.json") for n in range(num_changes)]
    stream = ChangeStream(BASE, changes)
    assert stream.num_pages == num_pages
    assert stream.collection()["totalItems"] == num_changes
    pages = [stream.page(number) for number in range(1, num_pages + 1)]
    assert [change["object"]["id"] for page in pages for change in page["orderedItems"]] == [
        change.manifest for change in changes
    ]
    assert "prev" not in pages[0]
    assert "next" not in pages[-1]
