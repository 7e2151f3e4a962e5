"""A small client of iconoclip search services, for scripts and notebooks. It needs only the standard library.

    from iconoclip_client import Client

    library = Client("https://search.example")
    for hit in library.hits("a lion holding a rose", reusable=True, limit=100):
        print(hit.score, hit.title, hit.rights.attribution)

Parameters are those of the API (docs/api.md), with their types, so editors complete them; the service refuses
unknown ones by name.
"""

from __future__ import annotations

import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack
from urllib.parse import quote, urlencode, urlsplit

__all__ = ["Answer", "Client", "Filters", "Question", "Refused", "Search", "Unavailable"]

MAX_ANSWER_BYTES = 64_000_000
CHUNK_BYTES = 1 << 16
# Exports by the end of the file's name.
EXPORTS = (".csv", ".xlsx", ".jsonld", ".selection.yaml")


Several = str | Sequence[str]


class Filters(TypedDict, total=False):
    """What every hit must have. Several values of one filter mean any of them."""

    institution: Several
    language: Several
    earliest: int
    latest: int
    dates: Literal["possibly", "certainly"]
    reusable: bool
    rights: Several
    iconclass: Several
    object_type: Several
    creator: Several
    place: Several
    has_region: bool
    picture_kind: Several
    pictures_only: bool


class Question(Filters, total=False):
    """The parameters of a query, in addition to the text and a picture."""

    like: Several
    unlike: Several
    plus: Several
    minus: Several
    term: Several
    region: str
    mode: Literal["hybrid", "semantic", "keyword"]
    plain: bool
    literal: bool


class Search(Question, total=False):
    """A question with its order and its page."""

    sort: Literal["relevance", "oldest", "newest", "title", "maker"]
    k: int
    cursor: str | None
    fold: bool
    diversity: float
    counts: bool


class Export(Search, total=False):
    """A question with what of its result is saved."""

    scope: Literal["page", "all"]
    key: Several
    start: int
    snapshot: str


class Answer(dict[str, Any]):
    """An object of a response: `hit.title` is `hit["title"]`. New fields are read like known ones."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the service answers nothing called '{name}'") from None


class Refused(ValueError):
    """The service refused a request; `code`, `where` and `remedy` are those of the API's errors."""

    def __init__(self, status: int, code: str, what: str, where: str | None, remedy: str | None) -> None:
        super().__init__("; ".join(part for part in (what, where, remedy) if part))
        self.status, self.code, self.what, self.where, self.remedy = status, code, what, where, remedy


class Unavailable(OSError):
    """The service cannot be reached, or asks to come back later; `retry_after` are seconds, if it says so."""

    def __init__(self, what: str, retry_after: int | None = None) -> None:
        super().__init__(what)
        self.retry_after = retry_after


