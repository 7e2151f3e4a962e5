"""What people see of a record."""

from __future__ import annotations

import pytest

from iconoclip.record import Date
from retrieval.query.hits import date_text


@pytest.mark.parametrize(
    ("date", "shown"),
    [
        (None, None),
        (Date(text="um 1480", edtf="1480~"), "um 1480"),
        (Date(edtf="1490/1500"), "1490–1500"),
        (Date(text="1490/1500", earliest=1490, latest=1500), "1490–1500"),
        (Date(edtf="1490-05/1491-02"), "1490-05/1491-02"),
        (Date(text="12/1490"), "12/1490"),
        (Date(earliest=1490, latest=1490), "1490"),
        (Date(earliest=1490, latest=1500), "1490–1500"),
        (Date(latest=1500), "–1500"),
        (Date(earliest=1500), "1500–"),
        (Date(edtf="../1500"), "–1500"),
        (Date(edtf="1500/.."), "1500–"),
        (Date(text="until 1500", edtf="../1500"), "until 1500"),
    ],
)
def test_a_date_is_shown_as_its_source_writes_it_and_an_interval_with_a_dash(
    date: Date | None, shown: str | None
) -> None:
    assert date_text(date) == shown
