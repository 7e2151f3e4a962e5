"""The suite itself: what its configuration names is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import LONGEST_FIRST, unit_of


@pytest.mark.parametrize("name", LONGEST_FIRST)
def test_what_starts_first_exists(name: str) -> None:
    assert (Path(__file__).parent / name).exists(), "renamed? LONGEST_FIRST in tests/conftest.py names it"


def test_a_worker_takes_a_file_but_the_cluster_whole() -> None:
    assert unit_of("training/test_ranks.py") == "training/test_ranks.py"
    assert unit_of("cluster/test_doctor.py") == unit_of("cluster/test_training.py") == "cluster"
