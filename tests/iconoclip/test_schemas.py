"""The schemas in docs/ are the formats, and what we write fits them."""

from __future__ import annotations

import json

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iconoclip.record import Record
from iconoclip.schemas import FORMATS, schema
from tests.conftest import ROOT
from tests.iconoclip.strategies import records


@pytest.mark.parametrize("name", FORMATS)
def test_the_published_schema_is_the_models(name: str) -> None:
    published = json.loads((ROOT / "docs" / "schemas" / f"{name}.schema.json").read_text())
    assert published == schema(name), "run `make schemas`"
    jsonschema.Draft202012Validator.check_schema(published)


@settings(max_examples=30)
@given(records(), st.data())
def test_every_record_fits_the_published_schema_and_a_part_of_one_does_not(
    record: Record, data: st.DataObject
) -> None:
    published = json.loads((ROOT / "docs" / "schemas" / "record.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(published)
    value = json.loads(record.model_dump_json())
    assert list(validator.iter_errors(value)) == []
    missing = data.draw(st.sampled_from(published["required"]))
    partial = {name: part for name, part in value.items() if name != missing}
    assert [error.message for error in validator.iter_errors(partial)] == [
        f"'{missing}' is a required property"
    ]
    assert not validator.is_valid({**value, "unheard_of": 1})
