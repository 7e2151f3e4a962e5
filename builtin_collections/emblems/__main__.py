"""Serve the drawn books by hand: `python -m builtin_collections.emblems`."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from builtin_collections.emblems.server.process import MIN_PAGES, ServedBooks, run
from iconoclip.errors import IconoclipError


def main() -> int:
    """Read the command line and serve until interrupted."""
    options = _options()
    try:
        run(
            num_volumes=options.num_volumes,
            num_pages=max(MIN_PAGES, options.num_pages),
            seed=options.seed,
            port=options.port,
            announce=_as_json if options.json else _as_text,
            until_stdin_closes=options.until_stdin_closes,
        )
    except IconoclipError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        pass
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m builtin_collections.emblems", description=__doc__)
    parser.add_argument("--num-volumes", type=int, default=4, help="volumes, each in a style of its own")
    parser.add_argument("--num-pages", type=int, default=48, help="images of each volume, at least 8")
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same volumes")
    parser.add_argument("--port", type=int, default=8604, help="the port; 0 takes a free one")
    parser.add_argument("--json", action="store_true", help="print the address as one line of JSON")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when standard input does")
    return parser.parse_args()


def _as_json(served: ServedBooks) -> None:
    print(json.dumps(asdict(served)), flush=True)


def _as_text(served: ServedBooks) -> None:
    print("An invented library of drawn books; Ctrl-C ends.")
    print(f"  Presentation 3.0   {served.collection}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
