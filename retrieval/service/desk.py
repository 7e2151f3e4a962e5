"""The desk: what every route shares, made once when the service starts."""

from __future__ import annotations

import sys
import threading
import time
from typing import Annotated

from fastapi import Depends, Request

from iconoclip.errors import BadInput, IconoclipError
from retrieval.answers import Item, Query, Results
from retrieval.config import ServeConfig
from retrieval.search import SearchEngine
from retrieval.service.pictures import ThumbCache
from retrieval.service.refusals import N_, Refusal, from_engine
from retrieval.service.uploads import KeptImages
from retrieval.service.visibility import Visibility


class Desk:
    """The engine, the rules, and the little that is kept in memory between requests."""

    def __init__(self, engine: SearchEngine, config: ServeConfig) -> None:
        self.engine, self.config = engine, config
        self.visibility = Visibility.from_config(config)
        self.kept_images = KeptImages()
        self.thumbs = ThumbCache()
        self.is_ready = False
        self.not_ready_because = "the model is being loaded"

    def warm_up(self) -> None:
        """Load the model in a thread of its own; `is_ready` and `not_ready_because` tell how it went."""
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

    def search(self, query: Query) -> Results:
        """Ask the engine.

        Raises:
            Refusal: the engine's error as an answer; 404 for an item in the question that this reader may not see.
        """
        if concealed := query.filters.without_institution:
            regions = (query.region.key,) if query.region else ()
            for key in (*query.like, *query.unlike, *regions):
                self.item(key, concealed)
        try:
            return self.engine.search(query)
        except IconoclipError as error:
            raise from_engine(error) from error

    def item(self, key: str, concealed: tuple[str, ...]) -> Item:
        """One item that this reader may see.

        Raises:
            Refusal: 404, for an item that is unknown, withdrawn or concealed alike.
        """
        try:
            item = self.engine.item(key, without_institution=concealed)
        except BadInput as error:
            raise no_such_item(key) from error
        except IconoclipError as error:
            raise from_engine(error) from error
        if item.hit.institution in concealed:
            raise no_such_item(key)
        return item

    def image(self, key: str) -> bytes:
        """The stored bytes of a picture whose item has been looked up before."""
        try:
            return self.engine.image(key)
        except BadInput as error:
            raise no_such_item(key) from error
        except IconoclipError as error:
            raise from_engine(error) from error

    def base_url(self, request: Request) -> str:
        """The address of this service as the world knows it, without a slash at the end."""
        return (self.config.public_url or str(request.base_url)).rstrip("/")


def no_such_item(key: str) -> Refusal:
    """The one answer for an item that is unknown, withdrawn or not for this reader."""
    return Refusal(
        404,
        N_("there is no such item here"),
        where=key,
        remedy=N_("it may have been withdrawn; search again"),
    )


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _concealed(request: Request) -> tuple[str, ...]:
    return _desk(request).visibility.concealed_from(request)


DeskOf = Annotated[Desk, Depends(_desk)]
Concealed = Annotated[tuple[str, ...], Depends(_concealed)]
