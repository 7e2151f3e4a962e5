"""The server of the drawn books as a separate process, `python -m builtin_collections.emblems`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from builtin_collections.emblems.book import volume
from builtin_collections.emblems.server.site import Site
from builtin_collections.serving.exchange import Handler
from builtin_collections.serving.process import child, serve

MIN_PAGES = 8
"""A volume has two covers, two pastedowns, a flyleaf, an end leaf, a title page and a colour target."""


@dataclass(frozen=True)
class ServedBooks:
    """The address of the library, without a slash at the end."""

    base: str

    @property
    def collection(self) -> str:
        """Presentation 3.0: the Collection of all volumes."""
        return f"{self.base}/collection/top"


@contextmanager
def serve_books(
    *, num_volumes: int = 1, num_pages: int = 48, seed: int = 0, port: int = 0
) -> Iterator[ServedBooks]:
    """Serve volumes of `num_pages` images each from a child process while the block runs.

    Raises:
        TryAgainLater: the port is in use.
    """
    options = {"num-volumes": num_volumes, "num-pages": num_pages, "seed": seed, "port": port}
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    with child("builtin_collections.emblems", arguments) as announced:
        yield ServedBooks(**announced)


def run(
    *,
    num_volumes: int,
    num_pages: int,
    seed: int,
    port: int,
    announce: Callable[[ServedBooks], None],
    until_stdin_closes: bool,
) -> None:
    """Serve in this process until told to stop; `announce` is called once the socket listens.

    Raises:
        TryAgainLater: the port is in use.
    """

    def make_handlers(bases: Sequence[str]) -> list[Handler]:
        books = [volume(seed, number, num_pages=num_pages) for number in range(num_volumes)]
        return [Site(books, base) for base in bases]

    serve(
        make_handlers,
        [port],
        announce=lambda bases: announce(ServedBooks(*bases)),
        until_stdin_closes=until_stdin_closes,
    )
