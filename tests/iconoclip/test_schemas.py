"""The schemas in docs/ are the formats, and what we write fits them."""

from __future__ import annotations

import json

import jsonschema
import pytest
from hypothesis import given, settings

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
@given(records())
def test_every_record_fits_the_published_schema(record: Record) -> None:
    jsonschema.validate(json.loads(record.model_dump_json()), schema("record"))
