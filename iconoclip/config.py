"""Configuration: frozen pydantic models, a YAML file, the command line on top, and a digest of the result.

A field's description becomes its help text and its comment in `--print_config`. A field marked `positional()`
may also be given without its name. YAML never names a class to import.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from iconoclip.errors import ConfigError, MissingRequirement

MAX_CONFIG_BYTES = 1_000_000


class Config(BaseModel):
    """Base of every configuration: immutable, and no key it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, protected_namespaces=())


ConfigT = TypeVar("ConfigT", bound=Config)


def positional() -> dict[str, Any]:
    """`json_schema_extra` of a field that the command line also takes without its name."""
    return {"positional": True}


def is_positional(model: type[BaseModel], name: str) -> bool:
    """Whether the command line takes field `name` of `model` without its name."""
    extra = model.model_fields[name].json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("positional"))


def nearest(word: str, known: Sequence[str]) -> str:
    """A "did you mean" clause for a misspelt word: the nearest known one, or all of them when few."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known here: {', '.join(sorted(known))}"


def check_keys(model: type[BaseModel], values: Mapping[str, Any], where: str, prefix: str = "") -> None:
    """Refuse a key that `model` does not have, naming the nearest valid one.

    Raises:
        ConfigError: an unknown key, at any depth.
    """
    for key, value in values.items():
        if key not in model.model_fields:
            raise ConfigError(
                f"unknown config key '{prefix}{key}'",
                where=where,
                remedy=nearest(str(key), list(model.model_fields)),
            )
        nested = _nested_model(model.model_fields[key].annotation)
        if nested is not None and isinstance(value, Mapping):
            check_keys(nested, value, where, f"{prefix}{key}.")


def _nested_model(annotation: Any) -> type[BaseModel] | None:
    if get_origin(annotation) in (dict, Mapping):
        # Its keys are the user's own; pydantic checks what stands under them.
        return None
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file, read without constructing anything but plain values.

    Raises:
        MissingRequirement: no such file.
        ConfigError: not YAML, not a mapping, or too large.
    """
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ConfigError(
                "the config file is larger than 1 MB", where=path, remedy="is this the right file?"
            )
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingRequirement("no such config file", where=path, remedy="check the path") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"not valid YAML: {error}", where=path, remedy="mend the file") from error
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=path, remedy="check the path") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError("a config is a mapping of keys to values", where=path, remedy="mend the file")
    return values


def build(model: type[ConfigT], values: Mapping[str, Any], where: str) -> ConfigT:
    """Validate `values` into a `model`.

    Raises:
        ConfigError: an unknown key, a missing one, or a value that does not fit; every problem is listed.
    """
    check_keys(model, values, where)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc'])) or 'config'}: {_plain(e['msg'])}" for e in error.errors()]
        raise ConfigError(
            "; ".join(problems), where=where, remedy="give the value that the message asks for"
        ) from error


def _plain(message: str) -> str:
    return "is required" if message == "Field required" else message.removeprefix("Value error, ")


def load(model: type[ConfigT], path: Path, **overrides: Any) -> ConfigT:
    """Read a YAML file into a `model`, with `overrides` on top.

    Raises:
        MissingRequirement: no such file.
        ConfigError: the file or a value in it is not valid.
    """
    return build(model, {**read_yaml(path), **overrides}, str(path))


def digest(config: BaseModel) -> str:
    """The SHA-256 of a resolved config: equal for equal values, whatever file or order they came from."""
    canonical = json.dumps(config.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def to_yaml(config: BaseModel) -> str:
    """The resolved config as YAML that `load` reads back to an equal one."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def shipped_config(name: str) -> Path:
    """The path of a file or folder that iconoclip ships, e.g. `train/demo.yaml`.

    In a wheel the configs travel inside this package; in a checkout they stand at its root.

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
    """A YAML file of the user's, or else one that iconoclip ships: `train/demo.yaml`, also as `configs/train/demo.yaml`.

    Raises:
        MissingRequirement: neither; the remedy names those of the same folder that are shipped.
    """
    if Path(text).is_file():
        return Path(text)
    name = text.removeprefix("configs/")
    remedy = "check the path"
    if (shipped := _shipped(name)) and shipped.is_file():
        return shipped
    if inside := _shipped_in(name):
        remedy = f"in that folder: {', '.join(inside)}"
    elif beside := _shipped_in(str(Path(name).parent)):
        remedy = nearest(name, beside)
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
