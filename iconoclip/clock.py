"""The time format of every file that we write: ISO 8601, UTC, whole seconds, `2026-11-28T09:30:00Z`.

Readers accept `+00:00` and other offsets as well: earlier versions wrote those.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Final

from iconoclip.errors import ConfigError

# reproducible-builds.org/specs/source-date-epoch: seconds since 1970, in place of now.
EPOCH_VARIABLE: Final = "SOURCE_DATE_EPOCH"
# 9999-12-31T23:59:59Z, the last second with a four-digit year.
MAX_EPOCH: Final = 253_402_300_799


def now(fixed: str | None = None) -> str:
    """The time to write: `fixed`, else SOURCE_DATE_EPOCH, else now.

    Raises:
        ConfigError: `fixed` is not an ISO 8601 time, or SOURCE_DATE_EPOCH not a number of seconds.
    """
    if fixed:
        try:
            return written(parse(fixed))
        except (ValueError, OverflowError):
            raise ConfigError(
                "not a time in ISO 8601", where=fixed, remedy="write it like 2026-11-28T09:30:00Z"
            ) from None
    epoch = os.environ.get(EPOCH_VARIABLE)
    if epoch is None:
        return written(datetime.now(UTC))
    if not (epoch.isascii() and epoch.isdigit() and int(epoch) <= MAX_EPOCH):
        raise ConfigError(
            f"{EPOCH_VARIABLE} is not a number of seconds since 1970",
            where=epoch,
            remedy="unset it, or set it to a number such as 1700000000",
        )
    return written(datetime.fromtimestamp(int(epoch), UTC))


def this_year() -> int:
    """The current year in UTC; that of SOURCE_DATE_EPOCH, if it is set.

    Raises:
        ConfigError: SOURCE_DATE_EPOCH is not a number of seconds.
    """
    return int(now()[:4])


def wall_now() -> str:
    """The true time even if SOURCE_DATE_EPOCH is set: for records of when a job ran."""
    return written(datetime.now(UTC))


def written(moment: datetime) -> str:
    """A datetime with an offset in the format of our files. Fractions of a second are cut off."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def parse(text: str) -> datetime:
    """The recorded time as a datetime in UTC. A time without an offset is read as UTC.

    Raises:
        ValueError: it is not ISO 8601.
    """
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def duration(seconds: float) -> str:
    """A length of time for readers: seconds below two minutes, then minutes, from two hours on hours."""
    if seconds < 120:
        return f"{seconds:.0f} second{'' if round(seconds) == 1 else 's'}"
    return f"{seconds / 60:,.1f} minutes" if seconds < 7200 else f"{seconds / 3600:,.1f} hours"
