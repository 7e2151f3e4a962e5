"""A catalogue as the source of a harvest: a selection of its rows goes into the ledger, and no document of an
institution is requested.

Selections into one folder add up, in the order of the catalogue, so that the set equals that of one harvest
with all their conditions. If the catalogue was refreshed since, its new contents count for the whole set.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.catalogue.columns import candidate_of
from data_prep.catalogue.files import MANIFEST_NAME, Catalogue, is_catalogue, open_catalogue
from data_prep.config_groups import Storing
from data_prep.harvest.array import Share
from data_prep.harvest.config import HarvestConfig
from data_prep.harvest.documents import item_row
from data_prep.harvest.lifecycle import CATALOGUE, begin_again, same_harvest, take_over_before
from data_prep.harvest.session import LEDGER_FOLDER, Session
from data_prep.ledger.database import LEDGER_NAME
from data_prep.ledger.joining import meta_of
from data_prep.ledger.ledger import Ledger
from data_prep.ledger.rounds import add_round
from data_prep.ledger.selected import Selected, held, holds_any, replace_selection
from data_prep.sources.address_list import is_address, path_of
from iconoclip import clock
from iconoclip.errors import ConfigError, DamagedData, MissingRequirement
from iconoclip.progress import progress


class Selection:
    """The rows of a catalogue that a condition selects.

    Args:
        catalogue: the catalogue.
        where: a SQL condition over its columns; None selects all rows.

    Raises:
        ConfigError: `where` is no condition over the columns.
        BadInput: it selects nothing.
    """

    def __init__(self, catalogue: Catalogue, where: str | None) -> None:
        self.catalogue, self.where = catalogue, where
        # DuckDB and Arrow's datasets take a second to import: a harvest from an institution needs neither.
        from data_prep.catalogue.where import selected

        self._ordinals = selected(catalogue, where)

    @property
    def identity(self) -> str:
        """Catalogue and condition, as JSON; equal for equal selections."""
        return json.dumps({"catalogue": self.catalogue.digest, "where": self.where})

    def read_into(self, ledger: Ledger, storing: Storing, share: Share | None = None) -> bool:
        """Put the rows into a ledger, with those that earlier selections put there. Call it within a
        transaction. Returns whether anything is new, described differently, or gone.
        """
        # Rows of earlier selections come on top; how many those are shows only as they are read.
        total = None if holds_any(ledger) else len(self._ordinals)
        with progress("select", total=total, unit="rows") as meter:

            def items() -> Iterator[Selected]:
                for batch in self.catalogue.batches(self._wanted_in(ledger)):
                    yield from (_selected(row, storing, share, self.catalogue.path) for row in batch)
                    meter.advance(len(batch))

            return replace_selection(ledger, items())

    def _wanted_in(self, ledger: Ledger) -> Any:
        has_more = holds_any(ledger)

        def is_wanted(ordinals: Any, keys: list[str]) -> Any:
            places = np.searchsorted(self._ordinals, ordinals)
            wanted = self._ordinals[np.minimum(places, len(self._ordinals) - 1)] == ordinals
            if has_more:
                # All keys of a row group in one query: one each takes a minute for a million rows.
                known = held(ledger, keys)
                wanted = wanted | np.fromiter((key in known for key in keys), bool, len(keys))
            return wanted

        return is_wanted


def selection_of(config: HarvestConfig) -> Selection | None:
    """The selection that the config names, or None if its sources are no catalogue.

    Raises:
        ConfigError: a condition without a catalogue; several sources, or settings that a catalogue has
            decided; an invalid condition.
        BadInput: the condition selects nothing, or the catalogue is damaged.
    """
    paths = [path_of(source) for source in config.sources if not is_address(source)]
    found = next((path for path in paths if is_catalogue(path)), None)
    if found is None:
        _no_catalogue(config, paths)
        return None
    if len(config.sources) > 1:
        raise ConfigError(
            "a catalogue cannot be harvested together with other sources",
            where=found,
            remedy="harvest each into a separate set, and join the sets with `iconoclip merge`",
        )
    catalogue = open_catalogue(found)
    manifest = catalogue.manifest
    if manifest and config.composition not in ("default", manifest.composition):
        raise ConfigError(
            f"the captions of this catalogue were composed with {manifest.composition!r} already",
            where=found,
            remedy="apply another composition to the set afterwards: `iconoclip remap`",
        )
    return Selection(catalogue, config.where)


def _no_catalogue(config: HarvestConfig, paths: list[Path]) -> None:
    """Refuse a condition without a catalogue, and a catalogue that is not complete."""
    for path in paths:
        if meta_of(path / LEDGER_FOLDER / LEDGER_NAME).get("product") == CATALOGUE:
            raise MissingRequirement(
                f"the catalogue is not complete: it has no {MANIFEST_NAME}",
                where=path,
                remedy="run the `iconoclip catalogue` command again; it resumes",
            )
        if path.suffix == ".parquet" and not path.exists():
            raise MissingRequirement("no such catalogue", where=path, remedy="check the path")
    if config.where is not None:
        raise ConfigError(
            "--where selects from a catalogue, but the source is not a catalogue",
            where=config.sources[0],
            remedy="list the source first, `iconoclip catalogue SOURCE --out CAT`, then harvest CAT",
        )


def settled_for(session: Session, selection: Selection, config: HarvestConfig) -> dict[str, Any]:
    """The values of a session that follow from the catalogue."""
    manifest = selection.catalogue.manifest
    is_own = _is_made_here(path_of(config.sources[0]))
    return {
        "name": config.name or (manifest.name if manifest else session.name),
        "trusted": manifest.sources if manifest and is_own else (),
    }


def _is_made_here(folder: Path) -> bool:
    """Whether the catalogue was made in this folder, by this user's command, and is not a copy of another's.

    Private hosts that its sources name are contacted only then: a copy could name any.
    """
    path = folder / LEDGER_FOLDER / LEDGER_NAME
    return path.is_file() and meta_of(path).get("home") == home_of(path)


def home_of(path: Path) -> str:
    """The device and inode of a file, which a copy does not share."""
    found = path.stat()
    return f"{found.st_dev}:{found.st_ino}"


def prepare_selection(ledger: Ledger, session: Session, selection: Selection) -> bool:
    """Prepare a ledger for harvesting a selection. Returns False if it is finished and nothing is new."""
    same_harvest(ledger, session)
    take_over_before(ledger, session)
    at = clock.now(session.storing.harvested_at)
    is_begun = ledger.get("config") is not None
    is_read = ledger.get("selection") == selection.identity
    if not is_begun:
        ledger.begin(session.identity, at)
    if is_begun and (is_read or session.again == "everything") and not begin_again(ledger, session):
        return session.num_tasks > 1
    if not is_read or session.again == "everything":
        with ledger.transaction():
            if is_begun and session.again != "everything":
                add_round(ledger, at)
            if selection.read_into(ledger, session.storing, session.share):
                ledger.put(changed="yes")
            selections = [*json.loads(ledger.get("selections") or "[]"), selection.where]
            ledger.put(selection=selection.identity, selections=json.dumps(list(dict.fromkeys(selections))))
    return True


def _selected(row: dict[str, Any], storing: Storing, share: Share | None, where: Path) -> Selected:
    try:
        return Selected(
            str(row["document"]),
            int(row["document_ordinal"]),
            int(row["ordinal"]),
            tuple(map(str, row["opt_out"] or ())),
            item_row(candidate_of(row), storing, share),
        )
    except (ValueError, TypeError) as error:
        raise DamagedData(
            f"the row of {row.get('key')} holds no candidate: {str(error).splitlines()[0]}",
            where=where,
            remedy="run `iconoclip catalogue` again",
        ) from error
