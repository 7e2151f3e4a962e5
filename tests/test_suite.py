"""The suite itself: what its configuration names is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import LONGEST_FIRST


@pytest.mark.parametrize("name", LONGEST_FIRST)
def test_a_file_that_starts_first_exists(name: str) -> None:
    assert (Path(__file__).parent / name).is_file(), "renamed? LONGEST_FIRST in tests/conftest.py names it"
