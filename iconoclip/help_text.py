"""The contents of `iconoclip VERB --help`, from the config model: the fields of one verb in their groups.

    python -m iconoclip.help_text      writes the help of every verb to help_pages.json

`iconoclip.help_page` prints it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from iconoclip import verbs
from iconoclip.help_page import PAGES, ROOT, Page, checksum_of
from iconoclip.options import Option, options_of

PACKAGES = ("iconoclip.", "data_prep.", "training.", "retrieval.", "slurm.")
_WORDS: dict[Any, str] = {int: "NUMBER", float: "NUMBER", Path: "PATH", str: "TEXT"}


def page_of(name: str, model: type[BaseModel]) -> Page:
    """The help of the verb `name`, whose config model is `model`."""
    words = [_word(option) for option in options_of(model) if option.is_positional]
    groups = [
        [title, [[_usage(option), _text(option)] for option in options]] for title, options in _groups(model)
    ]
    return {
        "usage": " ".join([f"usage: iconoclip {name}", *words, "[--config FILE] [--field value ...]"]),
        "groups": groups,
    }


def write_pages(path: Path) -> None:
    """Write the help of every verb, with a checksum of the modules that it was made from."""
    pages = {name: page_of(name, verbs.config_model(name)) for name in verbs.VERBS}
    # To be called in a separate process: everything else of our packages that was imported would count too.
    imported = (str(module.__file__) for name, module in sys.modules.items() if name.startswith(PACKAGES))
    sources = sorted({Path(file).relative_to(ROOT).as_posix() for file in (*imported, __file__)})
    # Imported here: it has no part in the pages.
    from iconoclip.files import write_json

    write_json(path, {"sources": sources, "checksum": checksum_of(sources), "pages": pages})


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


if __name__ == "__main__":
    write_pages(PAGES)
