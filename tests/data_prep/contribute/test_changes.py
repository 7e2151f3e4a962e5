"""The summary of what a new mapping changes shows every kind of change."""

from __future__ import annotations

from pathlib import Path

from data_prep.contribute.changes import NUM_EXAMPLES, Changes
from data_prep.description.dates import parse_date
from iconoclip.shardset import ShardSet

SET = Path(__file__).parents[2] / "iconoclip" / "sets" / "before_raw_pairs"


def test_a_rare_kind_of_change_has_an_example_among_many_of_another_kind() -> None:
    record = next(ShardSet(SET).records()).model_copy(update={"date": None, "creators": ()})
    other_maker = record.model_copy(update={"creators": ("Anna Fenn",)})
    changes = Changes()
    for _ in range(3 * NUM_EXAMPLES):
        changes.add(record, other_maker)
    changes.add(record, record.model_copy(update={"date": parse_date("1650")}))
    changes.add(record, other_maker.model_copy(update={"object_type": "a marsh"}))
    changes.add(record, "no picture")
    counts, _, examples = changes.summary().partition("examples:\n")
    assert f"{3 * NUM_EXAMPLES + 1}  creators changed" in counts
    assert examples.count(record.key) == NUM_EXAMPLES
    assert examples.count("(1650 to 1650)") == 1
    assert examples.count("a marsh") == 1
    assert examples.count("left out: no picture") == 1
    assert examples.count("creators: none -> Anna Fenn") == NUM_EXAMPLES - 2


def test_open_dates_and_inverted_names_are_shown_as_they_are() -> None:
    record = next(ShardSet(SET).records()).model_copy(update={"date": None, "creators": ()})
    changes = Changes()
    makers = ("Bol, Ferdinand", "Flinck, Govert")
    changes.add(record, record.model_copy(update={"date": parse_date("before 1917"), "creators": makers}))
    changes.add(record, record.model_copy(update={"date": parse_date("after 1600")}))
    changes.add(record, record.model_copy(update={"date": parse_date("Paris")}))
    summary = changes.summary()
    for shown in ("(... to 1917)", "(1600 to ...)", "'Paris' (not read)", "Bol, Ferdinand; Flinck, Govert"):
        assert shown in summary
