"""Pictures with their nearest captions over time, from what validation recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iconoclip.config import load_stored
from iconoclip.errors import IconoclipError
from iconoclip.rundir import RunDir
from training.config import TrainConfig

FILE_NAME = "nearest.jsonl"
MAX_MOMENTS = 6


@dataclass(frozen=True)
class Moment:
    """The nearest caption of a picture at one step."""

    step: int
    text: str
    """empty if no sample of today has it"""
    score: float
    is_right: bool


@dataclass(frozen=True)
class PictureRow:
    """A picture, its own caption, and its nearest captions over time."""

    key: str
    own: str
    data_uri: str
    moments: list[Moment]


@dataclass(frozen=True)
class Pictures:
    """The pictures of a run, and how many of them had their own caption nearest at each step."""

    language: str
    rows: list[PictureRow]
    num_right: list[tuple[int, int]]
    note: str = ""


def pictures_of(run: RunDir, *, last_step: int | None, shows: bool) -> Pictures | None:
    """What validation recorded; None if it recorded nothing."""
    by_step = _recorded(run, last_step or 0)
    if not by_step:
        return None
    steps = sorted(by_step)
    language, keys = by_step[steps[-1]]["language"], [one["key"] for one in by_step[steps[-1]]["pictures"]]
    pictures = [one for line in by_step.values() for one in line["pictures"]]
    numbers = {_number(one[name]) for one in pictures for name in ("own", "nearest")}
    today, note = _today(run, keys, numbers, shows=shows)
    chosen = _spread(steps)
    rows = []
    # What was withdrawn since is not in the sets any more, and its texts are not shown either.
    texts = today.texts if today else {}
    thumbnails = today.thumbnails if today else dict.fromkeys(keys, "")
    for key in [key for key in keys if key in thumbnails]:
        found = {step: _of(by_step[step], key) for step in steps}
        moments = [
            Moment(step, texts.get(_number(one["nearest"]), ""), one["score"], one["is_right"])
            for step in chosen
            if (one := found[step])
        ]
        own = next(_number(one["own"]) for step in reversed(steps) if (one := found[step]))
        rows.append(PictureRow(key, texts.get(own, ""), thumbnails[key], moments))
    num_right = [(step, sum(one["is_right"] for one in by_step[step]["pictures"])) for step in steps]
    return Pictures(language, rows, num_right, note)


def _recorded(run: RunDir, last_step: int) -> dict[int, dict[str, Any]]:
    """The last line of each step. A resumed run writes steps again; what came after its checkpoint is not its
    own any more."""
    path = run.folder / FILE_NAME
    if not path.is_file():
        return {}
    found: dict[int, dict[str, Any]] = {}
    # A killed process may leave half a character. `splitlines` would also cut at a U+2028 in a caption.
    for text in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            # The last line of a run that was killed.
            continue
        if line["step"] <= last_step:
            found[line["step"]] = line
    return found


def _of(line: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    return next((one for one in line["pictures"] if one["key"] == key), None)


def _spread(steps: list[int]) -> list[int]:
    """At most MAX_MOMENTS of the steps, the first and the last among them."""
    if len(steps) <= MAX_MOMENTS:
        return steps
    places = [round(number * (len(steps) - 1) / (MAX_MOMENTS - 1)) for number in range(MAX_MOMENTS)]
    return [steps[place] for place in places]


def _number(caption: int | str) -> int:
    """The number of a caption; earlier versions recorded its text."""
    if isinstance(caption, int):
        return caption
    # Imported here: it imports pyarrow, and a page without pictures does not need it.
    import pyarrow as pa

    from training.data.numbers import caption_numbers

    return int(caption_numbers(pa.array([caption], pa.string()))[0])


@dataclass(frozen=True)
class _Today:
    """What the shard sets of a run have today."""

    thumbnails: dict[str, str]
    """pictures as data URIs, by key"""
    texts: dict[int, str]
    """captions by number"""


def _today(run: RunDir, keys: list[str], numbers: set[int], *, shows: bool) -> tuple[_Today | None, str]:
    """Pictures and captions that are not withdrawn, and a note if they cannot be read.

    Args:
        keys: of the pictures.
        numbers: of the captions.
        shows: whether pictures are wanted; otherwise an empty one stands for each that is there.
    """
    # Imported here: this imports torch, and the page of a run without validation does not need it.
    import numpy as np

    from training.data.samples import load
    from training.data.sources import own_sets
    from training.evaluation.examples import Thumbnails

    try:
        config = load_stored(TrainConfig, run.config_path)
        samples = load(own_sets(config), split=config.validation.split, policy=config.data.policy)
        row_of = {key: row for row, key in enumerate(samples.keys.to_pylist()) if key in set(keys)}
        number_C = samples.captions.text_C
        found = np.flatnonzero(np.isin(number_C, np.array(sorted(numbers), dtype=np.int64)))
        texts = {int(number_C[at]): samples.captions.text[int(at)].as_py() for at in reversed(found)}
        makes = Thumbnails(samples)
        return _Today({key: makes.of(row) if shows else "" for key, row in row_of.items()}, texts), ""
    except (IconoclipError, OSError) as error:
        what = error.what if isinstance(error, IconoclipError) else str(error)
        return None, f"Pictures and captions are not shown, because the shard sets cannot be read: {what}."
