"""The one command: `iconoclip VERB [ARG ...] [--config FILE] [--field value ...]`.

A verb is a row in `VERBS`: its config model and its function, both as text, imported only when the verb is
called, so that `--help` needs no torch. Errors become one message and an exit code; see iconoclip.errors.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import select
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, get_origin

from iconoclip.config import Config, build, check_keys, find_config, is_positional, nearest, read_yaml
from iconoclip.errors import ConfigError, IconoclipError, MissingRequirement, TryAgainLater

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser


@dataclass(frozen=True)
class Verb:
    """One verb: what it is for, its config model and its function as "package.module:name"."""

    summary: str
    config: str
    function: str


VERBS: dict[str, Verb] = {
    "demo": Verb(
        "the whole road on the built-in armorial collection",
        "iconoclip.demo:DemoConfig",
        "iconoclip.demo:demo",
    ),
    "harvest": Verb(
        "pull images and captions from collections into a shard set",
        "data_prep.config:HarvestConfig",
        "data_prep.harvest.verb:harvest",
    ),
    "pack": Verb(
        "make a shard set from a folder of images and a table",
        "data_prep.config:PackConfig",
        "data_prep.contribute.pack:pack",
    ),
    "check": Verb(
        "verify a shard set: checksums, records, rights, images",
        "data_prep.config:CheckConfig",
        "data_prep.contribute.check:check",
    ),
    "sign": Verb(
        "sign a shard set with an OpenSSH key",
        "data_prep.config:SignConfig",
        "data_prep.contribute.sign:sign",
    ),
    "merge": Verb(
        "join shard sets of several institutions into one",
        "data_prep.config:MergeConfig",
        "data_prep.contribute.merge:merge",
    ),
    "takedown": Verb(
        "withdraw items from a shard set",
        "data_prep.config:TakedownConfig",
        "data_prep.contribute.takedown:takedown",
    ),
    "card": Verb(
        "write the card, Croissant metadata and quality report of a shard set",
        "data_prep.config:CardConfig",
        "data_prep.publish.card:card",
    ),
    "train": Verb(
        "train or fine-tune an OpenCLIP model on shard sets",
        "training.config:TrainConfig",
        "training.train:train",
    ),
    "evaluate": Verb(
        "measure a model's retrieval on a shard set",
        "training.config:EvaluateConfig",
        "training.evaluate:evaluate",
    ),
    "export": Verb(
        "turn a run's checkpoint into a model directory",
        "training.config:ExportConfig",
        "training.export:export",
    ),
    "seen": Verb(
        "say whether a run has trained on some items", "training.config:SeenConfig", "training.seen:seen"
    ),
    "encode": Verb(
        "embed a shard set with a model", "retrieval.config:EncodeConfig", "retrieval.encode.verb:encode"
    ),
    "index": Verb(
        "build a search index from an embedding store",
        "retrieval.config:IndexConfig",
        "retrieval.index:index",
    ),
    "search": Verb(
        "search an index from the terminal", "retrieval.config:SearchConfig", "retrieval.search:search"
    ),
    "serve": Verb(
        "serve the search page and the API", "retrieval.config:ServeConfig", "retrieval.service.serve:serve"
    ),
    "submit": Verb("submit a stage to SLURM", "slurm.config:SubmitConfig", "slurm.submit:submit"),
    "chain": Verb(
        "submit several stages, each after what it needs", "slurm.config:ChainConfig", "slurm.chain:chain"
    ),
    "status": Verb(
        "show the state of a harvest or of runs", "iconoclip.status:StatusConfig", "iconoclip.status:status"
    ),
    "logs": Verb("show or follow the log of a run", "slurm.config:LogsConfig", "slurm.logs:logs"),
    "resume": Verb("go on with a run that stopped", "slurm.config:ResumeConfig", "slurm.submit:resume"),
    "cancel": Verb("cancel a run on the cluster", "slurm.config:CancelConfig", "slurm.submit:cancel"),
    "doctor": Verb(
        "check a cluster account before the first job", "slurm.config:DoctorConfig", "slurm.doctor:doctor"
    ),
}

# What a shell says of any program that wrote to a pipe nobody reads any more: 128 and the number of SIGPIPE.
READER_LEFT = 141
INTERRUPTED = TryAgainLater("interrupted", remedy="run the same command again; it goes on from here")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code. Never raises for a user's mistake."""
    arguments = list(sys.argv[1:] if argv is None else argv)
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
        traceback.print_exc()
        print(
            "\niconoclip: this is a bug in iconoclip; please report it with the lines above", file=sys.stderr
        )
        return 1


