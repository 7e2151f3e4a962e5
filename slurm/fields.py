"""Fields of a stage, as a person writes them after `iconoclip submit STAGE`: NAME=VALUE words and a YAML
file.

A field in a nested group has a dotted name, `optimizer.learning_rate`. Values are YAML, read with the type of
the field in mind: `language=no` is the text "no" where the field holds text.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel

from iconoclip.config import laid_over, nearest
from iconoclip.errors import ConfigError

WHERE = "iconoclip submit"
MAPPINGS = (dict, Mapping)
LISTS = (list, tuple)


def read_words(words: list[str], model: type[BaseModel]) -> tuple[str | None, dict[str, Any]]:
    """The YAML file among the words, if there is one, and the fields by dotted name. The order of the words
    is free.

    A field that holds a list takes one value or several, and collects them when it is repeated: `a=x a=y` is
    `a=[x, y]`.

    Raises:
        ConfigError: an unknown field, a field that is set twice, or two files.
    """
    file_name: str | None = None
    fields: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if Path(word).is_file() or not equals:
            file_name = _only_file(file_name, word, model)
            continue
        path, annotation = _field_called(name.replace("-", "_"), word, model)
        value = _value_of(text, annotation)
        if path not in fields:
            fields[path] = value
        elif _is_list(annotation):
            fields[path] = [*fields[path], *value]
        else:
            raise ConfigError(
                f"'{path}' is set twice: {fields[path]!r} and {value!r}", where=WHERE, remedy="set it once"
            )
    return file_name, fields


def _only_file(before: str | None, word: str, model: type[BaseModel]) -> str:
    if before is not None:
        raise ConfigError(
            f"two config files: {before} and {word}",
            where=WHERE,
            remedy="name one file, and the other fields as NAME=VALUE",
        )
    if word in all_paths(model):
        raise ConfigError(f"the field '{word}' has no value", where=WHERE, remedy=f"write {word}=VALUE")
    return word


def _field_called(name: str, word: str, model: type[BaseModel]) -> tuple[str, Any]:
    """The dotted name and the type of the field that a word sets."""
    if not name.replace(".", "_").isidentifier():
        raise ConfigError(f"'{word}' is not NAME=VALUE", where=WHERE, remedy="write FIELD=VALUE")
    annotation: Any = model
    for part in name.split("."):
        group = group_of(annotation)
        if group is not None:
            if part not in group.model_fields:
                raise _unknown(name, model)
            annotation = group.model_fields[part].annotation
        elif _holds(annotation, MAPPINGS):
            # Its keys are the user's own.
            annotation = Any
        elif annotation is not Any:
            raise _unknown(name, model)
    return name, annotation


def _unknown(name: str, model: type[BaseModel]) -> ConfigError:
    known = all_paths(model)
    leaf = name.rpartition(".")[2]
    moved = [path for path in known if path.rpartition(".")[2] == leaf]
    remedy = f"did you mean '{moved[0]}'?" if moved else nearest(name, known)
    return ConfigError(f"unknown config key '{name}'", where=WHERE, remedy=remedy)


def all_paths(model: type[BaseModel], prefix: str = "") -> list[str]:
    """The dotted names of all fields of a model, those of nested groups included."""
    paths: list[str] = []
    for name, field in model.model_fields.items():
        group = group_of(field.annotation)
        paths += all_paths(group, f"{prefix}{name}.") if group else [f"{prefix}{name}"]
    return paths


def path_of_field(model: type[BaseModel], name: str) -> str | None:
    """The dotted name of the field that is called `name`, at the top of the model or else in one of its
    groups.
    """
    paths = all_paths(model)
    if name in paths:
        return name
    return next((path for path in paths if path.rpartition(".")[2] == name), None)


def group_of(annotation: Any) -> type[BaseModel] | None:
    """The model of a nested group, also of one that may be absent; None for any other type."""
    candidates = (annotation, *get_args(annotation)) if _is_union(annotation) else (annotation,)
    for candidate in candidates:
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def value_at(fields: Mapping[str, Any], path: str) -> Any:
    """The value with that dotted name, or None."""
    value: Any = fields
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def with_values(fields: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """`fields` with `values` on top; a key of `values` may be a dotted name, and groups are merged."""
    tree = dict(fields)
    for path, value in values.items():
        *groups, name = str(path).split(".")
        for group in reversed(groups):
            name, value = group, {name: value}
        tree = laid_over(tree, {name: value})
    return tree


def flat(fields: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values by dotted name. An empty group is kept as a value."""
    values: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, Mapping) and value:
            values |= flat(value, f"{prefix}{name}.")
        else:
            values[f"{prefix}{name}"] = value
    return values


def _value_of(text: str, annotation: Any) -> Any:
    """The value that a word gives to a field of that type."""
    if _is_list(annotation) and not text.lstrip().startswith("["):
        if text == "null" and type(None) in _leaves(annotation):
            return None
        return [_scalar(text, _leaves(annotation))] if text else []
    try:
        parsed, raw = yaml.safe_load(text), yaml.load(text, yaml.BaseLoader)
    except yaml.YAMLError:
        return text
    if isinstance(parsed, list) and _is_list(annotation):
        return [_as_meant(*pair, _leaves(annotation)) for pair in zip(parsed, raw, strict=True)]
    if isinstance(parsed, dict) and (
        _holds(annotation, MAPPINGS) or annotation is Any or group_of(annotation)
    ):
        return parsed
    if annotation is Any:
        return parsed
    return _scalar(text, _leaves(annotation))


def _scalar(text: str, kinds: set[Any]) -> Any:
    """A single value; text that is not quoted is taken as it is written."""
    try:
        parsed, raw = yaml.safe_load(text), yaml.load(text, yaml.BaseLoader)
    except yaml.YAMLError:
        return text
    quoted = text.lstrip()[:1] in ("'", '"') and isinstance(parsed, str)
    return _as_meant(parsed, raw if quoted else text, kinds)


def _as_meant(parsed: Any, raw: Any, kinds: set[Any]) -> Any:
    """What YAML makes of a value where the field takes that type, else the value as it is written."""
    if Any in kinds:
        return parsed
    if parsed is None:
        return None if type(None) in kinds else raw
    kind = type(parsed)
    return parsed if kind in kinds or (kind is int and float in kinds) else raw


def _leaves(annotation: Any) -> set[Any]:
    """The plain types that a field takes, by itself or as elements of its list."""
    if get_origin(annotation) is typing.Literal:
        return {type(value) for value in get_args(annotation)}
    arguments = [argument for argument in get_args(annotation) if argument is not Ellipsis]
    return {leaf for argument in arguments for leaf in _leaves(argument)} if arguments else {annotation}


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _alternatives(annotation: Any) -> Iterator[Any]:
    yield from get_args(annotation) if _is_union(annotation) else (annotation,)


def _holds(annotation: Any, kinds: tuple[Any, ...]) -> bool:
    return any(get_origin(one) in kinds or one in kinds for one in _alternatives(annotation))


def _is_list(annotation: Any) -> bool:
    return _holds(annotation, LISTS)
