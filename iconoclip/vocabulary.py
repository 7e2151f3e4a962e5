"""Fields that several verbs share, with the same name and the same values in all of them.

The help of a verb imports this module, so it must stay cheap: no model and nothing of our own.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, StringConstraints

PolicyName = Literal["open", "noncommercial", "research"]
# The name of an institution or of a shard set.
SLUG_PATTERN = r"^[a-z0-9]+([_-][a-z0-9]+)*$"
Slug = Annotated[str, StringConstraints(pattern=SLUG_PATTERN, max_length=64)]

# Values that were renamed, for each field by its present name.
RETIRED_VALUES: dict[str, dict[str, str]] = {
    "precision": {"bf16": "bfloat16"},
    "device": {"gpu": "cuda"},
}


def _refuse_retired(field: str) -> BeforeValidator:
    def check(value: Any) -> Any:
        if isinstance(value, str) and (new := RETIRED_VALUES[field].get(value)):
            raise ValueError(f"'{value}' is now called '{new}'")
        return value

    return BeforeValidator(check)


# `auto` is bfloat16 where the hardware multiplies it natively, else float32. float16 is for GPUs without
# bfloat16.
Precision = Annotated[Literal["auto", "float32", "bfloat16", "float16"], _refuse_retired("precision")]
# `auto` is a GPU where there is one, else the CPU.
Device = Annotated[Literal["auto", "cpu", "cuda"], _refuse_retired("device")]
