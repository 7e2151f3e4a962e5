"""One word per concept: a field of one name takes the same values in every verb, and groups count too."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from iconoclip.config import alternatives, build, load_stored
from iconoclip.errors import ConfigError
from iconoclip.options import Option, options_of
from iconoclip.verbs import VERBS, config_model
from iconoclip.vocabulary import RETIRED_VALUES

# Names that mean another thing in some place, each with the reason.
EXCEPTIONS = {
    "name": "what is called so is chosen freely, except an optimizer (`train`)",
    "sources": "addresses to read (`harvest`, `catalogue`), tars and sets with their weights (`train`)",
    "split": "a run may be validated on none",
    "language": "one for texts without any (`pack`, profiles), several to filter by (`search`)",
    "train": "the config of a training run (`demo`), pages with their truth (`segment`)",
    "rights": "one statement for rows without any (`pack`), several short names to filter by (`search`)",
    "weights": "which weights of a run (`export`), the weight of each set in training (`merge`)",
    "action": "what is done with an institution, or with a benchmark",
}
# The columns of a partner's table: each field holds the name of a column, whatever else it is called like.
NAMES_OF_COLUMNS = ("columns", "captions", "caption_languages")
# Words that were retired: no field may be called so.
RETIRED = {
    "accelerator",
    "verify",
    "run",
    "gpu",
    "dtype",
    "workers",
    "threads",
    "output",
    "output_dir",
    "gpus",
}


def kind(annotation: Any) -> str:
    """What a field takes, apart from its bounds: a path is text on the command line, and null is always
    extra."""
    members = [member for member in alternatives(annotation) if member is not type(None)]
    shown = []
    for member in members:
        origin, inner = get_origin(member), get_args(member)
        if origin in (list, tuple):
            shown.append(f"list of {kind(inner[0])}")
        elif origin is dict:
            shown.append(f"mapping to {kind(inner[1])}")
        elif origin is Literal:
            shown.append(f"one of {', '.join(map(str, inner))}")
        else:
            shown.append("text" if member in (str, Path) else getattr(member, "__name__", str(member)))
    return " or ".join(sorted(set(shown)))


def every_option() -> list[tuple[str, Option]]:
    return [(verb, option) for verb in VERBS for option in options_of(config_model(verb))]


def test_a_field_of_one_name_takes_the_same_values_everywhere() -> None:
    kinds: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for verb, option in every_option():
        own = option.path[-1]
        if not set(NAMES_OF_COLUMNS) & set(option.path[:-1]) and option.group is None:
            kinds[own][kind(option.info.annotation)].append(f"{verb} {option.name}")
    differing = {name: dict(found) for name, found in kinds.items() if len(found) > 1}
    assert set(differing) == set(EXCEPTIONS), differing


def test_the_words_of_the_vocabulary_mean_one_thing() -> None:
    for verb, option in every_option():
        own, where = option.path[-1], f"{verb} {option.name}"
        assert own not in RETIRED, where
        if own == "precision":
            assert kind(option.info.annotation) == "one of auto, float32, bfloat16, float16", where
        if own == "device":
            assert kind(option.info.annotation) == "one of auto, cpu, cuda", where
        if own == "num_workers":
            # Zero works in the calling process; where that cannot be, as for hostile images, it is refused.
            bounds = {type(rule).__name__: rule for rule in option.info.metadata}
            assert getattr(bounds["Ge"], "ge", None) in (0, 1), where
            if bounds["Ge"].ge == 0:
                assert "0 " in (option.info.description or ""), where
        if own == "num_threads":
            assert option.may_be_null, where
        if own in ("dry_run", "json", "force", "follow"):
            assert option.kind == "switch", where
            assert option.info.default is False, where
        if own == "shardset":
            assert kind(option.info.annotation) == "text", where
        if own in ("shardsets", "stores", "keys"):
            assert kind(option.info.annotation) == "list of text", where
        if own in ("out", "run_dir", "folder", "shardset", "model", "index") and option.group is None:
            assert kind(option.info.annotation) == "text", where


def test_no_verb_has_both_the_singular_and_the_plural() -> None:
    for verb in VERBS:
        names = {option.name for option in options_of(config_model(verb))}
        # `source` is the kind of a harvest's `sources`, `device` the kind of a run's `devices`. A benchmark
        # is made of several `splits`, and run on one.
        assert not {
            name for name in names - {"source", "device", "hardware.device", "split"} if f"{name}s" in names
        }, verb


@pytest.mark.parametrize(
    ("verb", "old", "new"),
    [(verb, old, new) for verb in VERBS for old, new in sorted(config_model(verb).renamed.items())],
)
def test_a_retired_name_is_refused_with_the_present_one(verb: str, old: str, new: str) -> None:
    names = {option.name for option in options_of(config_model(verb))}
    assert new in names
    with pytest.raises(ConfigError, match=rf"the field '{old}' is now called '{new}'"):
        build(config_model(verb), {old: "x"}, "old.yaml")


@pytest.mark.parametrize("field", RETIRED_VALUES)
def test_a_retired_value_is_refused_with_the_present_one_and_read_in_old_files(
    field: str, tmp_path: Path
) -> None:
    model = config_model("evaluate")
    path = next(option.path for option in options_of(model) if option.path[-1] == field)
    for old, new in RETIRED_VALUES[field].items():
        values: Any = {"model": "m", "shardsets": ["s"], "out": "o"}
        nested: Any = old
        for part in reversed(path):
            nested = {part: nested}
        with pytest.raises(ConfigError, match=f"{field}: '{old}' is now called '{new}'"):
            build(model, {**values, **nested}, "c.yaml")
        (tmp_path / "config.yaml").write_text(f"{{model: m, shardsets: [s], out: o, {field}: {old}}}")
        assert getattr(load_stored(model, tmp_path / "config.yaml"), path[0])


def test_a_run_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        "{shardsets: [s], run_dir: r, accelerator: gpu, precision: bf16, batch_size: 8}"
    )
    from training.config import TrainConfig

    config = load_stored(TrainConfig, tmp_path / "config.yaml")
    values = {option.path[-1]: option.path for option in options_of(TrainConfig)}
    for name, wanted in (("device", "cuda"), ("precision", "bfloat16")):
        value: Any = config
        for part in values[name]:
            value = getattr(value, part)
        assert value == wanted