def _reader_left() -> bool:
    """Whether whoever read our standard output has gone, as in `| head`; a child or a server may also break a pipe."""
    with contextlib.suppress(OSError, ValueError):  # a standard output that is no file has no reader
        output = select.poll()
        output.register(sys.stdout.fileno(), 0)
        return any(event & select.POLLERR for _, event in output.poll(0))
    return False


def run(arguments: list[str]) -> int:
    """Dispatch to a verb and return its exit code.

    Raises:
        IconoclipError: whatever the verb refuses.
    """
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if arguments[0] in ("-V", "--version"):
        print(f"iconoclip {version('iconoclip')}")
        return 0
    name = arguments[0]
    if name not in VERBS:
        raise ConfigError(
            f"unknown verb '{name}'", remedy=f"{nearest(name, list(VERBS))} `iconoclip --help` lists them"
        )
    return call(name, parse(name, arguments[1:]))


def call(name: str, config: Config) -> int:
    """Run a verb with a config that is already built, and return its exit code."""
    function: Callable[[Any], int | None] = resolve(VERBS[name].function)
    return function(config) or 0


def resolve(target: str) -> Any:
    """Import "package.module:name".

    Raises:
        MissingRequirement: the module needs a package that is not installed.
    """
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise MissingRequirement(
            f"the package '{error.name}' is not installed",
            where=target,
            remedy="pip install iconoclip, in this environment",
        ) from error


def parse(name: str, arguments: list[str]) -> Config:
    """Read a verb's arguments into its config: the YAML file first, then the command line on top.

    Raises:
        ConfigError: an unknown key or a value that does not fit.
    """
    # Imported here: a listing of the verbs needs none of it.
    from jsonargparse import ArgumentError

    model: type[Config] = resolve(VERBS[name].config)
    line = read_command_line(model, arguments)
    for path in line.config_files:
        # Misspelt keys are refused before jsonargparse sees them: its message names no neighbour.
        check_keys(model, read_yaml(path), str(path))
    try:
        parsed = (
            _parser(name, model)
            .parse_args([*(f"--config={path}" for path in line.config_files), *line.options])
            .as_dict()
        )
    except ArgumentError as error:
        remedy = f"`iconoclip {name} --help` lists the fields"
        raise ConfigError(_readable(str(error), model), where=f"iconoclip {name}", remedy=remedy) from error
    values = {
        key: value
        for key, value in parsed.items()
        if key in model.model_fields and not (value is None and model.model_fields[key].is_required())
    }
    return build(model, {**values, **line.positionals}, f"iconoclip {name}")


def _parser(name: str, model: type[Config]) -> ArgumentParser:
    """jsonargparse's parser of a verb's options, with help for people."""
    from jsonargparse import ArgumentParser, DefaultHelpFormatter

    class PlainHelp(DefaultHelpFormatter):
        """The types of Python are left out, and the defaults that are none."""

        def _get_type_str(self, action: Any) -> None:
            return None

        def _get_help_string(self, action: Any) -> str:
            text = super()._get_help_string(action)
            is_none = action.default is None or action.default in ("", [], (), {})
            return text.replace(" (default: %(default)s)", "") if is_none else text

    parser = ArgumentParser(
        prog=f"iconoclip {name}",
        description=VERBS[name].summary,
        exit_on_error=False,
        formatter_class=PlainHelp,
    )
    parser.add_argument("--config", action="config", help="YAML file with any of the fields below")
    for field in _positionals(model):
        nargs = "*" if _is_list(model, field) else "?"
        parser.add_argument(
            f"given_{field}", nargs=nargs, metavar=field.upper(), help=model.model_fields[field].description
        )
    parser.add_class_arguments(model, None)
    for group in parser._action_groups:
        # Its heading would be the repr of a class.
        group.title = "fields" if str(model) in (group.title or "") else group.title
    for action in parser._actions:
        # pydantic says what is required, once the positionals are in their places.
        action.required = False
    return parser


