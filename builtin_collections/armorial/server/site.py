"""The web site of an archive: maps paths to documents. No path refers to a file."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from builtin_collections.armorial.collection import Holdings, Item
from builtin_collections.armorial.describe import attribution, blazons, notations, title
from builtin_collections.armorial.server import images, presentation2, presentation3, records
from builtin_collections.armorial.server.addresses import Addresses
from builtin_collections.serving import change_stream
from builtin_collections.serving import presentation3 as iiif3
from builtin_collections.serving.exchange import Answer, Handler, Request, json_answer, refusal
from builtin_collections.serving.image_request import Offer
from builtin_collections.serving.image_service import image_answer

_ROBOTS = "User-agent: *\nDisallow: /admin/\n"
_Route = tuple[re.Pattern[str], Callable[..., Answer]]


class Site:
    """Routes that every archive has: robots, images, pages, records; subclasses add their protocols."""

    offer: Offer
    image_prefix = ""

    def __init__(self, holdings: Holdings, base: str) -> None:
        self.holdings = holdings
        self.addresses = Addresses(base, self.image_prefix)
        self._routes: list[_Route] = [(re.compile(pattern), handler) for pattern, handler in self.routes()]

    def routes(self) -> list[tuple[str, Callable[..., Answer]]]:
        """Path patterns and their handlers; groups become arguments after the request."""
        return [
            (r"/image/([^/]{1,120})(?:/(.{0,200}))?", self._image),
            (r"/iiif/([^/]{1,40})/manifest", self._manifest),
            (r"/item/([^/]{1,40})", self._page),
            (r"/record/([^/]{1,40})\.json", self._record),
            (r"/robots\.txt", self._robots),
            (r"/", self._home),
        ]

    def __call__(self, request: Request) -> Answer:
        """The answer to any request."""
        if request.method not in ("GET", "HEAD") and not (
            request.method == "POST" and request.path == "/oai"
        ):
            return Answer(405, b"only GET and HEAD\n", headers={"allow": "GET, HEAD, OPTIONS"})
        for pattern, handler in self._routes:
            if found := pattern.fullmatch(request.path):
                return handler(request, *found.groups())
        return refusal(404, "nothing is kept here")

    def manifest(self, item: Item) -> tuple[dict[str, object], str]:
        """The item's manifest and its content type."""
        document = presentation3.manifest(self.holdings, item, self.addresses, self.offer.level)
        return document, iiif3.CONTENT_TYPE

    def _held(self, identifier: str) -> Item | Answer:
        item = self.holdings.by_identifier.get(identifier)
        if item is None:
            return refusal(404, "no such item")
        return refusal(410, "this item was withdrawn") if item.withdrawn else item

    def _manifest(self, _: Request, identifier: str) -> Answer:
        item = self._held(identifier)
        if isinstance(item, Answer):
            return item
        document, content_type = self.manifest(item)
        return json_answer(document, content_type, modified=item.modified)

    def _image(self, request: Request, encoded: str, rest: str | None) -> Answer:
        found = self.addresses.image_of(encoded, self.holdings.by_identifier)
        if found is None:
            return refusal(404, "no such image")
        item, copy = found
        if item.withdrawn:
            return refusal(410, "this image was withdrawn")
        uri = self.addresses.image(item, copy)
        drawing = images.drawing(item, copy, seed=self.holdings.seed)
        return image_answer(self.offer, uri, drawing, rest or "", request)

    def _record(self, _: Request, identifier: str) -> Answer:
        item = self._held(identifier)
        if isinstance(item, Answer):
            return item
        archive = self.holdings.archive
        document = {
            "id": item.identifier,
            "title": title(archive, item),
            "blazon": blazons(item),
            "iconclass": notations(item),
            "date": item.date,
            "painter": item.painter,
            "rights": item.rights,
            "institution": archive.name,
            "notice": archive.notice,
        }
        return json_answer(document, "application/json", modified=item.modified)

    def _page(self, _: Request, identifier: str) -> Answer:
        item = self._held(identifier)
        if isinstance(item, Answer):
            return item
        archive = self.holdings.archive
        lines = [f'<p lang="{language}">{html.escape(text)}</p>' for language, text in blazons(item).items()]
        width, height = self.offer.sizes[-2]
        size = f"{width},{height}" if self.offer.version >= 3 else f"{width},"
        picture = f"{self.addresses.image(item, 0)}/full/{size}/0/default.jpg"
        body = [f'<p><img src="{picture}" width="{width}" height="{height}" alt=""></p>', *lines]
        return _html(
            archive.language, title(archive, item), [*body, f"<p>{html.escape(attribution(archive))}</p>"]
        )

    def _home(self, _: Request) -> Answer:
        archive = self.holdings.archive
        return _html(archive.language, archive.name, [f"<p>{html.escape(archive.notice)}</p>"])

    def _robots(self, _: Request) -> Answer:
        return Answer(200, _ROBOTS.encode())


