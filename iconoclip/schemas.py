"""The JSON Schemas of the formats, from the models themselves: `python -m iconoclip.schemas docs/schemas`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from iconoclip.embeddings import StoreManifest
from iconoclip.files import write_json
from iconoclip.record import Record
from iconoclip.shardset import ShardSetManifest

# The name of each schema file, and the model that defines the format.
FORMATS: dict[str, type[BaseModel]] = {"record": Record, "shardset": ShardSetManifest, "store": StoreManifest}


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a format."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **FORMATS[name].model_json_schema()}


def write_schemas(folder: Path) -> None:
    """Write `NAME.schema.json` for every format."""
    for name in FORMATS:
        write_json(folder / f"{name}.schema.json", schema(name))


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
