"""Keeps the view current: additions and withdrawals within seconds, a new generation as soon as it is open.

A check takes a few system calls; the first query two seconds or more after the last check does it. A
new generation takes longer to open, because its checksums are compared. That happens in a thread, while
the old one still answers.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from iconoclip.errors import IconoclipError
from retrieval.generation.manifest import current_generation, read_manifest
from retrieval.live.additions import Additions
from retrieval.live.compaction import Compactor
from retrieval.live.log import LiveLog
from retrieval.live.view import IndexView, OpenGeneration
from retrieval.live.withdrawals import WatchedShardSets, moved_folders

SECONDS_BETWEEN_LOOKS = 2.0
MAX_OPEN_ATTEMPTS = 5

log = logging.getLogger(__name__)


class ViewRefresher:
    """The current view of an index folder, for any number of threads.

    Args:
        index: the index folder.
        moved: the present folders of shard sets that were moved.
        compactor: folds changes in when that is due; None leaves it to other processes.

    Raises:
        MissingRequirement: there is no index, or one of its shard sets does not exist.
        DamagedData: a file differs from its checksum.
    """

    def __init__(
        self, index: Path, moved: Sequence[str | Path] = (), compactor: Compactor | None = None
    ) -> None:
        self.index, self._given, self._compactor = index, tuple(moved), compactor
        self._log = LiveLog(index)
        self._lock = threading.Lock()
        self._opening: threading.Thread | None = None
        self._view = self._open()
        self._looked = time.monotonic()

    def current(self) -> IndexView:
        """The view that queries should read."""
        with self._lock:
            if time.monotonic() - self._looked >= SECONDS_BETWEEN_LOOKS:
                self._look()
            return self._view

    def refresh(self) -> None:
        """Check now, and wait until all changes are served."""
        with self._lock:
            self._look()
            opening = self._opening
        if opening:
            opening.join()

    def close(self) -> None:
        """Close every file that the index has open."""
        if self._compactor:
            self._compactor.close()
        if self._opening:
            self._opening.join()
        self._view.sealed.catalog.close()

    def _look(self) -> None:
        self._looked = time.monotonic()
        try:
            folder = current_generation(self.index)
            if folder != self._view.sealed.folder:
                if self._has_taken_in_unseen(folder):
                    self._view = self._open()
                else:
                    self._open_in_background()
            self._view = self._updated(self._view)
            if self._compactor:
                self._compactor.consider(self._view)
        except (IconoclipError, OSError) as error:
            # Whatever happened to the folder, the open files still work. The message contains no query.
            log.error("the index folder cannot be read again: %s", error)

    def _has_taken_in_unseen(self, folder: Path) -> bool:
        """Whether that generation contains changes that the view has not seen, and which are no
        longer in the log. Then the old view must not answer while the new generation is opened: it
        could show withdrawn items.
        """
        return read_manifest(folder).compacted_through > self._view.additions.last_seq

    def _updated(self, view: IndexView) -> IndexView:
        """The view with the additions and withdrawals since; the same view if there are none."""
        shardsets, additions = view.shardsets, view.additions
        if self._log.last_seq() > additions.last_seq:
            shardsets = self._shardsets(view.sealed)
            changes = self._log.changes(additions.last_seq)
            additions = additions.replayed(changes, len(view.sealed.manifest.shardsets))
        has_new_tombstones = shardsets.look()
        if (
            additions is view.additions
            and not has_new_tombstones
            and view.withdrawn_keys == shardsets.withdrawn
        ):
            return view
        return IndexView(view.sealed, additions, shardsets, shardsets.withdrawn)

    def _shardsets(self, sealed: OpenGeneration) -> WatchedShardSets:
        references = (*sealed.manifest.shardsets, *self._log.shardsets())
        return WatchedShardSets(references, moved_folders(references, self._given))

    def _open(self) -> IndexView:
        """Open the current generation with the later changes.

        A compaction may replace the generation and delete its changes while it is being
        opened. Then it is opened again.
        """
        for attempt in range(MAX_OPEN_ATTEMPTS):
            folder = current_generation(self.index)
            try:
                sealed = OpenGeneration.open(folder)
                view = self._with_changes(sealed)
            except (IconoclipError, OSError):
                if current_generation(self.index) == folder or attempt == MAX_OPEN_ATTEMPTS - 1:
                    raise
                continue
            if current_generation(self.index) == folder:
                return view
        return view

    def _with_changes(self, sealed: OpenGeneration) -> IndexView:
        manifest = sealed.manifest
        shardsets = self._shardsets(sealed)
        empty = Additions(manifest.dimension, last_seq=manifest.compacted_through)
        additions = empty.replayed(self._log.changes(manifest.compacted_through), len(manifest.shardsets))
        return IndexView(sealed, additions, shardsets, shardsets.withdrawn)

    def _open_in_background(self) -> None:
        if self._opening and self._opening.is_alive():
            return
        self._opening = threading.Thread(target=self._swap, name="open-generation", daemon=True)
        self._opening.start()

    def _swap(self) -> None:
        try:
            view = self._open()
            with self._lock:
                self._show(self._updated(view))
        except (IconoclipError, OSError) as error:
            log.error("the new generation cannot be opened, so the old one is still served: %s", error)

    def _show(self, opened: IndexView) -> None:
        """Replace the current view by one that was opened in the background, unless a compaction or a check
        has already made a newer one. The older view would never see changes that have moved from the log into
        a newer generation. The next check opens that one.
        """
        is_current = opened.sealed.folder == current_generation(self.index)
        if is_current and opened.additions.last_seq >= self._view.additions.last_seq:
            self._view = opened
