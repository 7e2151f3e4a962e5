"""Records graded by hand: the captions that a reader would want of each (graded/records.txt)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from data_prep.description import raw
from data_prep.description.raw import Describer, raw_pair
from data_prep.institutions import InstitutionProfile, load_profile
from iconoclip.record import PairLevel, RawPair

FILE: Final = Path(__file__).parent / "graded" / "records.txt"
ANY: Final = InstitutionProfile(slug="any", name="Any")
_SAID: Final = re.compile(r"([mcra]) ?([^:]*(?:dc:\w+)?): (.+?)(?: @([\w-]+))?$")
_LEVELS: Final[dict[str, PairLevel]] = {
    "m": "manifest", "c": "canvas", "r": "record", "a": "annotation",
}  # fmt: skip
_PROPERTIES: Final = {
    "m label": raw.MANIFEST_LABEL, "c label": raw.CANVAS_LABEL, "m summary": raw.SUMMARY,
    "m required": "attribution", "a ": "caption", "r dc:title": raw.RECORD_TITLE,
    "r dc:subject": raw.RECORD_SUBJECT, "r dc:description": "description", "r dc:creator": "creator",
    "r dc:date": "date", "r dc:type": "type",
}  # fmt: skip


@dataclass
class Graded:
    """One record and the captions expected of it."""

    name: str
    pairs: list[RawPair] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    @property
    def profile(self) -> InstitutionProfile:
        match = re.search(r"profile=(\S+)", self.name)
        return load_profile(match[1]) if match else ANY

    @property
    def num_images(self) -> int:
        match = re.search(r"images=(\d+)", self.name)
        return int(match[1]) if match else 1


def _pair(line: str) -> RawPair:
    match = _SAID.fullmatch(line)
    assert match, line
    kind, label, value, language = match.groups()
    by_format = "ignore" if kind == "r" else None
    return raw_pair(label, value, language, _LEVELS[kind], _PROPERTIES.get(f"{kind} {label}", by_format))


def graded() -> list[Graded]:
    """The records of the file."""
    found: list[Graded] = []
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            found.append(Graded(line[3:]))
        elif line.startswith("=>"):
            found[-1].expected += [line[3:]] if line[3:] else []
        elif line and not line.startswith("#"):
            found[-1].pairs.append(_pair(line))
    return found


def _cases() -> list[Any]:
    """The records; where one says NOT YET, the captions that a reader wants are not those that it has."""
    return [
        pytest.param(
            record,
            id=record.name,
            marks=[pytest.mark.xfail(strict=True)] if "NOT YET" in record.name else [],
        )
        for record in graded()
    ]


def test_two_hundred_records_are_graded() -> None:
    assert len(graded()) >= 200


@pytest.mark.parametrize("record", _cases())
def test_a_record_has_the_captions_that_a_reader_wants(record: Graded) -> None:
    captions = Describer(record.profile).describe(record.pairs, record.num_images).captions
    assert [f"{one.level} {one.role} {one.language}: {one.text}" for one in captions] == record.expected
