"""The armorial's server as a separate process, `python -m builtin_collections.armorial`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from builtin_collections.armorial.collection import NUM_ARMS, build
from builtin_collections.armorial.server.site import site
from builtin_collections.serving.exchange import Handler
from builtin_collections.serving.process import child, serve
from iconoclip.errors import BadInput


@dataclass(frozen=True)
class ServedArmorial:
    """The addresses of the three archives. Base URLs have no slash at the end."""

    wexcombe: str
    aldersheim: str
    valcendre: str

    @property
    def wexcombe_collection(self) -> str:
        """Presentation 3.0: the top Collection."""
        return f"{self.wexcombe}/collection/top"

    @property
    def wexcombe_changes(self) -> str:
        """Change Discovery 1.0: the OrderedCollection of the same archive."""
        return f"{self.wexcombe}/activity/all-changes"

    @property
    def aldersheim_collection(self) -> str:
        """Presentation 2.1: the top sc:Collection."""
        return f"{self.aldersheim}/collection/top"

    @property
    def valcendre_oai(self) -> str:
        """OAI-PMH 2.0: the base URL."""
        return f"{self.valcendre}/oai"


@contextmanager
def serve_armorial(
    *, num_arms: int = NUM_ARMS, seed: int = 0, ports: Sequence[int] = (0, 0, 0)
) -> Iterator[ServedArmorial]:
    """Serve the collection from a child process while the block runs; port 0 takes a free one.

    Raises:
        TryAgainLater: a port is in use.
        BadInput: the repertoire cannot give `num_arms`.
    """
    arguments = ["--num-arms", str(num_arms), "--seed", str(seed), "--ports", ",".join(map(str, ports))]
    with child("builtin_collections.armorial", arguments) as announced:
        yield ServedArmorial(**announced)


def run(
    *,
    num_arms: int,
    seed: int,
    ports: Sequence[int],
    announce: Callable[[ServedArmorial], None],
    until_stdin_closes: bool,
) -> None:
    """Serve in this process until told to stop; `announce` is called once the sockets listen.

    Raises:
        TryAgainLater: a port is in use.
        BadInput: the repertoire cannot give `num_arms`.
    """

    def make_handlers(bases: Sequence[str]) -> list[Handler]:
        try:
            holdings = build(num_arms=num_arms, seed=seed)
        except ValueError as error:
            raise BadInput(str(error)) from error
        return [site(held, base) for held, base in zip(holdings, bases, strict=True)]

    serve(
        make_handlers,
        ports,
        announce=lambda bases: announce(ServedArmorial(*bases)),
        until_stdin_closes=until_stdin_closes,
    )
