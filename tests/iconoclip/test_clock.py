"""One format of time in every file, and SOURCE_DATE_EPOCH."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iconoclip import clock
from iconoclip.errors import ConfigError


def test_source_date_epoch_takes_the_place_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert clock.now() == "1970-01-02T00:00:00Z"
    assert clock.wall_now() > "2020", "when a job ran is a fact about the machine"


def test_a_given_time_overrides_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert clock.now("2026-05-04T09:00:00+02:00") == "2026-05-04T07:00:00Z"
    assert clock.now("2026-05-04") == "2026-05-04T00:00:00Z"


@pytest.mark.parametrize("epoch", ["", "now", "-1", "1.5", "²", "9" * 30])
def test_an_invalid_epoch_is_refused(epoch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    with pytest.raises(ConfigError, match="SOURCE_DATE_EPOCH"):
        clock.now()


@pytest.mark.parametrize("fixed", ["yesterday", "2026-13-01", "0001-01-01T00:00:00+14:00"])
def test_an_invalid_time_is_refused(fixed: str) -> None:
    with pytest.raises(ConfigError, match="ISO 8601"):
        clock.now(fixed)


@given(
    st.integers(int(datetime(1, 1, 3, tzinfo=UTC).timestamp()), clock.MAX_EPOCH - 86_400),
    st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_every_spelling_of_a_moment_is_read_as_the_same_moment(seconds: int, offset: timezone) -> None:
    whole = datetime.fromtimestamp(seconds, UTC)
    text = clock.written(whole.astimezone(offset))
    assert clock.parse(text) == clock.parse(text.replace("Z", "+00:00")) == whole
    assert clock.parse(whole.astimezone(offset).isoformat()) == whole
    assert clock.parse(text.removesuffix("Z")) == whole
    assert len(text) == len("2026-11-28T09:30:00Z")


def test_a_duration_is_readable() -> None:
    seconds = (0.4, 1, 119, 150, 7199, 7200, 360_000)
    assert [clock.duration(one) for one in seconds] == [
        "0 seconds", "1 second", "119 seconds", "2.5 minutes", "120.0 minutes", "2.0 hours", "100.0 hours",
    ]  # fmt: skip
