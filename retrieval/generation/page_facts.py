"""What `iconoclip segment` found on pages, for the items of an index that are whole pages.

`pages.parquet` in the folder of a set of pictures has one row for each page that they were cut from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from iconoclip.errors import DamagedData, MissingRequirement
from iconoclip.files import sha256_of
from iconoclip.page_layout.kinds import PAGE_KINDS
from iconoclip.record import PageFacts, Record

PAGES_NAME = "pages.parquet"
ROWS_AT_ONCE = 10_000


class PageTables:
    """What several tables say of pages; the last one that has a page counts.

    Args:
        folders: of shard sets; those without a table are passed over.
        given: further tables.

    Raises:
        MissingRequirement: a given table does not exist.
        DamagedData: a file is no such table.
    """

    def __init__(self, folders: Iterable[str], given: Sequence[str] = ()) -> None:
        found = [path for folder in folders if (path := Path(folder) / PAGES_NAME).is_file()]
        self._paths = [*found, *map(Path, given)]
        self._facts: dict[str, PageFacts] = {}
        for path in self._paths:
            if not path.is_file():
                raise MissingRequirement(
                    "no such table of pages", where=path, remedy="`iconoclip segment` writes pages.parquet"
                )
            self._facts.update(_read(path))

    @property
    def digests(self) -> list[str]:
        """The checksums of the tables."""
        return [sha256_of(path) for path in self._paths]

    def with_page(self, record: Record) -> Record:
        """The record, with what is known of its page if it shows a whole one."""
        facts = None if record.source.region is not None else self._facts.get(record.key)
        return record if facts is None else record.model_copy(update={"page": facts})


def _read(path: Path) -> dict[str, PageFacts]:
    try:
        with pq.ParquetFile(path) as file:
            batches = file.iter_batches(ROWS_AT_ONCE, columns=["key", "kind", "boxes"])
            return {
                str(row["key"]): PageFacts(kind=row["kind"], pictures=_cut_from(row["boxes"] or ()))
                for batch in batches
                for row in batch.to_pylist()
                if row["kind"] in PAGE_KINDS
            }
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedData(
            f"not a table of pages: {str(error)[:200]}", where=path, remedy="run `iconoclip segment` again"
        ) from error


def _cut_from(boxes: Iterable[dict[str, object]]) -> tuple[str, ...]:
    """The keys of the boxes that became records of their own."""
    return tuple(str(box["key"]) for box in boxes if box["key"] is not None)
