"""The records of a set by reference, as its index describes them.

Its shards belong to other sets. Their records state the group, split and rights that they have there; in this
set those of `records.parquet` count, and nothing else of a record differs.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from iconoclip.errors import DamagedData
from iconoclip.record import Record, Rights
from iconoclip.rights import judged_again
from iconoclip.vocabulary import PolicyName

COLUMNS = ("group", "split", "rights_raw", "rights_uri", "opt_out", "train", "display")


class Overlay:
    """Looks up the fields of records that a set by reference has of its own.

    About 20 bytes per sample and its texts are in memory.

    Args:
        path: the index of the set.
        policy: the policy under which its rights were judged.
    """

    def __init__(self, path: Path, policy: PolicyName) -> None:
        self._path, self._policy = path, policy
        with pq.ParquetFile(path) as file:
            table = file.read(columns=["key", *COLUMNS])
        digests = _digests(table["key"])
        self._order_N = np.argsort(digests, kind="stable")
        self._digests_N = digests[self._order_N]
        self._columns = {name: _small(table[name]) for name in COLUMNS}

    def applied_to(self, record: Record) -> Record:
        """The record with the group, split and rights of this set.

        Raises:
            DamagedData: the index does not know it.
        """
        place = int(np.searchsorted(self._digests_N, _digest(record.key)))
        if place == len(self._digests_N) or self._digests_N[place] != _digest(record.key):
            raise DamagedData(
                f"the index does not know the record {record.key}", where=self._path,
                remedy="merge the sets again",
            )  # fmt: skip
        row = int(self._order_N[place])
        values = {name: column[row].as_py() for name, column in self._columns.items()}
        rights = self._rights(record.rights, values)
        return record.model_copy(
            update={"group": values["group"], "split": values["split"], "rights": rights}
        )

    def _rights(self, rights: Rights, row: dict[str, Any]) -> Rights:
        stated = {"raw": row["rights_raw"], "uri": row["rights_uri"], "opt_out": tuple(row["opt_out"] or ())}
        verdict = judged_again(rights.model_copy(update=stated), self._policy)
        if (verdict.train, verdict.display) == (row["train"], row["display"]):
            return verdict
        # The index denies what its statement would allow: the sets that were merged disagreed.
        denied = {"train": row["train"], "display": row["display"], "redistribute": "no"}
        return verdict.model_copy(update=denied)


def _small(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.dictionary_encode() if pa.types.is_string(column.type) else column


def _digests(keys: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    return np.fromiter((_digest(key) for key in keys.to_pylist()), np.uint64, len(keys))


def _digest(key: Any) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "little")
