"""Lists of tars are counted before they are expanded."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iconoclip.errors import ConfigError
from iconoclip.tar_lists import MAX_TARS, _num_in, tars_in


@pytest.mark.parametrize(
    ("word", "num"),
    [
        ("a-{0..9999999999}.tar", "10,000,000,000"),
        ("a-{0..2000000}.tar", "2,000,001"),
        ("a-{0..999}{0..999}{0..9}.tar", "10,000,000"),
        # Inside of braces the library would make all of a product before it returns the first name.
        ("{{0..99999}{0..99999}{0..99999},b}.tar", "1,000,000,000,000,001"),
        ("{-1000000..1000000}{a..b}.tar", "4,000,002"),
    ],
)
def test_a_list_that_is_too_long_is_refused_at_once(word: str, num: str) -> None:
    with pytest.raises(ConfigError, match=f"names {num} tars, more than 1,000,000"):
        tars_in(word)


def test_numbers_of_thousands_of_digits_and_open_braces_are_refused() -> None:
    for word in ("{0.." + "9" * 5000 + "}.tar", "a{0..3.tar", "{1{2,3}.tar"):
        with pytest.raises(ConfigError, match="not a list of tars"):
            tars_in(word)


PARTS = st.recursive(
    st.sampled_from(
        ["a", "{1..3}", "{07..10}", "{3..1}", "{0..9..4}", "{a..c}", "{x}", r"\{", "{,b}", "{}", "0"]
    ),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: "{" + ",".join(parts) + "}")
        | st.lists(inner, min_size=1, max_size=3).map("".join)
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(PARTS)
def test_the_count_is_that_of_the_names(word: str) -> None:
    from braceexpand import braceexpand

    if (num := _num_in(word)) > 10_000:
        return
    assert num == sum(1 for _ in itertools.islice(braceexpand(word), MAX_TARS))
