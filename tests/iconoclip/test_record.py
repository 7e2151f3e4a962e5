"""Records survive their JSON, keys are stable, and splits keep groups together."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from iconoclip.record import KEY_PATTERN, Record, Region, sample_key, split_of
from tests.iconoclip.strategies import REGIONS, TEXT, records


@given(records())
def test_a_record_survives_its_json(record: Record) -> None:
    assert Record.model_validate_json(record.model_dump_json()) == record


@given(TEXT, st.none() | REGIONS)
def test_keys_are_stable_and_fit_for_webdataset(source_id: str, region: Region | None) -> None:
    key = sample_key("bnf", source_id, region)
    assert key == sample_key("bnf", source_id, region)
    assert re.match(KEY_PATTERN, key)
    assert "." not in key
    assert key == key.lower()


def test_the_key_is_the_published_hash() -> None:
    digits = hashlib.sha256(b"https://example.org/canvas/1#xywh=1,2,3,4").hexdigest()[:16]
    assert (
        sample_key("kb-nl", "https://example.org/canvas/1", Region(x=1, y=2, width=3, height=4))
        == f"kb-nl-{digits}"
    )


@given(
    records(),
    st.sampled_from(["../x-0000000000000000", "a.b-0000000000000000", "A-0000000000000000", "bnf-00"]),
)
def test_a_key_that_could_leave_the_folder_is_refused(record: Record, key: str) -> None:
    with pytest.raises(ValidationError):
        Record.model_validate({**record.model_dump(), "key": key})


@given(records())
def test_an_unknown_field_is_refused(record: Record) -> None:
    with pytest.raises(ValidationError):
        Record.model_validate({**record.model_dump(), "colour": "red"})


def test_an_opt_out_forbids_training_whatever_the_verdict() -> None:
    from iconoclip.rights import judge

    pdm = "http://creativecommons.org/publicdomain/mark/1.0/"
    assert judge(pdm).may_train
    assert not judge(pdm, opt_out=("tdmrep",)).may_train
    assert not judge(pdm).model_copy(update={"opt_out": ("noai",)}).may_train


@given(st.text(max_size=50))
def test_a_split_depends_on_the_group_alone(group: str) -> None:
    assert split_of(group, val_share=0.1, test_share=0.2) == split_of(group, val_share=0.1, test_share=0.2)
    assert split_of(group, val_share=0, test_share=0) == "train"
    assert split_of(group, val_share=0, test_share=1) == "test"


def test_split_shares_are_kept() -> None:
    sides = [split_of(f"group {n}", val_share=0.1, test_share=0.2) for n in range(20_000)]
    # Four standard deviations of a binomial share of 20,000 draws: 4 * sqrt(0.2 * 0.8 / 20000) = 0.011.
    assert abs(sides.count("test") / 20_000 - 0.2) < 0.011
    assert abs(sides.count("val") / 20_000 - 0.1) < 0.011
