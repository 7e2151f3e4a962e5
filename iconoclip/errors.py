"""The error classes. Every error states what happened, where, and what to do; its class sets the exit code.

Exit codes (sysexits.h is the source of 75): 0 done, 1 a bug, 2 bad input or config, 3 finished with some
items refused, 4 something required is missing, 75 try again later. (Also 141, as with any Unix program, when
the reader of the output closes the pipe early.)

IconoclipError
├── BadInput (2)          what the user gave cannot be used
│   ├── ConfigError       a config key or value
│   ├── DamagedData       a checksum, a truncated file, a format that is not as declared
│   └── RightsForbid      the rights policy leaves nothing to work on
├── SomeRefused (3)       finished, but some items were refused; the report lists them
├── MissingRequirement (4)  a file, a program, a package or a feature that is not there
└── TryAgainLater (75)    a full disk, a busy port, a server that asks to wait, an interrupted run
"""

from __future__ import annotations

from pathlib import Path

from iconoclip.terminal import safe


class IconoclipError(Exception):
    """What went wrong, where, and the remedy.

    Args:
        what: the fact, in one sentence.
        where: the file, address, key or field it was found at.
        remedy: what the user should do next.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | Path | None = None, remedy: str | None = None) -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.remedy = remedy
        super().__init__(what)

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where:  {self.where}")
        if self.remedy:
            lines.append(f"  remedy: {self.remedy}")
        # File names, addresses and messages of servers are not ours.
        return safe("\n".join(lines))


class BadInput(IconoclipError):
    """What the user gave cannot be used."""

    exit_code = 2


class ConfigError(BadInput):
    """A config key or value that is not valid."""


class DamagedData(BadInput):
    """Data that is not as declared: a wrong checksum, a truncated file, a foreign format."""


class RightsForbid(BadInput):
    """The rights policy leaves nothing to work on."""


class SomeRefused(IconoclipError):
    """The work is finished, but some items were refused; `where` names the report."""

    exit_code = 3


class MissingRequirement(IconoclipError):
    """Something needed is not there: a file, a program, a package, or a feature not yet built."""

    exit_code = 4


class TryAgainLater(IconoclipError):
    """The same command may succeed later: disk full, port in use, server asks to wait, run interrupted."""

    exit_code = 75
