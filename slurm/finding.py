"""The result of one check of `iconoclip doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "note", "FAILED"]


@dataclass(frozen=True)
class Finding:
    """The result of one check, with a remedy if there is one."""

    verdict: Verdict
    check: str
    found: str
    remedy: str = ""
