"""Serve the armorial by hand: `python -m builtin_collections.armorial`."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from builtin_collections.armorial.collection import NUM_ARMS
from builtin_collections.armorial.server.process import ServedArmorial, run
from iconoclip.errors import IconoclipError


def main() -> int:
    """Read the command line and serve until interrupted."""
    options = _options()
    try:
        run(
            num_arms=options.num_arms,
            seed=options.seed,
            ports=options.ports,
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
    parser = argparse.ArgumentParser(prog="python -m builtin_collections.armorial", description=__doc__)
    parser.add_argument(
        "--num-arms", type=int, default=NUM_ARMS, help="distinct coats of arms, all archives together"
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same collection")
    parser.add_argument(
        "--ports", type=_ports, default=(8601, 8602, 8603), help="three ports; 0 takes a free one"
    )
    parser.add_argument("--json", action="store_true", help="print the addresses as one line of JSON")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when standard input does")
    return parser.parse_args()


def _ports(text: str) -> tuple[int, ...]:
    ports = tuple(int(port) for port in text.split(","))
    if len(ports) != 3:
        raise argparse.ArgumentTypeError("give three ports, as 8601,8602,8603")
    return ports


def _as_json(served: ServedArmorial) -> None:
    print(json.dumps(asdict(served)), flush=True)


def _as_text(served: ServedArmorial) -> None:
    print("Three invented archives of drawn coats of arms; Ctrl-C ends.")
    print(f"  Presentation 3.0   {served.wexcombe_collection}")
    print(f"  Change Discovery   {served.wexcombe_changes}")
    print(f"  Presentation 2.1   {served.aldersheim_collection}")
    print(f"  OAI-PMH            {served.valcendre_oai}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
