"""The search engine: one object over an index folder, safe to share between threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from iconoclip.errors import BadInput
from iconoclip.machine import num_cores
from iconoclip.record import Record
from retrieval.answers import Completed, Explanation, Facets, Hit, Item, NotationSuggestion, Results, Status
from retrieval.backends.interface import Mask, Vectors
from retrieval.generation.calibration import likelihoods
from retrieval.generation.catalog import no_such_item
from retrieval.generation.columns import Columns
from retrieval.live.compaction import Compactor
from retrieval.live.refresh import ViewRefresher
from retrieval.live.view import IndexView
from retrieval.query.completing import complete
from retrieval.query.facets import facets_of, loosened_facets, notations_in_use
from retrieval.query.found import Found
from retrieval.query.hits import hit_of
from retrieval.query.partly import partly_matched
from retrieval.query.ranking import Cursor, Entry, query_digest
from retrieval.query.read_back import hints_of, read_query
from retrieval.query.spelling import spelling_of
from retrieval.query.vector import Model, QueryVector, TextAhead, query_vector
from retrieval.query.whole_set import WholeSet, collect
from retrieval.questions import Filters, Query

if TYPE_CHECKING:
    from retrieval.encode.modelloader import LazyModel

MAX_SIBLINGS, NUM_SIMILAR = 50, 12


class SearchEngine:
    """Answers queries from the current generation of an index. Open it with `SearchEngine.open`."""

    def __init__(self, refresher: ViewRefresher, model: LazyModel) -> None:
        self._refresher, self._model = refresher, model
        self._pool = ThreadPoolExecutor(num_cores(), thread_name_prefix="text")

    @classmethod
    def open(
        cls,
        index_folder: str | Path,
        *,
        shardsets: Sequence[str | Path] | None = None,
        model: str | Path | None = None,
        compacts: bool = False,
    ) -> SearchEngine:
        """Open an index: checksums are verified, the model is loaded when the first query needs it.

        Args:
            index_folder: the folder that contains CURRENT.
            shardsets: the present folders of the shard sets, in the order of the
                manifest, if they were moved.
            model: the present model directory, if it was moved.
            compacts: fold changes into the next generation when that is due, in a separate process.

        Raises:
            MissingRequirement: there is no index, or one of its shard sets was moved.
            DamagedData: a file differs from its checksum.
        """
        from retrieval.encode.modelloader import LazyModel

        compactor = Compactor(Path(index_folder), shardsets or ()) if compacts else None
        refresher = ViewRefresher(Path(index_folder), shardsets or (), compactor)
        manifest = refresher.current().sealed.manifest
        return cls(refresher, LazyModel(model or manifest.model, manifest.model_digest, manifest.dimension))

    # --- questions
    # -----------------------------------------------------------------------------------------------

    def search(self, query: Query, *, counts: bool = False) -> Results:
        """The page of hits of a query; with `counts`, also the facets over all matches.

        Raises:
            BadInput: an unknown key, an image that cannot be decoded, a cursor of another query.
        """
        started = time.perf_counter()
        view = self._refresher.current()
        cursor = Cursor.decode(query.cursor, query) if query.cursor else None
        found = self._found(query, view, cursor)
        page = found.page(query.k)
        mask_N = view.mask(query.filters)
        shown_N = view.shown(mask_N) if query.fold and mask_N is not None else None
        spelling = spelling_of(view, query, found.words)
        records = view.records([entry.row for entry in page.entries])
        hits = [
            hit_of(
                record,
                rank=page.num_before + number,
                score=entry.score,
                cosine=None if entry.cosine is None else round(entry.cosine, 5),
                matched=_matched(entry, found.is_ranked),
                in_period=found.in_period(entry.row),
                is_here=_is_visible(view, query.filters.without_institution),
                num_near_duplicates=self._num_folded(view, entry.row, shown_N) if query.fold else 0,
            )
            for number, (entry, record) in enumerate(zip(page.entries, records, strict=True), 1)
        ]
        return Results(
            hits=tuple(hits),
            total=int(np.count_nonzero(found.shown_N)),
            total_is_exact=found.matching.is_exact,
            num_by_words=int(np.count_nonzero(found.shown_N & found.matching.by_words_N)),
            num_possibly=None
            if found.certain_N is None
            else int(np.count_nonzero(found.shown_N & ~found.certain_N)),
            is_ranked=found.is_ranked,
            next_cursor=page.cursor(query_digest(query)),
            matches_well=found.matches_well,
            query=read_query(found.parsed) if query.text else None,
            hints=hints_of(found.hints),
            spelling=spelling,
            partly=partly_matched(found, spelling),
            facets=loosened_facets(found) if counts else None,
            took_ms=round((time.perf_counter() - started) * 1000, 2),
        )

    def whole_set(self, query: Query, limit: int) -> WholeSet:
        """Every item that matches a query, copies included, whatever its page size and cursor.

        Raises:
            BadInput: an unknown key, or an image that cannot be decoded.
        """
        view = self._refresher.current()
        unfolded = query.model_copy(update={"fold": False, "cursor": None})
        return collect(self._found(unfolded, view), limit, self._is_served)

    def count(self, filters: Filters) -> int:
        """How many items pass filters and may be shown."""
        view = self._refresher.current()
        return view.count(view.mask(filters))

    def _found(self, query: Query, view: IndexView, cursor: Cursor | None = None) -> Found:
        return Found(view, query, lambda part: self._encoding(part, view), cursor)

    def _encoding(self, query: Query, view: IndexView) -> Callable[[Query], QueryVector | None]:
        """Begin to encode the text of a query if its words are looked up meanwhile."""
        model: Model = self._model
        if query.text and query.mode == "hybrid" and num_cores() > 1:
            model = TextAhead(model, self._pool, query.text)
        return lambda searched: self._query_vector(searched, view, model)

    def _is_served(self, key: str) -> bool:
        return self._refresher.current().row_of(key) is not None

    def copies(self, key: str, *, without_institution: Sequence[str] = ()) -> tuple[Hit, ...]:
        """The item and its near-duplicates: exactly those that a search folds into one hit.

        Raises:
            BadInput: no such item, it was withdrawn, or its institution must not appear.
        """
        view = self._refresher.current()
        row = self._row(view, key)
        self._visible(view, row, without_institution)
        records = (view.record(int(each)) for each in view.cluster_members(row) if each not in view.withdrawn)
        visible = [each for each in records if each.institution.slug not in without_institution]
        visible.sort(key=lambda record: record.key != key)
        is_here = _is_visible(view, without_institution)
        return tuple(
            hit_of(each, rank=rank, score=1.0, is_here=is_here) for rank, each in enumerate(visible, 1)
        )

    def record(self, key: str, *, without_institution: Sequence[str] = ()) -> Record:
        """One item's record, in a fraction of a millisecond. It is enough to decide
        whether the item may be shown.

        Raises:
            BadInput: no such item, it was withdrawn, or its institution must not appear.
        """
        view = self._refresher.current()
        return self._visible(view, self._row(view, key), without_institution)

    def item(self, key: str, *, without_institution: Sequence[str] = ()) -> Item:
        """One item with its siblings and similar items.

        Args:
            key: the item's key.
            without_institution: slugs whose items must not appear, the item itself included.

        Raises:
            BadInput: no such item, or it was withdrawn.
        """
        view = self._refresher.current()
        record = self._visible(view, self._row(view, key), without_institution)
        filters = Filters(without_institution=tuple(without_institution))
        similar = self.search(Query(like=(key,), filters=filters, k=NUM_SIMILAR))
        records = [view.record(row) for row in view.group_rows(self._row(view, key), MAX_SIBLINGS)]
        visible = [each for each in records if each.institution.slug not in without_institution]
        is_here = _is_visible(view, without_institution)
        siblings = tuple(
            hit_of(each, rank=rank, score=1.0, is_here=is_here) for rank, each in enumerate(visible, 1)
        )
        hit = hit_of(record, rank=1, score=1.0, is_here=is_here)
        return Item(hit=hit, record=record, siblings=siblings, similar=similar.hits)

    def image(self, key: str) -> bytes:
        """The JPEG bytes of an item's stored image. The caller must check whether it may be shown.

        Raises:
            BadInput: no such item, or it was withdrawn.
        """
        view = self._refresher.current()
        place = view.place(self._row(view, key))
        shardset = view.shardsets.sets[place.shardset]
        return shardset.read_bytes(place.shard, place.offset, place.size)

    def complete(
        self, text: str, *, language: str = "en", k: int = 8, without_institution: Sequence[str] = ()
    ) -> tuple[Completed, ...]:
        """What a text may be completed to, from titles, makers, places, institutions and Iconclass; names and
        texts in the language first, the most frequent first.
        """
        return complete(self._refresher.current(), text, language, k, tuple(without_institution))

    def facets(self, asked: Filters | Query) -> Facets:
        """Counts over the items that pass filters, or that match a query.

        Raises:
            BadInput: as for a search.
        """
        view = self._refresher.current()
        if isinstance(asked, Filters):
            return facets_of(view.parts(view.shown(view.mask(asked))))
        return facets_of(view.parts(self._found(asked.model_copy(update={"cursor": None}), view).shown_N))

    def suggest_notations(
        self,
        key: str,
        branch: str,
        *,
        language: str = "en",
        k: int = 10,
        without_institution: Sequence[str] = (),
    ) -> tuple[NotationSuggestion, ...]:
        """Notations below `branch` that the model sees in an item's image, likeliest first: those that
        Iconclass lists, and those with free names that items here have.

        Raises:
            BadInput: no such item, or Iconclass has no such branch.
        """
        from retrieval.query.suggest import suggest

        view = self._refresher.current()
        image_D = view.backend.vectors(np.array([self._row(view, key)]))[0]
        calibration, statistics = view.sealed.manifest.calibration, view.sealed.statistics

        def likelihood(text_D: Vectors) -> float:
            cosine = np.array([text_D @ image_D], np.float32)
            return float(likelihoods(calibration, statistics, text_D, "text", cosine)[0])

        shown = self._shown_parts(view, Filters(without_institution=tuple(without_institution)))
        return suggest(
            image_D,
            branch,
            model=self._model,
            likelihood=likelihood,
            in_use=notations_in_use(shown, branch.replace(" ", "")),
            language=language,
            k=k,
        )

    def explain(self, key: str, text: str) -> Explanation:
        """The parts of an item's image in which the model sees `text`.

        Raises:
            BadInput: no such item, or no text.
        """
        if not text.strip():
            raise BadInput("no text to look for", where="text", remedy="give a word or a sentence")
        return self._model.explain(key, self.image(key), text)

    def status(self) -> Status:
        """The generation and the model that are served, and the number of items."""
        view = self._refresher.current()
        manifest = view.sealed.manifest
        return Status(
            generation=manifest.generation,
            num_items=view.count(None),
            num_withdrawn=len(view.withdrawn),
            num_added=len(view.additions.position_of),
            kind=manifest.kind,
            recall_at_10=manifest.recall_at_10,
            model=Path(manifest.model).name,
            model_digest=manifest.model_digest,
            built_at=manifest.built_at,
        )

    def check_model(self) -> None:
        """Check, without loading the model, that it is the one that the index was built with.

        Raises:
            MissingRequirement: it does not exist.
            ConfigError: it is another model.
        """
        self._model.check()

    def warm_up(self) -> None:
        """Load the model now, so that the first query does not wait for it."""
        self._model.text("a picture")

    def refresh(self) -> None:
        """Check at once for additions, withdrawals and a new generation, and wait until they are served."""
        self._refresher.refresh()

    def close(self) -> None:
        """Close every file that the index has open."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._refresher.close()

    def __enter__(self) -> SearchEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- parts of an answer
    # --------------------------------------------------------------------------------------

    @staticmethod
    def _shown_parts(view: IndexView, filters: Filters) -> list[tuple[Columns, Mask]]:
        """The columns of the generation and of the additions, with the rows of each that may be shown."""
        return view.parts(view.shown(view.mask(filters)))

    def _row(self, view: IndexView, key: str) -> int:
        row = view.row_of(key)
        if row is None:
            raise no_such_item(key)
        return row

    @staticmethod
    def _visible(view: IndexView, row: int, without_institution: Sequence[str]) -> Record:
        record = view.record(row)
        if record.institution.slug in without_institution:
            raise no_such_item(record.key)
        return record

    def _query_vector(self, query: Query, view: IndexView, model: Model | None = None) -> QueryVector | None:
        def vector_of(key: str) -> Vectors:
            row = self._row(view, key)
            # An item that must not appear must not be used in a query either: its neighbours would reveal it.
            self._visible(view, row, query.filters.without_institution)
            return np.asarray(view.backend.vectors(np.array([row]))[0])

        def image_of(key: str) -> bytes:
            self._visible(view, self._row(view, key), query.filters.without_institution)
            return self.image(key)

        return query_vector(
            query,
            model=model or self._model,
            item_vector=vector_of,
            item_image=image_of,
            statistics=view.sealed.statistics,
        )

    @staticmethod
    def _num_folded(view: IndexView, row: int, shown_N: Mask | None) -> int:
        if not view.has_copies[row]:
            return 0
        members = view.cluster_members(row)
        if shown_N is not None:
            return max(0, int(shown_N[members].sum()) - 1)
        return max(0, sum(int(member) not in view.withdrawn for member in members) - 1)


def _is_visible(view: IndexView, without_institution: Sequence[str]) -> Callable[[str], bool]:
    """Tells whether an item is served to a user who may not see some institutions."""

    def is_visible(key: str) -> bool:
        # A key begins with the slug of its institution.
        return key.rpartition("-")[0] not in without_institution and view.row_of(key) is not None

    return is_visible


def _matched(entry: Entry, has_vector: bool) -> tuple[str, ...]:
    found = (
        ("meaning", entry.by_meaning and has_vector),
        ("captions", entry.by_caption),
        ("words", entry.has_some_words),
    )
    return tuple(name for name, is_so in found if is_so)
