"""Serve the drawn books by hand: `python -m builtin_collections.emblems`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from builtin_collections.emblems.server.process import MIN_PAGES, ServedBooks, run
from builtin_collections.serving import command


def main() -> int:
    """Read the command line and serve until interrupted."""
    return command.main(_parser(), _run, _as_text)


def _run(options: argparse.Namespace, announce: Callable[[ServedBooks], None]) -> None:
    run(
        num_volumes=options.num_volumes,
        num_pages=max(MIN_PAGES, options.num_pages),
        seed=options.seed,
        port=options.port,
        announce=announce,
        until_stdin_closes=options.until_stdin_closes,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m builtin_collections.emblems", description=__doc__)
    parser.add_argument("--num-volumes", type=int, default=4, help="volumes, each in a different style")
    parser.add_argument("--num-pages", type=int, default=48, help="images per volume, at least 8")
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same volumes")
    parser.add_argument("--port", type=int, default=8604, help="the port; 0 takes a free one")
    return parser


def _as_text(served: ServedBooks) -> None:
    print("An invented library of drawn books; Ctrl-C ends.")
    print(f"  Presentation 3.0   {served.collection}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
