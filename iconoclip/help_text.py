"""The output of `iconoclip VERB --help`: the fields of one verb in their groups."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from iconoclip.options import Option, options_of

NAME_WIDTH, MAX_WIDTH = 30, 110
_WORDS: dict[Any, str] = {int: "NUMBER", float: "NUMBER", Path: "PATH", str: "TEXT"}


def verb_help(name: str, summary: str, model: type[BaseModel]) -> str:
    """The text of `iconoclip VERB --help`, as wide as the terminal."""
    width = min(shutil.get_terminal_size().columns, MAX_WIDTH)
    words = [_word(option) for option in options_of(model) if option.is_positional]
    lines = [
        " ".join([f"usage: iconoclip {name}", *words, "[--config FILE] [--field value ...]"]),
        "",
        *textwrap.wrap(summary[:1].upper() + summary[1:] + ".", width),
    ]
    for title, options in _groups(model):
        lines += ["", title]
        for option in options:
            lines += _row(_usage(option), _text(option), width)
    lines += ["", "for every verb:"]
    for usage, text in (
        (
            "--config FILE",
            "YAML file with any of these fields; may be repeated, and later files override earlier ones",
        ),
        ("--print_config", "print all fields with their values as a commented YAML file, and stop"),
        ("-h, --help", "print this, and stop"),
    ):
        lines += _row(usage, text, width)
    return "\n".join(lines)


def _groups(model: type[BaseModel]) -> Iterator[tuple[str, list[Option]]]:
    """The model's own fields first, then each group under its name and description."""
    options = list(options_of(model))
    yield "fields:", [option for option in options if len(option.path) == 1 and option.group is None]
    for group in options:
        if group.group is not None:
            title = f"{group.name}: {group.info.description}" if group.info.description else f"{group.name}:"
            depth = len(group.path) + 1
            inside = [
                option
                for option in options
                if option.path[: depth - 1] == group.path
                and len(option.path) == depth
                and option.group is None
            ]
            yield title, inside


def _word(option: Option) -> str:
    name = option.path[-1].upper()
    name = f"{name} ..." if option.kind == "list" else name
    return name if option.info.is_required() else f"[{name}]"


def _usage(option: Option) -> str:
    if option.kind == "switch":
        *parents, own = option.path
        is_on = option.info.get_default(call_default_factory=True) is True
        negative = [f"--{'.'.join((*parents, f'no_{own}'))}"] if is_on or option.may_be_null else []
        return ", ".join([*reversed(option.names), *negative])
    value = _metavar(option.members)
    dots = " ..." if option.kind == "list" else ""
    return f"{', '.join(name for name in option.names if name in (f'--{option.name}', '-f'))} {value}{dots}"


def _metavar(members: list[Any]) -> str:
    choices = [
        str(choice) for member in members if get_origin(member) is Literal for choice in get_args(member)
    ]
    if choices and all(get_origin(member) is Literal for member in members):
        return "{" + ",".join(choices) + "}"
    for member in members:
        if get_origin(member) in (list, tuple):
            inner = [item for item in get_args(member) if item is not Ellipsis]
            return _metavar(inner[:1])
        if get_origin(member) is dict:
            return "{KEY: VALUE}"
    return _WORDS.get(members[0], "VALUE") if members else "VALUE"


def _text(option: Option) -> str:
    text = option.info.description or ""
    if option.info.is_required():
        return f"{text} (required)"
    default = option.info.get_default(call_default_factory=True)
    if default is None or default is False or default in ("", [], (), {}):
        return text
    return f"{text} (default: {_shown(default)})"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return " ".join(map(_shown, value))
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_shown(item)}" for key, item in value.items()) + "}"
    return str(value)


def _row(usage: str, text: str, width: int) -> list[str]:
    indent = " " * (NAME_WIDTH + 2)
    wrapped = textwrap.wrap(
        text, max(width, NAME_WIDTH + 32), initial_indent=indent, subsequent_indent=indent
    )
    if len(usage) + 3 > NAME_WIDTH or not wrapped:
        return [f"  {usage}", *wrapped]
    return [f"  {usage}".ljust(NAME_WIDTH + 2) + wrapped[0][NAME_WIDTH + 2 :], *wrapped[1:]]
