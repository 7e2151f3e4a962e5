"""The command-line options of a config model: one per field, with dotted names for fields in groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from iconoclip.config import alternatives, is_positional, nested_model, renamed_fields

Kind = Literal["switch", "list", "mapping", "group", "value"]


@dataclass(frozen=True)
class Option:
    """A field of a config model as a command-line option.

    Attributes:
        path: the names of the groups it is in, and its own.
        info: pydantic's description of the field.
        model: the model that has the field.
    """

    path: tuple[str, ...]
    info: FieldInfo
    model: type[BaseModel]

    @property
    def name(self) -> str:
        """The dotted name, as `optimizer.learning_rate`."""
        return ".".join(self.path)

    @cached_property
    def members(self) -> list[Any]:
        """The types that the field may have, without `None`."""
        return [member for member in alternatives(self.info.annotation) if member is not type(None)]

    @property
    def may_be_null(self) -> bool:
        """Whether `null` is one of the field's values."""
        return type(None) in alternatives(self.info.annotation)

    @property
    def is_positional(self) -> bool:
        """Whether it may also be given without its name."""
        return len(self.path) == 1 and is_positional(self.model, self.path[0])

    @property
    def group(self) -> type[BaseModel] | None:
        """The model of a field that is a group of fields."""
        if any(get_origin(member) for member in self.members):
            return None
        return nested_model(self.info.annotation)

    @property
    def kind(self) -> Kind:
        """How the field is written on the command line."""
        origins = {get_origin(member) or member for member in self.members}
        if origins == {bool}:
            return "switch"
        if origins & {list, tuple}:
            return "list"
        if origins & {dict, Mapping}:
            return "mapping"
        return "value" if self.group is None else "group"

    @property
    def names(self) -> tuple[str, ...]:
        """Its names as options. A list with a plural name can also be given by the singular, and
        `follow` by `-f`.
        """
        *parents, own = self.path
        names = [self.name]
        if self.kind == "list" and (one := singular(own)) not in (None, *self.model.model_fields):
            names.append(".".join((*parents, str(one))))
        return (*(f"--{name}" for name in names), *(["-f"] if self.name == "follow" else []))


def options_of(model: type[BaseModel], parents: tuple[str, ...] = ()) -> Iterator[Option]:
    """Every option of a model, in the order of its fields; a group comes before the fields in it."""
    for name, info in model.model_fields.items():
        option = Option((*parents, name), info, model)
        yield option
        if option.group is not None:
            yield from options_of(option.group, option.path)


def retired_options(model: type[BaseModel], parents: tuple[str, ...] = ()) -> dict[str, str]:
    """Every retired name and its present one, as dotted names, at any depth."""
    prefix = "".join(f"{parent}." for parent in parents)
    retired = {prefix + old: prefix + new for old, new in renamed_fields(model).items()}
    for name, info in model.model_fields.items():
        if group := Option((name,), info, model).group:
            retired |= retired_options(group, (*parents, name))
    return retired


def singular(name: str) -> str | None:
    """The singular of a field's name: `stores` gives `store`. None if the name is not a plural."""
    if name.endswith("ies"):
        return f"{name[:-3]}y"
    return name[:-1] if name.endswith("s") and not name.endswith(("ss", "us")) else None
