"""Objects that all routes share, made once when the service starts: engine, visibility rules, caches."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import time
from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request

from iconoclip.errors import BadInput, IconoclipError
from iconoclip.record import Record
from retrieval import iconography
from retrieval.answers import Completed, Explanation, Facets, Hit, Item, NotationSuggestion, Results
from retrieval.config import Mode, ServeConfig
from retrieval.engine import SearchEngine
from retrieval.query.hits import hit_of
from retrieval.query.whole_set import WholeSet
from retrieval.questions import Filters, Query
from retrieval.service.guards.pinned import Host
from retrieval.service.guards.refusals import N_, Refusal, from_engine
from retrieval.service.guards.remote import Hosts, RemotePictures
from retrieval.service.guards.uploads import KeptImages
from retrieval.service.guards.visibility import Visibility
from retrieval.service.params import MAX_K, AskParams, FilterParams, SearchParams
from retrieval.service.stored_images import ThumbCache

NUM_LONG_ANSWERS, MAX_WAIT_SECONDS = 2, 20.0
# Of MAX_K items each.
MAX_OBJECT_PAGES = 10


class ServiceContext:
    """The engine, the visibility rules, and the few things that stay in memory between requests."""

    def __init__(self, engine: SearchEngine, config: ServeConfig) -> None:
        self.engine, self.config = engine, config
        self.visibility = Visibility.from_config(config)
        self.kept_images = KeptImages()
        self.thumbs = ThumbCache()
        hosts = Hosts(engine) if config.fetch_pictures else _no_hosts
        self.remote = RemotePictures(hosts, config.max_upload_bytes)
        self._long_answers = threading.BoundedSemaphore(NUM_LONG_ANSWERS)
        self.is_ready = False
        self.not_ready_because = "the model is being loaded"

    def warm_up(self) -> None:
        """Load the model in a separate thread; `is_ready` and `not_ready_because` give the result."""
        threading.Thread(target=self._warm_up, name="warm-up", daemon=True).start()

    def _warm_up(self) -> None:
        started = time.monotonic()
        try:
            self.engine.warm_up()
        except IconoclipError as error:
            self.not_ready_because = error.what
            print(f"iconoclip: the model could not be loaded: {error}", file=sys.stderr, flush=True)
            return
        self.is_ready = True
        print(f"iconoclip: ready after {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
        if self.engine.facets(Filters()).iconclass:
            # Reading the texts of Iconclass takes two seconds; no user should have to wait for that.
            iconography.branches("lion")
        # The loaded objects stay in memory, so the garbage collector need not scan them during a request.
        gc.collect()
        gc.freeze()

    def search(
        self, params: SearchParams, concealed: tuple[str, ...], picture: bytes | None = None
    ) -> Results:
        """Ask the engine.

        Args:
            params: the query.
            concealed: slugs of institutions that this user may not see.
            picture: a picture that was sent with the query; otherwise the stored one that
                `params.image` names, if any.

        Raises:
            Refusal: the engine's error as a response; 404 if the query contains an item
                that this user may not see.
        """
        for key in params.keys if concealed else ():
            self.record(key, concealed)
        if picture is None and params.image:
            picture = self.kept_images.get(params.image)
        with engine_errors():
            return self.engine.search(params.query(concealed, picture), counts=params.counts)

    def whole_set(self, params: SearchParams, concealed: tuple[str, ...], limit: int) -> WholeSet:
        """Every match of a query, at most `limit`.

        Raises:
            Refusal: the same as for `search`; 503 if too many whole sets are being collected.
        """
        for key in params.keys if concealed else ():
            self.record(key, concealed)
        picture = self.kept_images.get(params.image) if params.image else None
        with self._at_length(), engine_errors():
            return self.engine.whole_set(params.query(concealed, picture), limit)

    def complete(self, text: str, language: str, k: int, concealed: tuple[str, ...]) -> tuple[Completed, ...]:
        """What a text may be completed to, from items that this user may see."""
        return self.engine.complete(text, language=language, k=k, without_institution=concealed)

    def copies(self, key: str, concealed: tuple[str, ...]) -> tuple[Hit, ...]:
        """The item and its near-duplicates, as far as this user may see them."""
        with engine_errors(key):
            return self.engine.copies(key, without_institution=concealed)

    def facets(self, params: FilterParams, concealed: tuple[str, ...]) -> Facets:
        """Counts over the items that match and that this user may see."""
        if not isinstance(params, AskParams):
            return self.engine.facets(params.filters(concealed))
        for key in params.keys if concealed else ():
            self.record(key, concealed)
        picture = self.kept_images.get(params.image) if params.image else None
        with engine_errors():
            return self.engine.facets(params.query(concealed, picture))

    def count(self, concealed: tuple[str, ...]) -> int:
        """The number of items that a user may see."""
        return self.engine.count(Filters(without_institution=concealed))

    def item(self, key: str, concealed: tuple[str, ...]) -> Item:
        """One item that this user may see, with similar items and others of the same object.

        Raises:
            Refusal: 404, whether the item is unknown, withdrawn or concealed.
        """
        with engine_errors(key):
            return self.engine.item(key, without_institution=concealed)

    def record(self, key: str, concealed: tuple[str, ...]) -> Record:
        """Like `item`, but only the record: a look-up, not a search."""
        with engine_errors(key):
            return self.engine.record(key, without_institution=concealed)

    def hit(self, key: str, concealed: tuple[str, ...]) -> Hit:
        """Like `record`, as a hit."""
        return hit_of(self.record(key, concealed), rank=1, score=1.0)

    def image(self, key: str) -> bytes:
        """The stored bytes of a picture whose record has already been checked."""
        with engine_errors(key):
            return self.engine.image(key)

    def search_group(
        self, key: str, text: str | None, concealed: tuple[str, ...], *, mode: Mode = "hybrid"
    ) -> Results:
        """Search among the items of one object: those of the same group as `key`."""
        group = self.record(key, concealed).group
        filters = Filters(group=group, without_institution=concealed)
        with engine_errors():
            query = Query(text=text, filters=filters, k=MAX_K, mode=mode, fold=False, plain=True)
            return self.engine.search(query)

    def hits_of_group(self, key: str, concealed: tuple[str, ...]) -> Iterator[Hit]:
        """Every item of the object that `key` belongs to, in the order they were harvested; at most 2,000."""
        group = self.record(key, concealed).group
        query = Query(filters=Filters(group=group, without_institution=concealed), k=MAX_K, fold=False)
        for _ in range(MAX_OBJECT_PAGES):
            with engine_errors():
                found = self.engine.search(query)
            yield from found.hits
            if found.next_cursor is None:
                return
            query = query.model_copy(update={"cursor": found.next_cursor})

    def explain(self, key: str, text: str, concealed: tuple[str, ...]) -> Explanation:
        """Where in an item's picture a text is seen. This runs the model some fifty times."""
        self.record(key, concealed)
        with self._at_length(), engine_errors():
            return self.engine.explain(key, text)

    def suggest_notations(
        self, key: str, branch: str, concealed: tuple[str, ...], *, language: str, k: int
    ) -> tuple[NotationSuggestion, ...]:
        """Iconclass notations below `branch` that the model sees in an item's picture. This
        encodes several hundred texts.
        """
        self.record(key, concealed)
        with self._at_length(), engine_errors():
            return self.engine.suggest_notations(
                key, branch, language=language, k=k, without_institution=concealed
            )

    @contextlib.contextmanager
    def _at_length(self) -> Iterator[None]:
        """Run at most two requests that take the model long at the same time, so that quick
        ones do not wait for them.

        Raises:
            Refusal: 503, if the request has waited for too long.
        """
        if not self._long_answers.acquire(timeout=MAX_WAIT_SECONDS):
            raise Refusal(
                503,
                N_("the service is busy with other long requests"),
                remedy=N_("try again in a moment"),
                headers={"Retry-After": "10"},
            )
        try:
            yield
        finally:
            self._long_answers.release()

    def base_url(self, request: Request) -> str:
        """The public address of this service, without a slash at the end."""
        return (self.config.public_url or str(request.base_url)).rstrip("/")


@contextlib.contextmanager
def engine_errors(key: str | None = None) -> Iterator[None]:
    """Turn the engine's errors into responses. If `key` is given, BadInput means
    that there is no such item.
    """
    try:
        yield
    except IconoclipError as error:
        if key is not None and isinstance(error, BadInput):
            raise no_such_item(key) from error
        raise from_engine(error) from error


def no_such_item(key: str) -> Refusal:
    """The same response for an item that is unknown, withdrawn or not visible to this user."""
    return Refusal(
        404,
        N_("there is no such item here"),
        where=key,
        remedy=N_("it may have been withdrawn; search again"),
    )


# Both only read the request. They are async functions, because running each in a thread would
# take as long as a search.
async def _context(request: Request) -> ServiceContext:
    context: ServiceContext = request.app.state.context
    return context


async def _concealed(
    context: Annotated[ServiceContext, Depends(_context)], request: Request
) -> tuple[str, ...]:
    return context.visibility.concealed_from(request)


InjectedContext = Annotated[ServiceContext, Depends(_context)]
Concealed = Annotated[tuple[str, ...], Depends(_concealed)]


def _no_hosts(_concealed: tuple[str, ...]) -> frozenset[Host]:
    return frozenset()
