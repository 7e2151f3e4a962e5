"""The description of a public benchmark, as data in configs/benchmarks/: where its files have what."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from iconoclip.config import Config, load, nearest, shipped_config
from iconoclip.errors import ConfigError

# A key, or keys from the outside in. `{language}` stands for each language; lists are walked through.
Place = str | list[str]


class CaptionColumn(Config):
    """Texts that are queries."""

    column: Place = Field(description="where they are in a row")
    field: str = Field("caption", description="the name of their kind")
    language: str = Field("en", description="their language; {language} in the path gives it otherwise")


class LabelColumn(Config):
    """Labels that are classes."""

    name: str = Field(description="of the set of classes")
    column: Place = Field(description="where they are in a row")
    separator: str | None = Field(None, description="between several labels of one image")
    levels: str | None = Field(None, description="between the levels of a label; the last one counts")
    prompts: dict[str, list[str]] = Field(
        default_factory=dict, description="by language, with {} for the label; none: no zero-shot test"
    )
    names_file: str | None = Field(None, description="a file with a code and, after a space, names per line")


class Published(Config):
    """A number that somebody has published."""

    model: str
    split: str = "test"
    measure: str = Field(
        description="as in evaluation.json: en/text_to_image/recall@1, zero_shot/NAME/en/accuracy@1"
    )
    value: float
    source: str
    is_verified: bool = Field(description="whether someone looked the number up in that source")
    note: str = ""


class Benchmark(Config):
    """A benchmark and its files."""

    title: str
    homepage: str
    citation: str
    licence: str
    unverified: list[str] = Field(
        default_factory=list, description="what could not be checked against the official files"
    )
    format: Literal["csv", "json", "jsonl", "folders"]
    files: dict[str, str] = Field(
        description="file of each split, or of `all`; with folders, the folder of classes"
    )
    separator: str = ","
    encoding: str = "utf-8"
    rows: list[str] = Field(default_factory=list, description="keys to the list or mapping of rows in a JSON")
    split_column: str | None = None
    default_split: str = "test"
    id: str = Field("__key__", description="column that identifies a row; __key__ is its key in a mapping")
    image: str = Field("{__file__}", description="path of the picture, with columns in braces")
    institution: str | None = Field(None, description="column of the institution")
    languages: list[str] = Field(default_factory=list)
    captions: list[CaptionColumn] = Field(default_factory=list)
    labels: list[LabelColumn] = Field(default_factory=list)
    notations: str | None = Field(None, description="column of Iconclass notations; their texts are captions")
    probes: list[str] = Field(default_factory=list)
    published: list[Published] = Field(default_factory=list)


def benchmark_named(name: str) -> Benchmark:
    """The description with this name, or in this YAML file.

    Raises:
        ConfigError, MissingRequirement: there is none, or it is not one.
    """
    if name.endswith((".yaml", ".yml")):
        return load(Benchmark, Path(name))
    folder = shipped_config("benchmarks")
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in known:
        raise ConfigError(
            f"no benchmark is called '{name}'", where="benchmark", remedy=f"{nearest(name, known)} "
            "A YAML file of your own works too",
        )  # fmt: skip
    return load(Benchmark, folder / f"{name}.yaml")