class Wexcombe(Site):
    """Presentation 3.0, Image API 3.0 at level 2, Change Discovery."""

    offer = images.LEVEL_2
    image_prefix = "rolls/"

    def __init__(self, holdings: Holdings, base: str) -> None:
        super().__init__(holdings, base)
        self._changes = records.change_stream(holdings, self.addresses)

    def routes(self) -> list[tuple[str, Callable[..., Answer]]]:
        """The routes of every site, and those of this archive."""
        return [
            *super().routes(),
            (r"/collection/top", self._top),
            (r"/collection/roll-(\d{1,6})", self._roll),
            (r"/activity/all-changes", self._stream),
            (r"/activity/page-(\d{1,6})", self._activity_page),
        ]

    def _top(self, _: Request) -> Answer:
        return json_answer(presentation3.top_collection(self.holdings, self.addresses), iiif3.CONTENT_TYPE)

    def _roll(self, _: Request, number: str) -> Answer:
        items = self.holdings.rolls.get(int(number))
        if items is None:
            return refusal(404, "no such roll")
        document = presentation3.roll_collection(self.holdings, int(number), items, self.addresses)
        return json_answer(document, iiif3.CONTENT_TYPE)

    def _stream(self, _: Request) -> Answer:
        return json_answer(self._changes.collection(), change_stream.CONTENT_TYPE)

    def _activity_page(self, _: Request, number: str) -> Answer:
        if not 1 <= int(number) <= self._changes.num_pages:
            return refusal(404, "no such page")
        return json_answer(self._changes.page(int(number)), change_stream.CONTENT_TYPE)


class Aldersheim(Site):
    """Presentation 2.1, Image API 2.1 at level 0."""

    offer = images.LEVEL_0

    def routes(self) -> list[tuple[str, Callable[..., Answer]]]:
        """The routes of every site, and those of this archive."""
        return [
            *super().routes(),
            (r"/collection/top", self._top),
            (r"/collection/roll-(\d{1,6})(?:/page-(\d{1,6}))?", self._roll),
        ]

    def manifest(self, item: Item) -> tuple[dict[str, object], str]:
        """A manifest of Presentation 2.1, and its media type."""
        return presentation2.manifest(self.holdings, item, self.addresses), presentation2.CONTENT_TYPE

    def _top(self, _: Request) -> Answer:
        return json_answer(
            presentation2.top_collection(self.holdings, self.addresses), presentation2.CONTENT_TYPE
        )

    def _roll(self, _: Request, number: str, page: str | None) -> Answer:
        items = self.holdings.rolls.get(int(number))
        if items is None or (page is not None and not 1 <= int(page) <= presentation2.num_pages(items)):
            return refusal(404, "no such volume or page")
        wanted = None if page is None else int(page)
        document = presentation2.roll_collection(self.holdings, int(number), items, self.addresses, wanted)
        return json_answer(document, presentation2.CONTENT_TYPE)


class Valcendre(Site):
    """OAI-PMH whose records point to Presentation 3.0 manifests; Image API 3.0 at level 1."""

    offer = images.LEVEL_1

    def __init__(self, holdings: Holdings, base: str) -> None:
        super().__init__(holdings, base)
        self._repository = records.repository(holdings, self.addresses)

    def routes(self) -> list[tuple[str, Callable[..., Answer]]]:
        """The routes of every site, and those of this archive."""
        return [*super().routes(), (r"/oai", self._oai)]

    def _oai(self, request: Request) -> Answer:
        return self._repository.answer(request)


def _html(language: str, heading: str, paragraphs: list[str]) -> Answer:
    text = (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8"><title>{html.escape(heading)}</title>'
        f"<h1>{html.escape(heading)}</h1>{''.join(paragraphs)}</html>"
    )
    return Answer(200, text.encode(), "text/html; charset=utf-8")


SITES: dict[str, type[Site]] = {
    "armorial-wexcombe": Wexcombe,
    "armorial-aldersheim": Aldersheim,
    "armorial-valcendre": Valcendre,
}


def site(holdings: Holdings, base: str) -> Handler:
    """The site of an archive, its URLs below `base`."""
    return SITES[holdings.archive.slug](holdings, base)
