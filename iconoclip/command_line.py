"""The command line of a verb, read by cyclopts, which assigns words to fields. pydantic then
validates the values.

Every field of the config model, at any depth, is one option that takes plain words. Only
the fields that were typed are returned, so callers can distinguish them from defaults.
Why cyclopts: docs/decisions/0005-command-line.md.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter, Token
from cyclopts.exceptions import (
    CoercionError,
    ConsumeMultipleError,
    MissingArgumentError,
    MixedArgumentError,
    RepeatArgumentError,
    UnknownOptionError,
)
from pydantic import BaseModel

from iconoclip.config import as_tree, laid_over, nearest, parse_yaml
from iconoclip.errors import ConfigError
from iconoclip.options import Option, options_of, retired_options


@dataclass(frozen=True)
class CommandLine:
    """What was typed after a verb.

    Attributes:
        values: the fields that were typed, nested as the model is.
        config_files: the files of `--config`, in order.
        print_config: whether `--print_config` was among the words.
    """

    values: dict[str, Any]
    config_files: list[str]
    print_config: bool


def read_command_line(model: type[BaseModel], arguments: Sequence[str]) -> CommandLine:
    """Sort the words after a verb into the fields of `model`.

    A name may be typed with dashes instead of underscores. A list takes every word up to the next option; if
    the option is repeated, the words are joined. A switch needs no value, but may have `true` or `false`;
    `--no-FIELD` turns it off.

    Raises:
        ConfigError: an option is unknown, lacks its value or is given twice; or a word belongs to no field.
    """
    options = list(options_of(model))
    words, typed = _parse(model, options, _with_joined_switches(options, arguments))
    config_files, print_config = typed.pop("config", []), typed.pop("print_config", False)
    named: dict[str, Any] = {}
    for option in options:
        if (parameter := _parameter_name(option)) in typed:
            named = laid_over(named, as_tree({option.name: _value(option, typed[parameter])}))
    positionals = _place_words([option for option in options if option.is_positional], words, named)
    return CommandLine({**positionals, **named}, config_files, print_config)


def _with_joined_switches(options: Iterable[Option], arguments: Sequence[str]) -> list[str]:
    """Write `--dry-run false` as `--dry-run=false`: for cyclopts a switch takes no separate word."""
    switches = {name for option in options if option.kind == "switch" for name in option.names}
    joined: list[str] = []
    for word in arguments:
        before = joined[-1].replace("-", "_") if joined and "--" not in joined else ""
        is_value = word.lower() in ("true", "false", "null") and f"--{before.lstrip('_')}" in switches
        if is_value:
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _parse(
    model: type[BaseModel], options: list[Option], arguments: list[str]
) -> tuple[list[str], dict[str, Any]]:
    """The positional words, and the values typed for each parameter."""
    try:
        # cyclopts takes a millisecond per option that it may meet, and a verb has up to 90.
        return _read(_typed(options, arguments), arguments)
    except CycloptsError:
        pass
    try:
        return _read(options, arguments)
    except CycloptsError as error:
        raise _in_our_words(error, model, options) from error


def _typed(options: list[Option], arguments: list[str]) -> list[Option]:
    """The options that may be among the words. More than these do no harm; fewer would refuse a word, and
    the words are then read again with all options.
    """
    found: set[str] = set()
    for word in arguments:
        *parents, own = word.partition("=")[0].lstrip("-").replace("-", "_").split(".")
        found |= {".".join((*parents, name)) for name in (own, own.removeprefix("no_"))}
        found |= {".".join(parents[:depth]) for depth in range(1, len(parents) + 1)}  # a key of a mapping
    return [one for one in options if any(name.lstrip("-").replace("-", "_") in found for name in one.names)]


def _read(options: list[Option], arguments: list[str]) -> tuple[list[str], dict[str, Any]]:
    app = App(name="iconoclip", help_flags=(), version_flags=(), result_action="return_value")
    app.default(_function(options))
    _, bound, _ = app.parse_args(arguments, exit_on_error=False, print_error=False)
    return list(bound.args), dict(bound.kwargs)


def _function(options: list[Option]) -> Any:
    """A function whose signature is the command line: cyclopts reads signatures."""

    def verb(*words: str, **named: Any) -> None:
        """Stands for the verb; it is never called."""

    keyword, own = (
        inspect.Parameter.KEYWORD_ONLY,
        Parameter(name="--config", negative=(), consume_multiple=False),
    )
    verb.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter("words", inspect.Parameter.VAR_POSITIONAL, annotation=str),
            inspect.Parameter("config", keyword, default=None, annotation=Annotated[list[str] | None, own]),
            inspect.Parameter(
                "print_config",
                keyword,
                default=None,
                annotation=Annotated[bool | None, Parameter(name="--print_config", negative=())],
            ),
            *(
                inspect.Parameter(
                    _parameter_name(option), keyword, default=None, annotation=_annotation(option)
                )
                for option in options
            ),
        ]
    )
    return verb


def _parameter_name(option: Option) -> str:
    return f"field_{'__'.join(option.path)}"


def _annotation(option: Option) -> Any:
    names = option.names
    if option.kind == "switch":
        *parents, own = option.path
        return Annotated[
            bool | None, Parameter(name=names, negative=f"--{'.'.join((*parents, f'no_{own}'))}")
        ]
    if option.kind == "list":
        return Annotated[list[str] | None, Parameter(name=names, negative=(), consume_multiple=(1, None))]
    if option.kind == "mapping":
        return Annotated[
            dict[str, list[str]] | None,
            Parameter(name=names, negative=(), converter=_words_of_keys, accepts_keys=True, n_tokens=1),
        ]
    return Annotated[str | None, Parameter(name=names, negative=())]


def _words_of_keys(_: Any, tokens: Any) -> dict[str, list[str]]:
    """The words of a mapping by key; the words of the option as a whole have the key ""."""
    by_key: dict[str, Sequence[Token]] = tokens if isinstance(tokens, dict) else {"": tokens}
    return {key: [token.value for token in words] for key, words in by_key.items()}


def _value(option: Option, raw: Any) -> Any:
    """The words of an option as a value that pydantic can validate."""
    if option.kind == "switch":
        return raw
    if option.kind == "mapping":
        return _mapping(option, raw)
    if option.kind == "list":
        return _listed(option, raw)
    if raw == "null" and option.may_be_null:
        return None
    return _from_yaml(option, raw) if option.kind == "group" else raw


def _mapping(option: Option, raw: dict[str, list[str]]) -> Any:
    """`--weights '{title: 1}'`, or `--weights.title 1`."""
    tree: Any = {key: words[0] if len(words) == 1 else words for key, words in raw.items() if key}
    for word in raw.get("", []):
        value = _from_yaml(option, word)
        tree = laid_over(tree, value) if isinstance(value, dict) else value
    return tree


def _listed(option: Option, raw: list[str]) -> Any:
    """The words of a list. `[a, b]` as in YAML is also read, and so is a mapping in a list of mappings."""
    if len(raw) == 1 and raw[0] == "null" and option.may_be_null:
        return None
    items: list[Any] = []
    for word in raw:
        if word.startswith("[") and word.endswith("]"):
            items += _from_yaml(option, word)
        else:
            items.append(_from_yaml(option, word) if word.startswith("{") else word)
    is_one_value = len(items) == 1 and len(option.members) > 1 and items == raw
    return items[0] if is_one_value else items


def _from_yaml(option: Option, text: str) -> Any:
    try:
        return parse_yaml(text, option.name)
    except ConfigError as error:
        raise ConfigError(
            f"{option.name}: {text!r} is not valid YAML",
            remedy="write it as in a YAML file, e.g. '{title: 1}'",
        ) from error


def _place_words(positionals: list[Option], words: list[str], named: dict[str, Any]) -> dict[str, Any]:
    """Assign the positional words, in order, to the positional fields that have no value yet. A list takes
    all of them.
    """
    placed: dict[str, Any] = {}
    for option in positionals:
        if not words or option.name in named:
            continue
        if option.kind == "list":
            placed[option.name], words = _listed(option, words), []
        else:
            placed[option.name], words = words[0], words[1:]
    if words:
        raise ConfigError(f"unexpected argument '{words[0]}'", remedy="`--help` lists what the verb takes")
    return placed


def _in_our_words(error: CycloptsError, model: type[BaseModel], options: list[Option]) -> ConfigError:
    token = getattr(error, "token", None)
    known = error.argument.name if error.argument is not None else ""
    name = "--" + str(getattr(token, "keyword", None) or known).lstrip("-").replace("-", "_")
    match error:
        case UnknownOptionError():
            return _unknown_option(str(getattr(token, "value", "")), model, options)
        case RepeatArgumentError():
            return ConfigError(
                f"the option {name} is given more than once, and it takes one value",
                remedy="give it once; a later value would hide an earlier one",
            )
        case MixedArgumentError():
            return ConfigError(
                f"the option {name} is given as a whole and key by key", remedy="write it in one way"
            )
        case CoercionError():
            return ConfigError(
                f"{name.lstrip('-')}: {getattr(token, 'value', '')!r} is neither true nor false",
                remedy=f"write {name} or --no_{name.lstrip('-')}",
            )
        case MissingArgumentError() | ConsumeMultipleError():
            return ConfigError(
                f"the option {name} lacks its value",
                remedy=f"write {name} VALUE; a value that begins with a dash needs {name}=VALUE",
            )
    return ConfigError(
        f"the command line cannot be read: {' '.join(str(error).split())}", remedy="see --help"
    )


def _unknown_option(word: str, model: type[BaseModel], options: list[Option]) -> ConfigError:
    option = word.partition("=")[0]
    name = option.lstrip("-").replace("-", "_").removeprefix("no_")
    if new := retired_options(model).get(name):
        return ConfigError(f"the option --{name} is now called --{new}", remedy="use the new name")
    known: dict[str, str] = getattr(model, "other_names", {})
    if hint := known.get(name) or known.get("." if "." in name else name):
        return ConfigError(f"unknown option '{option}'", remedy=hint)
    names = [option.name for option in options]
    # A field in another group than the one that was typed.
    leaves = [other for other in names if other.rpartition(".")[2] == name.rpartition(".")[2]]
    return ConfigError(f"unknown option '{option}'", remedy=nearest(leaves[0] if leaves else name, names))