class Client:
    """A client of one service.

    Args:
        address: the address of the service, as its page shows it.
        token: gives access to a consortium's items, if there are any.
        timeout_seconds: how long to wait for a response to begin.

    Every method raises Refused if the request is refused, and Unavailable if it may work later.
    """

    def __init__(self, address: str, *, token: str | None = None, timeout_seconds: float = 30.0) -> None:
        if urlsplit(address).scheme not in ("http", "https"):
            raise ValueError(f"not a web address: {address}")
        self.address, self._timeout_seconds = address.rstrip("/"), timeout_seconds
        self._headers = {"Accept": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def search(
        self, text: str | None = None, *, image: bytes | str | Path | None = None,
        **parameters: Unpack[Search],
    ) -> Answer:  # fmt: skip
        """One page of hits for a text, a picture (its bytes, or the path of its file), or both. With
        `counts=True`, `facets` counts all matches.
        """
        path = _with_query("/api/v1/search", {"q": text, **parameters})
        return self._json(path, *(() if image is None else _multipart(image)))

    def hits(
        self, text: str | None = None, *, image: bytes | str | Path | None = None, limit: int | None = None,
        **parameters: Unpack[Search],
    ) -> Iterator[Answer]:  # fmt: skip
        """At most `limit` hits, one after the other; further pages are requested as needed."""
        return islice(self._every_hit(text, image, parameters), limit)

    def _every_hit(
        self, text: str | None, image: bytes | str | Path | None, parameters: Search
    ) -> Iterator[Answer]:
        while True:
            page = self.search(text, image=image, **parameters)
            yield from page.hits
            parameters = {**parameters, "cursor": page.next_cursor}
            if page.next_cursor is None:
                return

    def item(self, key: str) -> Answer:
        """One item: `hit`, `record`, `siblings`, `similar`."""
        item: Answer = self._json(f"/api/v1/items/{quote(key, safe='')}").item
        return item

    def copies(self, key: str) -> list[Answer]:
        """The item and its near-duplicates."""
        hits: list[Answer] = self._json(f"/api/v1/items/{quote(key, safe='')}/copies").hits
        return hits

    def recommended(self, key: str) -> list[Answer]:
        """What has one thing in common with the item: its maker, motif, time, place or institution. Each has
        its `reason` in words, and `hits`.
        """
        found: list[Answer] = self._json(f"/api/v1/items/{quote(key, safe='')}/recommended").recommended
        return found

    def facets(self, text: str | None = None, **question: Unpack[Question]) -> Answer:
        """Counts over all that matches a question, or over a filtered set."""
        return self._json(_with_query("/api/v1/facets", {"q": text, **question}))

    def similar(self, key: str, **parameters: Any) -> Answer:
        """Items that look like the given one, most similar first; without the item itself."""
        return self._json(_with_query("/api/v1/similar", {"key": key, **parameters}))

    def notation(self, notation: str, **parameters: Any) -> Answer:
        """An Iconclass notation with those above and below it, or the notations whose text has some words;
        with `suggest_for=KEY`, notations for the picture of an item.
        """
        return self._json(_with_query("/api/v1/iconclass", {"notation": notation, **parameters}))

    def explain(self, key: str, text: str) -> Answer:
        """Where in the picture of an item the model sees a text: a coarse map, row by row."""
        return self._json(_with_query("/api/v1/explain", {"key": key, "q": text}))

    def complete(self, text: str, *, language: str = "en", k: int = 8) -> list[str]:
        """Texts that a query may be completed to, while it is typed."""
        body = json.dumps({"q": text, "language": language, "k": k}).encode()
        return [each.text for each in self._json("/api/v1/complete", body, "application/json").completions]

    def image(self, key: str) -> bytes:
        """The JPEG of an item, if its rights allow showing it."""
        with self._open(f"/image/{quote(key, safe='')}.jpg") as answer:
            return _whole(answer)

    def export(self, path: str | Path, text: str | None = None, **parameters: Unpack[Export]) -> int:
        """Save a result as a file; the end of its name is the format. Returns the number of items.

        With `scope="all"`, every match; with `key=[...]`, these items; otherwise one page.
        """
        target = Path(path)
        suffix = next((each for each in EXPORTS if target.name.endswith(each)), None)
        if suffix is None:
            raise ValueError(f"the name of an export ends with one of {', '.join(EXPORTS)}: {target.name}")
        partial = target.with_name(target.name + ".partial")
        with self._open(_with_query(f"/api/v1/search{suffix}", {"q": text, **parameters})) as answer:
            with partial.open("wb") as file:
                while chunk := answer.read(CHUNK_BYTES):
                    file.write(chunk)
            num_items = int(answer.headers["X-Total-Count"])
        partial.replace(target)
        return num_items

    def _json(self, path: str, body: bytes | None = None, content_type: str | None = None) -> Answer:
        with self._open(path, body, content_type) as answer:
            data = _whole(answer)
        try:
            parsed = json.loads(data, object_hook=Answer)
        except ValueError:
            parsed = None
        if not isinstance(parsed, Answer):
            raise Unavailable(f"not the answer of an iconoclip service: {self.address}")
        return parsed

    def _open(self, path: str, body: bytes | None = None, content_type: str | None = None) -> Any:
        headers = self._headers | ({"Content-Type": content_type} if content_type else {})
        # The scheme was checked, so urllib opens no file.
        request = urllib.request.Request(self.address + path, data=body, headers=headers)
        try:
            return urllib.request.urlopen(request, timeout=self._timeout_seconds)
        except urllib.error.HTTPError as error:
            raise _as_error(error) from error
        except OSError as error:
            raise Unavailable(f"{self.address} cannot be reached: {error}") from error


def _whole(answer: Any) -> bytes:
    data: bytes = answer.read(MAX_ANSWER_BYTES + 1)
    if len(data) > MAX_ANSWER_BYTES:
        raise Unavailable("the answer is too long; ask for fewer hits")
    return data


def _with_query(path: str, parameters: dict[str, Any]) -> str:
    pairs = []
    for name, value in parameters.items():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if one is not None:
                pairs.append((name, str(one).lower() if isinstance(one, bool) else str(one)))
    return f"{path}?{urlencode(pairs)}" if pairs else path


def _multipart(image: bytes | str | Path) -> tuple[bytes, str]:
    data = image if isinstance(image, bytes) else Path(image).read_bytes()
    boundary = secrets.token_hex(16)
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="image"\r\n\r\n'
    return (
        head.encode() + data + f"\r\n--{boundary}--\r\n".encode(),
        f"multipart/form-data; boundary={boundary}",
    )


def _as_error(error: urllib.error.HTTPError) -> Exception:
    try:
        fault = json.loads(error.read(100_000))["error"]
        code, what = str(fault["code"]), str(fault["what"])
        where, remedy = fault.get("where"), fault.get("remedy")
    except (ValueError, KeyError, TypeError, OSError):
        code, what, where, remedy = "error", f"HTTP {error.code}", None, None
    if error.code == 429 or error.code >= 500:
        wait = error.headers.get("Retry-After", "")
        return Unavailable(what, int(wait) if wait.isdecimal() else None)
    return Refused(error.code, code, what, where, remedy)
