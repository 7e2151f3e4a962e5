"""A small typed client of the API, for scripts and notebooks.

    from retrieval.client import Client

    library = Client("http://127.0.0.1:8000")
    for hit in library.hits("a lion holding a rose", reusable=True, limit=100):
        print(hit.score, hit.title, hit.rights.attribution)

It needs only the standard library and the types it returns. Parameters are typed too: a type checker finds a
misspelt one, and the service refuses it.
"""

from __future__ import annotations

import http.client
import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack
from urllib.parse import urlencode, urlsplit

from pydantic import BaseModel, ValidationError

from iconoclip.errors import BadInput, DamagedData, IconoclipError, MissingRequirement, TryAgainLater
from retrieval.answers import Explanation, Facets, Hit, Item, Notation, Results
from retrieval.config import Mode

MAX_ANSWER_BYTES = 64_000_000


Texts = str | list[str]


class FilterBy(TypedDict, total=False):
    """The filters of docs/api.md. Several values of one filter mean any of them."""

    institution: Texts
    language: str
    earliest: int
    latest: int
    reusable: bool
    rights: Texts
    iconclass: str
    object_type: str
    creator: str
    has_region: bool


class AskFor(FilterBy, total=False):
    """The other parameters of a search, as docs/api.md describes them."""

    like: Texts
    unlike: Texts
    plus: Texts
    minus: Texts
    term: Texts
    region: str
    mode: Mode
    k: int
    cursor: str | None
    fold: bool
    diversity: float


class Page(FilterBy, total=False):
    """Filters, the number of hits per page, and the cursor."""

    k: int
    cursor: str | None


class _ItemAnswer(BaseModel):
    item: Item


class _Kept(BaseModel):
    image: str


AnswerT = TypeVar("AnswerT", bound=BaseModel)