@dataclass(frozen=True)
class CommandLine:
    """A verb's arguments, sorted: what has no name, the config files, and the options as `--field=value`."""

    positionals: dict[str, Any]
    config_files: list[Path]
    options: list[str]


def read_command_line(model: type[Config], arguments: list[str]) -> CommandLine:
    """Sort the arguments of a verb. Dashes in a field's name may be written for underscores, a switch may stand
    without a value (`--dry-run`), and `--no-FIELD` turns one off.

    Raises:
        ConfigError: an argument too many, or an option without its value.
    """
    words: list[str] = []
    config_files: list[Path] = []
    options: list[str] = []
    rest = deque(arguments)
    while rest:
        word = rest.popleft()
        if word == "--":
            words.extend(rest)
            break
        word = "--follow" if word == "-f" else word
        if not word.startswith("--"):
            (options if word == "-h" else words).append(word)
            continue
        name, equals, value = word[2:].partition("=")
        name = name.replace("-", "_")
        if name == "help":
            options.append("--help")
        elif name == "print_config":
            options.append(f"--print_config={value or 'comments'}")
        elif not equals and _is_switch(model, name):
            explicit = rest.popleft() if rest and rest[0].lower() in ("true", "false") else "true"
            options.append(f"--{name}={explicit}")
        elif not equals and name.startswith("no_") and _is_switch(model, name[3:]):
            options.append(f"--{name[3:]}=false")
        else:
            value = value if equals else _value_of(name, rest)
            if name == "config":
                config_files.append(find_config(value))
            else:
                options.append(f"--{name}={value}")
    return CommandLine(_name_words(model, words), config_files, options)


def _value_of(name: str, rest: deque[str]) -> str:
    if not rest or rest[0].startswith("--"):
        raise ConfigError(f"the option --{name} lacks its value", remedy=f"write --{name} VALUE")
    return rest.popleft()


def _name_words(model: type[Config], words: list[str]) -> dict[str, Any]:
    """Give the arguments without a name to the positional fields, in order; a list takes all that are left."""
    named: dict[str, Any] = {}
    for field in _positionals(model):
        if words and _is_list(model, field):
            named[field], words = words, []
        elif words:
            named[field], words = words[0], words[1:]
    if words:
        raise ConfigError(f"unexpected argument '{words[0]}'", remedy="`--help` lists what the verb takes")
    return named


def _positionals(model: type[Config]) -> list[str]:
    return [field for field in model.model_fields if is_positional(model, field)]


def _is_list(model: type[Config], field: str) -> bool:
    return get_origin(model.model_fields[field].annotation) in (list, tuple)


def _is_switch(model: type[Config], field: str) -> bool:
    return field in model.model_fields and model.model_fields[field].annotation is bool


def _readable(message: str, model: type[Config]) -> str:
    flat = " ".join(message.split())
    if "unrecognized arguments:" in flat:
        word = flat.split("unrecognized arguments:")[1].split()[0].split("=")[0]
        return f"unknown option '{word}': {nearest(word.lstrip('-'), list(model.model_fields))}"
    return flat


def overview() -> str:
    """The text of `iconoclip --help`."""
    width = max(map(len, VERBS))
    rows = [f"  {name:<{width}}  {verb.summary}" for name, verb in VERBS.items()]
    return "\n".join(
        [
            "iconoclip: from the picture collections of libraries and museums to a search engine over them",
            "",
            "usage: iconoclip VERB [ARG ...] [--config FILE] [--field value ...]",
            "",
            *rows,
            "",
            "`iconoclip VERB --help` lists a verb's fields; `--print_config` prints them as a commented file.",
            "Exit codes: 0 done, 1 a bug, 2 bad input or config, 3 some items refused, 4 something missing, 75 try later.",
        ]
    )


def console() -> NoReturn:
    """The entry point of the `iconoclip` script."""
    _end_as_ctrl_c_does()
    sys.exit(main())


def _end_as_ctrl_c_does() -> None:
    """Let SIGTERM, and in a SLURM job the warning before its time limit, end a verb as Ctrl-C does: saved, code 75."""
    warnings = [signal.SIGTERM, signal.SIGUSR1] if "SLURM_JOB_ID" in os.environ else [signal.SIGTERM]
    for warning in warnings:
        signal.signal(warning, signal.default_int_handler)


if __name__ == "__main__":
    console()
