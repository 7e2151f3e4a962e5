"""The one command: `iconoclip VERB [ARG ...] [--config FILE] [--field value ...]`.

Errors become one message and an exit code; see iconoclip.errors. Modules are imported only when they are
needed: the list of verbs and the help of a verb are printed without importing pydantic, cyclopts or torch.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from iconoclip import verbs
from iconoclip.errors import ConfigError, IconoclipError, TryAgainLater

if TYPE_CHECKING:
    from iconoclip.config import Config

# The exit code that shells report for a program that wrote to a closed pipe: 128 plus the number of SIGPIPE.
READER_LEFT = 141
# If this environment variable is set, errors also show the traceback.
TRACEBACK_SWITCH = "ICONOCLIP_TRACEBACK"
INTERRUPTED = TryAgainLater("interrupted", remedy="run the same command again; it continues from here")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code. Never raises for a user's mistake."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    # The OpenMP of torch and faiss reads this when it is loaded. By default its threads spin while they wait
    # for each other: next to other work on the same cores, training then loses far more than its fair share
    # (benchmarks/train_next_to_work.py). On an idle machine there is hardly a difference.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if arguments[:1] in (["serve"], ["search"]):
        # The products of one query are too small to share. The threads of numpy's OpenBLAS spin while they
        # wait, and took as much processor time per query as the query itself.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Importing torch and Lightning makes many objects and hardly a cycle. With Python's threshold of 700,
    # looking for cycles takes a tenth of that time.
    gc.set_threshold(50_000, 20, 10)
    try:
        return run(arguments)
    except IconoclipError as error:
        print(f"iconoclip: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"\niconoclip: {INTERRUPTED}", file=sys.stderr)
        return INTERRUPTED.exit_code
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else 0
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _reader_left():
            # Python must not complain at exit either. The verb did not end: the code is not 0.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return READER_LEFT
        from iconoclip.troubles import as_iconoclip_error

        if (trouble := as_iconoclip_error(error)) is not None and TRACEBACK_SWITCH not in os.environ:
            print(f"iconoclip: {trouble}", file=sys.stderr)
            return trouble.exit_code
        import traceback

        traceback.print_exc()
        if trouble is not None:
            print(f"\niconoclip: {trouble}", file=sys.stderr)
            return trouble.exit_code
        print(
            "\niconoclip: this is a bug in iconoclip; please report it with the lines above", file=sys.stderr
        )
        return 1


def _reader_left() -> bool:
    """Whether the reader of our standard output has closed it, as `head` does. Other pipes can break too:
    those to child processes and servers.
    """
    with contextlib.suppress(OSError, ValueError):  # standard output that is not a file has no reader
        output = select.poll()
        output.register(sys.stdout.fileno(), 0)
        return any(event & select.POLLERR for _, event in output.poll(0))
    return False


def run(arguments: list[str]) -> int:
    """Dispatch to a verb and return its exit code.

    Raises:
        IconoclipError: whatever the verb refuses.
    """
    if arguments[:1] == ["help"] and arguments[1:2]:
        arguments = [arguments[1], "--help"]
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(verbs.overview())
        return 0
    if arguments[0] in ("-V", "--version"):
        from importlib.metadata import version

        print(f"iconoclip {version('iconoclip')}")
        return 0
    name = arguments[0]
    if name not in verbs.VERBS:
        from iconoclip.config import nearest

        known = nearest(name, list(verbs.VERBS))
        raise ConfigError(f"unknown verb '{name}'", remedy=f"{known} `iconoclip --help` lists them")
    return verbs.call(name, parse(name, arguments[1:]))


def help_of(name: str) -> str:
    """The text of `iconoclip VERB --help`, as wide as the terminal."""
    from iconoclip.help_page import rendered, shipped

    page = shipped(name)
    if page is None:
        # Imported here: it imports pydantic and the config model.
        from iconoclip.help_text import page_of

        page = page_of(name, verbs.config_model(name))
    return rendered(page, verbs.VERBS[name].summary)


def parse(name: str, arguments: Sequence[str]) -> Config:
    """Read a verb's arguments into its config: the YAML files first, then the command line on top.

    Raises:
        ConfigError: an unknown key or a value that does not fit.
        SystemExit: the help or the config was requested, and has been printed.
    """
    before_words = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if {"-h", "--help"} & set(before_words):
        print(help_of(name))
        raise SystemExit(0)
    model = verbs.config_model(name)
    from iconoclip.command_line import read_command_line
    from iconoclip.config import build, check_keys, find_config, laid_over, read_yaml

    line = read_command_line(model, arguments)
    values: dict[str, object] = {}
    for text in line.config_files:
        path = find_config(text)
        in_file = read_yaml(path)
        check_keys(model, in_file, str(path))
        values = laid_over(values, in_file)
    values = laid_over(values, line.values)
    where = f"iconoclip {name}" + "".join(f" --config {text}" for text in line.config_files)
    if line.print_config:
        from iconoclip.commented_yaml import commented_yaml

        print(commented_yaml(model, values, where), end="")
        raise SystemExit(0)
    return build(model, values, where)


def console() -> NoReturn:
    """The entry point of the `iconoclip` script."""
    _end_as_ctrl_c_does()
    code = main()
    # A Ctrl-C during exec() of a string, which dataclass() runs, leaves a note in Python: a module started
    # with -m then ends by SIGINT, although main() caught it. The next exec() clears that note
    # (run_eval_code_obj in CPython's pythonrun.c).
    exec("")  # noqa: S102
    sys.exit(code)


def _end_as_ctrl_c_does() -> None:
    """Make SIGTERM, and the warning before the time limit of a SLURM job, end a verb in the same way as
    Ctrl-C: the state is saved and the exit code is 75.
    """
    warnings = [signal.SIGTERM, signal.SIGUSR1] if "SLURM_JOB_ID" in os.environ else [signal.SIGTERM]
    for warning in warnings:
        signal.signal(warning, signal.default_int_handler)


def leave_working_folder_out() -> None:
    """Remove the working directory, which `python -m` puts first, from the import path: a user's own folder
    `training` must not hide our package.
    """
    root = Path(__file__).resolve().parents[1]
    if sys.path and sys.path[0] in ("", str(Path.cwd())) and Path.cwd() != root:
        sys.path.pop(0)


if __name__ == "__main__":
    leave_working_folder_out()
    console()
