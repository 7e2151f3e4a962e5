"""The command line of a collection's server, `python -m builtin_collections.NAME`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from iconoclip.errors import IconoclipError


def main(
    parser: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace, Callable[[Any], None]], None],
    as_text: Callable[[Any], None],
) -> int:
    """Read the command line and serve until interrupted. Returns the exit code.

    Adds the options that `builtin_collections.serving.process.child` uses: --json and --until-stdin-closes.

    Args:
        parser: has the options of the collection.
        run: serves, given the options and a function to call with the addresses (a dataclass) once the
            sockets listen.
        as_text: prints the addresses for people.
    """
    parser.add_argument("--json", action="store_true", help="print the addresses as one line of JSON")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when standard input does")
    options = parser.parse_args()
    try:
        run(options, _as_json if options.json else as_text)
    except IconoclipError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        pass
    return 0


def _as_json(served: Any) -> None:
    print(json.dumps(asdict(served)), flush=True)
