"""One small armorial, served for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from builtin_collections.armorial.collection import Holdings, build
from builtin_collections.armorial.server.process import ServedArmorial, serve_armorial

NUM_ARMS = 660
SEED = 5


@pytest.fixture(scope="session")
def served() -> Iterator[ServedArmorial]:
    with serve_armorial(num_arms=NUM_ARMS, seed=SEED) as addresses:
        yield addresses


@pytest.fixture(scope="session")
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(timeout=20) as opened:
        yield opened


@pytest.fixture(scope="session")
def holdings() -> tuple[Holdings, ...]:
    """The contents of the served archives, built again from the same seed."""
    return build(num_arms=NUM_ARMS, seed=SEED)
