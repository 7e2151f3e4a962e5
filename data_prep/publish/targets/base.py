"""What the verb `publish` needs of a place, and the words for what goes wrong there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from iconoclip.errors import BadInput, IconoclipError, MissingRequirement, TryAgainLater

# What servers say when a storage is full, in their codes and sentences.
_FULL: Final = (
    "quota",
    "storage limit",
    "storagefull",
    "insufficient storage",
    "exceeded",
    "payment required",
)
_LATER: Final = frozenset({408, 409, 425, 429})


@dataclass(frozen=True)
class LocalFile:
    """A file of the edition: its name at the place, with slashes, and what it is."""

    name: str
    path: Path
    size: int
    sha256: str


class Target(Protocol):
    """A place. Every method raises the errors that `refusal` makes.

    Methods are called in this order: `listing`, `is_same`, `read`; then, if something changes, `unseal`,
    `remove`, `put` for each file, `finish`, `forget`; at last `wrong` for every file.
    """

    where: str

    def listing(self) -> dict[str, int]:
        """The names of the files there with their sizes; empty where there is nothing yet."""

    def is_same(self, file: LocalFile) -> bool:
        """Whether a file in the listing has the same bytes, by a checksum that the place knows."""

    def read(self, name: str, target: Path) -> Path:
        """Download a file that the listing has."""

    def unseal(self) -> None:
        """Remove the manifest before the files change, unless all of them change at once."""

    def remove(self, names: Sequence[str]) -> None:
        """Remove files that are no longer published."""

    def put(self, file: LocalFile) -> None:
        """Upload a file, or replace it. A call that was cut is repeated by the next run."""

    def finish(self, message: str) -> None:
        """Make what was uploaded the published state."""

    def forget(self) -> None:
        """Remove earlier versions of the files that this run replaced or removed, where the place keeps
        them."""

    def wrong(self, file: LocalFile) -> str | None:
        """What is wrong with a file that should be there; None if it has the right bytes."""


def refusal(status: int | None, said: str, where: str) -> IconoclipError:
    """The error for an answer of a server.

    Args:
        status: of HTTP; None where the connection broke.
        said: the server's own words.
    """
    words = " ".join(said.split())[:300]
    is_full = status in (402, 413, 507) or any(word in said.lower() for word in _FULL)
    if is_full and status is not None:
        return TryAgainLater(
            f"the storage there is full: {words}", where=where,
            remedy="free some space or ask for a larger quota, and run the same command again; it continues",
        )  # fmt: skip
    if status is None or status in _LATER or status >= 500:
        return TryAgainLater(
            f"cannot be reached now: {words}", where=where,
            remedy="run the same command again; what is uploaded already is not uploaded again",
        )  # fmt: skip
    if status == 401:
        return MissingRequirement(
            f"the server does not know who you are: {words}",
            where=where,
            remedy="log in, see the partner guide",
        )
    if status == 404:
        return MissingRequirement(
            f"there is no such place: {words}", where=where, remedy="check the name, or create it there first"
        )
    return BadInput(
        f"the server refuses it ({status}): {words}", where=where,
        remedy="check that your account may write there",
    )  # fmt: skip
