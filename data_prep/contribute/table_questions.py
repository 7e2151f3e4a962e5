"""The questions that `iconoclip pack` asks on a terminal about a guess of the columns."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from data_prep.contribute.config import PackConfig
from data_prep.institutions import CAPTION_FIELDS
from data_prep.sources.tables.guess import Guess
from iconoclip.config import nearest
from iconoclip.errors import ConfigError
from iconoclip.rights import read

FIELDS: Final = (
    "file", "id", "rights", "attribution", "date", "creators", "object_type", "iconclass", "homepage",
    "language", "manifest", "institution", *CAPTION_FIELDS,
)  # fmt: skip
_HELP: Final = (
    "Enter packs it so. To correct a column: COLUMN = FIELD, or COLUMN = - to leave it out. `no` stops.\n"
    f"Fields: {', '.join(FIELDS)}"
)


def ask(found: Guess, header: list[str], show: Callable[[], None], config: PackConfig) -> dict[str, Any]:
    """Let the user correct a guess until they accept it.

    Returns:
        Further settings that they gave: the rights of all pictures.

    Raises:
        ConfigError: they do not accept it.
    """
    print(_HELP, file=sys.stderr)
    while True:
        answer = input("> ").strip()
        if answer.lower() in ("", "y", "yes", "ok"):
            break
        if answer.lower() in ("n", "no", "q", "quit"):
            raise ConfigError(
                "the guess was not accepted", remedy="write a config, see docs/partner-guide.md"
            )
        problem = corrected(found, header, answer)
        if problem:
            print(problem, file=sys.stderr)
        else:
            show()
    if config.rights or "rights" in found.columns.values():
        return {}
    return _rights_of_all()


def corrected(found: Guess, header: list[str], answer: str) -> str | None:
    """Apply one correction, `COLUMN = FIELD`. Returns what is wrong with it."""
    name, equals, meant = (part.strip() for part in answer.rpartition("="))
    if not equals or not name:
        return _HELP
    column = next((one for one in header if one.casefold() == name.casefold()), None)
    if column is None:
        return f"no column '{name}'; {nearest(name, header)}"
    if meant in ("-", "ignore", "none", ""):
        found.columns.pop(column, None)
    elif meant in FIELDS:
        if meant == "file":
            found.pattern = None
        found.columns[column] = meant
        found.reasons[column] = "you said so"
    else:
        return f"no field '{meant}'; {nearest(meant, FIELDS)}"
    return None


def _rights_of_all() -> dict[str, Any]:
    while True:
        answer = input(
            "Rights that hold for all pictures (a name or address of a licence; empty: none): "
        ).strip()
        if not answer:
            return {}
        if uri := read(answer).uri:
            print(f"understood as {uri}", file=sys.stderr)
            return {"rights": answer}
        print("not understood; for example: CC BY 4.0, CC0, Public Domain Mark 1.0", file=sys.stderr)
