"""The search engine: one object over an index folder, safe to share between threads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from retrieval.answers import Explanation, Facets, Filters, Item, NotationSuggestion, Query, Results, Status


class SearchEngine:
    """Answers over the current generation of an index. Open it with `SearchEngine.open`."""

    @classmethod
    def open(
        cls,
        index_folder: str | Path,
        *,
        shardsets: Sequence[str | Path] | None = None,
        model: str | Path | None = None,
    ) -> SearchEngine:
        """Open an index: checksums are verified, the model is loaded when the first query needs it.

        Raises:
            MissingRequirement: no index here, or a shard set it names was moved.
            DamagedData: a file differs from its checksum.
        """
        raise NotImplementedError

    def search(self, query: Query) -> Results:
        """The page of hits that `query` asks for.

        Raises:
            BadInput: an unknown key, an image that cannot be decoded, a cursor of another query.
        """
        raise NotImplementedError

    def item(self, key: str, *, without_institution: Sequence[str] = ()) -> Item:
        """One item with its siblings and what is similar.

        Raises:
            BadInput: no such item, or it was withdrawn.
        """
        raise NotImplementedError

    def image(self, key: str) -> bytes:
        """The JPEG bytes of an item's stored image. Whether it may be shown is the caller's to check.

        Raises:
            BadInput: no such item, or it was withdrawn.
        """
        raise NotImplementedError

    def facets(self, filters: Filters) -> Facets:
        """Counts over the items that pass `filters`."""
        raise NotImplementedError

    def suggest_notations(
        self, key: str, branch: str, *, language: str = "en", k: int = 10
    ) -> tuple[NotationSuggestion, ...]:
        """Iconclass notations below `branch` that the model sees in an item's image, likeliest first."""
        raise NotImplementedError

    def explain(self, key: str, text: str) -> Explanation:
        """Where in an item's image the model sees `text`."""
        raise NotImplementedError

    def status(self) -> Status:
        """What is being served."""
        raise NotImplementedError

    def warm_up(self) -> None:
        """Load the model now, so that the first query does not wait for it."""
        raise NotImplementedError

    def close(self) -> None:
        """Close every file."""

    def __enter__(self) -> SearchEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
