"""A curator's corrections: a JSONL file whose pages replace what an engine finds.

    {"key": "bnf-0123456789abcdef", "kind": "mixed",
     "boxes": [{"kind": "illustration", "box": [0.1, 0.2, 0.5, 0.6], "tilt": 2.5}]}          (on one line)

Boxes are left, top, right, bottom in shares of the page; `tilt` is how far what a box shows is turned
clockwise, in degrees (default 0). The review sheet (report.html) writes this format, and training reads it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from iconoclip.errors import BadInput, MissingRequirement
from iconoclip.page_layout.findings import LEAST_SIDE, Finding, finding_from_json
from iconoclip.record import KEY_PATTERN

MAX_BYTES: Final = 500_000_000
_SHAPE: Final = (
    'a line is {"key": ..., "kind": ..., "boxes": [{"kind": ..., "box": [left, top, right, bottom]}]}'
)


def read_corrections(path: Path | None) -> dict[str, Finding]:
    """The corrected pages by key; the last line about a page counts.

    Raises:
        MissingRequirement: no such file.
        BadInput: a line is no correction; the message names it.
    """
    if path is None:
        return {}
    if not path.is_file():
        raise MissingRequirement("no such file of corrections", where=path, remedy="check the path")
    if path.stat().st_size > MAX_BYTES:
        raise BadInput("larger than 500 MB", where=path, remedy="is this the right file?")
    found: dict[str, Finding] = {}
    # Some editors put a byte order mark before the first line.
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                key, finding = _correction(line, path, number)
                found[key] = finding
    return found


def _correction(line: str, path: Path, number: int) -> tuple[str, Finding]:
    try:
        value = json.loads(line)
        if not isinstance(value, dict):
            raise ValueError("it is no JSON object")
        key = str(value["key"])
        if not re.fullmatch(KEY_PATTERN, key):
            raise ValueError(f"'{key[:100]}' is no key of a page")
        finding = finding_from_json(value)
        if thin := next((box for box in finding.boxes if box.is_thin), None):
            raise ValueError(f"a side of the box {list(thin.corners)} is less than {LEAST_SIDE} of the page")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        missing = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise BadInput(
            f"line {number} is no correction: {missing}",
            where=path,
            remedy=_SHAPE,
        ) from error
    return key, replace(finding, probability=1.0, origin="correction")


def as_correction(key: str, finding: Finding) -> dict[str, Any]:
    """A page as a line of the file: what `read_corrections` reads as the same boxes."""
    boxes: list[dict[str, Any]] = []
    for box in finding.boxes:
        others = {"tilt": box.tilt} if box.tilt else {}
        others |= {"score": box.score} if box.score != 1 else {}
        boxes.append({"kind": box.kind, "box": list(box.corners), **others})
    return {"key": key, "kind": finding.kind, "boxes": boxes}


def digest_of(corrections: Mapping[str, Finding], keys: Iterable[str]) -> str:
    """Hexadecimal digest of the corrections of some pages; the same for all pages without any."""
    own = {key: corrections[key].as_json() for key in keys if key in corrections}
    return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()
