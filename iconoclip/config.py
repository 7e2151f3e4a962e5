"""Configuration: frozen pydantic models, a YAML file, the command line on top, and a digest of the result.

A field's description becomes its help text and its comment in `--print_config`. A field marked `positional()`
may also be given without its name. YAML never names a class to import.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import json
import operator
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, ClassVar, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from iconoclip.config_messages import problems_of, yaml_problem
from iconoclip.errors import ConfigError, MissingRequirement
from iconoclip.plain_yaml import load_plain
from iconoclip.vocabulary import RETIRED_VALUES

# `json` is the name people expect on the command line; pydantic keeps a retired method of that name.
warnings.filterwarnings("ignore", message='Field name "json"', category=UserWarning)

MAX_CONFIG_BYTES = 1_000_000


class Config(BaseModel):
    """Base of every configuration: immutable; unknown keys are refused.

    A single value for a list field becomes a list of one, in YAML and on the command line.

    Attributes:
        renamed: retired names of fields, each with its present name (dotted where it moved into a group). A
            config that uses one is refused with the new name.
        other_names: options of other programs that people try, each with what to write instead; "." is for
            every dotted name.
    """

    # The help of a verb never validates: the validators are built when the first values are.
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        protected_namespaces=(),
        defer_build=True,
        allow_inf_nan=False,
    )
    renamed: ClassVar[dict[str, str]] = {}
    other_names: ClassVar[dict[str, str]] = {}

    @classmethod
    def from_older(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Translate values that an earlier version wrote into one of our folders to the present names.

        Retired names that a person types are refused instead, with a message that gives the new name.
        """
        return with_present_names(cls, values)

    @model_validator(mode="before")
    @classmethod
    def _one_is_a_list_of_one(cls, values: Any) -> Any:
        return one_is_a_list_of_one(cls, values) if isinstance(values, dict) else values


