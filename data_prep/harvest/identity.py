"""Which settings make two harvests the same: those that decide which samples a set contains.

The others (rate limits, bounds, attempts) may change between runs.
"""

from __future__ import annotations

import functools
import json
import operator
from typing import Any

from data_prep.config_groups import Storing
from data_prep.harvest.config import HarvestConfig
from iconoclip.config import renamed_fields

IDENTITY_FIELDS = (
    "sources", "source", "institution", "name", "policy", "keep", "max_side_pixels",
    "storage.jpeg_quality", "split.val_share", "split.test_share", "split.seed", "split.near_duplicate_bits",
    "storage.max_shard_bytes", "num_tasks", "task", "composition",
)  # fmt: skip


def identity_of(config: Storing, **more: Any) -> dict[str, Any]:
    """The values of `IDENTITY_FIELDS`, by their dotted names.

    Args:
        more: values of fields that the config does not have; a pack is one task and has no `sources`.
    """
    values = {**config.model_dump(mode="json"), **more}
    return {name: functools.reduce(operator.getitem, name.split("."), values) for name in IDENTITY_FIELDS}


def stored_identity(text: str) -> dict[str, Any]:
    """What `identity_of` gave when a harvest was begun, from the ledger's JSON.

    An earlier version wrote fields that are in groups now under their own names alone, and none that it
    did not know.
    """
    present = renamed_fields(HarvestConfig)
    values = {present.get(name, name): value for name, value in json.loads(text).items()}
    return {"composition": HarvestConfig.model_fields["composition"].default, **values}