class Client:
    """A client of one search service.

    Args:
        address: the address of the service, as `iconoclip serve` prints it.
        token: gives access to the consortium's items, if there are any.
        timeout_seconds: how long to wait for a response to begin.

    Every method raises BadInput if the request was refused, TryAgainLater if the service asks to wait or
    cannot be reached, and DamagedData if the response is not that of an iconoclip service.
    """

    def __init__(self, address: str, *, token: str | None = None, timeout_seconds: float = 30.0) -> None:
        if urlsplit(address).scheme not in ("http", "https"):
            raise BadInput(
                "not a web address", where=address, remedy="give it as `iconoclip serve` prints it"
            )
        self.address = address.rstrip("/")
        self._headers = {"Accept": "application/json"} | (
            {"Authorization": f"Bearer {token}"} if token else {}
        )
        self._timeout_seconds = timeout_seconds

    def search(
        self,
        text: str | None = None,
        *,
        image: bytes | str | Path | None = None,
        **parameters: Unpack[AskFor],
    ) -> Results:
        """One page of hits.

        Args:
            text: what to look for, in any language the model knows.
            image: a picture to search with: its bytes, or the path of its file.
            parameters: any other of /api/search (docs/api.md): `like`, `institution`,
                `reusable`, `k`, `cursor`, ...
        """
        path = _with_query("/api/search", {"q": text, **parameters})
        if image is None:
            return self._get(path, Results)
        body, content_type = _multipart("image", _bytes_of(image))
        return _parsed(self._send(path, body, {"Content-Type": content_type}), Results, self.address)

    def hits(
        self,
        text: str | None = None,
        *,
        image: bytes | str | Path | None = None,
        limit: int | None = None,
        **parameters: Unpack[AskFor],
    ) -> Iterator[Hit]:
        """At most `limit` hits, one after the other; further pages are requested as needed."""
        return islice(self._all_hits(text, image, parameters), limit)

    def _all_hits(
        self, text: str | None, image: bytes | str | Path | None, parameters: AskFor
    ) -> Iterator[Hit]:
        while True:
            page = self.search(text, image=image, **parameters)
            yield from page.hits
            if page.next_cursor is None:
                return
            parameters = {**parameters, "cursor": page.next_cursor}

    def item(self, key: str) -> Item:
        """One item with its record and its neighbours."""
        return self._get(f"/api/items/{key}", _ItemAnswer).item

    def similar(self, key: str, **parameters: Unpack[Page]) -> Results:
        """Items that look like the given one."""
        return self._get(_with_query("/api/similar", {"key": key, **parameters}), Results)

    def facets(self, **filters: Unpack[FilterBy]) -> Facets:
        """Counts over a filtered set."""
        return self._get(_with_query("/api/facets", {**filters}), Facets)

    def notation(
        self, notation: str, *, language: str = "en", suggest_for: str | None = None, k: int = 10
    ) -> Notation:
        """An Iconclass notation, or the notations whose text contains some words; with an
        item, suggestions for it.
        """
        asked = {"notation": notation, "language": language, "suggest_for": suggest_for, "k": k}
        return self._get(_with_query("/api/iconclass", asked), Notation)

    def explain(self, key: str, text: str) -> Explanation:
        """Where in an item's picture a text is seen."""
        return self._get(_with_query("/api/explain", {"key": key, "q": text}), Explanation)

    def csv(
        self,
        text: str | None = None,
        *,
        image: bytes | str | Path | None = None,
        **parameters: Unpack[AskFor],
    ) -> str:
        """One page of hits as a table, for a spreadsheet. A picture is uploaded first; the service
        keeps it for half an hour.
        """
        kept = None if image is None else self._bring(image)
        path = _with_query("/api/search.csv", {"q": text, "image": kept, **parameters})
        return self._send(path).decode("utf-8-sig")

    def _bring(self, image: bytes | str | Path) -> str:
        body, content_type = _multipart("image", _bytes_of(image))
        answer = self._send("/api/pictures", body, {"Content-Type": content_type})
        return _parsed(answer, _Kept, self.address).image

    def image(self, key: str) -> bytes:
        """The JPEG of an item, if its rights allow showing it."""
        return self._send(f"/image/{key}.jpg")

    def _get(self, path: str, kind: type[AnswerT]) -> AnswerT:
        return _parsed(self._send(path), kind, self.address)

    def _send(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
        # The scheme was checked, so urllib does not open `file:` or other kinds of URL.
        request = urllib.request.Request(
            self.address + path, data=body, headers=self._headers | (headers or {})
        )
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_seconds) as answer:
                data: bytes = answer.read(MAX_ANSWER_BYTES + 1)
        except urllib.error.HTTPError as error:
            raise _as_error(error, self.address) from error
        except (OSError, http.client.HTTPException) as error:
            raise TryAgainLater(
                f"the service cannot be reached: {error}",
                where=self.address,
                remedy="is `iconoclip serve` running?",
            ) from error
        if len(data) > MAX_ANSWER_BYTES:
            raise DamagedData("the answer is too long", where=self.address, remedy="ask for fewer: k=50")
        return data


def _bytes_of(image: bytes | str | Path) -> bytes:
    return image if isinstance(image, bytes) else Path(image).read_bytes()


def _with_query(path: str, parameters: dict[str, Any]) -> str:
    pairs = []
    for name, value in parameters.items():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if one is not None:
                pairs.append((name, str(one).lower() if isinstance(one, bool) else str(one)))
    return f"{path}?{urlencode(pairs)}" if pairs else path


def _multipart(name: str, data: bytes) -> tuple[bytes, str]:
    boundary = secrets.token_hex(16)
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\n'
    return (
        head.encode() + data + f"\r\n--{boundary}--\r\n".encode(),
        f"multipart/form-data; boundary={boundary}",
    )


def _parsed(data: bytes, kind: type[AnswerT], address: str) -> AnswerT:
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        raise DamagedData(
            f"not the answer of an iconoclip service: {error.errors()[0]['msg']}",
            where=address,
            remedy="check the address, and that both sides are of one version",
        ) from error


def _as_error(error: urllib.error.HTTPError, address: str) -> IconoclipError:
    try:
        fault = json.loads(error.read(100_000))["error"]
        what, where, remedy = str(fault["what"]), fault.get("where"), fault.get("remedy")
    except (ValueError, KeyError, TypeError, OSError):
        what, where, remedy = f"HTTP {error.code}", None, None
    kinds: dict[int, type[IconoclipError]] = {404: MissingRequirement, 429: TryAgainLater}
    kind = TryAgainLater if error.code >= 500 else kinds.get(error.code, BadInput)
    return kind(what, where=where or address, remedy=remedy)
