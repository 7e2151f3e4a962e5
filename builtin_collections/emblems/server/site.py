"""The web site of the library of drawn books: maps paths to documents. No path refers to a file."""

from __future__ import annotations

import html
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial

from PIL import Image

from builtin_collections.emblems.book import DRAWING_VERSION, Volume, page, view_of
from builtin_collections.emblems.server import presentation, texts
from builtin_collections.emblems.truth import Truth
from builtin_collections.serving.exchange import Answer, Request, json_answer, refusal
from builtin_collections.serving.image_request import Offer
from builtin_collections.serving.image_service import ServedPicture, image_answer
from builtin_collections.serving.presentation3 import CONTENT_TYPE

_PUBLISHED = datetime(2025, 3, 1, 9, tzinfo=UTC)
_ROBOTS = "User-agent: *\nDisallow: /admin/\n"
# A harvest requests a page and then its pictures: the page is not drawn again for each. Nor is it for its
# text, which is requested when all pages were harvested.
_KEPT_PAGES, _KEPT_TRUTHS = 12, 4096


class Site:
    """Answers for `books`, with all addresses below `base`."""

    def __init__(self, books: Sequence[Volume], base: str) -> None:
        self._books = {book.name: book for book in books}
        self._addresses = presentation.Addresses(base)
        self._drawn = lru_cache(_KEPT_PAGES)(self._draw)
        self._known: OrderedDict[tuple[str, int], Truth] = OrderedDict()
        self._routes: list[tuple[re.Pattern[str], Callable[..., Answer]]] = [
            (re.compile(r"/image/([a-z0-9-]{1,60})-f(\d{1,4})(?:/(.{0,200}))?"), self._image),
            (re.compile(r"/iiif/([a-z0-9-]{1,60})/manifest"), self._manifest),
            (
                re.compile(r"/(alto|alto-mm10|hocr|annotations)/([a-z0-9-]{1,60})-f(\d{1,4})\.[a-z]{3,4}"),
                self._text,
            ),
            (re.compile(r"/collection/top"), self._collection),
            (re.compile(r"/robots\.txt"), lambda _: Answer(200, _ROBOTS.encode())),
            (re.compile(r"/"), self._home),
        ]

    def __call__(self, request: Request) -> Answer:
        """The answer to any request."""
        if request.method not in ("GET", "HEAD"):
            return Answer(405, b"only GET and HEAD\n", headers={"allow": "GET, HEAD, OPTIONS"})
        for pattern, handler in self._routes:
            if found := pattern.fullmatch(request.path):
                return handler(request, *found.groups())
        return refusal(404, "nothing is kept here")

    def _draw(self, name: str, number: int) -> tuple[Image.Image, Truth]:
        image, truth = page(self._books[name], number)
        self._known[name, number] = truth
        if len(self._known) > _KEPT_TRUTHS:
            self._known.popitem(last=False)
        return image, truth

    def _truth(self, name: str, number: int) -> Truth:
        """The truth of a page, which is drawn if it was never requested before."""
        known = self._known.get((name, number))
        return self._drawn(name, number)[1] if known is None else known

    def _sheet(self, name: str, number: str) -> tuple[Volume, int] | None:
        book = self._books.get(name)
        if book is None or not 1 <= int(number) <= len(book.sheets):
            return None
        return book, int(number) - 1

    def _image(self, request: Request, name: str, number: str, rest: str | None) -> Answer:
        found = self._sheet(name, number)
        if found is None:
            return refusal(404, "no such image")
        book, place = found
        size = view_of(book, place).size
        sizes = tuple((max(1, size[0] // step), max(1, size[1] // step)) for step in (8, 4, 2, 1))
        offer = Offer(3, 2, size, sizes, ("jpg", "png", "webp"), ("default", "color", "gray", "bitonal"))
        version = (DRAWING_VERSION, book.seed, book.number, place)
        picture = ServedPicture(partial(self._at_width, name, place), version, _PUBLISHED)
        return image_answer(offer, self._addresses.image(book, place), picture, rest or "", request)

    def _at_width(self, name: str, place: int, width: int) -> Image.Image:
        image, _ = self._drawn(name, place)
        if width >= image.width:
            return image
        return image.resize(
            (width, max(1, round(width * image.height / image.width))), Image.Resampling.LANCZOS
        )

    def _manifest(self, _: Request, name: str) -> Answer:
        book = self._books.get(name)
        if book is None:
            return refusal(404, "no such volume")
        return json_answer(presentation.manifest(book, self._addresses), CONTENT_TYPE, modified=_PUBLISHED)

    def _text(self, _: Request, kind: texts.TextFormat, name: str, number: str) -> Answer:
        found = self._sheet(name, number)
        if found is None or presentation.text_format(found[0]) != kind:
            return refusal(404, "no such text")
        book, place = found
        truth = self._truth(name, place)
        file_name = f"{name}-f{number}.tif"
        if kind == "annotations":
            address = self._addresses.text(book, place, kind)
            document = texts.text_annotations(truth, address, self._addresses.canvas(book, place))
            return json_answer(document, "application/ld+json", modified=_PUBLISHED)
        if kind == "hocr":
            return Answer(200, texts.hocr(truth, file_name), "text/html; charset=utf-8", modified=_PUBLISHED)
        body = texts.alto(truth, file_name, tenths_of_millimetres=kind == "alto-mm10")
        return Answer(200, body, "application/xml", modified=_PUBLISHED)

    def _collection(self, _: Request) -> Answer:
        document = presentation.top_collection(list(self._books.values()), self._addresses)
        return json_answer(document, CONTENT_TYPE, modified=_PUBLISHED)

    def _home(self, _: Request) -> Answer:
        name, notice = html.escape(presentation.NAME), html.escape(presentation.NOTICE)
        head = f'<!doctype html><html lang="fr"><meta charset="utf-8"><title>{name}</title>'
        body = f"{head}<h1>{name}</h1><p>{notice}</p>"
        return Answer(200, body.encode(), "text/html; charset=utf-8")
