"""The output of `--print_config`: every field with its value, below its description, as YAML that
`--config` can read.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from iconoclip.config import check_keys, one_is_a_list_of_one
from iconoclip.config_messages import problems_of
from iconoclip.errors import ConfigError
from iconoclip.options import Option

WIDTH = 100


def commented_yaml(model: type[BaseModel], values: Mapping[str, Any], where: str) -> str:
    """The fields of `model` as a commented YAML file, with `values` and otherwise their defaults.

    A required field that has no value is a comment, so that the file can be completed.

    Raises:
        ConfigError: an unknown key, or a value that does not fit its field.
    """
    check_keys(model, values, where)
    return "\n".join(_lines(model, values, where, 0)) + "\n"


def _lines(model: type[BaseModel], values: Mapping[str, Any], where: str, depth: int) -> list[str]:
    lines: list[str] = []
    indent = "  " * depth
    values = one_is_a_list_of_one(model, values)
    for name, info in model.model_fields.items():
        option = Option((name,), info, model)
        lines += [f"{indent}# {line}" for line in textwrap.wrap(info.description or "", WIDTH - len(indent))]
        value = values.get(name, info.get_default(call_default_factory=True))
        if name not in values and info.is_required():
            lines.append(f"{indent}# {name}:  (required)")
        elif option.group is not None and value is not None:
            inside = value if isinstance(value, Mapping) else value.model_dump(exclude_unset=True)
            lines += [f"{indent}{name}:", *_lines(option.group, inside, where, depth + 1)]
        else:
            lines += [f"{indent}{line}" for line in _entry(name, _plain(option, value, where))]
    return lines


def _plain(option: Option, value: Any, where: str) -> Any:
    """The value after validation by pydantic, in the types of YAML."""
    try:
        field: Any = Annotated[option.info.annotation, option.info]
        adapter: TypeAdapter[Any] = TypeAdapter(field)
        return adapter.dump_python(adapter.validate_python(value), mode="json")
    except ValidationError as error:
        problems = [f"{option.name}: {problem}" for problem in problems_of(error)]
        raise ConfigError(
            "; ".join(problems), where=where, remedy="give the value that the message asks for"
        ) from error


def _entry(name: str, value: Any) -> list[str]:
    text = yaml.safe_dump({name: value}, sort_keys=False, allow_unicode=True, width=10_000)
    return text.splitlines()
