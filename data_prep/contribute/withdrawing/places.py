"""Finds everything below some folders that may hold an item: sets, indexes, embedding stores, runs.

Sets that others were merged from are found by the addresses in their manifests, and the sets of an index by
its manifest. Symbolic links are not followed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from iconoclip.address_cache import is_remote, resolve
from iconoclip.errors import IconoclipError, MissingRequirement
from iconoclip.shardset import MANIFEST_NAME, ShardSet

MAX_JSON_BYTES: Final = 10_000_000


@dataclass
class Places:
    """What was found.

    Attributes:
        sets: the shard sets, by folder.
        indexes, stores, runs: folders.
        elsewhere: addresses of sets that the sets were merged from.
        unreadable: folders whose set cannot be read, with the reason.
    """

    sets: dict[Path, ShardSet] = field(default_factory=dict)
    indexes: list[Path] = field(default_factory=list)
    stores: list[Path] = field(default_factory=list)
    runs: list[Path] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    unreadable: list[tuple[Path, str]] = field(default_factory=list)

    @classmethod
    def of(cls, first: Path, within: Iterable[Path]) -> Places:
        """Look into a set, or a folder of sets, and into further folders.

        Raises:
            MissingRequirement: a folder is not there, or `first` has no shard set.
        """
        found = cls()
        for folder in (first, *within):
            if not folder.is_dir():
                raise MissingRequirement("no such folder", where=folder, remedy="check the path")
            found._walk(folder)
        if not any(folder.is_relative_to(first.resolve()) for folder in found.sets):
            if found.unreadable:
                raise MissingRequirement(found.unreadable[0][1], where=found.unreadable[0][0])
            raise MissingRequirement(
                "no shard set here", where=first, remedy="`iconoclip harvest` or `iconoclip pack` makes one"
            )
        return found

    def _walk(self, folder: Path) -> None:
        for name, folders, files in os.walk(folder):
            folders[:] = sorted(one for one in folders if not one.startswith("."))
            here = Path(name)
            if MANIFEST_NAME in files:
                self._add_set(here)
            if "CURRENT" in files:
                self.indexes.append(here)
                self._add_sets_of_index(here)
            if "store.json" in files:
                self.stores.append(here)
            if any(one.startswith("keys-") and one.endswith(".parquet") for one in files):
                self.runs.append(here)

    def _add_set(self, folder: Path) -> None:
        folder = folder.resolve()
        if folder in self.sets:
            return
        try:
            self.sets[folder] = shardset = ShardSet(folder)
        except IconoclipError as error:
            self.unreadable.append((folder, error.what))
            return
        for parent in shardset.manifest.parents:
            if parent.address is not None:
                self._add_location(resolve(shardset.base, parent.address))

    def _add_location(self, location: str) -> None:
        if is_remote(location):
            if location not in self.elsewhere:
                self.elsewhere.append(location)
        elif (Path(location) / MANIFEST_NAME).is_file():
            self._add_set(Path(location))

    def _add_sets_of_index(self, index: Path) -> None:
        for path in index.glob("gen-*/manifest.json"):
            try:
                if path.stat().st_size > MAX_JSON_BYTES:
                    continue
                references = json.loads(path.read_bytes())["shardsets"]
                for reference in references:
                    self._add_location(str(reference["path"]))
            except (OSError, ValueError, KeyError, TypeError):
                # An index of another version: it applies the withdrawals of its sets all the same.
                continue
