"""Serve the armorial by hand: `python -m builtin_collections.armorial`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from builtin_collections.armorial.collection import NUM_ARMS
from builtin_collections.armorial.server.process import ServedArmorial, run
from builtin_collections.serving import command


def main() -> int:
    """Read the command line and serve until interrupted."""
    return command.main(_parser(), _run, _as_text)


def _run(options: argparse.Namespace, announce: Callable[[ServedArmorial], None]) -> None:
    run(
        num_arms=options.num_arms,
        seed=options.seed,
        ports=options.ports,
        announce=announce,
        until_stdin_closes=options.until_stdin_closes,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m builtin_collections.armorial", description=__doc__)
    parser.add_argument(
        "--num-arms", type=int, default=NUM_ARMS, help="distinct coats of arms, all archives together"
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same collection")
    parser.add_argument(
        "--ports", type=_ports, default=(8601, 8602, 8603), help="three ports; 0 takes a free one"
    )
    return parser


def _ports(text: str) -> tuple[int, ...]:
    ports = tuple(int(port) for port in text.split(","))
    if len(ports) != 3:
        raise argparse.ArgumentTypeError("give three ports, as 8601,8602,8603")
    return ports


def _as_text(served: ServedArmorial) -> None:
    print("Three invented archives of drawn coats of arms; Ctrl-C ends.")
    print(f"  Presentation 3.0   {served.wexcombe_collection}")
    print(f"  Change Discovery   {served.wexcombe_changes}")
    print(f"  Presentation 2.1   {served.aldersheim_collection}")
    print(f"  OAI-PMH            {served.valcendre_oai}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
