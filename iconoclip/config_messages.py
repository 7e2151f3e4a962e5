"""Turns pydantic's validation errors into plain sentences: `learning_rate: 'abc' is not a number`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

if TYPE_CHECKING:
    import yaml

MAX_VALUE_CHARS = 60

# For each type of error (https://docs.pydantic.dev/latest/errors/validation_errors/) a function from the
# value, as it is shown, and the error's context to a sentence.
_SENTENCES: dict[str, Callable[[str, Mapping[str, Any]], str]] = {
    "missing": lambda value, limits: "is required",
    "extra_forbidden": lambda value, limits: "is not a field here",
    "bool_parsing": lambda value, limits: f"{value} is neither true nor false",
    "bool_type": lambda value, limits: f"{value} is neither true nor false",
    "int_parsing": lambda value, limits: f"{value} is not a whole number",
    "int_type": lambda value, limits: f"{value} is not a whole number",
    "int_from_float": lambda value, limits: f"{value} is not a whole number",
    "int_parsing_size": lambda value, limits: f"{value} is too large a number",
    "float_parsing": lambda value, limits: f"{value} is not a number",
    "float_type": lambda value, limits: f"{value} is not a number",
    "finite_number": lambda value, limits: f"{value} is not a finite number",
    "string_type": lambda value, limits: f"{value} is not text; put it in quotes if it is meant as text",
    "path_type": lambda value, limits: f"{value} is not a path",
    "list_type": lambda value, limits: f"{value} is not a list",
    "tuple_type": lambda value, limits: f"{value} is not a list",
    "set_type": lambda value, limits: f"{value} is not a list",
    "dict_type": lambda value, limits: f"{value} is not a mapping of keys to values",
    "mapping_type": lambda value, limits: f"{value} is not a mapping of keys to values",
    "model_type": lambda value, limits: f"{value} is not a mapping of fields to values",
    "model_attributes_type": lambda value, limits: f"{value} is not a mapping of fields to values",
    "literal_error": lambda value, limits: f"{value} is not one of {_choices(limits)}",
    "enum": lambda value, limits: f"{value} is not one of {_choices(limits)}",
    "greater_than": lambda value, limits: f"{value} is too small: more than {limits['gt']} is needed",
    "greater_than_equal": lambda value, limits: f"{value} is too small: at least {limits['ge']} is needed",
    "less_than": lambda value, limits: f"{value} is too large: less than {limits['lt']} is needed",
    "less_than_equal": lambda value, limits: f"{value} is too large: at most {limits['le']} is allowed",
    "multiple_of": lambda value, limits: f"{value} is not a multiple of {limits['multiple_of']}",
    "string_too_short": lambda value, limits: (
        f"{value} is too short: at least {limits['min_length']} characters are needed"
    ),
    "string_too_long": lambda value, limits: (
        f"{value} is too long: at most {limits['max_length']} characters are allowed"
    ),
    "string_pattern_mismatch": lambda value, limits: f"{value} does not have the form {limits['pattern']}",
    "too_short": lambda value, limits: f"at least {limits['min_length']} values are needed",
    "too_long": lambda value, limits: f"at most {limits['max_length']} values are allowed",
    "none_required": lambda value, limits: f"{value} is not null",
    "value_error": lambda value, limits: str(limits.get("error", "does not fit")),
    "assertion_error": lambda value, limits: str(limits.get("error", "does not fit")),
}


def problems_of(error: ValidationError) -> list[str]:
    """Every problem as `FIELD: sentence`, without duplicates. The problems of the alternatives of a union are
    joined by "or".
    """
    said: dict[str, list[str]] = {}
    for problem in error.errors(include_url=False):
        field = ".".join(str(part) for part in problem["loc"] if not _is_branch(part))
        sentences = said.setdefault(field, [])
        if (sentence := _sentence(dict(problem))) not in sentences:
            sentences.append(sentence)
    return [f"{field}: {'; or '.join(lines)}" if field else "; ".join(lines) for field, lines in said.items()]


def _is_branch(part: int | str) -> bool:
    """Whether a part of an error's location names an alternative of a union, such as `list[str]`, and
    not a field.
    """
    return isinstance(part, str) and (
        part in ("str", "int", "float", "bool", "none", "path", "dict", "function-wrap[wrap()]")
        or part.startswith(("list[", "tuple[", "dict[", "constrained-", "function-", "literal[", "nullable["))
    )


def _sentence(problem: dict[str, Any]) -> str:
    kind, limits = problem["type"], problem.get("ctx", {})
    if kind in _SENTENCES:
        return _SENTENCES[kind](_shown(problem.get("input")), limits)
    message = str(problem["msg"])
    return f"{_shown(problem.get('input'))}: {message[:1].lower()}{message[1:]}"


def _shown(value: Any) -> str:
    text = (
        repr(str(value))
        if isinstance(value, str) or not isinstance(value, list | dict | int | float)
        else repr(value)
    )
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[: MAX_VALUE_CHARS - 1]}…"


def _choices(limits: Mapping[str, Any]) -> str:
    return str(limits.get("expected", "")).replace(" or ", ", ").replace("'", "")


def yaml_problem(error: yaml.YAMLError) -> str:
    """The position and kind of a YAML error as a sentence: `line 3, column 5: expected ...`."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{place}{problem or ' '.join(str(error).split())}"