def one_is_a_list_of_one(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, where a single value of a list field is replaced by a list of one."""
    return {
        name: [value] if _wants_a_list(model, name) and _is_single(value) else value
        for name, value in values.items()
    }


def _wants_a_list(model: type[BaseModel], name: str) -> bool:
    if name not in model.model_fields:
        return False
    members = [get_origin(member) or member for member in alternatives(model.model_fields[name].annotation)]
    return any(member in (list, tuple) for member in members) and all(
        member in (list, tuple, type(None)) for member in members
    )


def _is_single(value: Any) -> bool:
    return isinstance(value, str | int | float | Path | Mapping | BaseModel)


ConfigT = TypeVar("ConfigT", bound=Config)


def positional() -> dict[str, Any]:
    """`json_schema_extra` of a field that the command line also takes without its name."""
    return {"positional": True}


def is_positional(model: type[BaseModel], name: str) -> bool:
    """Whether the command line takes field `name` of `model` without its name."""
    extra = model.model_fields[name].json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("positional"))


# As many verbs, fields or sites as a screen shows.
MAX_SHOWN = 40


def nearest(word: str, known: Sequence[str]) -> str:
    """A "did you mean" clause for a misspelt word: the nearest known one, or all of them when few. Of many,
    none is shown if none is near.
    """
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    if len(known) > MAX_SHOWN:
        return f"none of the {len(known)} names that are known here is similar;"
    return f"known here: {', '.join(sorted(known))}"


def check_keys(model: type[BaseModel], values: Mapping[str, Any], where: str, prefix: str = "") -> None:
    """Refuse keys that `model` does not have. The message gives the nearest valid name, or the present name
    of a retired one.

    Raises:
        ConfigError: an unknown or retired key, at any depth, in lists of mappings too.
    """
    for key, value in values.items():
        if key not in model.model_fields:
            raise _unknown_key(model, str(key), where, prefix)
        nested = nested_model(model.model_fields[key].annotation)
        for part in value if isinstance(value, list | tuple) else [value]:
            if nested is not None and isinstance(part, Mapping):
                check_keys(nested, part, where, f"{prefix}{key}.")


def _unknown_key(model: type[BaseModel], key: str, where: str, prefix: str) -> ConfigError:
    if new := renamed_fields(model).get(key):
        return ConfigError(
            f"the field '{prefix}{key}' is now called '{prefix}{new}'", where=where, remedy="use the new name"
        )
    names = [prefix + name for name in (*model.model_fields, *_in_groups(model, key))]
    return ConfigError(
        f"unknown config key '{prefix}{key}'", where=where, remedy=nearest(prefix + key, names)
    )


def renamed_fields(model: type[BaseModel]) -> dict[str, str]:
    """The retired names of a model's fields and their present names, including those of its base classes."""
    tables = [vars(base).get("renamed", {}) for base in reversed(model.__mro__)]
    return {old: new for table in tables for old, new in table.items()}


def _in_groups(model: type[BaseModel], key: str) -> list[str]:
    """Dotted names of fields called `key` in the model's groups."""
    groups = {name: nested_model(info.annotation) for name, info in model.model_fields.items()}
    return [f"{name}.{key}" for name, group in groups.items() if group and key in group.model_fields]


def alternatives(annotation: Any) -> Iterator[Any]:
    """The members of a union type, or the annotation itself, without `Annotated`."""
    if get_origin(annotation) is Annotated:
        yield from alternatives(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            yield from alternatives(member)
    else:
        yield annotation


def nested_model(annotation: Any) -> type[BaseModel] | None:
    """The config model in a field's type: the type itself, the model in an optional type, or that of
    a list's items.

    None for a mapping: the user chooses its keys, and pydantic checks the values.
    """
    for member in alternatives(annotation):
        if isinstance(member, type) and issubclass(member, BaseModel):
            return member
        if get_origin(member) in (list, tuple):
            found = [nested_model(item) for item in get_args(member) if item is not Ellipsis]
            if any(found):
                return next(model for model in found if model)
    return None


def laid_over(base: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` on top of `base`: mappings are merged at every depth, everything else is replaced."""
    merged = dict(base)
    for key, value in values.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = laid_over(old, value) if both else value  # type: ignore[arg-type]
    return merged


def as_tree(values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn dotted names into nested mappings: `{"data.seed": 1}` is `{"data": {"seed": 1}}`."""
    tree: dict[str, Any] = {}
    for name, value in values.items():
        for part in reversed(name.split(".")):
            value = {part: value}
        tree = laid_over(tree, value)
    return tree


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; only plain values are constructed.

    Raises:
        MissingRequirement: no such file.
        ConfigError: not YAML, not a mapping, or too large.
    """
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ConfigError(
                "the config file is larger than 1 MB", where=path, remedy="is this the right file?"
            )
        values = parse_yaml(path.read_text(encoding="utf-8"), path)
    except FileNotFoundError:
        raise MissingRequirement("no such config file", where=path, remedy="check the path") from None
    except UnicodeDecodeError as error:
        raise ConfigError("not valid YAML: not UTF-8", where=path, remedy="save it as UTF-8") from error
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=path, remedy="check the path") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError("a config is a mapping of keys to values", where=path, remedy="correct the file")
    return values


def parse_yaml(text: str, where: Path | str, remedy: str = "correct the file") -> Any:
    """The value that YAML text stands for; only plain values are constructed.

    Raises:
        ConfigError: not YAML, a key twice in a mapping, nested too deeply, or a date that does not exist.
    """
    import yaml  # here, as in `to_yaml`, because the help of a verb needs no YAML

    try:
        return load_plain(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"not valid YAML: {yaml_problem(error)}", where=where, remedy=remedy) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"not valid YAML: {error}", where=where, remedy=remedy) from error


def build(model: type[ConfigT], values: Mapping[str, Any], where: str) -> ConfigT:
    """Validate `values` into a `model`.

    Raises:
        ConfigError: an unknown key, a missing one, or a value that does not fit; every problem is listed.
    """
    check_keys(model, values, where)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError(
            "; ".join(problems_of(error)), where=where, remedy="give the value that the message asks for"
        ) from error


def load(model: type[ConfigT], path: Path, **overrides: Any) -> ConfigT:
    """Read a YAML file into a `model`, with `overrides` on top.

    Raises:
        MissingRequirement: no such file.
        ConfigError: the file or a value in it is not valid.
    """
    return build(model, laid_over(read_yaml(path), overrides), str(path))


def load_stored(model: type[ConfigT], path: Path) -> ConfigT:
    """Read a config that an earlier version may have written: retired names and values are translated to
    the present ones.

    Raises:
        MissingRequirement: no such file.
        ConfigError: the file or a value in it is not valid.
    """
    return build(model, model.from_older(read_yaml(path)), str(path))


def with_present_names(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with retired field names and retired values replaced by the present ones."""
    renamed = renamed_fields(model)
    tree: dict[str, Any] = {}
    for old, value in values.items():
        name = renamed.get(old, old) if old not in model.model_fields else old
        tree = laid_over(tree, as_tree({name: value}))
    for name, value in tree.items():
        info = model.model_fields.get(name)
        group = nested_model(info.annotation) if info else None
        if group is not None and isinstance(value, Mapping):
            tree[name] = with_present_names(group, value)
        elif isinstance(value, str):
            tree[name] = RETIRED_VALUES.get(name, {}).get(value, value)
    return tree


def digest(config: BaseModel, without: Collection[str] = ()) -> str:
    """The SHA-256 of a resolved config. Equal values give an equal digest, whatever their order or source.

    Args:
        without: fields that may change, such as whom a server's operator may write to.
    """
    return _digest(config.model_dump(mode="json", exclude=set(without)))


def older_digest(config: BaseModel, without: Collection[str] = ()) -> str:
    """The digest of the same values under their retired field names, as an earlier version computed it."""
    values = config.model_dump(mode="json", exclude=set(without))
    for old, new in renamed_fields(type(config)).items():
        *groups, own = new.split(".")
        holder = functools.reduce(operator.getitem, groups, values)
        values[old] = holder.pop(own)
    return _digest(
        {name: value for name, value in values.items() if value != {} or not _is_group(config, name)}
    )


def _is_group(config: BaseModel, name: str) -> bool:
    return name in type(config).model_fields and isinstance(getattr(config, name), BaseModel)


def _digest(values: Mapping[str, Any]) -> str:
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def to_yaml(config: BaseModel) -> str:
    """The resolved config as YAML that `load` reads back to an equal one."""
    import yaml

    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def shipped_config(name: str) -> Path:
    """The path of a file or folder that iconoclip ships, e.g. `train/demo.yaml`.

    In a wheel the configs are inside this package; in a checkout they are in its root.

    Raises:
        MissingRequirement: no config of that name is shipped.
    """
    here = Path(__file__).resolve().parent
    is_inside = not Path(name).is_absolute() and ".." not in Path(name).parts
    for folder in (here / "configs", here.parent / "configs"):
        if is_inside and (folder / name).exists():
            return folder / name
    raise MissingRequirement(f"no shipped config '{name}'", remedy="look into configs/ for the names")


def find_config(text: str) -> Path:
    """The path of a user's YAML file or, if there is none of that name, of one that iconoclip ships:
    `train/demo.yaml`, which may also be written `configs/train/demo.yaml`.

    Raises:
        MissingRequirement: there is neither; the remedy lists the shipped configs of the same folder.
    """
    if Path(text).is_file():
        return Path(text)
    name = text.removeprefix("configs/")
    remedy = "check the path"
    if (shipped := _shipped(name)) and shipped.is_file():
        return shipped
    if inside := _shipped_in(name):
        remedy = f"in that folder: {', '.join(inside)}"
    elif siblings := _shipped_in(str(Path(name).parent)):
        remedy = nearest(name, siblings)
    raise MissingRequirement("no such config file", where=text, remedy=remedy)


def _shipped(name: str) -> Path | None:
    try:
        return shipped_config(name)
    except MissingRequirement:
        return None


def _shipped_in(folder: str) -> list[str]:
    """The names of the configs that are shipped in a folder."""
    shipped = _shipped(folder)
    return [f"{shipped.name}/{path.name}" for path in sorted(shipped.glob("*.yaml"))] if shipped else []
